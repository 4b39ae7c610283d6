package watch

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"importerd/internal/job"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience of the tests: how long something may take that must happen.
const deadline = 60 * time.Second

// rig is a watch that runs on a real inbox.
type rig struct {
	*Watcher
	t      *testing.T
	inbox  *realInbox
	path   string // of the inbox
	beside string // a directory on the same file system
	stop   func() error
	got    []string // what Ready gave so far
}

// options are short times; nothing in the tests depends on them being short.
func options(path string) Options {
	return Options{
		Path: path, Settle: 200 * time.Millisecond, Linger: 50 * time.Millisecond,
		Sweep: 50 * time.Millisecond, Log: zerolog.Nop(),
	}
}

// never is a time that no test waits for.
const never = time.Hour

// newRig makes a rig that does not run yet; change bends its options.
func newRig(t *testing.T, change ...func(*Options)) *rig {
	t.Helper()

	dir := t.TempDir()
	r := &rig{t: t, path: filepath.Join(dir, "inbox"), beside: filepath.Join(dir, "beside")}

	for _, d := range []string{r.path, r.beside} {
		must(t, os.Mkdir(d, 0o755))
	}

	r.open(change...)

	return r
}

// open makes the watch.
func (r *rig) open(change ...func(*Options)) {
	r.t.Helper()

	opts := options(r.path)
	for _, c := range change {
		c(&opts)
	}

	inbox, err := openInbox(r.path)
	must(r.t, err)
	r.t.Cleanup(func() { inbox.held().Close() })

	r.inbox = inbox
	r.Watcher, err = New(inbox, opts)
	must(r.t, err)
}

// start runs the watch until the test's end and waits until it is armed.
func (r *rig) start() *rig {
	r.t.Helper()

	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan error, 1)

	go func() { ended <- r.Run(ctx) }()

	var stopped bool

	r.stop = func() error {
		if stopped {
			return nil
		}

		stopped = true

		cancel()

		return <-ended
	}

	r.t.Cleanup(func() {
		if err := r.stop(); err != nil {
			r.t.Errorf("run: %v", err)
		}
	})

	wait(r.t, "armed", r.Armed())

	return r
}

// eventsOnly makes sweeps so rare that only the first one comes, and waits for its end.
func eventsOnly(o *Options) { o.Sweep = never }

// swept waits until the first sweep has ended.
func (r *rig) swept() *rig {
	r.t.Helper()
	r.until("the first sweep", func(c Counts) bool { return c.Complete })

	return r
}

// until waits until the counts are as they should be.
func (r *rig) until(what string, ok func(Counts) bool) {
	r.t.Helper()

	end := time.After(deadline)
	poll := time.NewTicker(time.Millisecond)

	defer poll.Stop()

	for !ok(r.Counts()) {
		select {
		case <-end:
			r.t.Fatalf("no %s: %+v", what, r.Counts())
		case <-poll.C:
		}
	}
}

// want waits until these names were given, each at least once.
func (r *rig) want(names ...string) {
	r.t.Helper()

	end := time.After(deadline)

	for _, name := range names {
		for !slices.Contains(r.got, name) {
			select {
			case batch := <-r.Ready():
				r.take(batch)
			case <-end:
				r.t.Fatalf("%q is not ready, but %q; %+v", name, r.got, r.Counts())
			}
		}
	}
}

func (r *rig) take(batch []job.File) {
	for _, f := range batch {
		r.got = append(r.got, f.Name)
	}
}

// explained waits until the reason is the one given.
func (r *rig) explained(name, text string) job.Reason {
	r.t.Helper()

	var answer job.Reason

	r.until(text, func(Counts) bool {
		answer = r.Explain(r.t.Context(), name)

		return answer.Text == text
	})

	return answer
}

// refuses fails the test if that name was given.
func (r *rig) refuses(names ...string) {
	r.t.Helper()

	for _, name := range names {
		if slices.Contains(r.got, name) {
			r.t.Errorf("%q was handed over", name)
		}
	}
}

// drop puts a whole file into the inbox by a rename.
func (r *rig) drop(name, content string) {
	r.t.Helper()

	r.write(r.side(name), content)
	must(r.t, os.Rename(r.side(name), r.in(name)))
}

func (r *rig) write(path, content string) {
	r.t.Helper()
	must(r.t, os.WriteFile(path, []byte(content), 0o644))
}

func (r *rig) in(name string) string   { return filepath.Join(r.path, name) }
func (r *rig) side(name string) string { return filepath.Join(r.beside, name) }

func must(t *testing.T, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}

func wait(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()

	select {
	case <-done:
	case <-time.After(deadline):
		t.Fatal("not " + what)
	}
}
