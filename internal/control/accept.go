package control

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// keyHeader is the header by which a client gives the job's id, so that it may send
// the same request again when it does not know what became of the first.
const keyHeader = "Idempotency-Key"

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
	if rec, known, err := s.known(o); err != nil || known {
		return s.accepted(w, r, o, rec, http.StatusOK, err)
	}

	if s.o.Draining() {
		return job.ErrDraining
	}

	d, err := s.receive(w, r, &o)
	if err != nil {
		return err
	}
	defer d.Close()

	// Whoever has sent all of it has done his part: that he then goes away stops nothing.
	rec, err := sp.Intake.Accept(context.WithoutCancel(r.Context()), d, o.Acceptance)
	if _, again := errors.AsType[*job.KnownError](err); again {
		rec, err = sp.History.Get(o.ID)

		return s.accepted(w, r, o, rec, http.StatusOK, err)
	}

	return s.accepted(w, r, o, rec, statusOf(origin), err)
}

// statusOf returns what an acceptance is answered with.
func statusOf(origin job.Origin) int {
	if origin == job.Triggered {
		return http.StatusAccepted // what it was asked for is yet to be done
	}

	return http.StatusCreated
}

// readOrder reads what the request's head says.
func readOrder(r *http.Request, sp *Spool, origin job.Origin) (order, error) {
	given, err := parameters(r, "name", "wait")
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

// readKey reads the id that the client gives the job; zero: none.
func readKey(values []string) (job.ID, error) {
	if len(values) == 0 {
		return job.ID{}, nil
	}

	id, err := job.ParseID(strings.Trim(values[0], `"`)) // some clients write it as a quoted string
	if err != nil || len(values) > 1 || id.IsZero() {
		return job.ID{}, badRequest("%s: give one UUID, not all zeros, in 36 characters", keyHeader)
	}

	return id, nil
}

// checkName says what is wrong with a name for a file.
func checkName(name string) error {
	if err := job.CheckName(name); err != nil {
		return newFault(http.StatusBadRequest, wire.CodeBadName, "%s", err)
	}

	return nil
}

// known returns the job that the request's key names, if there is one.
func (s *Server) known(o order) (job.Record, bool, error) {
	if o.ID.IsZero() {
		return job.Record{}, false, nil
	}

	rec, err := o.spool.History.Get(o.ID)
	if !isNone(err) {
		return rec, err == nil, err
	}

	// An id names one job, whatever the spool. A spool that does not answer holds up nobody.
	if _, rec, err := s.find(o.ID); err == nil {
		return rec, false, newFault(http.StatusConflict, wire.CodeConflict,
			"the key %s was used for a job of the spool %s: use another one", o.ID, rec.Spool).about(o.ID, rec.Shown())
	}

	return job.Record{}, false, nil
}

// accepted answers with the accepted job, if it wishes so after its end. The err of
// the acceptance is handed on.
func (s *Server) accepted(
	w http.ResponseWriter, r *http.Request, o order, rec job.Record, status int, err error,
) error {
	if err != nil {
		return err
	}

	if o.wait > 0 {
		status = http.StatusAccepted

		if rec = s.await(r, o.spool, rec, o.wait); rec.State.Ended() {
			status = http.StatusOK
		}
	}

	w.Header().Set("Location", strings.Replace(wire.PathJob, "{id}", rec.ID.String(), 1))

	return tell(w, status, o.spool.shown(rec))
}

// await returns a job when it has ended, or as it is when the wait is over or we end.
func (s *Server) await(r *http.Request, sp *Spool, rec job.Record, wait time.Duration) job.Record {
	ctx, over := s.lasting(r)
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
