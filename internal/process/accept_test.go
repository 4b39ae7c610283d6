package process_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"importerd/internal/job"
	"importerd/internal/process"
	"importerd/internal/spool"
)

// draft returns a file without a name that holds the text.
func (r *rig) draft(text string) *spool.Draft {
	r.Helper()

	d, err := r.disk.NewDraft(r.Context(), strings.NewReader(text))
	if err != nil {
		r.Fatal(err)
	}

	r.Cleanup(func() { _ = d.Close() })

	return d
}

// watched is a draft whose appearance is written down, and fails where that is told.
type watched struct {
	*spool.Draft

	disk *disk
}

func (w watched) Appear(name string, id job.ID) (string, error) {
	if err := w.disk.enter("appear %s", name); err != nil {
		return "", err
	}

	return w.Draft.Appear(name, id)
}

// accept accepts a file.
func (r *rig) accept(text string, o process.Acceptance) (job.Record, error) {
	r.Helper()

	return r.pool.Accept(r.Context(), watched{r.draft(text), r.disk}, o)
}

// accepts is accept for what must be accepted.
func (r *rig) accepts(name, text string) job.ID {
	r.Helper()

	rec, err := r.accept(text, process.Acceptance{Name: name, Origin: job.Uploaded})
	if err != nil {
		r.Fatal(err)
	}

	return rec.ID
}

func TestAccept(t *testing.T) {
	bubble(t, func(r *rig) {
		r.start()

		id := r.accepts("a", "text")

		synctest.Wait()
		r.want("done/a")
		r.order("accept a", "appear a", "sync [deferred]", "note a=deferred", "note a=processing", "run a", "job done")

		rec, err := r.ledger.Get(id)
		if err != nil || rec.State != job.Done || rec.Origin != job.Uploaded || rec.Size != 4 || rec.Attempt != 1 {
			r.Errorf("job %+v, %v", rec, err)
		}

		if got := r.heard.states(id); fmt.Sprint(got) != "[deferred processing done]" {
			r.Errorf("told %v", got)
		}

		rec, err = r.accept("", process.Acceptance{Origin: job.Triggered})
		if err != nil || rec.Name != "start-"+rec.ID.String() || rec.State != job.Deferred {
			r.Errorf("trigger %+v, %v", rec, err)
		}

		r.stops()
	})
}

func TestAcceptTakesEachNameOnce(t *testing.T) {
	bubble(t, func(r *rig) {
		gate := make(chan struct{})

		r.handles(r.works(time.Minute, job.Exit{}, killed()))
		r.start()

		first := r.accepts("a", "first")
		synctest.Wait()

		second := r.accepts("a", "second")
		third := r.accepts("a", "third")

		close(gate)
		synctest.Wait()
		r.runs("a", 1) // one after the other
		r.want("processing/a", "deferred/a", "deferred/"+job.WithID("a", third))
		r.pass(time.Hour)
		r.runs("a", 3)

		done := []string{r.text(job.DoneFolder, "a")}
		for _, id := range []job.ID{second, third} {
			done = append(done, r.text(job.DoneFolder, job.WithID("a", id)))
		}

		if fmt.Sprint(done) != "[first second third]" || first == second {
			r.Errorf("done: %q", done)
		}

		r.stops()
	})
}

// TestAcceptedFilesOfOneNameKeepTheirOrder: the first one has to be tried again.
func TestAcceptedFilesOfOneNameKeepTheirOrder(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Workers = 4
		r.handles(exits(1, 0))
		r.start()

		first := r.accepts("a", "first")
		synctest.Wait()

		second := r.accepts("a", "second")
		r.accepts("b", "b")
		r.pass(gathers)
		r.want("deferred/a", "deferred/"+job.WithID("a", second), "done/b")
		r.pass(time.Minute)
		r.order("job done|\""+first.String(), "job done|\""+second.String())
		r.stops()
	})
}

// TestFrozenJobHoldsUpItsNameOnly: however many of its name wait.
func TestFrozenJobHoldsUpItsNameOnly(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Workers = 2
		r.handles(r.works(time.Second, job.Exit{}, killed()))
		r.start()

		first := r.accepts("a", "")
		synctest.Wait()
		r.steers(first, job.Pause, "paused")

		for range 100 {
			r.accepts("a", "")
		}

		r.accepts("b", "b")
		r.pass(time.Hour)
		r.runs("a", 1)
		r.runs("b", 1)
		r.stops()
	})
}

func TestAcceptRefuses(t *testing.T) {
	bubble(t, func(r *rig) {
		r.handles(r.works(time.Minute, job.Exit{}, killed()))

		r.pool = r.build()
		if _, err := r.accept("", process.Acceptance{Name: "a"}); !errors.Is(err, job.ErrDegraded) {
			r.Errorf("before the start: %v", err)
		}

		r.start()

		id := r.accepts("a", "")

		var known *job.KnownError
		if _, err := r.accept("", process.Acceptance{ID: id, Name: "b"}); !errors.As(err, &known) || known.ID != id {
			r.Errorf("the same id: %v", err)
		}

		trigger := process.Acceptance{Origin: job.Triggered}

		first, err := r.accept("", trigger)
		if err != nil {
			r.Fatal(err)
		}

		var busy *job.BusyError
		if _, err := r.accept("", trigger); !errors.As(err, &busy) || busy.ID != first.ID {
			r.Errorf("a second trigger: %v", err)
		}

		if err := r.pool.PauseSpool(r.Context(), true); err != nil {
			r.Fatal(err)
		}

		if _, err := r.accept("", trigger); !errors.Is(err, job.ErrPaused) {
			r.Errorf("while paused: %v", err)
		}

		r.accepts("c", "") // files wait

		r.stages.Signal()
		synctest.Wait()

		if _, err := r.accept("", process.Acceptance{Name: "d"}); !errors.Is(err, job.ErrDraining) {
			r.Errorf("while draining: %v", err)
		}

		if err := <-r.ended; err != nil {
			r.Errorf("Run: %v", err)
		}

		if _, err := r.accept("", process.Acceptance{Name: "d"}); !errors.Is(err, job.ErrDraining) {
			r.Errorf("after the end: %v", err)
		}

		r.want("done/a", "deferred/c", "deferred/start-"+first.ID.String())
	})
}

// TestAcceptThatFails leaves nothing that runs, now or later.
func TestAcceptThatFails(t *testing.T) {
	t.Parallel()

	for _, call := range []string{"accept", "appear", "appear, drop"} {
		t.Run(call, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.disk.breaks(func(c string) error {
					for prefix := range strings.SplitSeq(call, ", ") {
						if err := failing(prefix, job.ErrDisk)(c); err != nil {
							return err
						}
					}

					return nil
				})
				r.start()

				trigger := process.Acceptance{ID: job.NewID(), Origin: job.Triggered}
				if _, err := r.accept("", trigger); !errors.Is(err, job.ErrDisk) {
					r.Errorf("accepted with %v", err)
				}

				r.pass(time.Minute)
				r.want()
				r.disk.breaks(nil)
				r.pass(time.Minute)

				// The same id is as good as new.
				if _, err := r.accept("", trigger); err != nil {
					r.Error(err)
				}

				synctest.Wait()
				r.want("done/start-" + trigger.ID.String())
				r.stops()
			})
		})
	}
}

// TestAcceptThatIsNotConfirmed is accepted all the same: the finisher confirms it.
func TestAcceptThatIsNotConfirmed(t *testing.T) {
	bubble(t, func(r *rig) {
		r.disk.breaks(func(call string) error {
			return errors.Join(failing("note a", job.ErrDisk)(call), failing("commit", job.ErrDisk)(call))
		})
		r.start()

		id := r.accepts("a", "text")

		r.pass(time.Minute)
		r.want("deferred/a")
		r.disk.breaks(nil)
		r.pass(time.Minute)
		r.want("done/a")

		if rec, err := r.ledger.Get(id); err != nil || rec.State != job.Done {
			r.Errorf("job %+v, %v", rec, err)
		}

		r.stops()
	})
}

// TestAcceptWithoutTrust: a flush that failed is the end of the spool.
func TestAcceptWithoutTrust(t *testing.T) {
	bubble(t, func(r *rig) {
		r.disk.breaks(failing("sync [deferred]", errors.New("lost")))
		r.start()

		if _, err := r.accept("text", process.Acceptance{Name: "a"}); !errors.Is(err, job.ErrUntrusted) {
			r.Errorf("accepted with %v", err)
		}

		if err := <-r.ended; !errors.Is(err, job.ErrUntrusted) {
			r.Errorf("Run: %v", err)
		}

		r.runs("a", 0)
	})
}

func TestManyAreAcceptedAtOnce(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Workers = 4
		r.start()

		var (
			all      sync.WaitGroup
			mu       sync.Mutex
			accepted int
		)

		const tries = 40

		for i := range tries {
			all.Go(func() {
				o := process.Acceptance{Name: fmt.Sprint("f", i/2), Origin: job.Uploaded}
				if i%2 == 1 {
					o = process.Acceptance{Origin: job.Triggered}
				}

				_, err := r.accept("text", o)

				var busy *job.BusyError

				switch {
				case err == nil:
					mu.Lock()
					defer mu.Unlock()

					accepted++
				case !errors.As(err, &busy):
					r.Error(err)
				}
			})
		}

		all.Wait()
		r.pass(time.Minute)

		if done := len(r.names(job.DoneFolder)); done != accepted || accepted < tries/2+1 {
			r.Errorf("%d accepted, %d done", accepted, done)
		}

		r.stops()
	})
}
