package spool

import (
	"time"

	"importerd/internal/job"
)

// SetAsideOwn renames a file in .importerd/ that is of no use any more, so that
// another can take its place, and returns its new name: the old one with
// .damaged and the time. It is durable when it returns.
//
// Errors: as for Move, and job.ErrUntrusted as for Sync.
func (s *Spool) SetAsideOwn(name string) (string, error) {
	own, err := s.place(job.OwnFolder, name)
	if err != nil {
		return "", err
	}

	kept := name + ".damaged-" + time.Now().UTC().Format("20060102T150405.000000")

	if err := move(own, name, own, kept); err != nil {
		return "", failed("set aside", job.OwnFolder, name, err)
	}

	return kept, s.flush(own)
}
