package spool

import (
	"sync"
	"sync/atomic"
	"time"

	"importerd/internal/job"
)

const (
	// queueWorth is from how many files on a queue of the kernel pays.
	queueWorth = 16
	// flushLanes is how many files are flushed at a time where there is no queue.
	flushLanes = 8
	// flushGather is how long a file that is flushed may wait for others before it is told.
	flushGather = 5 * time.Millisecond
)

// FlushAll is Flush for several files of the inbox at a time: the disk serves flushes
// that come together together. It tells of each file once, in groups as they are done,
// and perhaps several at a time, what Flush would have returned. It returns when all are
// told. Of those that are flushed within some milliseconds the kernel goes on to keep
// writers, by a lease that ends when it is given back or a little later.
func (s *Spool) FlushAll(files []job.File, done func(group []job.Flushed)) {
	b := &batch{spool: s, files: files, leases: leases{mostFD: s.mostFD}}

	if len(files) >= queueWorth && s.queuesFlushes() {
		if queue, err := s.queues.take(); err == nil {
			b.flushQueued(queue, done)
			s.queues.put(queue)

			return
		}
	}

	b.flushInLanes(done)
}

// queuesFlushes says whether flushes may be given to the kernel. Where a server does them
// they may hang for ever, and a process with such a flush in a queue could not even be
// killed: it would keep the spool's lock.
func (s *Spool) queuesFlushes() bool { return queuesWork && !s.kind.remote }

// batch is files that are flushed together.
type batch struct {
	spool  *Spool
	files  []job.File
	leases leases
}

// flushQueued flushes the files through a queue.
func (b *batch) flushQueued(queue aioQueue, done func(group []job.Flushed)) {
	group := make([]job.Flushed, 0, len(b.files))
	held := make([]*lease, len(b.files))
	queued := 0

	for i := range b.files {
		inQueue := false

		l, err := b.flush(i, func(fd int) error {
			if inQueue = queue.flush(fd, i) == nil; inQueue {
				return nil
			}

			return b.spool.flushContent(fd) // the queue is full
		})

		if inQueue {
			held[i] = l
			queued++
		} else {
			group = append(group, b.flushed(i, l, err))
		}
	}

	answers := make([]aioAnswer, queued)

	for wait := flushGather; queued > 0 || len(group) > 0; {
		n := queue.collect(answers[:queued], wait)
		queued -= n

		for _, a := range answers[:n] {
			i := int(a.data)
			group = append(group, b.flushed(i, held[i], contentLost(a.err())))
		}

		wait = flushGather
		if n == 0 { // those that are left take long
			wait = 0
		}

		if len(group) > 0 {
			done(group)
			group = make([]job.Flushed, 0, queued)
		}
	}
}

// flushInLanes flushes some files at a time and tells of each by itself.
func (b *batch) flushInLanes(done func(group []job.Flushed)) {
	one := func(i int) {
		l, err := b.flush(i, b.spool.flushContent)
		done([]job.Flushed{b.flushed(i, l, err)})
	}

	if len(b.files) == 1 {
		one(0)

		return
	}

	var (
		next  atomic.Int64
		lanes sync.WaitGroup
	)

	for range min(flushLanes, len(b.files)) {
		lanes.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(b.files); i = int(next.Add(1)) - 1 {
				one(i)
			}
		})
	}

	lanes.Wait()
}

// flush opens a file and has it flushed. nil: no lease is held on it.
func (b *batch) flush(i int, do func(fd int) error) (*lease, error) {
	fd, leased, err := b.spool.openWhole(job.InboxFolder, b.files[i])
	if err != nil {
		return nil, err
	}

	var l *lease
	if leased {
		l = b.leases.hold(fd)
	}

	if l == nil {
		defer discard(fd)
	} else {
		defer l.flushed()
	}

	return l, do(fd)
}

// flushed says what became of a file on which there may be a lease.
func (b *batch) flushed(i int, l *lease, err error) job.Flushed {
	f := job.Flushed{At: i, Err: failed("flush", job.InboxFolder, b.files[i].Name, err)}

	switch {
	case l == nil:
	case err != nil:
		l.GiveBack()
	default:
		f.Lease = l
	}

	return f
}
