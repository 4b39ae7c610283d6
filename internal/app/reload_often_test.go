package app_test

import (
	"errors"
	"fmt"
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
	supervisor.await("STOPPING=1") // it may not have read it yet

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

	if ended, err := c.Wait(t.Context(), jobs.Jobs[0].ID); err == nil || t.Context().Err() != nil {
		t.Errorf("a job of a spool that is gone: %+v, %v", ended, err)
	}

	s.mu.Lock()
	s.err = errors.New("importerd.toml:3:1: bad")
	s.mu.Unlock()

	_, err = c.Reload(t.Context())
	if !client.IsCode(err, wire.CodeBadConfig) || !strings.Contains(err.Error(), ":3:1: bad") {
		t.Errorf("a bad file: %v", err)
	}

	d.stops()
}
