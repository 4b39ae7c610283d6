package control

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"

	"importerd/internal/job"
)

const (
	// formField is the field of a form that has the file.
	formField = "file"

	// formExtra is how much longer than its file a form may be, in bytes.
	formExtra = 1 << 20
)

// source is the body of an upload. What goes wrong in reading it is the sender's
// fault, whatever becomes of the error on its way through others.
type source struct {
	io.Reader

	err error
}

// Read remembers what went wrong.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}

	return n, err //nolint:wrapcheck // handed on
}

// receive brings the file of a request to the spool's disk. If a form names it and
// nothing else has, o gets that name. The draft must be closed.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, o *order) (Draft, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && kind == "multipart/form-data" {
		return s.receiveForm(w, r, o)
	}

	if err := o.named(); err != nil {
		return nil, err
	}

	return s.draft(w, r, o, r.Body)
}

// named checks that the file has a name, which triggers need not have.
func (o *order) named() error {
	if o.Name == "" && o.Origin != job.Triggered {
		return badRequest("the file has no name: add ?name=NAME")
	}

	return nil
}

// draft copies a body to the disk.
func (s *Server) draft(w http.ResponseWriter, r *http.Request, o *order, body io.ReadCloser) (Draft, error) {
	src := &source{Reader: s.limited(w, body, 0)}

	if s.o.MaxUpload > 0 && r.ContentLength > s.o.MaxUpload+formExtra {
		return nil, &http.MaxBytesError{Limit: s.o.MaxUpload}
	}

	d, err := o.spool.Intake.Draft(r.Context(), src)
	if err != nil && src.err != nil {
		return nil, bodyFault(src.err)
	}

	return d, err //nolint:wrapcheck // what stands behind Intake wraps
}

// limited bounds a body to what a file may have, and extra.
func (s *Server) limited(w http.ResponseWriter, body io.ReadCloser, extra int64) io.Reader {
	if s.o.MaxUpload <= 0 {
		return body
	}

	return http.MaxBytesReader(w, body, s.o.MaxUpload+extra)
}

// receiveForm takes the file out of a form that holds nothing else: what we do not
// know may be what the sender counts on.
func (s *Server) receiveForm(w http.ResponseWriter, r *http.Request, o *order) (Draft, error) {
	r.Body = io.NopCloser(s.limited(w, r.Body, formExtra))

	form, err := r.MultipartReader()
	if err != nil {
		return nil, badRequest("the form is malformed: it has no boundary")
	}

	part, err := form.NextRawPart()

	switch {
	case errors.Is(err, io.EOF):
		return nil, badRequest("the form is empty: it needs one field %q", formField)
	case err != nil:
		return nil, bodyFault(err)
	}

	if err := o.nameOf(part); err != nil {
		return nil, err
	}

	d, err := s.draft(w, r, o, part)
	if err != nil {
		return nil, err
	}

	if err := lastPart(form); err != nil {
		_ = d.Close() // the refusal is told

		return nil, err
	}

	return d, nil
}

// nameOf checks which field a part is and takes the file's name from it, as it was
// sent: a library would make a harmless one of a path.
func (o *order) nameOf(part *multipart.Part) error {
	if err := isFile(part); err != nil {
		return err
	}

	_, says, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil {
		return badRequest("the form is malformed: a part has no proper Content-Disposition")
	}

	if name, ok := says["filename"]; ok && o.Name == "" {
		if err := checkName(name); err != nil {
			return err
		}

		o.Name = name
	}

	return o.named()
}

// isFile checks that a part is the field that has the file.
func isFile(part *multipart.Part) error {
	if name := part.FormName(); name != formField {
		return badRequest("unknown field %q in the form: only %q is possible; "+
			"a name for the file goes into ?name=", name, formField)
	}

	return nil
}

// lastPart checks that nothing follows in a form, and that the form is whole.
func lastPart(form *multipart.Reader) error {
	part, err := form.NextRawPart()

	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return bodyFault(err)
	}

	if err := isFile(part); err != nil {
		return err
	}

	return badRequest("several files in one form: send one request for each; nothing was kept")
}
