package process_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"importerd/internal/drain"
	"importerd/internal/handler"
	"importerd/internal/job"
	"importerd/internal/journal"
	"importerd/internal/process"
	"importerd/internal/spool"

	"github.com/rs/zerolog"
)

// rig is a pool on a real spool, with a watcher that looks at all files of the
// inbox each five seconds, and at once when it is asked to.
type rig struct {
	*testing.T

	cfg    process.Config
	disk   *disk
	book   *book
	ledger *ledger
	stages *drain.Stages
	limit  time.Duration // of the drain
	pool   *process.Pool
	notify func(ctx context.Context, rec job.Record, note []byte) error
	ready  chan []job.File
	wishes chan string // Look sends, the watcher receives
	ended  chan error  // what Run returned
	beats  pulse
	heard  ear
	group  *together // the handler; nil: it is another one

	mu  sync.Mutex
	run handle // what the handler does
}

// handle is what a handler does.
type handle func(ctx context.Context, task handler.Task) job.Exit

// sweepEvery is how often the watcher of a rig looks at all files.
const sweepEvery = 5 * time.Second

// leased is more than a lease is held.
const leased = 50 * time.Millisecond

// gathers is more than what ends waits for others to be written together.
const gathers = 30 * time.Millisecond

// bubble runs a test in a bubble of its own time.
func bubble(t *testing.T, f func(r *rig)) {
	t.Helper()
	t.Parallel()

	synctest.Test(t, func(t *testing.T) { f(newRig(t, t.TempDir())) })
}

func newRig(t *testing.T, dir string) *rig {
	t.Helper()

	s, err := spool.Open(dir, spool.Options{Name: "orders"})
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _ = s.Close() })

	b := &book{}
	d := &disk{Spool: s, book: b}

	j := openJournal(t, s)

	return &rig{
		T: t, disk: d, book: b, ledger: &ledger{Journal: j, disk: d}, limit: time.Minute, run: exits(0),
		stages: drain.New(t.Context()),
		ready:  make(chan []job.File), wishes: make(chan string, 1<<16), ended: make(chan error, 1),
		cfg: process.Config{
			Spool: "orders", Workers: 1, Attempts: 8, KillAfter: 10 * time.Second, BeatEvery: 10 * time.Second,
			Backoff: process.Backoff{Min: 2 * time.Second, Max: 10 * time.Minute},
		},
	}
}

// exits returns a handler that exits with these codes, one after the other, and
// then with the last one for ever.
func exits(codes ...int) handle {
	var mu sync.Mutex

	return func(context.Context, handler.Task) job.Exit {
		mu.Lock()
		defer mu.Unlock()

		code := codes[0]
		if len(codes) > 1 {
			codes = codes[1:]
		}

		return job.Exit{Code: code}
	}
}

// Run is the handler.
func (r *rig) Run(ctx context.Context, task handler.Task) job.Exit {
	r.book.add("run %s attempt %d", task.Job.Name, task.Job.Attempt)
	r.mu.Lock()
	run := r.run
	r.mu.Unlock()

	return run(ctx, task)
}

// shared is the handler where attempts share processes.
type shared struct{ *rig }

// Start makes attempts.
func (s shared) Start(sink handler.Sink, attempts []*handler.Attempt) {
	for _, a := range attempts {
		go func() {
			a.Exit = s.Run(a.Context, a.Task)
			sink.Ended([]*handler.Attempt{a})
		}()
	}
}

// handler returns the handler.
func (r *rig) handler() handler.Handler {
	switch {
	case r.group != nil:
		return r.group
	case r.cfg.Shared:
		return shared{r}
	}

	return r
}

// handles says what the handler does from now on.
func (r *rig) handles(h handle) {
	r.mu.Lock()
	defer r.mu.Unlock()

	r.run = h
}

func (r *rig) deps() process.Deps {
	return process.Deps{
		Folders: r.disk, Lister: r.disk, Intake: r.disk, Locks: r.disk, Results: r.disk, Papers: r.disk, Reserve: r.disk,
		Journal: r.ledger, Index: r.ledger, Births: r.ledger, Wishes: r.ledger, Teller: &r.heard,
		Handler: r.handler(), Notify: r.notify, Ready: r.ready, Kill: r.stages.Killed(),
		Look: func(name string) {
			r.book.add("look %s", name)
			r.wishes <- name
		},
		LoopPulse: &r.beats, FinishPulse: &pulse{}, NotifyPulse: &pulse{}, Log: zerolog.New(r.book), LogTo: r.book,
	}
}

// build makes a pool.
func (r *rig) build() *process.Pool {
	r.Helper()

	pool, err := process.New(r.cfg, r.deps())
	if err != nil {
		r.Fatal(err)
	}

	return pool
}

// past is what a daemon would find.
func (r *rig) past() process.Past { return process.Past{Fresh: r.ledger.Fresh()} }

// start recovers and runs the pool with a watcher.
func (r *rig) start() {
	r.Helper()

	pool := r.build()
	if err := pool.Recover(r.stages.Intake(), r.past()); err != nil {
		r.Fatal(err)
	}

	r.pool = pool

	stages, ended := r.stages, r.ended
	work, done := stages.Work(func() time.Duration { return r.limit })

	go r.watch(stages.Intake())
	go func() {
		defer done()

		ended <- pool.Run(stages.Intake(), work)
	}()

	synctest.Wait()
}

// watch offers files until ctx is done.
func (r *rig) watch(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()

	r.sweep(ctx)

	for {
		select {
		case name := <-r.wishes:
			r.offer(ctx, name)
		case <-tick.C:
			r.sweep(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (r *rig) sweep(ctx context.Context) {
	for name, err := range r.disk.Spool.Names(job.InboxFolder) {
		if err != nil {
			return
		}

		r.offer(ctx, name)
	}
}

func (r *rig) offer(ctx context.Context, name string) {
	f, err := r.disk.Spool.Probe(job.InboxFolder, name)
	if err != nil {
		return
	}

	select {
	case r.ready <- []job.File{f}:
	case <-ctx.Done():
	}
}

// drop puts a file into a folder and has the watcher look at it.
func (r *rig) drop(folder job.Folder, name, text string) {
	r.Helper()

	temp := filepath.Join(r.disk.Dir(), ".temp")
	if err := os.WriteFile(temp, []byte(text), 0o600); err != nil {
		r.Fatal(err)
	}

	if err := os.Rename(temp, r.disk.Path(folder, name)); err != nil {
		r.Fatal(err)
	}

	if folder == job.InboxFolder {
		r.wishes <- name
	}
}

// inbox is drop into the inbox of files that contain their names.
func (r *rig) inbox(names ...string) {
	r.Helper()

	for _, name := range names {
		r.drop(job.InboxFolder, name, name)
	}
}

// pass lets time go by.
func (r *rig) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// stop drains the pool, as often as it takes, and returns what Run did.
func (r *rig) stop() error {
	r.stages.Signal()

	return <-r.ended
}

// stops is stop for pools that end well, with nothing in processing/.
func (r *rig) stops() {
	r.Helper()

	if err := r.stop(); err != nil {
		r.Errorf("Run: %v", err)
	}

	if left := r.names(job.ProcessingFolder); len(left) > 0 {
		r.Errorf("left in processing/: %v", left)
	}
}

// names returns what lies in a folder.
func (r *rig) names(folder job.Folder) []string {
	r.Helper()

	entries, err := os.ReadDir(r.disk.Path(folder, ""))
	if err != nil {
		r.Fatal(err)
	}

	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}

	return names
}

// files returns all files in the folders between the inbox and the end.
func (r *rig) files() []string {
	r.Helper()

	var all []string

	for _, folder := range []job.Folder{
		job.InboxFolder, job.ProcessingFolder, job.DeferredFolder, job.DoneFolder, job.FailedFolder,
	} {
		for _, name := range r.names(folder) {
			all = append(all, string(folder)+"/"+name)
		}
	}

	return all
}

// want checks which files lie where.
func (r *rig) want(files ...string) {
	r.Helper()

	slices.Sort(files)

	got := r.files()
	slices.Sort(got)

	if !slices.Equal(got, files) {
		r.Errorf("files %v, want %v", got, files)
	}
}

// runs checks how often the handler has run on files of that name.
func (r *rig) runs(name string, want int) {
	r.Helper()

	if got := len(r.book.with("run " + name + " ")); got != want {
		r.Errorf("the handler has run %d times on %s, want %d", got, name, want)
	}
}

// said checks how many log lines hold all of the words.
func (r *rig) said(want int, words ...string) {
	r.Helper()

	words = append(words, "log ")
	if got := r.book.with(words...); len(got) != want {
		r.Errorf("the log says %d times %q, want %d: %q", len(got), words, want, got)
	}
}

// order checks that lines with these words come in this order.
func (r *rig) order(lines ...string) {
	r.Helper()

	last := -1

	for _, line := range lines {
		at := r.book.index(strings.Split(line, "|")...)
		if at <= last {
			r.Errorf("%q comes at %d, after %d\n%s", line, at, last, strings.Join(r.book.with(), "\n"))
		}

		last = at
	}
}

// text returns what a file holds.
func (r *rig) text(folder job.Folder, name string) string {
	r.Helper()

	text, err := os.ReadFile(r.disk.Path(folder, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.Fatal(err)
	}

	return string(text)
}

// pulse counts how often a loop comes round.
type pulse struct {
	mu    sync.Mutex
	beats int
}

func (p *pulse) Beat() {
	p.mu.Lock()
	defer p.mu.Unlock()

	p.beats++
}

func (p *pulse) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.beats
}

func (p *pulse) Waiting() {}
func (p *pulse) Back()    {}
func (p *pulse) End()     {}

// ear is a teller that writes down what it hears and complains about the order.
type ear struct {
	mu       sync.Mutex
	ended    []job.Record
	changed  []job.Record
	withheld []job.ID
	progress []float64
	started  []time.Duration // from the file's arrival to the first attempt
	attempts []job.Verdict
}

func (e *ear) Started(rec job.Record, arrived time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()

	e.started = append(e.started, rec.StartedAt.Sub(arrived))
}

func (e *ear) Attempted(_ job.Record, verdict job.Verdict) {
	e.mu.Lock()
	defer e.mu.Unlock()

	e.attempts = append(e.attempts, verdict)
}

func (e *ear) Ended(rec job.Record) {
	e.mu.Lock()
	defer e.mu.Unlock()

	e.ended = append(e.ended, rec)
}

func (e *ear) Withhold(ids []job.ID) {
	e.mu.Lock()
	defer e.mu.Unlock()

	e.withheld = append(e.withheld, ids...)
}

func (e *ear) Changed(rec job.Record, progress *float64) {
	e.mu.Lock()
	defer e.mu.Unlock()

	e.changed = append(e.changed, rec)

	if progress != nil {
		e.progress = append(e.progress, *progress)
	}
}

// states returns the states of a job in the order in which they were told, and that
// of its end.
func (e *ear) states(id job.ID) []job.State {
	e.mu.Lock()
	defer e.mu.Unlock()

	var all []job.State

	for _, rec := range e.changed {
		if rec.ID == id {
			all = append(all, rec.Shown())
		}
	}

	for _, rec := range e.ended {
		if rec.ID == id {
			all = append(all, rec.State)
		}
	}

	return all
}

// openJournal opens the journal of a spool.
func openJournal(tb testing.TB, s *spool.Spool) *journal.Journal {
	tb.Helper()

	j, err := journal.Open(journal.Options{
		Path: s.Path(job.OwnFolder, "journal.db"), Boot: "boot", Log: zerolog.Nop(),
		SetAside: func(name string) (string, error) { return "", errors.New("not set aside: " + name) },
	})
	if err != nil {
		tb.Fatal(err)
	}

	tb.Cleanup(func() { _ = j.Close() })

	return j
}
