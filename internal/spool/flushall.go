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
// that come together together. It tells of each file once, by its place in files, what
// Flush would have returned: in groups, as they are done, and perhaps several at a
// time. It returns when all are told.
func (s *Spool) FlushAll(files []job.File, done func(group map[int]error)) {
	if len(files) >= queueWorth && s.queuesFlushes() {
		if queue, err := s.queues.take(); err == nil {
			s.flushQueued(queue, files, done)
			s.queues.put(queue)

			return
		}
	}

	s.flushInLanes(files, done)
}

// queuesFlushes says whether flushes may be given to the kernel. Where a server does them
// they may hang for ever, and a process with such a flush in a queue could not even be
// killed: it would keep the spool's lock.
func (s *Spool) queuesFlushes() bool { return queuesWork && !s.kind.remote }

// flushQueued flushes files through a queue.
func (s *Spool) flushQueued(queue aioQueue, files []job.File, done func(group map[int]error)) {
	group := make(map[int]error, len(files))
	queued := 0

	for i, f := range files {
		inQueue := false

		err := s.withWhole(job.InboxFolder, f, func(fd int) error {
			if inQueue = queue.flush(fd, i) == nil; inQueue {
				return nil
			}

			return s.flushContent(fd) // the queue is full
		})

		if inQueue {
			queued++
		} else {
			group[i] = failed("flush", job.InboxFolder, f.Name, err)
		}
	}

	answers := make([]aioAnswer, queued)

	for wait := flushGather; queued > 0 || len(group) > 0; {
		n := queue.collect(answers[:queued], wait)
		queued -= n

		for _, a := range answers[:n] {
			group[int(a.data)] = failed("flush", job.InboxFolder, files[a.data].Name, contentLost(a.err()))
		}

		wait = flushGather
		if n == 0 { // those that are left take long
			wait = 0
		}

		if len(group) > 0 {
			done(group)
			group = make(map[int]error, queued)
		}
	}
}

// flushInLanes flushes some files at a time and tells of each by itself.
func (s *Spool) flushInLanes(files []job.File, done func(group map[int]error)) {
	if len(files) == 1 {
		done(map[int]error{0: s.Flush(job.InboxFolder, files[0])})

		return
	}

	var (
		next  atomic.Int64
		lanes sync.WaitGroup
	)

	for range min(flushLanes, len(files)) {
		lanes.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(files); i = int(next.Add(1)) - 1 {
				done(map[int]error{i: s.Flush(job.InboxFolder, files[i])})
			}
		})
	}

	lanes.Wait()
}
