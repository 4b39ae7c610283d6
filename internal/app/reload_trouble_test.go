package app_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"importerd/internal/app"
	"importerd/internal/config"
	"importerd/internal/control/client"
	"importerd/internal/control/wire"
	"importerd/internal/job"
	"importerd/internal/systemd"
)

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
		if !strings.Contains(standing.Daemon.ReloadError, want) || len(standing.Spools) != 1 ||
			standing.Spools[0].Name != "a" {
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

func (d *daemon) ask(o app.Options) *client.Client {
	d.t.Helper()

	c, err := client.New(o.Config.API.Listen, client.Options{})
	if err != nil {
		d.t.Fatal(err)
	}

	d.t.Cleanup(c.Close)

	return c
}

func (d *daemon) standing(o app.Options) wire.Spools {
	d.t.Helper()

	all, err := d.ask(o).Standing(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}

	return all
}

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
