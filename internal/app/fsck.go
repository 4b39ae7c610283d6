package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"time"

	"importerd/internal/config"
	"importerd/internal/job"
	"importerd/internal/journal"
	"importerd/internal/process"
	"importerd/internal/spool"

	"github.com/rs/zerolog"
)

// never is longer than any check takes.
const never = 1000 * time.Hour

// fsck is one look at a spool that no daemon has.
type fsck struct {
	cfg      config.Spool
	findings *findings
	work     []job.ID // directories for results
}

// Check reports what recovery would do at the next start, and changes nothing.
// Of the spool's settings name, directory, inbox and results count.
//
// Errors: *spool.LockedError, *spool.UnfitError, *journal.NewerError,
// job.ErrDisk, others.
func Check(ctx context.Context, cfg config.Spool, report func(Finding)) error {
	c := &fsck{cfg: cfg, findings: newFindings(report)}

	return c.look(ctx, func(v *view) error { return c.rehearse(ctx, v) })
}

// Mend does what Check reports, and reports it. It runs no handler.
//
// Errors: as for Check, and job.ErrUntrusted, ErrOldHandlers.
func Mend(ctx context.Context, cfg config.Spool, report func(Finding)) error {
	c := &fsck{cfg: cfg, findings: newFindings(report)}

	// Opening mends some things before they can be reported.
	if err := c.look(ctx, func(*view) error { return nil }); err != nil {
		return err
	}

	l := &line{name: cfg.Name, dir: cfg.Dir, now: &rules{Spool: cfg}, log: zerolog.Nop()}
	if err := l.open(); err != nil {
		return err
	}
	defer l.close()

	return c.mend(ctx, l)
}

// view is a spool that is looked at.
type view struct {
	spool   *spool.Inspection
	journal *journal.Still
	old     []job.OldHandler
}

// look reports what opening the spool would mend, then hands it to do.
func (c *fsck) look(ctx context.Context, do func(v *view) error) error {
	in, err := spool.Inspect(c.cfg.Dir, spool.Options{Name: c.cfg.Name, Inbox: c.cfg.Inbox})
	if err != nil {
		return err //nolint:wrapcheck // it names the spool
	}
	defer func() { _ = in.Close() }() // nothing was written through it

	v := &view{spool: in}

	for _, name := range in.Missing() {
		c.findings.add(Finding{Place: name, Found: "is missing", Does: "made"})
	}

	for name, err := range in.Trials() {
		if err != nil {
			return err
		}

		c.findings.add(Finding{Place: own("work/trial/" + name), Found: "left by a start that was killed", Does: "removed"})
	}

	for id, err := range in.Work() {
		if err != nil {
			return err
		}

		c.work = append(c.work, id)
	}

	if err := errors.Join(c.attempts(v), ctx.Err()); err != nil {
		return err
	}

	if err := c.openJournal(v); err != nil {
		return err
	}
	defer func() { _ = v.journal.Close() }() // likewise

	return do(v)
}

// own returns the path of what is in .importerd/.
func own(name string) string { return path.Join(string(job.OwnFolder), name) }

// attempts looks which attempts of an earlier daemon live.
func (c *fsck) attempts(v *view) error {
	old, stale, err := v.spool.Attempts()
	if err != nil {
		return err //nolint:wrapcheck // it says what it is
	}

	v.old = old

	for _, id := range stale {
		c.findings.add(Finding{Place: own("locks/" + id.String()), Job: id, Found: "its attempt is over", Does: "removed"})
	}

	for _, h := range old {
		c.findings.add(Finding{
			Place: string(job.ProcessingFolder) + "/" + h.Name, Job: h.Job,
			Found: fmt.Sprintf("its old handler lives (process %d)", h.Process()), Does: "the handler is ended first",
		})
	}

	return nil
}

// openJournal looks at the journal.
func (c *fsck) openJournal(v *view) error {
	const file = "journal.db"

	still, err := journal.OpenStill(v.spool.Path(job.OwnFolder, file))

	switch {
	case errors.Is(err, fs.ErrNotExist):
		still = &journal.Still{Fresh: true}
		c.findings.add(Finding{Place: own(file), Found: "is missing", Does: "made anew from what is in the folders"})
	case err != nil:
		return err //nolint:wrapcheck // it names the file
	case still.Damage != nil:
		c.findings.add(Finding{
			Place: own(file), Found: still.Damage.Error(), Does: "set aside, and made anew from what is in the folders",
		})
	}

	v.journal = still

	return nil
}

// rehearse lets recovery work on a spool that does not change.
func (c *fsck) rehearse(ctx context.Context, v *view) error {
	boot, err := spool.BootID()
	if err != nil {
		return err //nolint:wrapcheck // it says what it is
	}

	past := process.Past{Fresh: v.journal.Fresh}
	past.Cut = !past.Fresh && !v.journal.Clean && v.journal.Boot != boot

	if err := c.recover(ctx, past, rehearse(v.spool, v.journal, v.old).deps()); err != nil {
		return err
	}

	for _, h := range v.old { // theirs may still be needed
		c.work = slices.DeleteFunc(c.work, func(id job.ID) bool { return id == h.Job })
	}

	return c.husks(v.journal.Get, func(job.ID) error { return nil })
}

// mend does what recovery does.
func (c *fsck) mend(ctx context.Context, l *line) error {
	if err := c.endHandlers(ctx, l.spool); err != nil {
		return err
	}

	past, err := l.past()
	if err != nil {
		return err
	}

	s := l.spool

	err = c.recover(ctx, past, process.Deps{
		Folders: s, Lister: s, Intake: s, Locks: s, Results: s, Papers: s, Reserve: s,
		Journal: l.journal, Index: index{l.journal}, Births: l.journal, Wishes: l.journal,
	})
	if err != nil {
		return err
	}

	if err := c.husks(l.journal.Get, s.DropResults); err != nil {
		return err
	}

	return l.journal.MarkClean() //nolint:wrapcheck // it says what it is
}

// recover goes on where an earlier daemon has left, and takes what handlers
// have left in processing/ out of it, as a daemon does that is stopped at once.
func (c *fsck) recover(ctx context.Context, past process.Past, deps process.Deps) error {
	deps = c.findings.attach(deps)
	deps.LoopPulse, deps.FinishPulse, deps.NotifyPulse = noPulse{}, noPulse{}, noPulse{}
	deps.Look = func(string) {}
	deps.Log = zerolog.Nop()

	pool, err := process.New(process.Config{
		Spool: c.cfg.Name, Workers: 1, Attempts: c.cfg.Attempts,
		Backoff:   process.Backoff{Min: c.cfg.Backoff.Min, Max: c.cfg.Backoff.Max},
		KillAfter: never, Results: c.cfg.Results, BeatEvery: never,
	}, deps)
	if err != nil {
		return err //nolint:wrapcheck // a bug
	}

	if err := pool.Recover(ctx, past); err != nil {
		return err //nolint:wrapcheck // it says what it was doing
	}

	closed, end := context.WithCancel(ctx)
	end()

	return pool.Run(closed, ctx) //nolint:wrapcheck // as above
}

// noPulse is for loops that no watchdog looks after.
type noPulse struct{}

// Beat does nothing.
func (noPulse) Beat() {}

// Waiting does nothing.
func (noPulse) Waiting() {}

// Back does nothing.
func (noPulse) Back() {}

// End does nothing.
func (noPulse) End() {}
