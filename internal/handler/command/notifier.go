package command

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"importerd/internal/handler/cgroup"
	"importerd/internal/job"
)

// Notifier runs the command that tells a person of a failure.
type Notifier struct {
	base base
}

// Notice is what such a command is told.
type Notice struct {
	Job  job.Record // with a zero ID only the spool is told
	Path string     // absolute path of the file where it lies now; empty: there is none
	Note []byte     // for standard input
	Log  string     // absolute path of a log for the output, perhaps the job's own; empty: it is thrown away
}

// NewNotifier returns a notifier for c. Its command is run as it is written: a
// {} in an argument means nothing, and no path is appended.
func NewNotifier(c Config) (*Notifier, error) {
	b, err := newBase(c)
	if err != nil {
		return nil, err
	}

	return &Notifier{base: b}, nil
}

// Notify runs the command once and waits for its end. It gets the note as
// standard input, a file already written, so that it need not read it, and the
// job's variables. When ctx is done its tree is ended as a handler's is. The
// error tells of a command that could not be run or did not exit with 0.
func (n *Notifier) Notify(ctx context.Context, notice Notice) error {
	r := run{
		base:   n.base,
		argv:   n.base.command,
		env:    n.base.environ(noticeVariables(n.base.spool, notice)),
		stdin:  func() (int, error) { return openNote(notice.Note) },
		output: newOutput(attemptLog{path: notice.Log, title: "told of the failure"}),
		name:   noteGroup(n.base.spool, notice.Job.ID),
	}

	exit := r.do(ctx)

	switch {
	case exit.Err != nil:
		return fmt.Errorf("notify: %w", exit.Err)
	case exit.Signal != "":
		return fmt.Errorf("notify: %s died of %s: %s", n.base.command[0], exit.Signal, exit.Tail)
	case exit.Code != 0:
		return fmt.Errorf("notify: %s exited with %d: %s", n.base.command[0], exit.Code, exit.Tail)
	}

	return nil
}

// noteGroup returns the name of the cgroup for a notice. Spools may be told of at the
// same time.
func noteGroup(spool string, id job.ID) string {
	if id.IsZero() {
		return cgroup.NotePrefix + spool
	}

	return cgroup.NotePrefix + id.String()
}

func noticeVariables(spool string, notice Notice) []string {
	if notice.Job.ID.IsZero() {
		return []string{jobPrefix + "SPOOL=" + spool}
	}

	return recordVariables(spool, notice.Path, notice.Job)
}

// openNote returns a descriptor from which note can be read. It is a file in
// memory: a pipe would need somebody who writes it for as long as it is read.
func openNote(note []byte) (int, error) {
	fd, err := unix.MemfdCreate("note", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("note: %w", err)
	}

	for off := 0; off < len(note); {
		n, err := unix.Pwrite(fd, note[off:], int64(off))
		if err != nil {
			_ = unix.Close(fd)

			return -1, fmt.Errorf("note: %w", err)
		}

		off += n
	}

	return fd, nil
}
