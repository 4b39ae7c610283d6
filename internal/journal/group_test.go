package journal_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"importerd/internal/job"
	"importerd/internal/journal"
)

func TestWhatArrivesTogetherIsCommittedTogether(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	j := open(t, dir)
	other := raw(t, dir)

	_, err := other.Exec("BEGIN IMMEDIATE") // so that the first has to wait
	must(t, err)

	const callers = 50

	before := j.Transactions()

	var group sync.WaitGroup

	for i := range callers {
		group.Go(func() {
			if err := j.Commit(plain(fmt.Sprint("file", i))); err != nil {
				t.Error(err)
			}
		})
	}

	until(t, "all but the first stand in line", func() bool { return j.Waiting() == callers-1 })

	_, err = other.Exec("COMMIT")
	must(t, err)
	group.Wait()

	if n := j.Transactions() - before; n != 2 {
		t.Errorf("%d transactions for %d callers, want 2", n, callers)
	}

	if n := j.Counts()[job.Processing]; n != callers {
		t.Errorf("%d jobs, want %d", n, callers)
	}
}

func TestOneBadRequestDoesNotHurtTheOthers(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	j := open(t, dir)
	other := raw(t, dir)

	_, err := other.Exec(`CREATE TRIGGER bad BEFORE INSERT ON job WHEN NEW.name = x'626164'
		BEGIN SELECT raise(ABORT, 'bad'); END; BEGIN IMMEDIATE`)
	must(t, err)

	var (
		group sync.WaitGroup
		errs  [3]error
	)

	for i, name := range []string{"good", "bad", "fine"} {
		group.Go(func() { errs[i] = j.Note(plain(name)) })
	}

	until(t, "two stand in line", func() bool { return j.Waiting() == 2 })

	_, err = other.Exec("COMMIT")
	must(t, err)
	group.Wait()

	if errs[0] != nil || errs[1] == nil || errs[2] != nil {
		t.Errorf("got %v, want an error for the second alone", errs)
	}

	if n := j.Counts()[job.Processing]; n != 2 || j.UnderWay("bad") {
		t.Errorf("%d jobs, want 2", n)
	}
}

func TestOneCallIsAllOrNothing(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	j := open(t, dir)

	_, err := raw(t, dir).Exec(`CREATE TRIGGER bad BEFORE INSERT ON job WHEN NEW.name = x'626164'
		BEGIN SELECT raise(ABORT, 'bad'); END`)
	must(t, err)

	var recs []job.Record
	for range 100 { // more than one statement takes
		recs = append(recs, plain("good"))
	}

	if err := j.Note(append(recs, plain("bad"))...); err == nil {
		t.Fatal("no error")
	}

	must(t, j.Commit(plain("after")))

	if list, err := j.List(journal.Query{}); err != nil || len(list) != 1 || j.UnderWay("good") {
		t.Errorf("%d jobs are there, want 1; %v", len(list), err)
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())

	const (
		callers = 8
		jobs    = 30
	)

	var group sync.WaitGroup

	for i := range callers {
		group.Go(func() {
			for n := range jobs {
				live(t, j, plain(fmt.Sprint(i, n)), n)
			}
		})
	}

	group.Wait()

	counts := j.Counts()
	if counts[job.Done] != callers*jobs/2 || counts[job.Failed] != callers*jobs/2-callers*jobs/6 {
		t.Errorf("wrong counts: %v", counts)
	}
}

// live takes a job through its life; half of them are done, a sixth is
// removed, the others fail.
func live(t *testing.T, j *journal.Journal, rec job.Record, n int) {
	check := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}

	check(j.Note(rec))

	rec.State, rec.DueAt = job.Deferred, time.Now()
	check(j.Note(rec))

	_, _, err := j.Due(time.Now(), 2)
	check(err)

	if !j.UnderWay(rec.Name) {
		t.Errorf("%s is not under way", rec.Name)
	}

	state := job.Done
	if n%2 == 1 {
		state = job.Failed
	}

	check(j.Commit(ended(rec, state)))

	_, err = j.List(journal.Query{Limit: 3})
	check(err)

	if n%6 == 1 {
		check(j.Remove(rec.ID))
	}

	for _, err := range j.Unfinished() {
		check(err)
	}
}

func TestCloseWhileOthersWrite(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()

	for range 10 {
		j := open(t, dir)

		var group sync.WaitGroup

		for range 4 {
			group.Go(func() {
				for {
					rec := plain("a")
					if j.Commit(rec) != nil || j.Commit(ended(rec, job.Done)) != nil {
						return
					}
				}
			})
		}

		group.Go(func() { must(t, j.Close()) })
		group.Wait()

		if err := j.Note(plain("b")); err == nil {
			t.Error("a closed journal takes records")
		}

		if _, _, err := j.Due(time.Now(), 1); err == nil {
			t.Error("a closed journal answers")
		}

		must(t, j.Close())
	}

	if exists(t, dir+"/journal.db-wal") {
		t.Error("the -wal is left after a close")
	}
}

func TestBugsAreRefused(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())
	strange, moved := plain("a"), plain("b")
	strange.State = "strange"
	moved.Moving = &job.Move{ID: job.NewID()}

	for _, rec := range []job.Record{{State: job.Done}, strange, moved} {
		if err := j.Note(plain("good"), rec); err == nil || errors.Is(err, job.ErrDisk) {
			t.Errorf("got %v for %+v", err, rec)
		}
	}

	if n := len(j.Counts()); n != 0 {
		t.Errorf("something was recorded: %v", j.Counts())
	}
}

// TestOneJobSeveralTimesInAGroup has what is on its way count as what is known.
func TestOneJobSeveralTimesInAGroup(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())
	first, other := plain("a"), plain("b")
	waiting := first
	waiting.State, waiting.DueAt = job.Deferred, time.Now().Add(time.Hour)
	last := ended(first, job.Done)
	last.Cursor = j.NextCursor()

	must(t, j.Note(first, waiting, other, last))

	for _, want := range []job.Record{last, other} {
		e, err := j.Get(want.ID)
		must(t, err)

		if d := differ(e.Record, want); d != "" {
			t.Error(d)
		}
	}

	due, next, err := j.Due(waiting.DueAt, 9)
	if err != nil || len(due) > 0 || !next.IsZero() || j.UnderWay("a") || !j.UnderWay("b") {
		t.Errorf("due %v, next %v, %v; under way: a %v, b %v", due, next, err, j.UnderWay("a"), j.UnderWay("b"))
	}

	counts := j.Counts()
	if counts[job.Done] != 1 || counts[job.Processing] != 1 || counts[job.Deferred] != 0 {
		t.Errorf("counts %v", counts)
	}

	tally, err := j.Tally()
	if err != nil || tally[job.Done] != 1 || tally[job.Processing] != 1 {
		t.Errorf("tally %v, %v", tally, err)
	}
}
