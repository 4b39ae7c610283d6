package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// draftMode lets the group read the file when it has come to done/, where the
// group is let in; deferred/ is nobody else's.
const draftMode = 0o640

// Draft is a file that was received whole and lies, flushed, on the spool's disk,
// but has no name yet. It belongs to one goroutine.
type Draft struct {
	spool    *Spool
	delivery *delivery
	file     job.File
	appeared bool
}

// NewDraft copies r to the disk of the spool. The file has the owner of the inbox
// if we are root and may give files away. Nothing is left behind if it fails. ctx
// is asked before each read and cancels with its cause; it does not wake a reader.
//
// Errors: what r returned; the cause of ctx; job.ErrDisk.
func (s *Spool) NewDraft(ctx context.Context, r io.Reader) (*Draft, error) {
	var source error // what went wrong that is not ours

	read := reader(func(buf []byte) (int, error) {
		if source = context.Cause(ctx); source != nil {
			return 0, source
		}

		n, err := r.Read(buf)
		if err != nil && err != io.EOF {
			source = err
		}

		return n, err
	})

	d, err := s.receive(read)

	switch {
	case err == nil:
		return d, nil
	case source == nil: // of the answers of a network some are those of a disk too
		err = withKind(err)
	}

	return nil, fmt.Errorf("receive a file for spool %s: %w", job.Show(s.name), err)
}

// reader is a function as io.Reader.
type reader func(buf []byte) (int, error)

func (r reader) Read(buf []byte) (int, error) { return r(buf) }

func (s *Spool) receive(r io.Reader) (*Draft, error) {
	to, err := s.folder(job.DeferredFolder)
	if err != nil {
		return nil, err
	}

	d, err := newDelivery(to, s.work, draftMode)
	if err != nil {
		return nil, err
	}

	draft := &Draft{spool: s, delivery: d}

	if err := draft.fill(r); err != nil {
		return nil, errors.Join(err, draft.Close())
	}

	return draft, nil
}

func (d *Draft) fill(r io.Reader) error {
	// We can use the file whoever owns it, so a refusal does no harm.
	if err := d.delivery.own(d.spool.inbox.Load()); err != nil && !errors.Is(err, unix.EPERM) {
		return err
	}

	if err := d.delivery.fill(r); err != nil {
		return err
	}

	if err := d.delivery.release(); err != nil {
		return err
	}

	var err error

	d.file, err = fileOf(int(d.delivery.file.Fd()), "", "")

	return err
}

// release keeps the file open for reading only. While somebody has it open for
// writing it counts as not whole, and nobody would handle it before Close.
func (d *delivery) release() error {
	fd, err := -1, error(nil)

	if d.temp == "" {
		fd, err = openat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(int(d.file.Fd())), unix.O_RDONLY, 0)
	} else {
		err = d.home.use(func(at int) (err error) {
			fd, err = openat(at, d.temp, unix.O_RDONLY|unix.O_NOFOLLOW, 0)

			return err
		})
	}

	if err != nil {
		return fmt.Errorf("open it for reading: %w", err)
	}

	old := d.file
	d.file = os.NewFile(uintptr(fd), old.Name())

	return old.Close() //nolint:wrapcheck // its text says it
}

// File returns what the kernel says of the file. It has no Name, and its Ctime
// will be another one when it has.
func (d *Draft) File() job.File { return d.file }

// Size returns the length of the file in bytes.
func (d *Draft) Size() int64 { return d.file.Size }

// Appear puts the file into deferred/ under name or, if that is taken or too long
// for the file system, the one with the id, and returns the name that it got.
// Nothing is replaced. The name is durable after Sync(job.DeferredFolder).
//
// Errors, with which the file has no name: fs.ErrExist: both names are taken;
// job.ErrDisk.
func (d *Draft) Appear(name string, id job.ID) (string, error) {
	got, err := d.appear(name, id)
	if err != nil {
		return "", failed("make", job.DeferredFolder, name, err)
	}

	d.appeared = true

	return got, nil
}

func (d *Draft) appear(name string, id job.ID) (string, error) {
	if d.appeared {
		return "", fmt.Errorf("bug: it has a name already: %w", fs.ErrInvalid)
	}

	to, err := d.spool.place(job.DeferredFolder, name)
	if err != nil {
		return "", err
	}

	return firstFree(to, []string{name, d.spool.withID(name, id)}, d.delivery.appear)
}

// Close removes the file unless it has appeared. Closing again does nothing.
func (d *Draft) Close() error {
	err := d.delivery.close()
	if err == nil || errors.Is(err, fs.ErrClosed) {
		return nil
	}

	return fmt.Errorf("close a received file: %w", withKind(err))
}

// clearDrafts removes received files that needed a hidden name when we were killed.
func (s *Spool) clearDrafts() error {
	for name, err := range names(s.work) {
		if err != nil {
			return fmt.Errorf("read %s: %w", job.Show(s.work.path), err)
		}

		if strings.HasPrefix(name, hiddenPrefix) && strings.HasSuffix(name, hiddenSuffix) {
			_ = s.work.unlink(name) // the next start tries again
		}
	}

	return nil
}
