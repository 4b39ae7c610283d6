package journal

import (
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"importerd/internal/job"
)

// Options say which journal to open and how.
type Options struct {
	Path string // of the database; its directory must be there
	Boot string // the kernel's boot id
	// SetAside moves a file of that name in the journal's directory out of the
	// way and returns its new name. It is durable when it returns.
	SetAside func(name string) (string, error)
	Log      zerolog.Logger
}

// Journal is the record of one spool. Its methods may be called from several
// goroutines.
//
// Errors are of these kinds: job.ErrDisk, nothing was recorded and the same
// call may work later; job.ErrUntrusted, a flush has failed or the database is
// damaged, every later call fails alike; fs.ErrNotExist where a job was asked
// for; errors of a journal that is closed, and our own bugs.
type Journal struct {
	*Reader

	path    string
	id      string
	opened  []opened // what Check looks for
	boot    string
	log     zerolog.Logger
	fresh   bool
	last    string // boot id of the last run that completed its recovery
	clean   bool   // that run ended as told
	writer  *writer
	flusher *flusher
	dueRows *sql.Stmt // reads
	known   *known
	groups  sync.WaitGroup // whoever writes or flushes

	mu      sync.Mutex
	queue   []*request // guarded by mu; what waits to be written
	leading bool       // guarded by mu; somebody writes, or was told to
	closed  bool       // guarded by mu
	husks   time.Time  // guarded by mu; see Husks
	fault   error      // guarded by mu; why nothing is written any more
}

// errClosed says that the journal is closed.
var errClosed = errors.New("the journal is closed")

// Fresh says whether no run has completed its recovery with this journal: it
// was made by this Open, or by one whose run died in its recovery. The folders
// alone then tell what there is to do.
func (j *Journal) Fresh() bool { return j.fresh }

// Boot returns the boot id of the last run that completed its recovery, and
// whether it ended clean. It is empty for a fresh journal.
func (j *Journal) Boot() (string, bool) { return j.last, j.clean }

// Note records the present state of jobs, new ones or known ones by their id,
// all or none. When it returns the records survive the death of the process; a
// power cut may undo them until the next Commit.
//
// A Cursor below the one that is recorded, such as none, leaves that. Wish is
// not recorded; but a job that has ended, or is in state paused, has none any more.
func (j *Journal) Note(recs ...job.Record) error { return j.record(false, recs) }

// Commit is Note, and the records are on the disk when it returns, as are all
// that were noted before. Without any record it is for these alone.
func (j *Journal) Commit(recs ...job.Record) error { return j.record(true, recs) }

func (j *Journal) record(durable bool, recs []job.Record) error {
	for i := range recs {
		if err := check(&recs[i]); err != nil {
			return err
		}
	}

	switch {
	case len(recs) > 0:
	case durable:
		return j.flush()
	default:
		return j.trouble()
	}

	return j.submit(&request{recs: recs, durable: durable})
}

// check refuses what would only be found out when it is read again.
func check(rec *job.Record) error {
	switch {
	case rec.ID.IsZero():
		return fmt.Errorf("bug: a job without an id: %s", job.Show(rec.Name))
	case !isState(rec.State):
		return fmt.Errorf("bug: job %s has state %q", rec.ID, rec.State)
	case !isOrigin(rec.Origin):
		return fmt.Errorf("bug: job %s has origin %q", rec.ID, rec.Origin)
	case rec.Cursor < 0:
		return fmt.Errorf("bug: job %s has cursor %d", rec.ID, rec.Cursor)
	case rec.Moving != nil && rec.Moving.ID != rec.ID:
		return fmt.Errorf("bug: job %s has a move of job %s", rec.ID, rec.Moving.ID)
	}

	return nil
}

// MarkStarted records, durably, that this run has completed its recovery: from
// now on it is the one that Boot tells of.
func (j *Journal) MarkStarted() error {
	return j.submit(&request{durable: true, do: func(w *writer, _ *stage) error {
		return errors.Join(w.setMeta("boot", j.boot), w.setMeta("clean", "0"))
	}})
}

// MarkClean records, durably, that this run has left nothing half done.
// Nothing must be recorded after it.
func (j *Journal) MarkClean() error {
	return j.submit(&request{durable: true, do: func(w *writer, _ *stage) error { return w.setMeta("clean", "1") }})
}

// trouble returns why nothing can be done any more; nil: all is well.
func (j *Journal) trouble() error {
	j.mu.Lock()
	defer j.mu.Unlock()

	return j.stopped()
}

// stopped is trouble for whoever holds mu.
func (j *Journal) stopped() error {
	switch {
	case j.fault != nil:
		return j.fault
	case j.closed:
		return errClosed
	}

	return nil
}

// fail returns err with the journal's name, and stops the journal if it cannot
// be trusted any more.
func (j *Journal) fail(err error) error {
	if err == nil {
		return nil
	}

	if errors.Is(err, errDamaged) {
		err = fmt.Errorf("%w: journal %s is %w; it is set aside at the next start",
			job.ErrUntrusted, job.Show(j.path), err)
		if markErr := markDamaged(j.path, err); markErr != nil {
			j.log.Error().Err(markErr).Msg("damage of the journal could not be noted")
		}
	}

	if errors.Is(err, job.ErrUntrusted) {
		j.mu.Lock()
		defer j.mu.Unlock()

		if j.fault == nil {
			j.fault = err
		}
	}

	return err
}

// Close waits for what is being written, moves all into the database and ends.
// Later calls fail. After a failed flush it leaves the files as they are.
func (j *Journal) Close() error {
	j.mu.Lock()
	again := j.closed
	j.closed = true
	j.mu.Unlock()

	if again {
		return nil
	}

	j.groups.Wait()

	err := j.Reader.Close()

	if j.faulty() != nil {
		// Closing would copy pages into the database that may not be what was
		// written: the connection is left to the end of the process.
		return err
	}

	defer j.flusher.close()

	err = errors.Join(err, j.fail(j.writer.checkpoint("TRUNCATE")))
	if errors.Is(err, job.ErrUntrusted) {
		return err
	}

	return errors.Join(err, j.writer.close())
}
