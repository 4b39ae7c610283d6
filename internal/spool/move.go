package spool

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// Move renames a file from one folder to another and returns the name that it
// has there: the wished one or, if that is taken or too long for the file
// system, the one with the id. A file there is never replaced, also not by
// another name of the same file. Any type of file is moved.
//
// Errors, with which the file stays where it was: fs.ErrNotExist: it is not
// there; fs.ErrExist: the name with the id is taken too; job.ErrDisk.
func (s *Spool) Move(m job.Move) (string, error) {
	from, err := s.place(m.From, m.File)
	if err != nil {
		return "", err
	}

	to, err := s.place(m.To, m.Name)
	if err != nil {
		return "", err
	}

	if m.To == job.InboxFolder { // nothing that has an id ever goes back there
		return "", noSuchFolder(m.To)
	}

	name, err := s.moveTo(from, m.File, to, []string{m.Name, s.withID(m.Name, m.ID)})

	return name, failed("move", m.From, m.File, err)
}

// moveTo moves to the first name that is free and fits.
func (s *Spool) moveTo(from *dir, file string, to *dir, wishes []string) (string, error) {
	return firstFree(to, wishes, func(name string) error { return move(from, file, to, name) })
}

// firstFree calls give with one name after the other until one is free and fits.
func firstFree(to *dir, wishes []string, give func(name string) error) (string, error) {
	var err error

	for _, name := range wishes {
		err = give(name)
		if err == nil {
			return name, nil
		}

		if !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ENAMETOOLONG) {
			return "", err
		}
	}

	return "", fmt.Errorf("to %s: %w", job.Show(to.path), err)
}

// SetAside moves what is in processing/ under name and is no file for a
// handler, of whatever type, to .importerd/work/aside/, and returns its path there.
//
// Errors: as for Move.
func (s *Spool) SetAside(name string) (string, error) {
	from, err := s.place(job.ProcessingFolder, name)
	if err != nil {
		return "", err
	}

	got, err := s.moveTo(from, name, s.aside, []string{name, s.withID(name, job.NewID())})
	if err != nil {
		return "", failed("set aside", job.ProcessingFolder, name, err)
	}

	return s.aside.path + "/" + got, nil
}

// Remove removes a file from errors/, the only folder of which all files are
// ours to remove. One that is not there is fs.ErrNotExist.
func (s *Spool) Remove(folder job.Folder, name string) error {
	if folder != job.ErrorsFolder {
		return noSuchFolder(folder)
	}

	d, err := s.place(folder, name)
	if err != nil {
		return err
	}

	if _, err = statFile(d, name); err == nil {
		err = d.unlink(name)
	}

	return failed("remove", folder, name, err)
}

// withID is job.WithID for file systems that allow less than 255 bytes, as
// eCryptfs does. Of a name that is too long there the stem is cut, then the
// extension; the id never.
func (s *Spool) withID(name string, id job.ID) string {
	full := job.WithID(name, id)
	if len(full) <= s.nameMax {
		return full
	}

	middle := "." + id.String()
	at := strings.LastIndex(full, middle)
	room := s.nameMax - len(middle) - 1 // one byte of the stem at least
	ext := cut(full[at+len(middle):], max(room, 0))

	return cut(full[:at], max(room+1-len(ext), 0)) + middle + ext
}

// cut returns the longest prefix of text with at most size bytes that does not end
// within a UTF-8 sequence. Bytes that are no UTF-8 may be parted anywhere.
func cut(text string, size int) string {
	if len(text) <= size {
		return text
	}

	for end := size; end > 0 && end > size-utf8.UTFMax; end-- {
		if utf8.RuneStart(text[end]) {
			return text[:end]
		}
	}

	return text[:size]
}
