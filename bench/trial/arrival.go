package trial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"importerd/bench/stage"
	"importerd/bench/stat"
)

// Ranks are the shares of files whose waits a sample holds.
func Ranks() []float64 {
	return []float64{0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1}
}

// patience is how long after the last file that was handled a trial gives the
// others up, unless the place says otherwise. Some look again only after seconds.
const patience = 12 * time.Second

// quiet is how long nothing may have been handled when all seems to be: so long a
// trial waits for what is handled twice.
const quiet = 600 * time.Millisecond

// Producer delivers files to an inbox and tells when it did so.
type Producer func(ctx context.Context, inbox string) (stage.Sent, error)

// Arrival lets the contender handle files that come while it waits for them.
// Those that are handled when they have less than size bytes were half written.
func Arrival(ctx context.Context, c Contender, p Place, produce Producer, size int64) (Sample, error) {
	p.Follow = true

	if err := prepare(p); err != nil {
		return Sample{}, err
	}

	if err := os.MkdirAll(p.Inbox(), 0o755); err != nil {
		return Sample{}, fmt.Errorf("make place: %w", err)
	}

	s := Sample{Contender: c.Name, Missed: -1, Twice: -1}
	before := spent()

	g, err := start(ctx, c, p)
	if err != nil {
		return s, err
	}

	notes := &notes{path: p.Stamps}
	defer notes.close()

	sent, err := g.deliver(ctx, p, notes, produce)

	if err == nil {
		s.Memory = g.memory()
	}

	if c.Tells && p.Profile != "" {
		g.profile(ctx, p.Profile)
	}

	if err := errors.Join(err, g.finish(c, p, false)); err != nil {
		return s, fmt.Errorf("%s: %w", c.Name, err)
	}

	if s.CPU = spent() - before; c.Leaves {
		s.CPU, s.Memory = 0, 0
	}

	all, err := readStamps(p.Stamps)
	if err != nil {
		return s, err
	}

	s.judge(sent, all, size)

	return s, nil
}

// deliver waits until the contender takes files, lets the producer work, and
// waits until all has been handled or nothing more is.
func (g *group) deliver(ctx context.Context, p Place, n *notes, produce Producer) (stage.Sent, error) {
	if err := g.probe(ctx, p, n); err != nil {
		return nil, err
	}

	known := n.lines

	// The log of the daemon is read while the producer works, as it would be.
	reading, stop := context.WithCancel(ctx)
	read := make(chan struct{}) // closed by the reader

	go func() {
		defer close(read)

		g.await(reading, func() bool { return false })
	}()

	sent, err := produce(ctx, p.Inbox())

	stop()
	<-read

	if err != nil {
		return nil, err
	}

	last, seen := time.Now(), n.lines

	g.await(ctx, func() bool {
		if n.look(); n.lines > seen {
			last, seen = time.Now(), n.lines
		}

		handled, still := n.lines-known, time.Since(last)

		return handled > 10*len(sent) || handled >= len(sent) && still > quiet || still > cmp.Or(p.Patience, patience)
	})

	return sent, ctx.Err()
}

// probe delivers a file of its own each second until one has been handled.
func (g *group) probe(ctx context.Context, p Place, n *notes) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()

	due := time.Now()
	tries := 0

	var failed error

	g.await(ctx, func() bool {
		if n.look(); n.lines > 0 || failed != nil {
			return true
		}

		if time.Now().After(due) {
			due = time.Now().Add(time.Second)
			tries++
			failed = probe(p, fmt.Sprintf("probe-%d", tries))
		}

		return false
	})

	switch {
	case failed != nil:
		return failed
	case n.lines == 0:
		return errors.New("handles nothing")
	}

	return nil
}

// probe renames one file into the inbox.
func probe(p Place, name string) error {
	path := filepath.Join(p.Dir, name)
	if err := os.WriteFile(path, []byte("a probe\n"), 0o644); err != nil {
		return fmt.Errorf("make probe: %w", err)
	}

	if err := os.Rename(path, filepath.Join(p.Inbox(), name)); err != nil {
		return fmt.Errorf("deliver probe: %w", err)
	}

	return nil
}

// judge compares what was sent with what was handled. Files that were not sent
// are probes.
func (s *Sample) judge(sent stage.Sent, all stamps, size int64) {
	s.Files, s.Missed, s.Twice = len(sent), 0, 0

	var (
		waits       []int64
		first, last int64
	)

	for name, at := range sent {
		if first == 0 || at < first {
			first = at
		}

		of := all[name]
		if len(of) == 0 {
			s.Missed++
			continue
		}

		if s.Twice += len(of) - 1; of[0].size < size {
			s.Half++
		}

		waits = append(waits, (of[0].at-at)/1000)
		last = max(last, of[0].at)
	}

	s.Seconds = float64(last-first) / 1e9

	for _, rank := range Ranks() {
		s.Waits = append(s.Waits, stat.Quantile(waits, rank))
	}
}

// Wait returns the wait in seconds at one of Ranks, 0 if there is none.
func (s Sample) Wait(rank float64) float64 {
	for i, r := range Ranks() {
		if r == rank && i < len(s.Waits) {
			return float64(s.Waits[i]) / 1e6
		}
	}

	return 0
}
