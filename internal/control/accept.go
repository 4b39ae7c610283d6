package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"importerd/internal/control/reply"
	"importerd/internal/control/upload"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// keyHeader is the header by which a client gives the job's id, so that it may send
// the same request again when it does not know what became of the first.
const keyHeader = "Idempotency-Key"

// maxWait is how long an answer waits at most for a job's end.
const maxWait = 5 * time.Minute

// order is what a request wants to be made a job of.
type order struct {
	spool *Spool
	Acceptance

	wait time.Duration // for the job's end; zero: not at all
}

// putFile accepts a file.
func (s *Server) putFile(w http.ResponseWriter, r *http.Request) error {
	sp, err := s.spool(r.PathValue("spool"))
	if err != nil {
		return err
	}

	return s.accept(w, r, sp, job.Uploaded)
}

// startSpool accepts a trigger.
func (s *Server) startSpool(w http.ResponseWriter, r *http.Request) error {
	sp, err := s.spool(r.PathValue("spool"))
	if err != nil {
		return err
	}

	return s.accept(w, r, sp, job.Triggered)
}

// startOnly accepts a trigger for the only spool.
func (s *Server) startOnly(w http.ResponseWriter, r *http.Request) error {
	sp, err := s.only("")
	if err != nil {
		return err
	}

	return s.accept(w, r, sp, job.Triggered)
}

// accept makes a job of the request's body.
func (s *Server) accept(w http.ResponseWriter, r *http.Request, sp *Spool, origin job.Origin) error {
	o, err := readOrder(r, sp, origin)
	if err != nil {
		return err
	}

	// First, so that a repeat need not send the body again, and is answered also while
	// we drain.
	if rec, known, err := s.known(o); err != nil {
		return err
	} else if known {
		return s.accepted(w, r, o, rec, http.StatusOK)
	}

	if s.o.Draining() {
		return job.ErrDraining
	}

	rec, status, err := s.take(w, r, &o)
	if err != nil {
		return err
	}

	return s.accepted(w, r, o, rec, status)
}

// take makes a job of the request's body. When it returns the spool is not held any more:
// whoever then waits for the job's end must not keep it from its own.
func (s *Server) take(w http.ResponseWriter, r *http.Request, o *order) (job.Record, int, error) {
	if !s.uploads.enter() {
		return job.Record{}, 0, tooMany("files are sent")
	}
	defer s.uploads.leave()

	d, err := s.draft(w, r, o)
	if err != nil {
		return job.Record{}, 0, err
	}
	defer d.Close()

	status := http.StatusCreated
	if o.Origin == job.Triggered {
		status = http.StatusAccepted // what it was asked for is yet to be done
	}

	// Whoever has sent all of it has done his part: that he then goes away stops nothing.
	rec, err := o.spool.Intake.Accept(context.WithoutCancel(r.Context()), d, o.Acceptance)
	if _, again := errors.AsType[*job.KnownError](err); again {
		status = http.StatusOK
		rec, err = o.spool.History.Get(o.ID)
	}

	if err != nil {
		return rec, 0, fmt.Errorf("accept a file for %s: %w", o.spool.Name, err)
	}

	return rec, status, nil
}

// draft brings the file of a request to the spool's disk. It must be closed.
func (s *Server) draft(w http.ResponseWriter, r *http.Request, o *order) (Draft, error) {
	file, err := upload.Open(w, r, s.o.MaxUpload)
	if err != nil {
		return nil, err
	}

	if err := o.takeName(file.Name); err != nil {
		return nil, err
	}

	d, err := o.spool.Intake.Draft(r.Context(), file)

	switch fault := file.Fault(); {
	case err == nil:
	case errors.Is(err, job.ErrDraining): // what was cut off is not the sender's fault
		return nil, job.ErrDraining
	case errors.Is(err, job.ErrDegraded):
		return nil, job.ErrDegraded
	case fault != nil:
		return nil, fault
	default:
		return nil, fmt.Errorf("receive a file for %s: %w", o.spool.Name, err)
	}

	return d, nil
}

// takeName gives the file the name that a form has for it, if the query has none.
func (o *order) takeName(name string) error {
	switch {
	case o.Name != "":
		return nil
	case name != "":
		o.Name = name

		return checkName(name)
	case o.Origin == job.Triggered:
		return nil
	}

	return reply.BadRequest("the file has no name: add ?name=NAME")
}

// checkName returns the fault of a name that no file may have.
func checkName(name string) error {
	if err := job.CheckName(name); err != nil {
		return reply.BadName("%s", err)
	}

	return nil
}

// readOrder reads what the request's head says.
func readOrder(r *http.Request, sp *Spool, origin job.Origin) (order, error) {
	given, err := reply.Parameters(r, "name", "wait")
	if err != nil {
		return order{}, err
	}

	o := order{spool: sp, Acceptance: Acceptance{Name: given["name"], Origin: origin}}

	if name, ok := given["name"]; ok {
		if err := checkName(name); err != nil {
			return order{}, err
		}
	}

	if o.wait, err = waiting(given["wait"]); err != nil {
		return order{}, err
	}

	o.ID, err = readKey(r.Header.Values(keyHeader))

	return o, err
}

// waiting reads how long to wait for a job's end; none: not at all.
func waiting(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}

	d, err := reply.Duration("wait", text)
	if err == nil && d > maxWait {
		err = reply.BadRequest("wait: at most 5m is possible: use the monitor")
	}

	return d, err
}

// readKey reads the id that the client gives the job; zero: none.
func readKey(values []string) (job.ID, error) {
	if len(values) == 0 {
		return job.ID{}, nil
	}

	id, err := job.ParseID(strings.Trim(values[0], `"`)) // some clients write it as a quoted string
	if err != nil || len(values) > 1 || id.IsZero() {
		return job.ID{}, reply.BadRequest("%s: give one UUID, not all zeros, in 36 characters", keyHeader)
	}

	return id, nil
}

// known returns the job that the request's key names, if there is one.
func (s *Server) known(o order) (job.Record, bool, error) {
	if o.ID.IsZero() {
		return job.Record{}, false, nil
	}

	rec, err := o.spool.History.Get(o.ID)
	if err == nil {
		return rec, true, nil
	}

	if !isNone(err) {
		return rec, false, fmt.Errorf("look for a job in %s: %w", o.spool.Name, err)
	}

	// An id names one job, whatever the spool. A spool that does not answer holds up nobody.
	if _, rec, err := s.find(o.ID); err == nil {
		return rec, false, reply.NewFault(http.StatusConflict, wire.CodeConflict,
			"the key %s was used for a job of the spool %s: use another one", o.ID, rec.Spool).About(o.ID, rec.Shown())
	}

	return job.Record{}, false, nil
}

// accepted answers with the accepted job, if it is so wished after its end.
func (s *Server) accepted(w http.ResponseWriter, r *http.Request, o order, rec job.Record, status int) error {
	if o.wait > 0 {
		status = http.StatusAccepted

		if rec = s.await(r.Context(), o.spool, rec, o.wait); rec.State.Ended() {
			status = http.StatusOK
		}
	}

	w.Header().Set("Location", strings.Replace(wire.PathJob, "{id}", rec.ID.String(), 1))

	return reply.JSON(w, status, o.spool.shown(rec))
}

// await returns a job when it has ended, or as it is when the wait is over, when too many
// wait already, or when we end.
func (s *Server) await(ctx context.Context, sp *Spool, rec job.Record, wait time.Duration) job.Record {
	if !s.waits.enter() {
		return rec // it is safe, and that is what must be told
	}
	defer s.waits.leave()

	ctx, over := s.lasting(ctx)
	defer over()

	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()

	if sp.Waiter != nil {
		if ended, err := sp.Waiter.Wait(ctx, rec.ID); err == nil {
			return ended
		}
	}

	if now, err := sp.History.Get(rec.ID); err == nil {
		return now
	}

	return rec
}
