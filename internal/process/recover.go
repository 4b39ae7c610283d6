package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"time"

	"importerd/internal/job"
)

const (
	// suspectAt is how often the daemon may die while it handles a file before
	// the file is given up: it may be the cause.
	suspectAt = 10
	// recoverAtOnce is how many jobs recovery brings to their end together.
	recoverAtOnce = 256
)

// Recover goes on where an earlier daemon has left: first with each job that
// the journal knows to be unfinished, wherever its file lies, then with files
// that no job knows. It must have ended before Run. It may be killed and
// repeated.
func (p *Pool) Recover(ctx context.Context, past Past) error {
	if err := p.findOrphans(); err != nil {
		return err
	}

	if err := p.cutDue(); err != nil {
		return fmt.Errorf("recover: %w", err)
	}

	r := &recovery{Pool: p, past: past, known: map[place]struct{}{}, finish: newFinisher(p, func() {})}

	if err := r.jobs(ctx); err != nil {
		return err
	}

	if err := r.files(ctx); err != nil {
		return err
	}

	if err := r.settle(); err != nil {
		return fmt.Errorf("recover: %w", err)
	}

	if err := p.deps.Journal.MarkStarted(); err != nil {
		return fmt.Errorf("recover: %w", err)
	}

	return nil
}

// recovery is one run of Recover.
type recovery struct {
	*Pool

	past    Past
	known   map[place]struct{} // files of jobs
	pending []*unit            // to be moved, and told of
	hold    bool               // all of the journal's jobs are told of together
	finish  *finisher
}

// place is where a file lies.
type place struct {
	folder job.Folder
	name   string
}

// jobs goes on with all jobs of the journal. A name alone may deceive while moves
// are not confirmed: a second job of one name may have come to where the first was.
// So first come the jobs whose files have come to rest, then those whose files are
// surely recognized, then the others.
func (r *recovery) jobs(ctx context.Context) error {
	var moving []job.Record

	r.hold = true

	for rec, err := range r.deps.Index.Unfinished() {
		if err == nil {
			err = ctx.Err()
		}

		switch {
		case err != nil:
		case rec.Moving != nil:
			moving = append(moving, rec)
		default:
			_, err = r.job(rec, false)
		}

		if err != nil {
			return fmt.Errorf("recover job %s: %w", rec.ID, err)
		}
	}

	for _, strict := range []bool{true, false} {
		var err error
		if moving, err = r.moving(moving, strict); err != nil {
			return err
		}
	}

	r.hold = false

	if err := r.settle(); err != nil {
		return fmt.Errorf("recover: %w", err)
	}

	return nil
}

// moving goes on with jobs whose files were on their way, and returns those of which
// it is not sure.
func (r *recovery) moving(recs []job.Record, strict bool) ([]job.Record, error) {
	var unsure []job.Record

	for _, rec := range recs {
		switch sure, err := r.job(rec, strict); {
		case err != nil:
			return nil, fmt.Errorf("recover job %s: %w", rec.ID, err)
		case !sure:
			unsure = append(unsure, rec)
		}
	}

	return unsure, nil
}

// job goes on with one job of the journal. strict: only if its file is surely
// recognized; it says whether.
func (r *recovery) job(rec job.Record, strict bool) (bool, error) {
	at, f, err := r.find(&rec, strict)
	if err != nil || strict && at.folder == "" {
		return false, err
	}

	if at, err = r.join(rec.Moving, at); err != nil {
		return false, err
	}

	r.known[at] = struct{}{}
	draft := rec.Moving != nil && rec.Moving.From == ""

	switch {
	case r.haunts(rec, at):
		return true, nil
	case at.folder == "" && draft: // accepted, but nobody was told so
		return true, r.deps.Journal.Drop(rec.ID)
	case at.folder != job.InboxFolder:
		return true, r.add(resume(r.sober(rec), at, r.cfg()))
	case rec.StartedAt.IsZero() && rec.Wish == job.NoWish: // never came to be; the watcher finds its file
		return true, r.deps.Journal.Drop(rec.ID)
	}

	return true, r.reclaim(rec, f)
}

// sober returns the record of a job without the attempt that was only made ready: its
// handler was never started, and the daemon has not died of it.
func (r *recovery) sober(rec job.Record) job.Record {
	if underWay(&rec) && !r.past.Cut && !r.deps.Locks.Begun(rec.ID) {
		rec.Attempt--
		rec.StartedAt = time.Time{}
	}

	return rec
}

// underWay says whether an attempt was recorded, and nothing after it.
func underWay(rec *job.Record) bool {
	return rec.State == job.Processing && rec.Moving == nil && !rec.StartedAt.IsZero() && rec.Exit == nil
}

// reclaim claims a file again whose claim a power cut has undone.
func (r *recovery) reclaim(rec job.Record, f job.File) error {
	if _, err := r.deps.Intake.Claim(f); err != nil {
		return err
	}

	at := place{job.ProcessingFolder, f.Name}
	r.known[at] = struct{}{}

	return r.add(resume(rec, at, r.cfg()))
}

// join returns where the file of a job lies that was found at. btrfs can leave it in
// both places of a move that a power cut has caught: then it is one file, and has
// moved. Without a cut two names of one inode are two files.
func (r *recovery) join(m *job.Move, at place) (place, error) {
	if !r.past.Cut || m == nil || m.From == "" || at != (place{m.From, m.File}) {
		return at, nil
	}

	name, err := r.deps.Folders.Join(*m)

	switch {
	case errors.Is(err, fs.ErrNotExist):
		return at, nil
	case err != nil:
		return at, err
	}

	return place{m.To, name}, nil
}

// resume returns the unit with which a job goes on whose file lies at, nil: it
// waits in deferred/ as it should.
func resume(rec job.Record, at place, cfg Config) *unit {
	waits := (rec.State == job.Deferred || rec.State == job.Paused) && rec.Moving == nil
	if waits && rec.Wish == job.NoWish && at.folder == job.DeferredFolder {
		return nil
	}

	u := &unit{rec: rec, from: job.DeferredFolder, at: at.folder}
	u.rec.File = at.name

	switch {
	case rec.State == job.Processing && rec.Wish == job.WishTerminate:
		u.end(time.Now())
	case rec.State == job.Processing, waits:
		interrupt(u, at, cfg)
	default: // its outcome is known
		u.results = cfg.Results && rec.State == job.Done

		if rec.Exit != nil {
			u.verdict = job.Refused
		}
	}

	u.fulfil(rec.Wish, time.Now())
	u.arrive(at, rec.Moving)

	return u
}

// arrive notes where the file of a unit was found, which was to be moved so.
func (u *unit) arrive(at place, by *job.Move) {
	u.moved = at.folder == u.rec.State.Folder()
	u.numbered = u.rec.Cursor != 0 && (u.moved || at.folder == "")

	if u.moved && by != nil {
		u.at = by.From
	}

	if at.folder == "" {
		u.vanish("vanished: the file is in none of the folders")
	}
}

// interrupt defers a job that was in processing/, or on its way to or from there.
func interrupt(u *unit, at place, cfg Config) {
	running := underWay(&u.rec)
	now := time.Now()
	u.rec.Moving, u.rec.DueAt = nil, now

	if u.rec.State != job.Paused {
		u.rec.State = job.Deferred
	}

	if running && at.folder == job.ProcessingFolder {
		u.verdict = job.Interrupted
		u.rec = crashed(u.rec, cfg.Backoff, now)
	}
}

// crashed returns the record of a job whose attempt was ended by the death of the
// daemon. The first time it is due at once, then later and later, since the
// file itself may be the cause.
func crashed(rec job.Record, backoff Backoff, now time.Time) job.Record {
	rec.Attempt--
	rec.Interruptions++
	rec.Crashes++

	if rec.Crashes > 1 {
		rec.DueAt = now.Add(backoff.Wait(rec.Crashes - 1))
	}

	if rec.Crashes >= suspectAt {
		rec.State, rec.FinishedAt = job.Failed, now
		rec.Error = fmt.Sprintf("suspect: the daemon has died %d times while the file was handled", rec.Crashes)
	}

	return rec
}

// add brings a job to its end together with others.
func (r *recovery) add(u *unit) error {
	if u == nil {
		return nil
	}

	r.pending = append(r.pending, u)

	if r.hold || len(r.pending) < recoverAtOnce {
		return nil
	}

	return r.settle()
}

// settle brings all that is pending to its end. Those whose ends have their
// numbers already come first: the numbers of the others will be higher.
func (r *recovery) settle() error {
	slices.SortStableFunc(r.pending, func(a, b *unit) int { return cmp.Compare(a.rank(), b.rank()) })

	for some := range slices.Chunk(r.pending, recoverAtOnce) {
		if err := r.write(some); err != nil {
			return err
		}
	}

	r.pending = nil

	return nil
}

// rank orders units by the numbers that their ends have.
func (u *unit) rank() int64 {
	if u.numbered {
		return u.rec.Cursor
	}

	return math.MaxInt64
}

// write brings a few units to their end.
func (r *recovery) write(units []*unit) error {
	ended, err := r.finish.write(units)
	if err != nil {
		return err
	}

	for _, u := range ended {
		r.tell(u, &r.deps.Log)

		if u.verdict == job.Interrupted {
			r.deps.Teller.Attempted(u.rec, u.verdict)
		}

		if !u.owed {
			u.rec.Moving = nil
		}

		r.known[place{u.rec.State.Folder(), u.rec.File}] = struct{}{}
	}

	if len(ended) == 0 {
		return nil
	}

	if err := r.recorded(r.deps.Journal.Note, ended); err != nil {
		return err
	}

	r.report(ended)

	return nil
}
