package process_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// TestOrderIsKept: the flush of the first file takes longest.
func TestOrderIsKept(t *testing.T) {
	t.Parallel()

	for _, ordered := range []bool{true, false} {
		t.Run(fmt.Sprintf("ordered=%t", ordered), func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.cfg.Ordered = ordered
				r.disk.breaks(func(call string) error {
					for i, name := range []string{"d", "c", "b", "a"} {
						if strings.HasPrefix(call, "flush inbox/"+name) {
							<-time.After(time.Duration(i+1) * time.Second)
						}
					}

					return nil
				})
				r.start()
				r.inbox("a", "b", "c", "d")
				r.pass(time.Minute)

				if ordered {
					r.order("run a ", "run b ", "run c ", "run d ")
				} else {
					r.order("run d ", "run c ", "run b ", "run a ") // nobody waits for a slow one
				}

				r.stops()
			})
		})
	}
}

// TestDueJobAwaitsTheClaimer: while the file whose turn it is is just being claimed, which
// may take long, a job that is due does not make the loop come round all the time.
func TestDueJobAwaitsTheClaimer(t *testing.T) {
	bubble(t, func(r *rig) {
		claimed := make(chan struct{})

		r.cfg.Workers = 2
		r.handles(ends(job.Exit{Code: 75, RetryAfter: 2 * time.Second}))
		r.inbox("a", "c")
		r.start()
		r.pass(gathers)
		r.want("deferred/a", "deferred/c")

		r.disk.breaks(func(call string) error {
			if call == "claim b" {
				<-claimed
			}

			return nil
		})

		var once sync.Once

		r.handles(func(context.Context, handler.Task) job.Exit {
			once.Do(func() { // one of those that are due runs, the other one waits for b's turn
				before := r.beats.count()
				for n := 0; n < 100000 && r.beats.count() < before+50; n++ {
					runtime.Gosched()
				}

				if more := r.beats.count() - before; more >= 50 {
					r.Errorf("the loop has come round %d times", more)
				}

				close(claimed)
			})

			return job.Exit{}
		})
		r.inbox("b")
		r.pass(time.Minute)
		r.want("done/a", "done/b", "done/c")
		r.stops()
	})
}
