package monitor

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"importerd/internal/job"
)

func TestWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New(Options{Spools: []string{"a", "b"}})
		a := openSpool(h, "a", newBook())
		done, running, held := a.end(t, job.Record{}), a.begin(t), a.finish(t, a.begin(t))

		if rec, err := h.Wait(t.Context(), done.ID); err != nil || rec.ID != done.ID || rec.State != job.Done {
			t.Errorf("%v, %v", rec, err)
		}

		answers := map[job.ID]chan job.Record{}

		for _, rec := range []job.Record{running, held} {
			answers[rec.ID] = make(chan job.Record, 1)

			go func() {
				rec, err := h.Wait(t.Context(), rec.ID)
				if err != nil {
					t.Error(err)
				}

				answers[rec.ID] <- rec
			}()
		}

		a.feed.Withhold([]job.ID{held.ID})
		a.end(t, job.Record{})
		synctest.Wait()

		if len(answers[held.ID]) != 0 {
			t.Error("an end is told that is not true")
		}

		running.Exit = &job.Exit{Tail: []byte("all of it")}
		a.end(t, running)
		a.end(t, held)

		if rec := <-answers[running.ID]; rec.State != job.Done || string(rec.Exit.Tail) != "all of it" {
			t.Errorf("%+v", rec)
		}

		<-answers[held.ID]

		// Of a spool that is not open nobody knows which jobs it has.
		errs := make(chan error, 1)

		go func() {
			_, err := h.Wait(t.Context(), job.NewID())
			errs <- err
		}()

		synctest.Wait()

		if len(errs) != 0 {
			t.Errorf("while a spool is not open: %v", <-errs)
		}

		openSpool(h, "b", newBook())

		if err := <-errs; !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v", err)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()

		if _, err := h.Wait(ctx, a.begin(t).ID); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}

		rec := a.begin(t)

		go func() {
			_, err := h.Wait(t.Context(), rec.ID)
			errs <- err
		}()

		synctest.Wait()
		h.Shut("it is over")

		if err := <-errs; !errors.Is(err, job.ErrDraining) {
			t.Errorf("%v", err)
		}

		synctest.Wait()

		if len(h.byID)+len(h.watchers) != 0 {
			t.Error("something is left of those who waited")
		}
	})
}

func TestLive(t *testing.T) {
	t.Parallel()

	h := New(Options{})
	a := openSpool(h, "a", newBook())
	rec, half := a.begin(t), 0.5

	lives := func(want bool) {
		t.Helper()

		got, progress, ok := h.Live(rec.ID)
		if ok != want || want && (got.State != rec.State || got.Wish != rec.Wish || *progress != half) {
			t.Errorf("%v, %v, %t", got, progress, ok)
		}
	}

	lives(false)

	rec.Wish = job.WishPause
	a.feed.Changed(rec, &half)
	lives(true)

	rec.State = job.Committing
	a.feed.Changed(rec, &half)
	lives(true)

	waits := rec
	waits.State = job.Deferred
	a.feed.Changed(waits, nil)
	lives(false)

	a.feed.Changed(rec, &half)
	lives(true)
	a.end(t, rec)
	lives(false)

	a.feed.Changed(rec, &half)
	a.feed.Close()
	lives(false)
}

// TestFeeds: a spool has one feed at a time.
func TestFeeds(t *testing.T) {
	t.Parallel()

	h := New(Options{})
	a := openSpool(h, "a", newBook())

	defer func() {
		if recover() == nil {
			t.Error("a second feed is let in")
		}

		a.feed.Close()
		a.feed.Close() // once more does nothing

		h.Feed("a", newBook())

		if _, err := h.Wait(t.Context(), job.NewID()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v", err)
		}
	}()

	h.Feed("a", newBook())
}
