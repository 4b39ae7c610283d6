package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// probe makes an empty file where there is none, and looks at what is there
// without touching it. It returns which file that is.
func probe(path string) (fs.FileInfo, error) {
	info, err := os.Lstat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: journal %s is %w", errDamaged, job.Show(path), job.ErrNotRegular)
	}

	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, diskKind(fmt.Errorf("open journal: %w", err))
	}
	defer f.Close()

	if info, err = f.Stat(); err != nil {
		return nil, diskKind(fmt.Errorf("look at journal: %w", err))
	}

	if err := probeHeader(f, path); err != nil {
		return nil, err
	}

	return info, probeLog(path)
}

// Places in the first page of a database, see the SQLite file format.
const (
	headerSize        = 100
	headerMagic       = "SQLite format 3\x00"
	headerUserVersion = 60
)

func probeHeader(f io.Reader, path string) error {
	header := make([]byte, headerSize)

	switch n, err := io.ReadFull(f, header); {
	case errors.Is(err, io.EOF):
		return nil // empty: to be made
	case errors.Is(err, io.ErrUnexpectedEOF), err == nil && !bytes.HasPrefix(header, []byte(headerMagic)):
		return fmt.Errorf("%w: journal %s is no SQLite database (%d bytes read)", errDamaged, job.Show(path), n)
	case err != nil:
		return diskKind(fmt.Errorf("read journal: %w", err))
	}

	if v := int64(binary.BigEndian.Uint32(header[headerUserVersion:])); v > version {
		return &NewerError{Path: path, Version: v}
	}

	return nil
}

// probeLog finds a later version that is only in the -wal as yet.
func probeLog(path string) error {
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() == 0 {
		return nil
	}

	db, err := readers(path)
	if err != nil {
		return err
	}
	defer closeQuietly(db)

	var v int64
	if err := db.QueryRow("PRAGMA user_version").Scan(&v); err == nil && v > version {
		return &NewerError{Path: path, Version: v}
	}

	return nil // what is wrong shows when it is opened
}

// closeQuietly closes what an error, or an answer, was already got from.
func closeQuietly(c io.Closer) { _ = c.Close() }
