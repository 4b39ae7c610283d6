package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"importerd/internal/config"
	"importerd/internal/job"
)

// inbox is where files are dropped for a spool, and what it takes.
type inbox struct {
	path  string
	rules *config.Spool // nil: not known
}

// findInbox finds the inbox of a spool by its directory or by its name in the
// configuration. A directory needs no configuration; if there is one that can
// be read and has it, its rules hold.
func (c *put) findInbox(name string) (inbox, error) {
	cfg, err := config.Load(c.at.config)

	info, statErr := os.Stat(name)
	if strings.Contains(name, "/") || statErr == nil && info.IsDir() {
		return inboxOf(name, info, cfg)
	}

	if err != nil {
		return inbox{}, &fault{
			code: codeConfig, err: fmt.Errorf("%q is no directory, and its name cannot be looked up: %w", name, err),
			hint: "give the directory of the spool, or the configuration file with --config",
		}
	}

	names := make([]string, len(cfg.Spools))

	for i, s := range cfg.Spools {
		if s.Name == name {
			return inbox{s.InboxDir(), &s}, nil
		}

		names[i] = s.Name
	}

	return inbox{}, usage("the spools there are "+strings.Join(names, ", "),
		"%q is neither a directory nor a spool of %s", name, c.at.config)
}

// inboxOf returns the inbox of a spool's directory.
func inboxOf(path string, info os.FileInfo, cfg config.Config) (inbox, error) {
	if info == nil {
		return inbox{}, &fault{code: codeNotSo, err: fmt.Errorf("no spool at %s: %w", job.Show(path), fs.ErrNotExist)}
	}

	for _, s := range cfg.Spools {
		if at, err := os.Stat(s.Dir); err == nil && os.SameFile(at, info) {
			return inbox{s.InboxDir(), &s}, nil
		}
	}

	if dir := spoolOf(path, info, cfg); dir != "" {
		return inbox{}, usage("importerd put "+job.Show(dir)+" FILE",
			"%s is the inbox of a spool: give the spool's directory", job.Show(path))
	}

	return inbox{filepath.Join(path, string(job.InboxFolder)), nil}, nil
}

// spoolOf returns the directory of the spool of which path is the inbox; empty: it
// is none, or that cannot be told.
func spoolOf(path string, info os.FileInfo, cfg config.Config) string {
	for _, s := range cfg.Spools {
		if at, err := os.Stat(s.InboxDir()); err == nil && os.SameFile(at, info) {
			return s.Dir
		}
	}

	whole, err := filepath.Abs(path)
	if err != nil || filepath.Base(whole) != string(job.InboxFolder) {
		return ""
	}

	for _, folder := range []job.Folder{job.InboxFolder, job.OwnFolder} {
		if _, err := os.Lstat(filepath.Join(whole, string(folder))); err == nil {
			return "" // a spool of this name
		}
	}

	return filepath.Dir(filepath.Clean(path))
}

// check says why a file of this name would never be taken.
func (b inbox) check(name string) error {
	if err := job.CheckName(name); err != nil {
		return err
	}

	if b.rules == nil {
		return nil
	}

	if b.isMarker(name) {
		return fmt.Errorf("name %q is that of a marker (*%s), which is never handled: give another one",
			name, b.rules.Marker)
	}

	if !b.matches(name) {
		return fmt.Errorf("name %q matches none of the spool's patterns (%s): give another one",
			name, strings.Join(b.rules.Match, ", "))
	}

	return nil
}

// isMarker says whether a name is one that only markers have.
func (b inbox) isMarker(name string) bool {
	return b.rules != nil && b.rules.Ready == config.ReadyMarker && strings.HasSuffix(name, b.rules.Marker)
}

// matches says whether a name matches one of the spool's patterns, as far as they are known.
func (b inbox) matches(name string) bool {
	matches := func(glob string) bool {
		ok, err := doublestar.Match(glob, name)

		return ok && err == nil
	}

	return b.rules == nil || len(b.rules.Match) == 0 || slices.ContainsFunc(b.rules.Match, matches)
}
