package process_test

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"importerd/internal/job"
	"importerd/internal/journal"
	"importerd/internal/spool"
)

// book keeps what happened, in order, one line each.
type book struct {
	mu    sync.Mutex
	lines []string
}

func (b *book) add(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()

	b.lines = append(b.lines, fmt.Sprintf(format, args...))
}

// Write takes lines of the log.
func (b *book) Write(text []byte) (int, error) {
	for line := range bytes.Lines(text) {
		b.add("log %s", bytes.TrimSpace(line))
	}

	return len(text), nil
}

// with returns the lines that hold all of the words.
func (b *book) with(words ...string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()

	var found []string

	for _, line := range b.lines {
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) }) {
			found = append(found, line)
		}
	}

	return found
}

// index returns where the first line with all of the words is, -1: nowhere.
func (b *book) index(words ...string) int {
	found := b.with(words...)
	if len(found) == 0 {
		return -1
	}

	b.mu.Lock()
	defer b.mu.Unlock()

	return slices.Index(b.lines, found[0])
}

// disk is a real spool and a real journal that write each call into a book, and
// fail where they are told to.
type disk struct {
	*spool.Spool

	book  *book
	quick bool // no flush reaches the disk
	bare  bool // no lease is held on what was flushed

	mu   sync.Mutex
	fail func(call string) error // nil: nothing fails
}

// breaks makes calls fail as f says; nil: none.
func (d *disk) breaks(f func(call string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()

	d.fail = f
}

// failing returns what makes all calls that begin so fail with err.
func failing(prefix string, err error) func(string) error {
	return func(call string) error {
		if strings.HasPrefix(call, prefix) {
			return fmt.Errorf("%s: %w", call, err)
		}

		return nil
	}
}

func (d *disk) enter(format string, args ...any) error {
	call := fmt.Sprintf(format, args...)
	d.book.add("%s", call)
	d.mu.Lock()
	fail := d.fail
	d.mu.Unlock()

	if fail == nil {
		return nil
	}

	return fail(call)
}

func (d *disk) Claim(f job.File) (job.File, error) {
	err := d.enter("claim %s", f.Name)
	if errors.Is(err, job.ErrOther) { // the real one does so when it loses a race
		return d.reclaim(f)
	}

	if err != nil {
		return job.File{}, err
	}

	return d.Spool.Claim(f)
}

// reclaim claims a file as if it were another one.
func (d *disk) reclaim(f job.File) (job.File, error) {
	got, err := d.Spool.Claim(f)
	if err == nil {
		err = job.ErrOther
	}

	return got, err
}

func (d *disk) Probe(folder job.Folder, name string) (job.File, error) {
	if err := d.enter("probe %s/%s", folder, name); err != nil {
		return job.File{}, err
	}

	return d.Spool.Probe(folder, name)
}

func (d *disk) Flush(folder job.Folder, f job.File) error {
	if err := d.enter("flush %s/%s", folder, f.Name); err != nil {
		return err
	}

	if d.quick {
		return nil
	}

	return d.Spool.Flush(folder, f)
}

// FlushAll flushes each file by itself, which tests may hold up or let fail, and tells of
// those together that are done within some milliseconds, as the real one.
func (d *disk) FlushAll(files []job.File, done func(group []job.Flushed)) {
	told := make(chan job.Flushed, len(files))

	for i, f := range files {
		go func() {
			f := d.flushOne(f)
			f.At = i
			told <- f
		}()
	}

	for left := len(files); left > 0; {
		group := []job.Flushed{<-told}
		gathered := time.After(5 * time.Millisecond)

		for left -= 1; left > 0 && gathered != nil; {
			select {
			case f := <-told:
				group = append(group, f)
				left--
			case <-gathered:
				gathered = nil
			}
		}

		done(group)
	}
}

func (d *disk) flushOne(f job.File) (told job.Flushed) {
	if told.Err = d.enter("flush inbox/%s", f.Name); told.Err != nil || d.quick {
		return told
	}

	d.Spool.FlushAll([]job.File{f}, func(group []job.Flushed) { told = group[0] })

	if d.bare && told.Lease != nil {
		told.Lease.GiveBack()
		told.Lease = nil
	}

	return told
}

func (d *disk) Move(m job.Move) (string, error) {
	if err := d.enter("move %s/%s to %s/%s", m.From, m.File, m.To, m.Name); err != nil {
		return "", err
	}

	return d.Spool.Move(m)
}

func (d *disk) Sync(folders ...job.Folder) error {
	if err := d.enter("sync %v", folders); err != nil {
		return err
	}

	if d.quick {
		return nil
	}

	return d.Spool.Sync(folders...)
}

func (d *disk) Names(folder job.Folder) iter.Seq2[string, error] {
	if err := d.enter("names %s", folder); err != nil {
		return func(yield func(string, error) bool) { yield("", err) }
	}

	return d.Spool.Names(folder)
}

func (d *disk) LockJob(id job.ID, name string) (*os.File, error) {
	if err := d.enter("lock %s", name); err != nil {
		return nil, err
	}

	return d.Spool.LockJob(id, name)
}

func (d *disk) MakeResults(id job.ID) (string, error) {
	if err := d.enter("make results"); err != nil {
		return "", err
	}

	return d.Spool.MakeResults(id)
}

func (d *disk) FlushResults(id job.ID) error {
	if err := d.enter("flush results"); err != nil {
		return err
	}

	return d.Spool.FlushResults(id)
}

func (d *disk) PublishResults(id job.ID, name string) (string, error) {
	if err := d.enter("publish results %s", name); err != nil {
		return "", err
	}

	return d.Spool.PublishResults(id, name)
}

func (d *disk) SetAside(name string) (string, error) {
	if err := d.enter("set aside %s", name); err != nil {
		return "", err
	}

	return d.Spool.SetAside(name)
}

func (d *disk) FillReserve() error {
	if err := d.enter("fill reserve"); err != nil {
		return err
	}

	return d.Spool.FillReserve()
}

func (d *disk) SpendReserve() error {
	if err := d.enter("spend reserve"); err != nil {
		return err
	}

	return d.Spool.SpendReserve()
}

// ledger is the journal of a disk.
type ledger struct {
	*journal.Journal

	disk *disk
}

func (l *ledger) Note(recs ...job.Record) error {
	if err := l.disk.enter("note%s", shown(recs)); err != nil {
		return err
	}

	return l.Journal.Note(recs...)
}

func (l *ledger) Commit(recs ...job.Record) error {
	if err := l.disk.enter("commit%s", shown(recs)); err != nil {
		return err
	}

	return l.Journal.Commit(recs...)
}

func (l *ledger) Drop(ids ...job.ID) error {
	if err := l.disk.enter("drop %v", ids); err != nil {
		return err
	}

	return l.Journal.Drop(ids...)
}

func (l *ledger) Get(id job.ID) (job.Record, error) {
	e, err := l.Journal.Get(id)

	return e.Record, err
}

func (l *ledger) Waiting(state job.State) int { return l.Counts()[state] }

func (l *ledger) Accept(rec job.Record) error {
	if err := l.disk.enter("accept %s", rec.Name); err != nil {
		return err
	}

	return l.Journal.Accept(rec)
}

func (l *ledger) Wish(w job.Wish, ids ...job.ID) error {
	if err := l.disk.enter("wish %q", w); err != nil {
		return err
	}

	return l.Journal.Wish(w, ids...)
}

func (l *ledger) SetPaused(paused bool) error {
	if err := l.disk.enter("set paused %t", paused); err != nil {
		return err
	}

	return l.Journal.SetPaused(paused)
}

func (l *ledger) Unfinished() iter.Seq2[job.Record, error] {
	return func(yield func(job.Record, error) bool) {
		for entry, err := range l.Journal.Unfinished() {
			if !yield(entry.Record, err) {
				return
			}
		}
	}
}

func shown(recs []job.Record) string {
	var b strings.Builder

	for _, rec := range recs {
		fmt.Fprintf(&b, " %s=%s", rec.Name, rec.State)
	}

	return b.String()
}
