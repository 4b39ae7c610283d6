// Package upload finds the file in a request: its body, or the only field of a form.
package upload

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"

	"importerd/internal/control/reply"
)

const (
	// field is the field of a form that has the file.
	field = "file"

	// extra is how much longer than its file a form may be, in bytes.
	extra = 1 << 20
)

// File is the file of a request, to be read once to its end.
type File struct {
	Name string // as it was sent: no more than text; empty: there was none

	from io.Reader
	form *multipart.Reader // nil: the file is the whole body
	body io.Reader         // of the request
	err  error             // what went wrong in reading
}

// Open returns the file of r, of which nothing is read yet. It may have most bytes;
// zero: any number. Its errors are faults.
func Open(w http.ResponseWriter, r *http.Request, most int64) (*File, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && kind == "multipart/form-data" {
		return openForm(w, r, most)
	}

	if most > 0 && r.ContentLength > most {
		return nil, reply.FaultOf(&http.MaxBytesError{Limit: most})
	}

	return &File{from: limited(w, r.Body, most, 0), body: r.Body}, nil
}

// limited bounds a body to what a file may have, and more.
func limited(w http.ResponseWriter, body io.ReadCloser, most, more int64) io.ReadCloser {
	if most <= 0 {
		return body
	}

	return http.MaxBytesReader(w, body, most+more)
}

// openForm finds the file in a form that holds nothing else: what we do not know may
// be what the sender counts on.
func openForm(w http.ResponseWriter, r *http.Request, most int64) (*File, error) {
	if most > 0 && r.ContentLength > most+extra {
		return nil, reply.FaultOf(&http.MaxBytesError{Limit: most})
	}

	whole := r.Body
	r.Body = limited(w, whole, most, extra)

	form, err := r.MultipartReader()
	if err != nil {
		return nil, reply.BadRequest("the form is malformed: it has no boundary")
	}

	part, err := form.NextRawPart()

	switch {
	case errors.Is(err, io.EOF):
		return nil, reply.BadRequest("the form is empty: it needs one field %q", field)
	case err != nil:
		return nil, reply.BodyFault(err)
	}

	name, err := nameOf(part)
	if err != nil {
		return nil, err
	}

	return &File{Name: name, from: limited(w, part, most, 0), form: form, body: whole}, nil
}

// nameOf checks which field a part is and returns the file's name as it was sent: a
// library would make a harmless one of a path.
func nameOf(part *multipart.Part) (string, error) {
	if err := isFile(part); err != nil {
		return "", err
	}

	_, says, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil {
		return "", reply.BadRequest("the form is malformed: a part has no proper Content-Disposition")
	}

	return says["filename"], nil
}

// isFile checks that a part is the field that has the file.
func isFile(part *multipart.Part) error {
	if name := part.FormName(); name != field {
		return reply.BadRequest("unknown field %q in the form: only %q is possible; "+
			"a name for the file goes into ?name=", name, field)
	}

	return nil
}

// Read reads the file. Its end is told when it is certain that nothing follows it and that
// the request is whole.
func (f *File) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}

	n, err := f.from.Read(p)
	if errors.Is(err, io.EOF) {
		if fault := f.end(); fault != nil {
			err = fault
		}
	}

	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}

	return n, err
}

// Cut makes reading fail at once, also a read that waits for the sender. It may be called
// from another goroutine.
func (f *File) Cut() {
	if body, ok := f.body.(interface{ Cut() }); ok { // else it is one that does not wait
		body.Cut()
	}
}

// Fault returns the fault of the sender, if it is his that the file could not be read
// to its end, whatever became of the error on its way through others; nil: it is not.
func (f *File) Fault() error {
	if f.err == nil {
		return nil
	}

	return reply.BodyFault(f.err)
}

// end checks, when all was read, that nothing follows and that the request is whole.
func (f *File) end() error {
	if f.form == nil {
		return nil
	}

	part, err := f.form.NextRawPart()
	if errors.Is(err, io.EOF) {
		f.form = nil // it is whole, also if it is asked again
	}

	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return reply.BodyFault(err)
	}

	if err := isFile(part); err != nil {
		return err
	}

	return reply.BadRequest("several files in one form: send one request for each; nothing was kept")
}
