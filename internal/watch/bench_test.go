package watch

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"
)

// BenchmarkSweep is what a file costs that a sweep finds ready.
func BenchmarkSweep(b *testing.B) {
	const n = 2000

	l := benchLoop(b, n)

	b.ReportAllocs()
	b.ResetTimer()

	for range b.N/n + 1 {
		l.plan.sweep = time.Time{}

		for l.complete = false; !l.complete; {
			if err := l.work(); err != nil {
				b.Fatal(err)
			}
		}

		for l.buffer.len() > 0 {
			l.buffer.offer()
			l.taken()
		}
	}
}

// BenchmarkEvent is what a file costs of which an event tells.
func BenchmarkEvent(b *testing.B) {
	const n = 1000

	l := benchLoop(b, n)
	events := make([]fsnotify.Event, n)

	for i := range events {
		events[i] = fsnotify.Event{Name: filepath.Join(l.opts.Path, number(i)), Op: fsnotify.Create}
	}

	b.ReportAllocs()
	b.ResetTimer()

	for i := range b.N {
		l.absorb(events[i%n], true)
		l.lookHints()

		if l.buffer.len() >= batchMax {
			l.buffer.offer()
			l.taken()
		}
	}
}

// benchLoop returns a loop over n whole files without events.
func benchLoop(b *testing.B, n int) *loop {
	b.Helper()

	dir := b.TempDir()
	for i := range n {
		if err := os.WriteFile(filepath.Join(dir, number(i)), []byte("1"), 0o600); err != nil {
			b.Fatal(err)
		}
	}

	inbox, err := openInbox(dir)
	if err != nil {
		b.Fatal(err)
	}

	inbox.bend = old

	w, err := New(inbox, Options{Path: dir, Sweep: never, Log: zerolog.Nop(), newSource: newFake().make})
	if err != nil {
		b.Fatal(err)
	}

	l := newLoop(w, nil)
	b.Cleanup(func() {
		l.close()
		inbox.held().Close()
	})

	if err := l.check(); err != nil {
		b.Fatal(err)
	}

	return l
}
