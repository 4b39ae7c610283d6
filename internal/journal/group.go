package journal

import (
	"errors"

	"importerd/internal/job"
)

// maxGroup is how many requests share a transaction at most, so that one
// failure does not concern too many.
const maxGroup = 1024

// request is what one caller wants written.
type request struct {
	recs    []job.Record
	do      func(w *writer, s *stage) error // besides, after recs; nil: nothing
	durable bool

	// wake tells the caller to go on: served, or to write for all who wait. The
	// leader sends once; nobody closes it. It has room for one. nil: its caller leads.
	wake   chan struct{}
	served bool  // set before wake is sent
	err    error // set before wake is sent
}

// submit writes r together with all that waits, and flushes it where that is asked
// for, while the next is written.
func (j *Journal) submit(r *request) error {
	leads, err := j.enqueue(r)
	if err != nil {
		return err
	}

	if r.durable {
		defer j.groups.Done()
	}

	err = j.serveWith(r, leads)
	if err == nil && r.durable {
		err = j.fail(j.flusher.flush())
	}

	return err
}

// serveWith writes r. The first to come leads: it writes for everybody, and hands over
// to the next in line when its own is written.
func (j *Journal) serveWith(r *request, leads bool) error {
	if !leads {
		<-r.wake

		if r.served {
			return r.err
		}
	}

	for !r.served {
		j.serve(j.take())
	}

	if !j.writer.full() {
		j.passOn()

		return r.err
	}

	go func() { // Close waits for it by groups
		j.fold()
		j.passOn()
	}()

	return r.err
}

// flush brings to the disk what is written.
func (j *Journal) flush() error {
	if err := j.begin(); err != nil {
		return err
	}
	defer j.groups.Done()

	return j.fail(j.flusher.flush())
}

// begin keeps Close waiting until groups is told that it is over.
func (j *Journal) begin() error {
	j.mu.Lock()
	defer j.mu.Unlock()

	err := j.stopped()
	if err == nil {
		j.groups.Add(1)
	}

	return err
}

// enqueue puts r in line and says whether its caller is to write.
func (j *Journal) enqueue(r *request) (bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()

	if err := j.stopped(); err != nil {
		return false, err
	}

	j.queue = append(j.queue, r)

	if r.durable {
		j.groups.Add(1)
	}

	if j.leading {
		r.wake = make(chan struct{}, 1)

		return false, nil
	}

	j.leading = true
	j.groups.Add(1)

	return true, nil
}

// take returns who stands in line.
func (j *Journal) take() []*request {
	j.mu.Lock()
	defer j.mu.Unlock()

	group := j.queue
	j.queue = nil

	if len(group) > maxGroup {
		group, j.queue = group[:maxGroup:maxGroup], group[maxGroup:]
	}

	return group
}

// passOn lets the next in line write; if there is nobody, whoever comes.
func (j *Journal) passOn() {
	j.mu.Lock()
	defer j.mu.Unlock()

	if len(j.queue) > 0 {
		j.queue[0].wake <- struct{}{}

		return
	}

	j.leading = false
	j.groups.Done()
}

// serve writes a group and answers each of it.
func (j *Journal) serve(group []*request) {
	err := j.write(group)

	if err != nil && len(group) > 1 && !errors.Is(err, job.ErrDisk) && !errors.Is(err, job.ErrUntrusted) {
		for _, r := range group { // one of them is bad: the others must not suffer
			r.answer(j.write([]*request{r}))
		}

		return
	}

	for _, r := range group {
		r.answer(err)
	}
}

func (r *request) answer(err error) {
	r.served, r.err = true, err

	if r.wake == nil {
		return
	}

	r.wake <- struct{}{} // its room: this is the only one, or the one that made it lead was taken
}

// write writes a group in one transaction.
func (j *Journal) write(group []*request) error {
	if err := j.faulty(); err != nil {
		return err
	}

	s := newStage(j.known)
	if err := j.writer.transact(group, s); err != nil {
		j.known.undo(s)

		return j.fail(err)
	}

	j.known.apply(s)

	return nil
}

// faulty is trouble for those in line already: Close waits for them.
func (j *Journal) faulty() error {
	j.mu.Lock()
	defer j.mu.Unlock()

	return j.fault
}

// fold moves what has gathered in the -wal into the database, while others
// wait in line.
func (j *Journal) fold() {
	if j.faulty() != nil {
		return
	}

	short := j.writer.short

	if err := j.fail(j.writer.checkpoint("PASSIVE")); err != nil && !short { // otherwise who wrote was told
		j.log.Warn().Err(err).Msg("journal could not be folded, its log grows")
	}
}
