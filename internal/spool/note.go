package spool

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

const (
	noteSuffix = ".txt"
	noteTemp   = ".note.tmp" // one is enough: WriteNote works on one at a time
)

// NoteName returns the name that the note on a file in failed/ has in errors/.
// Of a name that leaves no room for ".txt" the end is replaced by "~" and a few
// hexadecimal digits, so that two such files still have two notes.
func (s *Spool) NoteName(name string) string {
	const digits = 8

	room := s.nameMax - len(noteSuffix)
	if len(name) <= room {
		return name + noteSuffix
	}

	sum := sha256.Sum256([]byte(name))

	return cut(name, room-digits-1) + "~" + hex.EncodeToString(sum[:digits/2]) + noteSuffix
}

// WriteNote writes the note on the file name in failed/, in the place of an
// earlier one. A reader sees the old or the new text, never a part. It is not
// flushed: the journal knows what it says.
//
// Errors: job.ErrDisk; others if a directory has its name.
func (s *Spool) WriteNote(name string, text []byte) error {
	d, err := s.place(job.ErrorsFolder, name)
	if err != nil {
		return err
	}

	s.noting.Lock()
	defer s.noting.Unlock()

	note := s.NoteName(name)

	err = d.use(func(at int) error {
		if err := writeNew(at, noteTemp, text); err != nil {
			return err
		}

		return again(func() error { return unix.Renameat(at, noteTemp, at, note) })
	})
	if err != nil {
		_ = d.unlink(noteTemp) // the next note would remove it too
	}

	return failed("write", job.ErrorsFolder, note, err)
}

// writeNew makes a file anew with the text in it.
func writeNew(at int, name string, text []byte) error {
	if err := unix.Unlinkat(at, name, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove: %w", err)
	}

	const mode = 0o640

	fd, err := openat(at, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, mode)
	if err != nil {
		return err
	}

	if err := writeAll(fd, text); err != nil {
		return discardFor(fd, err)
	}

	if err := unix.Close(fd); err != nil {
		return fmt.Errorf("close: %w", err)
	}

	return nil
}

// writeAll writes the text, however short the single writes are: a disk that
// gets full may take a part of it without an error.
func writeAll(fd int, text []byte) error {
	for len(text) > 0 {
		var n int

		err := again(func() (err error) {
			n, err = unix.Write(fd, text)

			return err //nolint:wrapcheck // wrapped below
		})
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}

		text = text[n:]
	}

	return nil
}
