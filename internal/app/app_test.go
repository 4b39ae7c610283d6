package app_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"importerd/internal/app"
	"importerd/internal/config"
	"importerd/internal/spool"
	"importerd/internal/systemd"

	"github.com/rs/zerolog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a condition may take on a busy machine.
const patience = time.Minute

func TestOnceHandlesWhatIsThereAndSaysWhatIsLeft(t *testing.T) {
	t.Parallel()

	s := newSpool(t, "sh", "-c", `test "$(cat "$1")" = "$IMPORTERD_JOB_NAME"`, "sh")
	s.drop("a.csv", "a.csv")
	s.drop("b.csv", "b.csv")
	s.drop("c.csv.part", "c")

	d := start(t, app.Options{Once: true}, s)
	if err := d.wait(); err != nil {
		t.Fatal(err)
	}

	s.wants("done", "a.csv", "b.csv")
	s.wants("inbox", "c.csv.part")
	d.wantsLog(`"file":"c.csv.part".*"reason":"temporary name".*"message":"file left"`)
}

func TestOnceTellsOfFailures(t *testing.T) {
	t.Parallel()

	s := newSpool(t, "sh", "-c", "exit 65")
	s.drop("a.csv", "a")

	if err := start(t, app.Options{Once: true}, s).wait(); !errors.Is(err, app.ErrUnfinished) {
		t.Errorf("ended with %v, want %v", err, app.ErrUnfinished)
	}

	s.wants("failed", "a.csv")
	s.wants("errors", "a.csv.txt")
}

func TestFirstSignalLetsHandlersFinish(t *testing.T) {
	t.Parallel()

	s := newSpool(t, "sh", "-c", `echo begun >"$1.begun"; until [ -e go ]; do sleep 0.02; done; rm "$1.begun"`, "sh")
	s.drop("a.csv", "a")

	d := start(t, app.Options{}, s)
	s.await("processing", "a.csv.begun")
	d.Signal()
	s.drop("late.csv", "late")
	d.await(`"message":"told to stop"`)
	s.write("go", "")

	if err := d.wait(); err != nil {
		t.Error(err)
	}

	s.wants("done", "a.csv")
	s.wants("inbox", "late.csv")
	s.wants("processing")
}

func TestSecondSignalCutsOff(t *testing.T) {
	t.Parallel()

	s := newSpool(t, "sh", "-c", `echo >begun; exec sleep 1000`)
	s.drop("a.csv", "a")

	d := start(t, app.Options{}, s)
	s.await(".", "begun")
	d.Signal()
	d.Signal()

	if err := d.wait(); err != nil {
		t.Error(err)
	}

	s.wants("deferred", "a.csv")
	s.wants("processing")
	d.wantsLog(`"message":"job interrupted"`)
}

func TestThirdSignalKills(t *testing.T) {
	t.Parallel()

	s := newSpool(t, "sh", "-c", `trap '' TERM; echo >begun; while :; do sleep 1000; done`)
	s.cfg.KillAfter = time.Hour
	s.drop("a.csv", "a")

	d := start(t, app.Options{}, s)
	s.await(".", "begun")
	d.Signal()
	d.Signal()
	d.Signal()

	if err := d.wait(); err != nil {
		t.Error(err)
	}

	s.wants("deferred", "a.csv")
}

func TestDrainHasALimit(t *testing.T) {
	t.Parallel()

	s := newSpool(t, "sh", "-c", `echo >begun; exec sleep 1000`)
	s.cfg.Drain = 50 * time.Millisecond
	s.drop("a.csv", "a")

	d := start(t, app.Options{}, s)
	s.await(".", "begun")
	d.Signal()

	if err := d.wait(); err != nil {
		t.Error(err)
	}

	s.wants("deferred", "a.csv")
}

func TestNextStartGoesOn(t *testing.T) {
	t.Parallel()

	s := newSpool(t, "true")
	s.write("processing/killed.csv", "was being handled when the daemon was killed")
	s.write("deferred/waiting.csv", "was waiting")
	s.write("inbox/new.csv", "is new")

	if err := start(t, app.Options{Once: true}, s).wait(); err != nil {
		t.Fatal(err)
	}

	s.wants("done", "killed.csv", "new.csv", "waiting.csv")
}

func TestSecondDaemonIsRefused(t *testing.T) {
	t.Parallel()

	s := newSpool(t, "true")
	first := start(t, app.Options{}, s)
	first.await(`"message":"ready"`)

	err := start(t, app.Options{}, s).wait()
	if locked, ok := errors.AsType[*spool.LockedError](err); !ok || locked.PID != os.Getpid() {
		t.Errorf("ended with %v, want a LockedError with pid %d", err, os.Getpid())
	}

	first.Signal()

	if err := first.wait(); err != nil {
		t.Error(err)
	}
}

func TestMissingSpoolIsTriedAgain(t *testing.T) {
	t.Parallel()

	here, later := newSpool(t, "true"), newSpool(t, "true")
	if err := os.RemoveAll(later.cfg.Dir); err != nil {
		t.Fatal(err)
	}

	d := start(t, app.Options{}, here, later)
	d.await(`"spool":"` + later.cfg.Name + `".*"message":"spool degraded"`)
	d.await(`"message":"ready"`)
	here.drop("a.csv", "a")
	here.await("done", "a.csv")

	if err := os.MkdirAll(filepath.Join(later.cfg.Dir, "inbox"), 0o750); err != nil {
		t.Fatal(err)
	}

	later.drop("b.csv", "b")
	later.await("done", "b.csv")
	d.Signal()

	if err := d.wait(); err != nil {
		t.Error(err)
	}
}

func TestReplacedSpoolIsOpenedAnew(t *testing.T) {
	t.Parallel()

	s := newSpool(t, "true")
	d := start(t, app.Options{}, s)
	d.await(`"message":"ready"`)

	if err := os.Rename(s.cfg.Dir, s.cfg.Dir+".old"); err != nil {
		t.Fatal(err)
	}

	d.await(`"message":"spool degraded"`)

	if err := os.MkdirAll(filepath.Join(s.cfg.Dir, "inbox"), 0o750); err != nil {
		t.Fatal(err)
	}

	s.drop("a.csv", "a")
	s.await("done", "a.csv")
	d.Signal()

	if err := d.wait(); err != nil {
		t.Error(err)
	}
}

func TestSupervisorIsTold(t *testing.T) {
	t.Parallel()

	supervisor := newSupervisor(t)
	s := newSpool(t, "sh", "-c", `until [ -e go ]; do sleep 0.02; done`)
	s.drop("a.csv", "a")

	d := start(t, app.Options{Env: systemd.Env{NotifySocket: supervisor.path, Watchdog: 3 * time.Second}}, s)

	supervisor.await("READY=1")
	supervisor.await("WATCHDOG=1")
	supervisor.await("STATUS=0 waiting, 1 running, 0 done, 0 failed")
	d.Signal()
	supervisor.await("STOPPING=1")
	supervisor.await("EXTEND_TIMEOUT_USEC=")
	supervisor.await("STATUS=draining for ")
	s.write("go", "")

	if err := d.wait(); err != nil {
		t.Error(err)
	}

	first := supervisor.all()[0]
	if !strings.HasPrefix(first, "EXTEND_TIMEOUT_USEC=") && !strings.HasPrefix(first, "READY=1") {
		t.Errorf("was told %q first", first)
	}
}

func TestStatusSaysWhatIsWrong(t *testing.T) {
	t.Parallel()

	supervisor := newSupervisor(t)
	s := newSpool(t, "/nonexistent/handler")
	s.drop("a.csv", "a")

	d := start(t, app.Options{Env: systemd.Env{NotifySocket: supervisor.path}}, s)

	supervisor.await("1 deferred, 0 done, 0 failed; " + s.cfg.Name + ": handler broken: ")
	d.Signal()

	if err := d.wait(); err != nil {
		t.Error(err)
	}

	s.wants("deferred", "a.csv")
}

// scratch is a spool of a test.
type scratch struct {
	*testing.T
	cfg config.Spool
}

func newSpool(t *testing.T, command ...string) *scratch {
	t.Helper()

	s := &scratch{T: t, cfg: config.Default()}
	s.cfg.Dir = filepath.Join(t.TempDir(), "orders")
	s.cfg.Name = fmt.Sprintf("orders-%s", filepath.Base(filepath.Dir(s.cfg.Dir)))
	s.cfg.Command = command
	s.cfg.Sweep = 100 * time.Millisecond

	for _, folder := range []string{"inbox", "processing", "deferred"} {
		if err := os.MkdirAll(filepath.Join(s.cfg.Dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}

	return s
}

func (s *scratch) path(parts ...string) string {
	return filepath.Join(append([]string{s.cfg.Dir}, parts...)...)
}

func (s *scratch) write(path, content string) {
	s.Helper()

	if err := os.WriteFile(s.path(path), []byte(content), 0o600); err != nil {
		s.Fatal(err)
	}
}

// drop puts a file into the inbox by rename.
func (s *scratch) drop(name, content string) {
	s.Helper()
	s.write(name+".staged", content)

	if err := os.Rename(s.path(name+".staged"), s.path("inbox", name)); err != nil {
		s.Fatal(err)
	}
}

func (s *scratch) await(folder, name string) {
	s.Helper()
	await(s.T, folder+"/"+name, func() bool {
		_, err := os.Lstat(s.path(folder, name))

		return err == nil
	})
}

// wants checks what lies in a folder.
func (s *scratch) wants(folder string, names ...string) {
	s.Helper()

	entries, err := os.ReadDir(s.path(folder))
	if err != nil {
		s.Fatal(err)
	}

	got := make([]string, 0, len(entries))
	for _, e := range entries {
		got = append(got, e.Name())
	}

	if strings.Join(got, "/") != strings.Join(names, "/") {
		s.Errorf("%s/ holds %q, want %q", folder, got, names)
	}
}

// daemon is an App that runs.
type daemon struct {
	*app.App
	t     *testing.T
	log   *buffer
	ended chan error // Run sends its error
}

func start(t *testing.T, o app.Options, spools ...*scratch) *daemon {
	t.Helper()

	d := &daemon{t: t, log: &buffer{}, ended: make(chan error, 1)}
	o.Log = zerolog.New(d.log).Level(zerolog.DebugLevel)
	o.Environ = os.Environ()

	for _, s := range spools {
		o.Config.Spools = append(o.Config.Spools, s.cfg)
	}

	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(cancel)

	var err error
	if d.App, err = app.New(ctx, o); err != nil {
		t.Fatal(err)
	}

	go func() { d.ended <- d.Run(ctx) }()

	return d
}

// wait returns what Run has returned.
func (d *daemon) wait() error {
	d.t.Helper()

	select {
	case err := <-d.ended:
		return err
	case <-time.After(patience):
		d.t.Fatalf("the daemon did not end; its log:\n%s", d.log)
	}

	return nil
}

func (d *daemon) logged(pattern string) bool {
	return regexp.MustCompile(pattern).MatchString(d.log.String())
}

func (d *daemon) await(pattern string) {
	d.t.Helper()
	await(d.t, "a log line like "+pattern, func() bool { return d.logged(pattern) })
}

func (d *daemon) wantsLog(pattern string) {
	d.t.Helper()

	if !d.logged(pattern) {
		d.t.Errorf("no line like %s in the log:\n%s", pattern, d.log)
	}
}

// buffer collects a log.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.text.String()
}

// supervisor is the other end of NOTIFY_SOCKET.
type supervisor struct {
	*testing.T
	path string

	mu       sync.Mutex
	messages []string // guarded by mu
}

func newSupervisor(t *testing.T) *supervisor {
	t.Helper()

	s := &supervisor{T: t, path: filepath.Join(t.TempDir(), "notify")}

	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}

	done := make(chan struct{}) // closed by the reader at its end

	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})

	go func() {
		defer close(done)

		for message := make([]byte, 4096); ; {
			n, err := conn.Read(message)
			if err != nil {
				return
			}

			s.mu.Lock()
			s.messages = append(s.messages, string(message[:n]))
			s.mu.Unlock()
		}
	}()

	return s
}

func (s *supervisor) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()

	return append([]string(nil), s.messages...)
}

func (s *supervisor) await(text string) {
	s.Helper()
	await(s.T, "the message "+text, func() bool { return strings.Contains(strings.Join(s.all(), "\n"), text) })
}

// await waits for a condition.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()

	deadline := time.NewTimer(patience)
	defer deadline.Stop()

	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()

	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}

func TestOnceEndsWithABrokenHandler(t *testing.T) {
	t.Parallel()

	s := newSpool(t, "/nonexistent/handler")
	for _, name := range []string{"a.csv", "b.csv", "c.csv"} {
		s.drop(name, name)
	}

	if err := start(t, app.Options{Once: true}, s).wait(); !errors.Is(err, app.ErrUnfinished) {
		t.Errorf("ended with %v, want %v", err, app.ErrUnfinished)
	}
}

func TestStatusSaysWhatHandlersPutOff(t *testing.T) {
	t.Parallel()

	supervisor := newSupervisor(t)
	s := newSpool(t, "sh", "-c", "exit 75")
	s.drop("a.csv", "a")

	d := start(t, app.Options{Env: systemd.Env{NotifySocket: supervisor.path}}, s)

	supervisor.await("1 deferred, 1 times put off by handlers, 0 done, 0 failed")
	d.Signal()

	if err := d.wait(); err != nil {
		t.Error(err)
	}
}
