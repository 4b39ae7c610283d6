package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"importerd/internal/config"
	"importerd/internal/job"
)

// allAccess is what the daemon needs on its folders.
const allAccess = unix.R_OK | unix.W_OK | unix.X_OK

// examination gathers what is wrong with one spool, without changing anything.
type examination struct {
	spool    config.Spool
	mount    uint64 // of the spool's directory
	problems []string
}

// examine returns what is wrong with the directories and programs of s.
func examine(s config.Spool) []string {
	e := &examination{spool: s, problems: []string{}}

	if e.root() {
		e.folders()
	}

	e.handler()

	if len(s.OnFailed) > 0 {
		e.program("on_failed", s.OnFailed)
	}

	if s.Cwd != "" && unix.Faccessat(unix.AT_FDCWD, s.Cwd+"/.", unix.X_OK, unix.AT_EACCESS) != nil {
		e.add("cwd %s is no directory that user %d may enter", job.Show(s.Cwd), os.Geteuid())
	}

	return e.problems
}

// handler looks for the program that does the work.
func (e *examination) handler() {
	if len(e.spool.Worker) > 0 {
		e.program("worker", e.spool.Worker)
	} else {
		e.program("command", e.spool.Command)
	}
}

func (e *examination) add(format string, args ...any) {
	e.problems = append(e.problems, fmt.Sprintf(format, args...))
}

// root looks at the spool's directory and its file system.
func (e *examination) root() bool {
	stat, ok := e.directory("dir", e.spool.Dir)
	if !ok {
		return false
	}

	e.mount = stat.Mnt_id

	var fs unix.Statfs_t
	if err := unix.Statfs(e.spool.Dir, &fs); err != nil {
		e.add("dir %s: %v", job.Show(e.spool.Dir), err)

		return false
	}

	// These refuse a rename that must not replace anything; of others only the
	// daemon's trial can tell.
	switch fs.Type {
	case unix.NFS_SUPER_MAGIC, unix.V9FS_MAGIC:
		name := map[int64]string{unix.NFS_SUPER_MAGIC: "NFS", unix.V9FS_MAGIC: "9p"}[fs.Type]
		e.add("dir %s is on %s, where files cannot be moved safely: use a local file system",
			job.Show(e.spool.Dir), name)
	}

	return true
}

// folders looks at those that exist; the daemon makes the others.
func (e *examination) folders() {
	private := []job.Folder{job.ProcessingFolder, job.DeferredFolder, job.OwnFolder}
	shared := []job.Folder{job.DoneFolder, job.FailedFolder, job.ErrorsFolder, job.ResultsFolder}

	for _, folder := range append(shared, private...) {
		path := filepath.Join(e.spool.Dir, string(folder))
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}

		e.folder(string(folder), path)
	}

	for _, folder := range private {
		path := filepath.Join(e.spool.Dir, string(folder))
		if info, err := os.Lstat(path); err == nil && info.IsDir() && info.Mode().Perm()&0o002 != 0 {
			e.add("%s %s may be written by everybody (mode %04o): chmod 0700 %[2]s", folder, path, info.Mode().Perm())
		}
	}

	path := e.spool.InboxDir()
	if _, err := os.Lstat(path); e.spool.Inbox == "" && errors.Is(err, fs.ErrNotExist) {
		return
	}

	e.folder("inbox", path)
}

// folder looks at one folder, which must be on the mount of the spool's directory.
func (e *examination) folder(what, path string) {
	stat, ok := e.directory(what, path)
	if ok && stat.Mnt_id != e.mount {
		e.add("%s %s is on another mount than %s, and files cannot be moved from mount to mount: "+
			"put it on the same one (in a unit, give both one ReadWritePaths= entry)",
			what, job.Show(path), job.Show(e.spool.Dir))
	}
}

// directory looks at a directory that must be there, and says whether it is good.
func (e *examination) directory(what, path string) (unix.Statx_t, bool) {
	var stat unix.Statx_t

	what += " " + job.Show(path)

	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_TYPE|unix.STATX_MNT_ID, &stat)
	if err == nil && stat.Mode&unix.S_IFMT == unix.S_IFDIR {
		err = unix.Faccessat(unix.AT_FDCWD, path, allAccess, unix.AT_EACCESS)
		if err == nil {
			return stat, true
		}

		e.add("%s may not be used by user %d (%v): change its owner or mode", what, os.Geteuid(), err)

		return stat, false
	}

	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.add("%s is not there: mkdir -p %s", what, job.Show(path))
	case err != nil:
		e.add("%s cannot be looked at: %v", what, err)
	case stat.Mode&unix.S_IFMT == unix.S_IFLNK:
		e.add("%s is a symbolic link: name the directory that it points to", what)
	default:
		e.add("%s is not a directory: move it away", what)
	}

	return stat, false
}

// program looks for the program of a command as the daemon does.
func (e *examination) program(key string, command []string) {
	name := command[0]
	if strings.Contains(name, "/") {
		if err := executable(name); err != nil {
			e.add("%s %s: %s", key, job.Show(name), whyNot(err))
		}

		return
	}

	path := cmp.Or(e.spool.Env["PATH"], os.Getenv("PATH"), "/usr/local/bin:/usr/bin:/bin")

	for dir := range strings.SplitSeq(path, ":") {
		if filepath.IsAbs(dir) && executable(filepath.Join(dir, name)) == nil {
			return
		}
	}

	e.add("%s: no program %s in PATH (%s): write its whole path", key, job.Show(name), job.Show(path))
}

// executable says why path is no program for us.
func executable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err //nolint:wrapcheck // told by the caller
	}

	if info.IsDir() {
		return unix.EISDIR
	}

	return unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS) //nolint:wrapcheck // as above
}

// whyNot says what to do about a program that is none.
func whyNot(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such program: install it, or mend the path"
	case errors.Is(err, unix.EISDIR):
		return "is a directory: write the path of a program"
	case errors.Is(err, fs.ErrPermission):
		return "may not be executed: chmod +x it"
	}

	return err.Error()
}
