package process_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"

	"pgregory.net/rapid"
)

func TestTenThousandFilesOnceEach(t *testing.T) {
	bubble(t, func(r *rig) {
		const files = 10_000

		var (
			mu   sync.Mutex
			runs = map[string]int{}
		)

		r.cfg.Workers, r.disk.quick = 8, true
		r.handles(func(_ context.Context, task handler.Task) job.Exit {
			mu.Lock()
			defer mu.Unlock()

			runs[task.Job.Name]++

			return job.Exit{}
		})

		for i := range files {
			if err := os.WriteFile(r.disk.Path(job.InboxFolder, fmt.Sprint(i)), nil, 0o600); err != nil {
				r.Fatal(err)
			}
		}

		r.start()
		r.pass(time.Minute) // the journal may wait for a moment between two groups

		if got := len(r.names(job.DoneFolder)); got != files || len(runs) != files {
			r.Errorf("%d done, %d run", got, len(runs))
		}

		for name, n := range runs {
			if n != 1 {
				r.Errorf("%s has run %d times", name, n)
			}
		}

		if c := r.pool.Counts(); c.Done != files || c.Queued != 0 || c.Committing != 0 {
			r.Errorf("counts %+v", c)
		}

		r.stops()
	})
}

// history is what a test has seen of one content.
type history struct {
	runs    int
	refused int  // of these, attempts used
	closed  bool // done or failed by the exit code
}

// TestAnyHistory does what comes to mind and checks that every content is in
// exactly one folder at the end, and was run as often as its history says.
func TestAnyHistory(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}

		codes := rapid.SliceOfN(rapid.SampledFrom([]int{0, 0, 0, 1, 65, 75, 78, -15}), 1, 12).Draw(rt, "codes")
		names := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b.csv", "c"}), 1, 10).Draw(rt, "names")
		refuse := rapid.SampledFrom([]string{"", "claim", "move", "commit", "note", "lock"}).Draw(rt, "refuse")
		workers := rapid.IntRange(1, 3).Draw(rt, "workers")
		stops := rapid.IntRange(0, 3).Draw(rt, "stops")

		synctest.Test(t, func(t *testing.T) {
			s := &story{rig: newRig(t, dir), seen: map[string]*history{}, codes: codes}
			s.cfg.Workers, s.cfg.Attempts, s.limit = workers, 3, time.Second
			s.disk.quick = true
			s.tell(names, refuse, stops)
		})
	})
}

// story is one run of TestAnyHistory.
type story struct {
	*rig

	mu    sync.Mutex
	seen  map[string]*history // by content
	codes []int
	next  int
}

// work is the handler: it exits as drawn, at once or after a while, and is well
// at last.
func (s *story) work(ctx context.Context, task handler.Task) job.Exit {
	text, err := os.ReadFile(task.Path)
	if err != nil {
		s.Errorf("the handler has no file: %v", err)
	}

	s.mu.Lock()
	defer s.mu.Unlock()

	h := s.seen[string(text)]
	if h == nil || h.closed || task.Job.Attempt != h.refused+1 && s.codes != nil {
		s.Errorf("run of %q as attempt %d after %+v", text, task.Job.Attempt, h)

		return job.Exit{}
	}

	h.runs++
	code := 0

	if s.next < len(s.codes) {
		code = s.codes[s.next]
		s.next++
	}

	switch code {
	case 0, 65:
		h.closed = true
	case 1:
		h.refused++
		h.closed = h.refused == s.cfg.Attempts
	case -15:
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			s.mu.Lock()

			return job.Exit{Code: -1, Signal: "SIGTERM"}
		case <-time.After(time.Minute):
			s.mu.Lock()
		}

		h.closed = true
		code = 0
	}

	return job.Exit{Code: code}
}

func (s *story) tell(names []string, refuse string, stops int) {
	s.handles(s.work)

	for i, name := range names {
		text := fmt.Sprintf("%s %d", name, i)

		s.mu.Lock()
		s.seen[text] = &history{}
		s.mu.Unlock()

		if i == 0 {
			s.start()
		}

		for s.text(job.InboxFolder, name) != "" { // producers wait for their turn
			s.pass(sweepEvery)
			s.disk.breaks(nil)
		}

		s.drop(job.InboxFolder, name, text)
		s.pass(100 * time.Millisecond)

		if refuse != "" && i%2 == 1 {
			s.disk.breaks(failing(refuse, job.ErrDisk))
		}

		if i < stops {
			s.disk.breaks(nil)
			s.pass(time.Minute)
			s.stops()
			s.restart()
			s.start()
		}
	}

	s.disk.breaks(nil)
	s.pass(3 * time.Hour)
	s.stops()
	s.check()
}

func (s *story) check() {
	where := map[string][]string{}

	for _, path := range s.files() {
		folder, name, _ := strings.Cut(path, "/")
		text := s.text(job.Folder(folder), name)
		where[text] = append(where[text], path)
	}

	for text, h := range s.seen {
		if places := where[text]; len(places) != 1 || !h.closed ||
			!strings.HasPrefix(places[0], "done/") && !strings.HasPrefix(places[0], "failed/") {
			s.Errorf("%q lies in %v after %+v", text, places, h)
		}
	}

	if len(where) != len(s.seen) {
		s.Errorf("%d contents, want %d: %v", len(where), len(s.seen), where)
	}
}
