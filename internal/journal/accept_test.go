package journal_test

import (
	"errors"
	"sync"
	"testing"

	"importerd/internal/job"
	"importerd/internal/journal"
)

func trigger() job.Record {
	rec := plain("start")
	rec.State, rec.Origin, rec.File = job.Deferred, job.Triggered, "start"

	return rec
}

// TestOfTriggersThatComeTogetherOneWins has them come in one group, together with
// others that are not concerned.
func TestOfTriggersThatComeTogetherOneWins(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	j := open(t, dir)
	other := raw(t, dir)

	_, err := other.Exec("BEGIN IMMEDIATE") // so that the first has to wait
	must(t, err)

	const callers = 20

	var (
		group sync.WaitGroup
		errs  [callers]error
		recs  [callers]job.Record
	)

	before := j.Transactions()

	for i := range callers {
		recs[i] = trigger()

		group.Go(func() { errs[i] = j.Accept(recs[i]) })
		group.Go(func() {
			if err := j.Note(plain("other")); err != nil {
				t.Error(err)
			}
		})
	}

	until(t, "all but the first stand in line", func() bool { return j.Waiting() == 2*callers-1 })

	_, err = other.Exec("COMMIT")
	must(t, err)
	group.Wait()

	if n := j.Transactions() - before; n != 2 {
		t.Errorf("%d transactions, want 2: who is refused must not cost one", n)
	}

	winner, state, ok := j.Trigger()
	if !ok || state != job.Deferred {
		t.Fatalf("trigger %s is %q, %v", winner, state, ok)
	}

	accepted := 0

	for i, err := range errs {
		var busy *job.BusyError

		switch {
		case err == nil && recs[i].ID == winner:
			accepted++
		case !errors.As(err, &busy) || *busy != (job.BusyError{ID: winner, State: job.Deferred}):
			t.Errorf("caller %d got %v", i, err)
		}
	}

	if counts := j.Counts(); accepted != 1 || counts[job.Deferred] != 1 || counts[job.Processing] != callers {
		t.Errorf("%d accepted, counts %v", accepted, counts)
	}
}

// TestTriggerKeepsOthersOutUntilItsMoveIsConfirmed takes one through its life, over
// new starts.
func TestTriggerKeepsOthersOutUntilItsMoveIsConfirmed(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	j := open(t, dir)
	rec := trigger()

	must(t, j.Accept(rec))

	wants := func(state job.State) {
		t.Helper()
		must(t, j.Close())
		j = open(t, dir)

		if id, got, ok := j.Trigger(); id != rec.ID || got != state || !ok {
			t.Errorf("trigger %s is %q, %v; want it to be %q", id, got, ok, state)
		}

		var (
			busy  *job.BusyError
			known *job.KnownError
		)

		if err := j.Accept(trigger()); !errors.As(err, &busy) || busy.ID != rec.ID || busy.State != state {
			t.Errorf("%s: another one: %v", state, err)
		}

		if err := j.Accept(rec); !errors.As(err, &known) || known.ID != rec.ID {
			t.Errorf("%s: the same once more: %v", state, err)
		}

		upload := plain("start")
		upload.Origin = job.Uploaded
		must(t, j.Accept(upload))
	}

	wants(job.Deferred)

	rec.State = job.Processing
	must(t, j.Note(rec))
	wants(job.Processing)
	must(t, j.Wish(job.WishPause, rec.ID))
	wants(job.Paused)

	rec = ended(rec, job.Failed)
	rec.Moving = &job.Move{From: job.ProcessingFolder, To: job.FailedFolder, ID: rec.ID}
	must(t, j.Commit(rec))
	wants(job.Failed)

	rec.Moving = nil
	must(t, j.Note(rec))

	if id, state, ok := j.Trigger(); ok {
		t.Errorf("trigger %s is %q after its end", id, state)
	}

	next := trigger()
	must(t, j.Accept(next))

	rec.State = job.Deferred // a retry brings it back beside the other
	must(t, j.Commit(rec))
	must(t, j.Commit(ended(next, job.Done)))
	wants(job.Deferred)
	must(t, j.Drop(rec.ID))

	if _, _, ok := j.Trigger(); ok {
		t.Error("a trigger that was dropped is open")
	}
}

func TestAcceptRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())

	for name, change := range map[string]func(*job.Record){
		"no id":     func(rec *job.Record) { rec.ID = job.ID{} },
		"no state":  func(rec *job.Record) { rec.State = "" },
		"no origin": func(rec *job.Record) { rec.Origin = "heaven" },
		"no cursor": func(rec *job.Record) { rec.Cursor = -1 },
	} {
		rec := trigger()
		change(&rec)

		if err := j.Accept(rec); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}

	if list, err := j.List(journal.Query{}); err != nil || len(list) != 0 {
		t.Errorf("%d jobs, %v", len(list), err)
	}
}
