package spool

import (
	"fmt"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

const (
	reserveName = "reserve"
	reserveSize = 4 << 20
	blockSize   = 512 // of st_blocks, whatever the file system uses
)

// FillReserve makes .importerd/reserve whole: 4 MiB of the disk, really
// allocated, that are given up when the disk is full, so that the outcomes of
// what runs can be written.
//
// Errors: job.ErrDisk.
func (s *Spool) FillReserve() error {
	return s.withReserve("fill", func(fd int) error {
		err := again(func() error { return unix.Fallocate(fd, 0, 0, reserveSize) })
		if err != nil {
			return err
		}

		var stat unix.Stat_t
		if err := unix.Fstat(fd, &stat); err != nil {
			return err //nolint:wrapcheck // what is asked for is said below
		}

		if stat.Blocks*blockSize < reserveSize {
			return fmt.Errorf("%w: only %d bytes are allocated", unix.ENOSPC, stat.Blocks*blockSize)
		}

		return nil
	})
}

// SpendReserve gives the reserve back to the disk. It can be used when
// SpendReserve returns.
//
// Errors: job.ErrDisk.
func (s *Spool) SpendReserve() error {
	return s.withReserve("spend", func(fd int) error {
		if err := again(func() error { return unix.Ftruncate(fd, 0) }); err != nil {
			return err
		}

		// Blocks are free only when their release is on the disk. Nobody relies
		// on this flush: if it fails, the space is missing, and nothing else.
		return again(func() error { return unix.Fsync(fd) })
	})
}

// withReserve opens the reserve for do.
func (s *Spool) withReserve(verb string, do func(fd int) error) error {
	own, err := s.place(job.OwnFolder, reserveName)
	if err != nil {
		return err
	}

	err = own.use(func(at int) error {
		fd, err := openat(at, reserveName, unix.O_WRONLY|unix.O_CREAT|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return err
		}
		defer discard(fd)

		return do(fd)
	})

	return failed(verb, job.OwnFolder, reserveName, err)
}
