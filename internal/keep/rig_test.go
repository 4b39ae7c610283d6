package keep_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"importerd/internal/job"
	"importerd/internal/journal"
	"importerd/internal/keep"
	"importerd/internal/spool"

	"github.com/rs/zerolog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const day = 24 * time.Hour

// year is how old files look in a rig: nobody can set a ctime.
const year = 365 * day

// rig is a keeper of a real spool with a real journal, in a bubble of its own time.
type rig struct {
	*testing.T
	*spool.Spool

	journal *journal.Journal
	cfg     keep.Config
	keeper  *keep.Keeper
	began   time.Time
	cancel  context.CancelFunc
	ended   chan error // what Run returned
	pulse   pulse

	mu    sync.Mutex
	base  time.Time                     // of the wall clock
	call  func(what, name string) error // asked before each change
	calls []string                      // the changes
	log   bytes.Buffer
}

// bubble runs a test. What is made in it looks age old to the keeper, before
// the first hour.
func bubble(t *testing.T, age time.Duration, f func(r *rig)) {
	t.Helper()
	t.Parallel()

	now := time.Now().Round(0)

	synctest.Test(t, func(t *testing.T) {
		s, err := spool.Open(t.TempDir(), spool.Options{Name: "orders"})
		if err != nil {
			t.Fatal(err)
		}

		t.Cleanup(func() { _ = s.Close() })

		j, err := journal.Open(journal.Options{
			Path: s.Path(job.OwnFolder, "journal.db"), Boot: "boot", Log: zerolog.Nop(),
			SetAside: func(string) (string, error) { return "", errors.New("damaged") },
		})
		if err != nil {
			t.Fatal(err)
		}

		t.Cleanup(func() { _ = j.Close() })

		r := &rig{
			T: t, Spool: s, journal: j, base: now.Add(age), began: time.Now(),
			cfg:  keep.Config{Done: 30 * day, Failed: 90 * day, Logs: 7 * day, Space: 1 << 30, BeatEvery: 10 * time.Second},
			call: func(string, string) error { return nil },
		}
		f(r)
	})
}

func (r *rig) wall() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()

	return r.base.Add(time.Since(r.began))
}

// jump moves the wall clock.
func (r *rig) jump(by time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()

	r.base = r.base.Add(by)
}

// start runs a keeper until stop, or the end of the test.
func (r *rig) start() {
	r.Helper()

	var err error

	r.keeper, err = keep.New(r.cfg, keep.Deps{
		Folders: r, Logs: logs{r}, History: history{r.journal, r}, Wall: r.wall, Pulse: &r.pulse, Log: zerolog.New(r),
	})
	if err != nil {
		r.Fatal(err)
	}

	ctx, cancel := context.WithCancel(r.Context())
	r.cancel, r.ended = cancel, make(chan error, 1)

	k := r.keeper

	go func() { r.ended <- k.Run(ctx) }()

	synctest.Wait()
}

// stops ends the keeper, which must end at once.
func (r *rig) stops() {
	r.Helper()
	r.cancel()
	synctest.Wait()

	select {
	case err := <-r.ended:
		if err != nil {
			r.Errorf("Run: %v", err)
		}
	default:
		r.Error("Run goes on")
	}
}

// pass lets time go by.
func (r *rig) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// made is a job that has ended so long ago, with a file.
func (r *rig) made(name string, state job.State, ago time.Duration) job.Record {
	r.Helper()
	r.write(r.Path(state.Folder(), name), name)

	rec := job.Record{ID: job.NewID(), Spool: "orders", Name: name, File: name}

	return r.record(rec, state, ago)
}

// record commits a job that has ended so long ago.
func (r *rig) record(rec job.Record, state job.State, ago time.Duration) job.Record {
	r.Helper()

	rec.State, rec.CreatedAt, rec.FinishedAt = state, r.wall().Add(-ago), r.wall().Add(-ago)

	if rec.File != "" {
		f, err := r.Stat(state.Folder(), rec.File)
		if err != nil {
			r.Fatal(err)
		}

		rec.Seen = f
	}

	if err := r.journal.Commit(rec); err != nil {
		r.Fatal(err)
	}

	return rec
}

// logged gives a job a log of so many bytes, last written to so long ago.
func (r *rig) logged(id job.ID, size int, ago time.Duration) {
	r.Helper()
	r.write(r.LogPath(id), strings.Repeat("x", size))

	if err := os.Chtimes(r.LogPath(id), time.Time{}, r.wall().Add(-ago)); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) write(path, text string) {
	r.Helper()

	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.Fatal(err)
	}

	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.Fatal(err)
	}
}

// there says which of the paths below the spool exist.
func (r *rig) there(paths ...string) []string {
	return slices.DeleteFunc(paths, func(path string) bool {
		_, err := os.Lstat(filepath.Join(r.Dir(), path))

		return errors.Is(err, fs.ErrNotExist)
	})
}

// stays fails the test unless all of the paths below the spool exist.
func (r *rig) stays(paths ...string) {
	r.Helper()

	if got := r.there(slices.Clone(paths)...); !slices.Equal(got, paths) {
		r.Errorf("of %q only %q are there", paths, got)
	}
}

// gone fails the test if any of the paths below the spool exists.
func (r *rig) gone(paths ...string) {
	r.Helper()

	if got := r.there(paths...); len(got) > 0 {
		r.Errorf("still there: %q", got)
	}
}

// knows fails the test unless the journal knows just these of the jobs.
func (r *rig) knows(want ...job.Record) {
	r.Helper()

	entries, err := r.journal.List(journal.Query{})
	if err != nil {
		r.Fatal(err)
	}

	var got, names []string
	for _, e := range entries {
		got = append(got, e.ID.String())
	}

	for _, rec := range want {
		names = append(names, rec.ID.String())
	}

	slices.Sort(got)
	slices.Sort(names)

	if !slices.Equal(got, names) {
		r.Errorf("the journal knows %d jobs, want %d: %q, want %q", len(got), len(names), got, names)
	}
}

// said checks how many log lines hold all of the words.
func (r *rig) said(want int, words ...string) {
	r.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()

	got := 0

	for line := range strings.Lines(r.log.String()) {
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) }) {
			got++
		}
	}

	if got != want {
		r.Errorf("the log says %d times %q, want %d:\n%s", got, words, want, r.log.String())
	}
}

// Write is the log.
func (r *rig) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()

	return r.log.Write(p)
}

// does notes a change that is about to be made, and may refuse it.
func (r *rig) does(what, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()

	r.calls = append(r.calls, what+" "+name)

	return r.call(what, name)
}

// made says in which order changes were made.
func (r *rig) order(want ...string) {
	r.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()

	if !slices.Equal(r.calls, want) {
		r.Errorf("did %q, want %q", r.calls, want)
	}
}

func (r *rig) RemoveFile(folder job.Folder, f job.File) error {
	if err := r.does("file", f.Name); err != nil {
		return err
	}

	return r.Spool.RemoveFile(folder, f)
}

func (r *rig) RemoveResults(ctx context.Context, id job.ID, f job.File) error {
	if err := r.does("results", f.Name); err != nil {
		return err
	}

	return r.Spool.RemoveResults(ctx, id, f)
}

func (r *rig) RemoveNote(name string) error {
	if err := r.does("note", name); err != nil {
		return err
	}

	return r.Spool.RemoveNote(name)
}

func (r *rig) Sync(folders ...job.Folder) error {
	if err := r.does("sync", string(folders[0])); err != nil {
		return err
	}

	return r.Spool.Sync(folders...)
}

// logs are the spool's logs.
type logs struct{ *rig }

func (l logs) Logs() iter.Seq2[keep.Log, error] {
	return func(yield func(keep.Log, error) bool) {
		for log, err := range l.Spool.Logs() {
			if !yield(keep.Log(log), err) {
				return
			}
		}
	}
}

func (l logs) Log(id job.ID) (keep.Log, error) {
	log, err := l.Spool.Log(id)

	return keep.Log(log), err
}

func (l logs) RemoveLog(id job.ID) error {
	if err := l.does("log", ""); err != nil {
		return err
	}

	return l.Spool.RemoveLog(id)
}

// history is the journal.
type history struct {
	*journal.Journal

	rig *rig
}

func (h history) Ended(state job.State, before time.Time, n int) ([]job.Record, error) {
	entries, err := h.Journal.Ended(state, before, n)

	var recs []job.Record
	for _, e := range entries {
		recs = append(recs, e.Record)
	}

	return recs, err
}

func (h history) Later(state job.State, since time.Time, names map[string]bool) iter.Seq2[job.Record, error] {
	return func(yield func(job.Record, error) bool) {
		q := journal.Query{State: state, Since: since, Match: func(name string) bool { return names[name] }}
		for e, err := range h.All(q) {
			if !yield(e.Record, err) {
				return
			}
		}
	}
}

func (h history) State(id job.ID) (job.State, error) {
	e, err := h.Get(id)

	return e.State, err
}

func (h history) Lasting() iter.Seq2[job.ID, error] {
	return func(yield func(job.ID, error) bool) {
		for e, err := range h.All(journal.Query{}) {
			if (err != nil || e.State != job.Done) && !yield(e.ID, err) {
				return
			}
		}
	}
}

func (h history) Remove(ids ...job.ID) error {
	if err := h.rig.does("records", ""); err != nil {
		return err
	}

	return h.Journal.Remove(ids...)
}

// pulse counts how often the loop comes round.
type pulse struct{ beats, waiting atomic.Int64 }

func (p *pulse) Beat()    { p.beats.Add(1) }
func (p *pulse) Waiting() { p.waiting.Add(1) }
func (p *pulse) Back()    { p.waiting.Add(-1) }
