package app_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"importerd/internal/app"
	"importerd/internal/config"
	"importerd/internal/job"
	"importerd/internal/journal"
	"importerd/internal/spool"

	"github.com/rs/zerolog"
)

// scene is a spool as a daemon has left it that died.
type scene struct {
	*scratch
	held    *spool.Spool
	journal *journal.Journal
}

func newScene(t *testing.T, boot string) *scene {
	t.Helper()

	s := &scene{scratch: newSpool(t, "false")}
	s.cfg.Results = true
	s.cfg.KillAfter = 100 * time.Millisecond

	var err error
	if s.held, err = spool.Open(s.cfg.Dir, spool.Options{Name: s.cfg.Name}); err != nil {
		t.Fatal(err)
	}

	if s.journal, err = journal.Open(journal.Options{
		Path: s.held.Path(job.OwnFolder, "journal.db"), Boot: boot, SetAside: s.held.SetAsideOwn, Log: zerolog.Nop(),
	}); err != nil {
		t.Fatal(err)
	}

	if err := s.journal.MarkStarted(); err != nil {
		t.Fatal(err)
	}

	return s
}

// job puts a file into a folder, "" for none, and records a job as change makes it.
func (s *scene) job(folder job.Folder, name string, change func(rec *job.Record)) job.Record {
	s.Helper()

	now := time.Now()
	rec := job.Record{
		ID: job.NewID(), Spool: s.cfg.Name, Name: name, File: name, State: job.Processing, Attempt: 1,
		CreatedAt: now, StartedAt: now,
	}

	if folder != "" {
		s.write(string(folder)+"/"+name, name)

		f, err := s.held.Stat(folder, name)
		if err != nil {
			s.Fatal(err)
		}

		rec.Seen, rec.Size = f, f.Size
	}

	change(&rec)

	if err := s.journal.Commit(rec); err != nil {
		s.Fatal(err)
	}

	return rec
}

// moving is the change of a job with a known outcome whose file is on its way.
func moving(state job.State) func(rec *job.Record) {
	return func(rec *job.Record) {
		rec.State, rec.Exit = state, &job.Exit{}
		rec.Moving = &job.Move{
			From: job.ProcessingFolder, File: rec.File, To: state.Folder(), Name: rec.Name, ID: rec.ID,
		}

		if state.Ended() {
			rec.FinishedAt = time.Now()
		}
	}
}

// results makes results of a job that are not published.
func (s *scene) results(id job.ID) {
	s.Helper()

	if _, err := s.held.MakeResults(id); err != nil {
		s.Fatal(err)
	}
}

// die closes all as a death does: without a word in the journal.
func (s *scene) die() {
	s.Helper()

	if err := errors.Join(s.journal.Close(), s.held.Close()); err != nil {
		s.Fatal(err)
	}
}

// tells runs app.Check or app.Mend and returns the findings as sorted lines.
func (s *scene) tells(do func(context.Context, config.Spool, func(app.Finding)) error) []string {
	s.Helper()

	var lines []string

	err := do(s.Context(), s.cfg, func(f app.Finding) {
		lines = append(lines, fmt.Sprintf("%s: %s: %s", f.Place, f.Found, f.Does))
	})
	if err != nil {
		s.Fatal(err)
	}

	slices.Sort(lines)

	return lines
}

// listing tells of each file all that a change would change.
func (s *scene) listing() string {
	s.Helper()

	var b bytes.Buffer

	err := filepath.WalkDir(s.cfg.Dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}

		var stat syscall.Stat_t
		if err := syscall.Lstat(path, &stat); err != nil {
			return err
		}

		fmt.Fprintln(&b, path, stat.Ino, stat.Mode, stat.Uid, stat.Nlink, stat.Size, stat.Mtim, stat.Ctim)

		return nil
	})
	if err != nil {
		s.Fatal(err)
	}

	return b.String()
}

// wantsFindings checks that Check tells all this without a change, that Mend
// tells the same, and that nothing is left then.
func (s *scene) wantsFindings(want ...string) {
	s.Helper()
	slices.Sort(want)

	before := s.listing()

	got := s.tells(app.Check)
	if text := strings.Join(got, "\n"); text != strings.Join(want, "\n") {
		s.Errorf("check tells\n%s\nwant\n%s", text, strings.Join(want, "\n"))
	}

	if after := s.listing(); after != before {
		s.Errorf("check has changed\n%s\nto\n%s", before, after)
	}

	if mended := s.tells(app.Mend); !slices.Equal(mended, got) {
		s.Errorf("mend tells\n%s\ncheck told\n%s", strings.Join(mended, "\n"), strings.Join(got, "\n"))
	}

	if left := s.tells(app.Check); len(left) > 0 {
		s.Errorf("left is\n%s", strings.Join(left, "\n"))
	}
}

func TestCheckAndMendAfterADeath(t *testing.T) {
	t.Parallel()

	boot, err := spool.BootID()
	if err != nil {
		t.Fatal(err)
	}

	s := newScene(t, boot)
	s.job(job.ProcessingFolder, "ran", func(*job.Record) {})
	s.job(job.ProcessingFolder, "suspect", func(rec *job.Record) { rec.Crashes, rec.Interruptions = 9, 9 })
	s.job(job.ProcessingFolder, "good", moving(job.Done))
	s.job(job.DoneFolder, "there", moving(job.Done))
	s.job(job.ProcessingFolder, "bad", moving(job.Failed))
	s.job(job.ProcessingFolder, "later", moving(job.Deferred))
	s.job("", "lost", func(*job.Record) {})
	s.job(job.DeferredFolder, "waits", func(rec *job.Record) { rec.State = job.Deferred })
	s.job(job.InboxFolder, "never", func(rec *job.Record) {
		rec.StartedAt, rec.Attempt = time.Time{}, 0
		rec.Moving = &job.Move{From: job.InboxFolder, File: "never", To: job.ProcessingFolder, Name: "never", ID: rec.ID}
	})
	s.write("failed/bad", "an older one")

	rich := s.job(job.ProcessingFolder, "rich", moving(job.Done))
	s.results(rich.ID)

	ended := s.job(job.DoneFolder, "ended", func(rec *job.Record) { rec.State = job.Done })
	s.results(ended.ID)
	s.write("processing/dropping", "")
	s.die()

	bad := "to failed/bad."
	found := []string{}

	for _, line := range s.tells(app.Check) {
		if head, _, cut := strings.Cut(line, bad); cut { // and its id
			line = head + bad
		}

		found = append(found, line)
	}

	want := []string{
		"processing/ran: the daemon died while it was handled (attempt 1): to deferred/",
		"processing/suspect: suspect: the daemon has died 10 times while the file was handled: to failed/",
		"processing/good: its move to done/ is not confirmed: to done/",
		"done/there: its move to done/ is not confirmed: noted as done",
		"processing/bad: its move to failed/ is not confirmed: to failed/bad.",
		"processing/later: its move to deferred/ is not confirmed: to deferred/",
		"lost: vanished: the file is in none of the folders: noted as failed",
		"inbox/never: its claim was begun, but it is still there: left there, the journal forgets the job",
		"processing/rich: its move to done/ is not confirmed: to done/",
		".importerd/work/" + ended.ID.String() + ": holds results of no job that is under way: removed",
		"processing/dropping: left in processing/ by a handler, or by hand: to failed/",
	}
	slices.Sort(want)

	if !slices.Equal(found, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(found, "\n"), strings.Join(want, "\n"))
	}

	s.wantsFindings(s.tells(app.Check)...)
	s.wants("processing")
	s.wants("inbox", "never")
	s.wants("deferred", "later", "ran", "waits")
	s.wants("done", "ended", "good", "rich", "there")
	s.wants("results", "rich")
}

func TestCheckAndMendAfterAPowerCut(t *testing.T) {
	t.Parallel()

	s := newScene(t, "another boot")
	s.job(job.InboxFolder, "undone", func(*job.Record) {})
	s.write("processing/unknown", "unknown")
	s.write("deferred/foundling", "foundling")
	s.die()

	s.wantsFindings(
		"inbox/undone: a power cut has undone its claim: claimed again",
		"processing/undone: the daemon died while it was handled (attempt 1): to deferred/",
		"processing/unknown: no job knows it, and the journal may have lost one: it may have been handled: to deferred/",
		"deferred/foundling: no job knows it: a new job, due at once",
	)
	s.wants("deferred", "foundling", "undone", "unknown")
	s.wants("inbox")
}

func TestCheckOfWhatCannotBeChecked(t *testing.T) {
	t.Parallel()

	s := newScene(t, "boot")

	var locked *spool.LockedError

	none := func(app.Finding) { t.Error("something was found") }
	for _, do := range []func(context.Context, config.Spool, func(app.Finding)) error{app.Check, app.Mend} {
		if err := do(t.Context(), s.cfg, none); !errors.As(err, &locked) || locked.PID != os.Getpid() {
			t.Errorf("of a spool that is held: %v", err)
		}

		other := newSpool(t, "false")

		var unfit *spool.UnfitError
		if err := do(t.Context(), other.cfg, none); !errors.As(err, &unfit) {
			t.Errorf("of a directory that is no spool: %v", err)
		}

		if entries, err := os.ReadDir(other.cfg.Dir); err != nil || slices.ContainsFunc(entries, func(e os.DirEntry) bool {
			return e.Name() == string(job.OwnFolder)
		}) {
			t.Errorf("it was made one: %v, %v", entries, err)
		}
	}

	s.die()

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	if err := app.Check(ctx, s.cfg, none); !errors.Is(err, context.Canceled) {
		t.Errorf("a check that was told to stop ended with %v", err)
	}
}
