package app_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"importerd/internal/app"
	"importerd/internal/config"
	"importerd/internal/control/wire"
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
	a.cfg.Drain = time.Hour
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

// ask returns a client of the daemon.

// standing asks how all stands.

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

// TestReloadTellsWhatNeedsARestart: the rest is applied.

// TestReloadWithoutAFile is refused, and before the start is over it waits.

// TestReloadDuringTheDrain is refused; one that waits for the start, too.

// TestDrainWhileASpoolLeaves: neither waits for the other for ever, and a spool that was

// to come for it does not begin.

// TestSupervisorIsToldOfReloads in the order in which they are.

// TestReloadsUnderLoad: over many reloads that change all that can change nothing is

// lost or handled twice.

// TestReloadsAtOnce are made one after the other.

// TestReloadOverTheAPI says what has changed, or what is wrong.

// metrics returns what the daemon tells Prometheus.
