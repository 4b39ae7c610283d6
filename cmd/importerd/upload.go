package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"importerd/internal/control/client"
	"importerd/internal/job"
)

// upload is a file on its way to the daemon. Its last bytes are not sent before it is
// certain that it was not written meanwhile: then nothing of it is accepted.
type upload struct {
	source string
	from   io.ReadCloser
	file   *os.File              // the same, where it is a regular file; nil otherwise
	info   os.FileInfo           // of file, at the begin
	left   int64                 // bytes of file to be sent
	err    atomic.Pointer[error] // why reading has ended too soon; nil: it has not

	mu      sync.Mutex
	touched bool // guarded by mu; reading has begun
	revoked bool // guarded by mu; it may not begin any more
}

// openUpload opens a file that shall be sent, or standard input for -. It must be closed.
func (p *program) openUpload(source string) (*upload, error) {
	from, err := p.openSource(source)
	if err != nil {
		return nil, err
	}

	u := &upload{source: source, from: from}

	if file, ok := from.(*os.File); ok {
		info, err := file.Stat()
		if err != nil {
			return nil, errors.Join(err, from.Close())
		}

		if info.Mode().IsRegular() {
			u.file, u.info, u.left = file, info, info.Size()
		}
	}

	return u, nil
}

// openSource opens what shall be dropped or sent.
func (p *program) openSource(source string) (io.ReadCloser, error) {
	if source == "-" {
		return io.NopCloser(p.stdin), nil
	}

	file, err := os.Open(source)
	if err != nil {
		return nil, err //nolint:wrapcheck // names the operation and the path
	}

	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory: give the files in it", job.Show(source))
	}

	if err != nil {
		return nil, errors.Join(err, file.Close())
	}

	return file, nil
}

// body returns what is to be sent.
func (u *upload) body() client.Body {
	size := int64(-1)
	if u.file != nil {
		size = u.left
	}

	return client.Body{Reader: u, Size: size}
}

// Read returns the next bytes; those of a regular file only as many as it had at
// the begin.
func (u *upload) Read(p []byte) (int, error) {
	if !u.touch() {
		return 0, errRevoked
	}

	n, err := u.read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		u.err.Store(&err)
	}

	return n, err
}

// touch notes that reading has begun; false: it may not begin any more.
func (u *upload) touch() bool {
	u.mu.Lock()
	defer u.mu.Unlock()

	u.touched = u.touched || !u.revoked

	return !u.revoked
}

// revoke takes the file back from who may be about to read it; false: reading has begun.
func (u *upload) revoke() bool {
	u.mu.Lock()
	defer u.mu.Unlock()

	u.revoked = !u.touched

	return u.revoked
}

// errRevoked is for those who read what was taken back.
var errRevoked = errors.New("the file goes another way")

// problem returns why reading has ended too soon; nil: it has not. Whoever is sent to may
// still read when he has answered.
func (u *upload) problem() error {
	if err := u.err.Load(); err != nil {
		return *err
	}

	return nil
}

// read is Read.
func (u *upload) read(p []byte) (int, error) {
	if u.file == nil {
		return u.from.Read(p)
	}

	if u.left == 0 {
		return 0, io.EOF
	}

	n, err := u.file.Read(p[:min(int64(len(p)), u.left)])
	u.left -= int64(n)

	if err == nil && u.left == 0 {
		err = u.check()
	}

	switch {
	case err == io.EOF: //nolint:errorlint // as it is returned
		return 0, u.changed() // it has become shorter
	case err != nil:
		return 0, err
	}

	return n, nil
}

// check says whether the file is as it was at the begin.
func (u *upload) check() error {
	info, err := u.file.Stat()
	if err != nil {
		return err //nolint:wrapcheck // names the operation and the path
	}

	if info.Size() != u.info.Size() || !info.ModTime().Equal(u.info.ModTime()) {
		return u.changed()
	}

	return nil
}

func (u *upload) changed() error {
	return fmt.Errorf("%s was changed while it was sent: nothing was accepted", job.Show(u.source))
}

// Close closes the file.
func (u *upload) Close() error { return u.from.Close() } //nolint:wrapcheck // of no use to anybody
