package monitor

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// TestCrowd: 50 clients of both kinds that lose their connections all the time,
// while many jobs end, spools come and go and others do not read at all. Each
// client hears each end once, and nothing waits for any of them.
func TestCrowd(t *testing.T) {
	t.Parallel()

	const crowd, ends = 50, 400

	h := New(Options{Spools: []string{"a", "b"}})
	srv := server(t, h)
	spools := []*spool{openSpool(h, "a", newBook()), openSpool(h, "b", newBook())}

	var jobs []job.Record
	for i := range ends {
		jobs = append(jobs, spools[i%2].begin(t))
	}

	for range 5 { // they never read
		listen(t, dialSocket, srv, wire.Watch{All: true})
		listen(t, dialEvents, srv, wire.Watch{All: true})
	}

	var listening, ready sync.WaitGroup

	heard := make([][]job.ID, crowd)

	for i := range crowd {
		ready.Add(1)
		listening.Go(func() {
			r := &restless{t: t, random: rand.New(rand.NewPCG(uint64(i), 7)), ready: sync.OnceFunc(ready.Done)}
			r.dial = transports()[[]string{"websocket", "events"}[i%2]]

			switch i % 3 {
			case 0:
				r.watch = wire.Watch{All: true}
			case 1:
				r.watch = wire.Watch{Spool: spools[i%2].name}
			default:
				for _, k := range r.random.Perm(ends)[:20] {
					r.watch.Watch = append(r.watch.Watch, jobs[k].ID)
				}
			}

			for len(r.heard) < r.expects(ends) {
				r.connect(srv.URL, r.expects(ends))
			}

			heard[i] = r.heard
		})
	}

	ready.Wait()

	begin := time.Now()

	for i, rec := range jobs {
		half := float64(i) / ends
		s := spools[i%2]
		s.feed.Changed(rec, &half)
		s.end(t, rec)

		if i == ends/2 {
			s.feed.Close()
			s.feed = h.Feed(s.name, s.journal)
		}
	}

	if took := time.Since(begin); took > patience/2 {
		t.Errorf("to tell took %v", took)
	}

	listening.Wait()

	for i, ids := range heard {
		slices.SortFunc(ids, func(x, y job.ID) int { return slices.Compare(x[:], y[:]) })

		if n := len(slices.Compact(slices.Clone(ids))); n != len(ids) {
			t.Errorf("client %d hears %d ends of %d jobs", i, len(ids), n)
		}
	}
}

// restless is a client that goes and comes back.
type restless struct {
	t      *testing.T
	random *rand.Rand
	dial   dialer
	watch  wire.Watch
	heard  []job.ID
	ready  func() // it has told its watch for the first time
}

// expects says how many ends the client is to hear of.
func (r *restless) expects(all int) int {
	switch {
	case r.watch.All:
		return all
	case r.watch.Spool != "":
		return all / 2
	}

	return len(r.watch.Watch)
}

// connect listens for a while, or until the client has heard so many ends.
func (r *restless) connect(url string, all int) {
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()

	c, err := r.dial(ctx, http.DefaultClient, url, r.watch)
	if err != nil {
		panic(fmt.Sprint("no connection: ", err)) // FailNow is for the test's own goroutine
	}
	defer c.close()

	for n := r.random.IntN(40); len(r.heard) < all; n-- {
		e, err := c.next(ctx)
		if err != nil {
			panic(fmt.Sprintf("%+v: after %d ends: %v", r.watch, len(r.heard), err))
		}

		r.watch.Since = e.Cursor

		switch e.Kind {
		case wire.KindEnded:
			r.heard = append(r.heard, e.Job.ID)
		case wire.KindReady:
			r.ready()
		case wire.KindEnd:
			return
		case wire.KindChanged, wire.KindUnknown, wire.KindReset:
		}

		if n <= 0 && e.Kind != wire.KindChanged {
			return
		}
	}
}
