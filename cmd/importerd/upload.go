package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"importerd/internal/control/client"
	"importerd/internal/job"
)

// upload is a file on its way to the daemon. Its last bytes are not sent before it is
// certain that it was not written meanwhile: then nothing of it is accepted.
type upload struct {
	source  string
	from    io.ReadCloser
	file    *os.File    // the same, where it is a regular file; nil otherwise
	info    os.FileInfo // of file, at the begin
	left    int64       // bytes of file to be sent
	touched bool        // something was read
	err     error       // why reading has ended too soon
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
	u.touched = true

	if u.file == nil {
		n, err := u.from.Read(p)
		if err != nil && err != io.EOF {
			u.err = err
		}

		return n, err
	}

	if u.left == 0 {
		return 0, io.EOF
	}

	n, err := u.file.Read(p[:min(int64(len(p)), u.left)])
	u.left -= int64(n)

	if err == nil && u.left == 0 {
		err = u.check()
	}

	if err != nil {
		n, u.err = 0, u.problem(err)
	}

	return n, u.err
}

// problem is what an error of reading means; that of the end of a file, which should
// not come, that it has become shorter.
func (u *upload) problem(err error) error {
	if err == io.EOF { //nolint:errorlint // as it is returned
		return u.changed()
	}

	return err
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
