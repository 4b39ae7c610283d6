package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"importerd/internal/control/client"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// idOption is an option whose value is the id of a job.
type idOption struct{ id *job.ID }

// String returns the id, nothing if there is none.
func (o idOption) String() string {
	if o.id == nil || o.id.IsZero() {
		return ""
	}

	return o.id.String()
}

// Type returns what the help calls it.
func (o idOption) Type() string { return "ID" }

// Set takes an id.
func (o idOption) Set(text string) error {
	id, err := job.ParseID(text)
	if err == nil && id.IsZero() {
		err = fmt.Errorf("%q is the id of no job", text)
	}

	*o.id = id

	return err
}

// newAPI returns the options by which the daemon is found; while a job is waited for
// it is told when the daemon is away.
func (p *program) newAPI() api {
	told := false

	return api{away: func(err error) {
		if !told && errors.Is(err, client.ErrUnreachable) {
			told = true

			fmt.Fprintf(p.stderr, "importerd: %v: waiting for it to come back\n", err)
		}
	}}
}

// outcome waits for the end of a job. An error says that it was not done, or is not
// known to have been.
func outcome(ctx context.Context, c *client.Client, id job.ID) (wire.Job, error) {
	j, err := c.Wait(ctx, id)

	switch {
	case err != nil:
		return j, fmt.Errorf("wait for job %s: %w", id, err)
	case j.State != job.Done:
		return j, &fault{
			code: codeNotSo, err: fmt.Errorf("job %s (%s) is %s: %s", id, job.Show(j.Name), j.State,
				job.Show(cmp.Or(j.Error, "for no reason that is known"))),
			hint: "importerd log " + id.String() + " prints what its handler said",
		}
	}

	return j, nil
}

// sendFault says what became of something that was sent and did not become a job, or
// that may have become one.
func sendFault(what string, id job.ID, from *upload, err error) error {
	err = fmt.Errorf("%s: %w", what, err)

	switch {
	case from != nil && from.problem() != nil:
		return &fault{code: codeData, err: fmt.Errorf("%s: %w", what, from.problem())}
	case maybeDone(err):
		return &fault{
			code: codeUnavailable, err: fmt.Errorf("%w; it may have become job %s", err, id),
			hint: "do it again with --id " + id.String() + ": that is harmless, and tells",
		}
	case from != nil && away(err) && !from.revoke(): // it was cut: that is no answer to what was asked
		return &fault{
			code: codeUnavailable, err: fmt.Errorf("%w; it was cut off, and nothing was accepted", err),
			hint: "when the daemon is back, do it again with --id " + id.String(),
		}
	}

	return err
}

// away says whether the daemon is away, about to end or not at work.
func away(err error) bool {
	return errors.Is(err, client.ErrUnreachable) || client.IsCode(err, wire.CodeDraining) ||
		client.IsCode(err, wire.CodeDegraded)
}

// maybeDone says whether what was asked for may have been done in spite of err.
func maybeDone(err error) bool {
	if errors.Is(err, client.ErrLost) {
		return true
	}

	e, ok := errors.AsType[*client.Error](err)

	return ok && e.Status >= http.StatusInternalServerError && (e.Code == "" || e.Code == wire.CodeInternal)
}
