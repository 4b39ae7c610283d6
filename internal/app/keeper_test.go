package app

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"importerd/internal/config"
	"importerd/internal/job"
	"importerd/internal/journal"
	"importerd/internal/spool"
	"importerd/internal/systemd"

	"github.com/rs/zerolog"
)

func TestKeeperDoesAsConfigured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &line{app: &App{notifier: systemd.New(zerolog.Nop(), systemd.Env{})}, log: zerolog.Nop()}
		r := &rules{Spool: config.Default()}
		r.Keep = config.Keep{Done: 3 * time.Hour, Failed: 6 * time.Hour, Logs: 2 * time.Hour}

		var err error
		if l.spool, err = spool.Open(t.TempDir(), spool.Options{}); err != nil {
			t.Fatal(err)
		}

		l.journal, err = journal.Open(journal.Options{
			Path: l.spool.Path(job.OwnFolder, "journal.db"), Boot: "boot", Log: zerolog.Nop(), SetAside: l.spool.SetAsideOwn,
		})
		if err != nil {
			t.Fatal(err)
		}

		t.Cleanup(l.close)

		s := session{spool: l.spool, journal: l.journal}
		if err := l.buildKeeper(&s, r); err != nil {
			t.Fatal(err)
		}

		s.begin()
		t.Cleanup(s.end)

		done := l.ends(t, job.Done)
		l.ends(t, job.Failed)

		go func() { _ = s.keep(t.Context(), func() {}) }()

		for _, want := range []struct {
			at   time.Duration
			left []bool // the log and the file of the done job, the file of the failed one
		}{
			{2*time.Hour - time.Minute, []bool{true, true, true}},
			{3*time.Hour - time.Minute, []bool{false, true, true}},
			{6*time.Hour - time.Minute, []bool{false, false, true}},
			{6*time.Hour + 15*time.Minute, []bool{false, false, false}},
		} {
			<-time.After(want.at - time.Since(done.CreatedAt))
			synctest.Wait()

			for i, path := range []string{
				l.spool.LogPath(done.ID), l.spool.Path(job.DoneFolder, "a"), l.spool.Path(job.FailedFolder, "a"),
			} {
				if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) == want.left[i] {
					t.Errorf("after %s: %s: %v", want.at, path, err)
				}
			}
		}
	})
}

// ends makes a job that ends now, with a log.
func (l *line) ends(t *testing.T, state job.State) job.Record {
	t.Helper()

	rec := job.Record{
		ID: job.NewID(), Name: "a", File: "a", State: state, CreatedAt: time.Now(), FinishedAt: time.Now(),
	}

	path := l.spool.Path(state.Folder(), "a")
	log := l.spool.LogPath(rec.ID)
	err := errors.Join(os.WriteFile(path, nil, 0o600), os.WriteFile(log, nil, 0o600),
		os.Chtimes(log, time.Time{}, time.Now()))

	f, serr := l.spool.Stat(state.Folder(), "a")
	rec.Seen = f

	if err := errors.Join(err, serr, l.journal.Commit(rec)); err != nil {
		t.Fatal(err)
	}

	return rec
}
