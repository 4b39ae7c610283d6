package app_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"importerd/internal/app"
	"importerd/internal/config"
	"importerd/internal/control/client"
	"importerd/internal/control/wire"
	"importerd/internal/job"
	"importerd/internal/systemd"
)

// sheet is a configuration file that changes.
type sheet struct {
	*testing.T

	mu  sync.Mutex
	api config.API
	now []*scratch // guarded by mu
	err error      // guarded by mu; what is wrong with it
}

// read is what the daemon reads.
func (s *sheet) read() (config.Config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	return config.Config{API: s.api, Spools: s.spools()}, s.err
}

func (s *sheet) spools() []config.Spool {
	var all []config.Spool
	for _, one := range s.now {
		all = append(all, one.cfg)
	}

	slices.SortFunc(all, func(a, b config.Spool) int { return strings.Compare(a.Name, b.Name) })

	return all
}

// write replaces what stands in the file.
func (s *sheet) write(spools ...*scratch) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.now = spools
}

// run starts a daemon that can reload.
func (s *sheet) run(o app.Options, spools ...*scratch) *daemon {
	s.Helper()
	s.write(spools...)

	o.Reload = s.read
	s.api = o.Config.API

	return start(s.T, o, spools...)
}

// reloads demands a reload that changes these spools: "+a -b ~c".
func (d *daemon) reloads(want string) wire.Reloaded {
	d.t.Helper()

	done, err := d.Reload(d.t.Context())
	if err != nil {
		d.t.Fatalf("reload: %v", err)
	}

	var got []string

	for mark, names := range map[string][]string{"+": done.Added, "-": done.Removed, "~": done.Changed} {
		for _, name := range names {
			got = append(got, mark+name)
		}
	}

	slices.Sort(got)

	if strings.Join(got, " ") != want {
		d.t.Fatalf("the reload has changed %q, want %q", got, want)
	}

	return done
}

// named gives a spool another name.
func (s *scratch) named(name string) *scratch {
	s.cfg.Name = name

	return s
}

// unlink removes a file that handlers wait for to be gone or to come.
func (s *scratch) unlink(path string) {
	s.Helper()

	if err := os.Remove(s.path(path)); err != nil {
		s.Error(err)
	}
}

// waiting is a command that says that it runs, and waits for go.
func waiting() []string {
	return []string{"sh", "-c", `echo begun >"${1##*/}.begun"; until [ -e go ]; do sleep 0.02; done`, "sh"}
}

func TestReloadAddsAndRemoves(t *testing.T) {
	t.Parallel()

	a, b, c := newSpool(t, waiting()...).named("a"), newSpool(t, "true").named("b"), newSpool(t, "true").named("c")
	s := &sheet{T: t}
	d := s.run(app.Options{}, a, b)
	a.drop("1.csv", "1")
	a.await(".", "1.csv.begun")

	s.write(b, c)
	d.reloads("+c -a")
	c.drop("2.csv", "2")
	c.await("done", "2.csv")
	a.drop("late.csv", "2")
	b.drop("3.csv", "3")
	b.await("done", "3.csv")
	a.wants("processing", "1.csv")
	a.write("go", "")
	d.await(`"spool":"a".*"message":"spool gone"`)
	a.wants("done", "1.csv")
	a.wants("inbox", "late.csv")

	// Nobody has it any more, and it comes back.
	s.write(a, b, c)
	d.reloads("+a")
	a.await("done", "late.csv")
	d.stops()
}

// TestRemovedSpoolHasItsOwnDrain: what does not end in time is deferred.
func TestRemovedSpoolHasItsOwnDrain(t *testing.T) {
	t.Parallel()

	a, b := newSpool(t, waiting()...).named("a"), newSpool(t, waiting()...).named("b")
	a.cfg.Drain = 50 * time.Millisecond
	s := &sheet{T: t}
	d := s.run(app.Options{}, a, b)
	a.drop("1.csv", "1")
	b.drop("2.csv", "2")
	a.await(".", "1.csv.begun")
	b.await(".", "2.csv.begun")

	s.write(b)
	d.reloads("-a")
	d.await(`"spool":"a".*"message":"spool gone"`)
	a.wants("deferred", "1.csv")
	a.wants("processing")
	b.wants("processing", "2.csv")
	b.write("go", "")
	b.await("done", "2.csv")
	d.stops()
}

// TestReloadDoesNotInterrupt: a handler that runs for long goes on, and its spool takes
// further files under the new command meanwhile.
func TestReloadDoesNotInterrupt(t *testing.T) {
	t.Parallel()

	a := newSpool(t, waiting()...).named("a")
	a.cfg.Match = []string{"*.csv"}
	s := &sheet{T: t}
	d := s.run(app.Options{}, a)
	a.drop("long.csv", "1")
	a.await(".", "long.csv.begun")
	a.drop("next.csv", "2")
	a.drop("other.txt", "2")

	changed := *a
	changed.cfg.Command = []string{"sh", "-c", `echo "$IMPORTERD_JOB_NAME" >>new`, "sh"}
	changed.cfg.Match, changed.cfg.Workers, changed.cfg.Timeout = []string{"*.txt"}, 2, 30*time.Second
	s.write(&changed)
	d.reloads("~a")
	a.await("done", "other.txt")
	a.wants("processing", "long.csv")
	a.wants("inbox", "next.csv")

	changed.cfg.Match = nil
	d.reloads("~a")
	a.await("done", "next.csv")
	a.wants("processing", "long.csv")
	a.write("go", "")
	a.await("done", "long.csv")

	if text, err := os.ReadFile(a.path("new")); err != nil || string(text) != "other.txt\nnext.csv\n" {
		t.Errorf("the new command has handled %q, %v", text, err)
	}

	d.reloads("")
	d.stops()

	if d.logged(`"message":"job interrupted"`) {
		t.Error("a job was interrupted")
	}
}

// TestReloadOfDrain: the drain lasts as long as the last configuration says.
func TestReloadOfDrain(t *testing.T) {
	t.Parallel()

	a := newSpool(t, waiting()...).named("a")
	s := &sheet{T: t}
	d := s.run(app.Options{}, a)
	a.drop("1.csv", "1")
	a.await(".", "1.csv.begun")

	a.cfg.Drain = 50 * time.Millisecond
	d.reloads("~a")
	d.stops()
	a.wants("deferred", "1.csv")
}

// TestBadConfigurationChangesNothing: of all that is wrong it is told, wherever it is
// noticed, and nothing is done.
func TestBadConfigurationChangesNothing(t *testing.T) {
	t.Parallel()

	a, b := newSpool(t, "true").named("a"), newSpool(t, "true").named("b")
	taken := newSpool(t, "true").named("taken")
	elsewhere := start(t, app.Options{}, taken)
	elsewhere.await(`"message":"ready"`)

	s := &sheet{T: t}
	o := app.Options{Config: config.Config{API: config.API{Listen: "unix:" + filepath.Join(t.TempDir(), "s")}}}
	d := s.run(o, a)
	d.await(`"message":"ready"`)

	wrong := newSpool(t, "true").named("wrong")
	wrong.cfg.Workers = 0

	for want, spools := range map[string][]*scratch{
		"the file is bad":                {b},
		"spool wrong: workers: 0":        {b, wrong},
		"has the spool " + taken.cfg.Dir: {b, taken},
	} {
		s.write(spools...)

		s.mu.Lock()
		s.err = nil
		if len(spools) == 1 {
			s.err = errors.New("the file is bad\nreally")
		}
		s.mu.Unlock()

		if done, err := d.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the reload ends with %+v, %v, want %q", done, err, want)
		}

		d.await(`"err":".*` + want + `.*"message":"reload refused, nothing has changed"`)

		standing := d.standing(o)
		if !strings.Contains(standing.Daemon.ReloadError, want) || len(standing.Spools) != 1 || standing.Spools[0].Name != "a" {
			t.Errorf("then it stands so: %+v", standing)
		}

		if text := d.metrics(o); !strings.Contains(text, "importerd_config_last_reload_successful 0\n") {
			t.Errorf("metrics say\n%s", text)
		}
	}

	if _, err := os.Stat(b.path("done")); err == nil {
		if entries, _ := os.ReadDir(b.path(".importerd", "locks")); len(entries) > 0 {
			t.Error("b was run")
		}
	}

	s.mu.Lock()
	s.err = nil
	s.mu.Unlock()
	elsewhere.stops()
	a.drop("1.csv", "1")
	a.await("done", "1.csv")

	s.write(a, b, taken)
	d.reloads("+b +taken")

	if standing := d.standing(o); standing.Daemon.ReloadError != "" || len(standing.Spools) != 3 {
		t.Errorf("then it stands so: %+v", standing)
	}

	if text := d.metrics(o); !strings.Contains(text, "importerd_config_last_reload_successful 1\n") ||
		!strings.Contains(text, `importerd_workers{spool="b"} 1`) {
		t.Errorf("metrics say\n%s", text)
	}

	s.write(a)
	d.reloads("-b -taken")
	d.await(`"spool":"taken".*"message":"spool gone"`)
	d.await(`"spool":"b".*"message":"spool gone"`)

	if text := d.metrics(o); strings.Contains(text, `spool="b"`) {
		t.Errorf("metrics know of b:\n%s", text)
	}

	d.stops()
}

// ask returns a client of the daemon.
func (d *daemon) ask(o app.Options) *client.Client {
	d.t.Helper()

	c, err := client.New(o.Config.API.Listen, client.Options{})
	if err != nil {
		d.t.Fatal(err)
	}

	d.t.Cleanup(c.Close)

	return c
}

// standing asks how all stands.
func (d *daemon) standing(o app.Options) wire.Spools {
	d.t.Helper()

	all, err := d.ask(o).Standing(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}

	return all
}

// TestMovedSpool: with another directory or inbox a spool drains, and the new one begins
// when it is gone.
func TestMovedSpool(t *testing.T) {
	t.Parallel()

	a, other := newSpool(t, waiting()...).named("a"), newSpool(t, "true").named("a")
	s := &sheet{T: t}
	o := app.Options{Config: config.Config{API: config.API{Listen: "unix:" + filepath.Join(t.TempDir(), "s")}}}
	d := s.run(o, a)
	a.drop("1.csv", "1")
	a.await(".", "1.csv.begun")
	other.drop("2.csv", "2")

	s.write(other)
	d.reloads("~a")

	if all := d.standing(o).Spools; len(all) != 1 || !all[0].Draining || all[0].Dir != a.cfg.Dir {
		t.Errorf("it stands so: %+v", all)
	}

	other.wants("inbox", "2.csv")
	a.write("go", "")
	other.await("done", "2.csv")
	a.wants("done", "1.csv")

	if all := d.standing(o).Spools; len(all) != 1 || all[0].Draining || all[0].Dir != other.cfg.Dir {
		t.Errorf("it stands so: %+v", all)
	}

	other.cfg.Inbox = other.path("elsewhere")
	if err := os.Mkdir(other.cfg.Inbox, 0o750); err != nil {
		t.Fatal(err)
	}

	other.write("elsewhere/3.csv", "3")
	d.reloads("~a")
	other.await("done", "3.csv")

	// The directory gets another name, and then two spools change places.
	other.named("b")
	d.reloads("+b -a")
	other.write("elsewhere/4.csv", "4")
	other.await("done", "4.csv")
	a.cfg.Command = []string{"true"}
	s.write(a, other)
	d.reloads("+a")
	a.cfg.Dir, other.cfg.Dir = other.cfg.Dir, a.cfg.Dir
	a.cfg.Inbox, other.cfg.Inbox = other.cfg.Inbox, ""
	d.reloads("~a ~b")
	a.write("elsewhere/5.csv", "5")
	other.write("inbox/6.csv", "6")
	a.await("done", "5.csv")
	other.await("done", "6.csv")
	d.stops()
}

// TestReloadMendsABrokenSpool and opens at once one that could not be opened.
func TestReloadMendsABrokenSpool(t *testing.T) {
	t.Parallel()

	a, b := newSpool(t, "sh", "-c", "test -e works || exit 78").named("a"), newSpool(t, "true").named("b")
	a.cfg.Backoff = config.Backoff{Min: time.Hour, Max: 2 * time.Hour}
	b.cfg.Sweep = time.Hour

	if err := os.RemoveAll(b.cfg.Dir); err != nil {
		t.Fatal(err)
	}

	s := &sheet{T: t}
	d := s.run(app.Options{}, a, b)
	a.drop("1.csv", "1")
	a.await("deferred", "1.csv")
	a.write("works", "")
	d.reloads("")
	a.await("done", "1.csv")

	if err := os.MkdirAll(b.path("inbox"), 0o750); err != nil {
		t.Fatal(err)
	}

	b.drop("2.csv", "2")
	d.reloads("")
	b.await("done", "2.csv")
	d.stops()
}

// TestReloadTellsWhatNeedsARestart: the rest is applied.
func TestReloadTellsWhatNeedsARestart(t *testing.T) {
	t.Parallel()

	a := newSpool(t, "true").named("a")
	s := &sheet{T: t}
	d := s.run(app.Options{}, a)
	s.api.Listen, s.api.Hosts, a.cfg.Workers = "127.0.0.1:1", []string{"importer.example.org"}, 2

	for _, want := range []string{"~a", ""} { // as long as it is so
		if done := d.reloads(want); strings.Join(done.Restart, " ") != "listen hosts" {
			t.Errorf("a restart is needed for %q", done.Restart)
		}
	}

	d.wantsLog(`"level":"warn".*"key":"listen".*"message":"this setting holds from the next restart on"`)
	d.stops()
}

// TestReloadWithoutAFile is refused, and before the start is over it waits.
func TestReloadWithoutAFile(t *testing.T) {
	t.Parallel()

	supervisor := newSupervisor(t)
	d := start(t, app.Options{Env: systemd.Env{NotifySocket: supervisor.path}}, newSpool(t, "true"))

	if _, err := d.Reload(t.Context()); !errors.Is(err, app.ErrNoFile) {
		t.Errorf("the reload ends with %v", err)
	}

	supervisor.await("RELOADING=1\nMONOTONIC_USEC=")
	d.stops()

	if _, err := d.Reload(t.Context()); !errors.Is(err, job.ErrDraining) {
		t.Errorf("after the end it ends with %v", err)
	}
}

// TestReloadDuringTheDrain is refused; one that waits for the start, too.
func TestReloadDuringTheDrain(t *testing.T) {
	t.Parallel()

	a := newSpool(t, waiting()...).named("a")
	s := &sheet{T: t}
	d := s.run(app.Options{}, a)
	a.drop("1.csv", "1")
	a.await(".", "1.csv.begun")
	d.Signal()

	if _, err := d.Reload(t.Context()); !errors.Is(err, job.ErrDraining) {
		t.Errorf("the reload ends with %v", err)
	}

	a.write("go", "")

	if err := d.wait(); err != nil {
		t.Error(err)
	}

	early, err := app.New(t.Context(), app.Options{Config: config.Config{Spools: []config.Spool{a.cfg}}, Reload: s.read})
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	if _, err := early.Reload(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("before the start it ends with %v", err)
	}
}

// TestDrainWhileASpoolLeaves: neither waits for the other for ever, and a spool that was
// to come for it does not begin.
func TestDrainWhileASpoolLeaves(t *testing.T) {
	t.Parallel()

	a, b := newSpool(t, waiting()...).named("a"), newSpool(t, "true").named("a")
	s := &sheet{T: t}
	d := s.run(app.Options{}, a)
	a.drop("1.csv", "1")
	a.await(".", "1.csv.begun")
	b.drop("2.csv", "2")
	s.write(b)
	d.reloads("~a")
	d.Signal()
	a.write("go", "")

	if err := d.wait(); err != nil {
		t.Error(err)
	}

	a.wants("done", "1.csv")
	b.wants("inbox", "2.csv")
}

// TestSupervisorIsToldOfReloads in the order in which they are.
func TestSupervisorIsToldOfReloads(t *testing.T) {
	t.Parallel()

	supervisor := newSupervisor(t)
	a, b := newSpool(t, "true").named("a"), newSpool(t, "true").named("b")
	s := &sheet{T: t}
	d := s.run(app.Options{Env: systemd.Env{NotifySocket: supervisor.path, Watchdog: 3 * time.Second}}, a)
	supervisor.await("READY=1")
	s.write(b)
	d.reloads("+b -a")
	supervisor.await("RELOADING=1\nMONOTONIC_USEC=")
	d.await(`"spool":"a".*"message":"spool gone"`)

	before := len(supervisor.all())
	await(t, "the watchdog to be fed after the reload", func() bool {
		return strings.Contains(strings.Join(supervisor.all()[before:], "\n"), "WATCHDOG=1")
	})

	s.mu.Lock()
	s.err = errors.New("bad")
	s.mu.Unlock()

	if _, err := d.Reload(t.Context()); err == nil {
		t.Error("a bad file is taken")
	}

	supervisor.await("; the last reload was refused: importerd check says why")
	d.stops()

	var phases []string

	for _, message := range supervisor.all() {
		first, _, _ := strings.Cut(message, "\n")
		if first == "READY=1" || first == "RELOADING=1" || first == "STOPPING=1" {
			phases = append(phases, first)
		}
	}

	if want := "READY=1 RELOADING=1 READY=1 RELOADING=1 READY=1 STOPPING=1"; strings.Join(phases, " ") != want {
		t.Errorf("the supervisor was told %q, want %s", phases, want)
	}
}

// TestReloadsUnderLoad: over many reloads that change all that can change nothing is
// lost or handled twice.
func TestReloadsUnderLoad(t *testing.T) {
	t.Parallel()

	const reloads, files = 20, 200

	command := []string{"sh", "-c", `echo "${1##*/}" >>handled`, "sh"}
	a, b, c := newSpool(t, command...).named("a"), newSpool(t, command...).named("b"), newSpool(t, command...).named("c")
	a.cfg.Workers, b.cfg.Workers = 3, 3
	s := &sheet{T: t}
	d := s.run(app.Options{}, a, b)

	var dropping sync.WaitGroup

	for _, one := range []*scratch{a, b, c} {
		dropping.Go(func() {
			for i := range files {
				one.drop(fmt.Sprintf("%d.csv", i), "x")
			}
		})
	}

	for i := range reloads {
		next := *a
		next.cfg.Workers = 1 + i%4
		next.cfg.Command = append(slices.Clone(command), fmt.Sprint("--turn", i))
		next.cfg.Command[2] = `echo "${2##*/}" >>handled`
		next.cfg.Order = []config.Order{config.OrderNone, config.OrderAge, config.OrderName}[i%3]
		next.cfg.Settle, next.cfg.Linger = time.Duration(i)*time.Millisecond, time.Duration(i)*time.Millisecond
		next.cfg.Results = i%2 == 0

		all := []*scratch{&next, b}
		if i%4 == 3 {
			all = []*scratch{&next, c}
		}

		s.write(all...)

		if _, err := d.Reload(t.Context()); err != nil {
			t.Error(err)
		}
	}

	dropping.Wait()
	s.write(a, b, c)

	if _, err := d.Reload(t.Context()); err != nil {
		t.Error(err)
	}

	for _, one := range []*scratch{a, b, c} {
		await(t, "all files of "+one.cfg.Name, func() bool {
			entries, err := os.ReadDir(one.path("done"))

			return err == nil && len(entries) == files
		})
	}

	d.stops()

	for _, one := range []*scratch{a, b, c} {
		one.wants("inbox")
		one.wants("processing")
		one.wants("failed")

		text, err := os.ReadFile(one.path("handled"))
		names := strings.Fields(string(text))
		slices.Sort(names)

		if err != nil || len(names) != files || len(slices.Compact(names)) != files {
			t.Errorf("spool %s: %d files were handled, %v", one.cfg.Name, len(names), err)
		}
	}
}

// TestReloadsAtOnce are made one after the other.
func TestReloadsAtOnce(t *testing.T) {
	t.Parallel()

	a, b := newSpool(t, "true").named("a"), newSpool(t, "true").named("b")
	s := &sheet{T: t}
	d := s.run(app.Options{}, a)

	var wg sync.WaitGroup

	for i := range 8 {
		wg.Go(func() {
			s.write([][]*scratch{{a}, {a, b}, {b}}[i%3]...)

			if _, err := d.Reload(t.Context()); err != nil && !errors.Is(err, job.ErrDraining) {
				t.Error(err)
			}
		})
	}

	wg.Wait()
	s.write(a, b)

	if _, err := d.Reload(t.Context()); err != nil {
		t.Error(err)
	}

	a.drop("1.csv", "1")
	b.drop("2.csv", "2")
	a.await("done", "1.csv")
	b.await("done", "2.csv")

	wg.Go(func() { _, _ = d.Reload(t.Context()) })
	d.stops()
	wg.Wait()
}

// TestReloadOverTheAPI says what has changed, or what is wrong.
func TestReloadOverTheAPI(t *testing.T) {
	t.Parallel()

	a, b := newSpool(t, waiting()...).named("a"), newSpool(t, "true").named("b")
	s := &sheet{T: t}
	o := app.Options{Config: config.Config{API: config.API{Listen: "unix:" + filepath.Join(t.TempDir(), "s")}}}
	d := s.run(o, a)
	d.await(`"message":"ready"`)

	c := d.ask(o)
	a.drop("1.csv", "1")
	a.await(".", "1.csv.begun")

	jobs, err := c.Jobs(t.Context(), client.Query{Spool: "a"})
	if err != nil || len(jobs.Jobs) != 1 {
		t.Fatalf("%+v, %v", jobs, err)
	}

	heard := make(chan wire.Job, 1)

	go func() {
		ended, err := c.Wait(t.Context(), jobs.Jobs[0].ID)
		if err != nil {
			t.Error(err)
		}

		heard <- ended
	}()

	s.write(b)

	if done, err := c.Reload(t.Context()); err != nil || done.Added[0] != "b" || done.Removed[0] != "a" {
		t.Fatalf("%+v, %v", done, err)
	}

	a.write("go", "")

	if ended := <-heard; ended.State != job.Done {
		t.Errorf("heard %+v", ended)
	}

	d.await(`"spool":"a".*"message":"spool gone"`)

	if all, err := c.Spools(t.Context()); err != nil || len(all) != 1 || all[0].Name != "b" {
		t.Errorf("there are %+v, %v", all, err)
	}

	s.mu.Lock()
	s.err = errors.New("importerd.toml:3:1: bad")
	s.mu.Unlock()

	if _, err := c.Reload(t.Context()); !client.IsCode(err, wire.CodeBadConfig) || !strings.Contains(err.Error(), ":3:1: bad") {
		t.Errorf("a bad file: %v", err)
	}

	d.stops()
}

// metrics returns what the daemon tells Prometheus.
func (d *daemon) metrics(o app.Options) string {
	d.t.Helper()

	path, _ := o.Config.API.SocketPath()

	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, "http://localhost"+wire.PathMetrics, nil)
	if err != nil {
		d.t.Fatal(err)
	}

	answer, err := over(d.t, path).Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()

	text, err := io.ReadAll(answer.Body)
	if err != nil {
		d.t.Fatal(err)
	}

	return string(text)
}
