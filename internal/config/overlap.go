package config

import (
	"fmt"
	"os"
	"path/filepath"
)

// area is a directory that belongs to a spool, and all directories around it.
type area struct {
	spool string // its name
	key   string // dir or inbox
	path  string // as written
	chain []step // from the directory itself up to the root
}

// step is one directory of a chain.
type step struct {
	path string
	info os.FileInfo // nil: not there, or not to be seen
}

// newArea follows links as far as path exists.
func newArea(spool, key, path string) area {
	a := area{spool: spool, key: key, path: path}

	for path = resolve(filepath.Clean(path)); ; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		if err != nil {
			info = nil
		}

		a.chain = append(a.chain, step{path, info})

		if path == filepath.Dir(path) {
			return a
		}
	}
}

// resolve returns path without links, as far as it exists.
func resolve(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}

	parent := filepath.Dir(path)
	if parent == path {
		return path
	}

	return filepath.Join(resolve(parent), filepath.Base(path))
}

// same says whether both are one directory: by device and inode where they
// exist, so that bind mounts count, by path otherwise.
func (s step) same(t step) bool {
	if s.info != nil && t.info != nil {
		return os.SameFile(s.info, t.info)
	}

	return s.path == t.path
}

// in says whether a is b, or lies in it.
func (a area) in(b area) bool {
	for _, s := range a.chain {
		if s.same(b.chain[0]) {
			return true
		}
	}

	return false
}

// clash tells what is wrong with a and b belonging to two spools; empty: nothing.
func (a area) clash(b area) string {
	switch in, around := a.in(b), b.in(a); {
	case in && around:
		return "is also"
	case in:
		return "lies in"
	case around:
		return "lies around"
	}

	return ""
}

// overlaps notes two spools with one directory or inbox, or one inside another.
func (l *loader) overlaps() {
	var areas []area

	for _, s := range l.spools {
		if s.Dir != "" {
			areas = append(areas, newArea(s.Name, "dir", s.Dir))
		}

		if s.Inbox != "" {
			areas = append(areas, newArea(s.Name, "inbox", s.Inbox))
		}
	}

	for i, a := range areas {
		for _, b := range areas[:i] {
			if how := a.clash(b); how != "" && a.spool != b.spool {
				l.clash(a, b, how)
			}
		}
	}
}

// clash notes a clash at the line that comes later in the file.
func (l *loader) clash(a, b area, how string) {
	here := l.doc.at("spool", a.spool, a.key).value
	there := l.doc.at("spool", b.spool, b.key).value

	if there.line > here.line {
		a, b, here, there = b, a, there, here
		how = a.clash(b)
	}

	l.add(here, fmt.Errorf("spool %s: %s %q %s the %s of spool %s (%q, line %d): give each spool a directory of its own",
		label(a.spool), a.key, a.path, how, b.key, label(b.spool), b.path, there.line))
}

// checkInbox judges where a spool's own inbox lies: producers write there, so it
// must not be one of the folders that are ours, nor around them.
func checkInbox(s Spool) error {
	if s.Inbox == "" {
		return nil
	}

	inbox := newArea(s.Name, "inbox", s.Inbox)
	if newArea(s.Name, "dir", s.Dir).in(inbox) {
		return fmt.Errorf("%q is the spool's directory or lies around it: write a directory inside or beside it", s.Inbox)
	}

	for _, name := range []string{"processing", "deferred", "done", "failed", "errors", "results", ".importerd"} {
		if inbox.in(newArea(s.Name, "dir", filepath.Join(s.Dir, name))) {
			return fmt.Errorf("%q lies in the spool's folder %s/: write another directory", s.Inbox, name)
		}
	}

	return nil
}
