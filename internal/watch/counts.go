package watch

import (
	"time"

	"importerd/internal/job"
)

// Counts is how an inbox stands. What is ready, open or settling is counted as
// it is now, the rest as the last pass over the directory found it.
type Counts struct {
	Waiting  int                  // files that are ready, settling or held
	Standing map[job.Standing]int // by standing, without those that are 0
	Reasons  map[string]int       // by the text of the reason, without those that are 0
	Oldest   time.Time            // ctime of the one that waits longest, as of the last check; zero: none waits
	Degraded string               // what does not work, for people: "no inotify: …"; empty: all does
	SweptAt  time.Time            // when the last sweep ended; zero: none has
	Overflow int                  // how often the kernel lost events, since the start
	Passed   []Passed             // why files are passed over
	Sweeps   int                  // how many have ended since the start
	Events   bool                 // the kernel tells of new files

	// Complete says that a sweep has ended since the start.
	Complete bool

	// Exhausted says that besides that nothing is ready and nothing settles:
	// without a change from outside no file will be handed over. Files that are
	// open for writing, wait for a marker, or are ignored or held may be left.
	Exhausted bool
}

// Passed is how many files are passed over for one reason.
type Passed struct {
	Standing job.Standing
	Text     string // of the reason
	Files    int
	Example  string // name of one of them; empty: none is remembered
}

// snapshot is what Counts are made from; the loop makes one at each turn, so it
// holds no maps.
type snapshot struct {
	n         [reasons]int
	example   [reasons]string
	sweeps    int
	oldest    time.Time
	degraded  string
	sweptAt   time.Time
	overflow  int
	complete  bool
	exhausted bool
	events    bool
}

func (s snapshot) counts() Counts {
	c := Counts{
		Standing:  make(map[job.Standing]int),
		Reasons:   make(map[string]int),
		Sweeps:    s.sweeps,
		Events:    s.events,
		Degraded:  s.degraded,
		SweptAt:   s.sweptAt,
		Overflow:  s.overflow,
		Complete:  s.complete,
		Exhausted: s.exhausted,
	}

	for r, n := range s.n {
		if n > 0 {
			c.Standing[meanings[r].Standing] += n
			c.Reasons[meanings[r].Text] += n

			if reason(r) != ready {
				c.Passed = append(c.Passed, Passed{meanings[r].Standing, meanings[r].Text, n, s.example[r]})
			}
		}
	}

	c.Waiting = c.Standing[job.Ready] + c.Standing[job.Settling] + c.Standing[job.Held]
	if c.Waiting > 0 {
		c.Oldest = s.oldest
	}

	return c
}

// tally counts what one pass over the directory finds and no other part of the
// loop remembers.
type tally struct {
	n       [reasons]int
	example [reasons]string
	why     [reasons]string // of the example, where more is known than the reason says
	oldest  time.Time       // ctime, of files that wait
}

// explain notes why a file that is then added is passed over, if it is the example.
func (t *tally) explain(v verdict) {
	if t.n[v.reason] == 0 {
		t.why[v.reason] = v.why
	}
}

// add counts one file; its ctime is zero where not known.
func (t *tally) add(r reason, name string, ctime time.Time) {
	if r == gone {
		return
	}

	if t.n[r] == 0 {
		t.example[r] = name
	}

	t.n[r]++

	if meanings[r].Standing != job.Ignored {
		t.oldest = older(t.oldest, ctime)
	}
}

// older returns the earlier one of two times; zero ones do not count.
func older(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}

	return a
}
