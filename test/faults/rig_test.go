package faults_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// rig is a spool, what is known of its contents, and the daemon that works on it.
type rig struct {
	testing.TB
	tags    string // of the daemon's build
	role    string // of the handler
	spool   string
	side    string // where handlers leave traces
	options []string
	prefix  []string  // command under which the daemon runs, as strace
	log     io.Writer // of the daemon; nil: the history
	environ []string  // besides
	daemon  *exec.Cmd
	lives   int // how many daemons were started
}

// newRig makes a rig for the spool in dir, which may be on any disk.
func newRig(t testing.TB, spool string) *rig {
	t.Helper()

	r := &rig{TB: t, role: "model", spool: spool, side: t.TempDir()}
	if err := os.MkdirAll(r.path("inbox"), 0o770); err != nil {
		t.Fatal(err)
	}

	r.options = []string{
		"--workers", "4", "--backoff", "20ms..200ms", "--sweep", "200ms", "--linger", "20ms", "--settle", "100ms",
		"--kill-after", "300ms", "--results", "--log-format", "json", "--log-level", "debug",
	}

	t.Cleanup(func() {
		if r.daemon != nil {
			r.kill()
		}
	})

	return r
}

func (r *rig) path(elem ...string) string {
	return filepath.Join(append([]string{r.spool}, elem...)...)
}

func (r *rig) history() string { return filepath.Join(r.side, historyName) }

// start starts the daemon and does not wait for it.
func (r *rig) start() {
	r.Helper()

	args := slices.Concat(r.prefix, []string{binary(r.tags), "run", "--spool", r.spool}, r.options,
		[]string{"--", os.Args[0], "{}"})
	if r.role == "worker" {
		args = slices.Concat(r.prefix, []string{binary(r.tags), "run"}, r.configure())
	}

	r.lives++
	r.daemon = exec.Command(args[0], args[1:]...)
	r.daemon.Env = append(os.Environ(), roleVar+"="+r.role, sideVar+"="+r.side, fmt.Sprintf("%s=%d", lifeVar, r.lives))
	r.daemon.Env = append(r.daemon.Env, r.environ...)
	r.daemon.Dir = r.side
	r.daemon.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r.daemon.Stderr = r.log

	if r.log == nil {
		log, err := os.OpenFile(r.history(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			r.Fatal(err)
		}
		defer log.Close()

		r.daemon.Stderr = log
	}

	if err := r.daemon.Start(); err != nil {
		r.Fatal(err)
	}
}

// kill ends the daemon with SIGKILL and leaves its handlers alone.
func (r *rig) kill() {
	r.Helper()

	_ = syscall.Kill(-r.daemon.Process.Pid, syscall.SIGKILL) // dead already is as good
	_ = r.daemon.Wait()
	r.daemon = nil

	r.note(killed)
}

// stop asks the daemon to drain and returns its exit status.
func (r *rig) stop() int {
	r.Helper()

	_ = syscall.Kill(-r.daemon.Process.Pid, syscall.SIGTERM)

	return r.ended()
}

// ended waits until the daemon has ended by itself and returns its exit status.
func (r *rig) ended() int {
	r.Helper()

	pid := r.daemon.Process.Pid
	timer := time.AfterFunc(patience, func() {
		r.Errorf("the daemon does not end")

		_ = syscall.Kill(-pid, syscall.SIGKILL)
	})

	err := r.daemon.Wait()

	timer.Stop()
	r.daemon = nil

	r.note(killed)

	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}

	return 0
}

func (r *rig) note(message string) {
	if err := (event{Message: message}).append(r.history()); err != nil {
		r.Error(err)
	}
}

// folders are those in which a delivered file may lie.
func folders() []job.Folder {
	return []job.Folder{job.InboxFolder, job.ProcessingFolder, job.DeferredFolder, job.DoneFolder, job.FailedFolder}
}

// files returns the names in a folder, without those of trials and uploads.
func (r *rig) files(folder job.Folder) []string {
	entries, err := os.ReadDir(r.path(string(folder)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.EIO) { // EIO: the power is cut
		r.Error(err)
	}

	var names []string

	for _, e := range entries {
		if name := e.Name(); !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, ".part") {
			names = append(names, name)
		}
	}

	return names
}

// census returns the places of all files by inode.
func (r *rig) census() map[uint64][]string {
	places := map[uint64][]string{}

	for _, folder := range folders() {
		for _, name := range r.files(folder) {
			ino := inode(r.path(string(folder), name))
			places[ino] = append(places[ino], string(folder)+"/"+name)
		}
	}

	return places
}

// left says how many files have not come to their end.
func (r *rig) left() int {
	return len(r.files(job.InboxFolder)) + len(r.files(job.ProcessingFolder)) + len(r.files(job.DeferredFolder))
}

// tail returns the end of the history.
func (r *rig) tail() string {
	text, err := os.ReadFile(r.history())
	if err != nil {
		return err.Error()
	}

	return fmt.Sprintf("the end of the history:\n%s", text[max(0, len(text)-3000):])
}

// written returns how long the history is.
func (r *rig) written() int64 {
	info, err := os.Stat(r.history())
	if err != nil {
		return 0
	}

	return info.Size()
}

// says whether the history behind an offset holds a text.
func (r *rig) says(offset int64, text string) bool {
	history, err := os.ReadFile(r.history())

	return err == nil && int64(len(history)) > offset && strings.Contains(string(history[offset:]), text)
}

// drain lets a daemon finish what is left, and stops it.
func (r *rig) drain() {
	r.Helper()

	before := r.written()
	r.start()

	// Until then it goes on with what was begun, also with files that lie where they belong.
	if r.log == nil && !poll(func() bool { return r.says(before, `"message":"ready"`) }) {
		r.Errorf("the daemon does not get ready\n%s", r.tail())
	}

	zero := 0 // a file on its way from one folder to another may be missed once

	if !poll(func() bool {
		zero++
		if r.left() > 0 {
			zero = 0
		}

		return zero > 3
	}) {
		r.Errorf("%d files do not come to their end: inbox %q, processing %q, deferred %q\n%s", r.left(),
			r.files(job.InboxFolder), r.files(job.ProcessingFolder), r.files(job.DeferredFolder), r.tail())
	}

	if code := r.stop(); code != 0 {
		r.Errorf("the daemon has ended with status %d, want 0\n%s", code, r.tail())
	}
}
