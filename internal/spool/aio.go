package spool

import (
	"fmt"
	"io/fs"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// aioMost is how many flushes one queue holds.
const aioMost = 256

// aioFlush is IOCB_CMD_FSYNC of linux/aio_abi.h: what fsync(2) does.
const aioFlush = 2

// aioQueue is a queue of the kernel's asynchronous I/O (io_setup(2)). A flush that is
// given to it is done by a thread of the kernel. Of many at a time the disk serves most
// together, and we wait with one thread for all.
type aioQueue uintptr

// aioRequest is struct iocb of linux/aio_abi.h.
type aioRequest struct {
	data   uint64 // comes back with the answer
	_      uint64 // key and flags: none
	opcode uint16
	_      int16 // priority: the default
	fd     uint32
	_      [5]uint64 // buffer, size, offset and more: a flush has none
}

// aioAnswer is struct io_event of linux/aio_abi.h.
type aioAnswer struct {
	data   uint64 // of the request
	_      uint64 // its address
	result int64  // 0, or a negative error number
	_      int64
}

// err returns what the flush would have returned.
func (a *aioAnswer) err() error {
	if a.result < 0 {
		return unix.Errno(-a.result) //nolint:wrapcheck // as from fsync(2)
	}

	return nil
}

// flush gives the queue a flush of fd, which may be closed at once. The answer carries tag.
func (q aioQueue) flush(fd, tag int) error {
	request := aioRequest{data: uint64(tag), opcode: aioFlush, fd: uint32(fd)}
	list := [1]*aioRequest{&request}
	at := unsafe.Pointer(&list) //nolint:gosec // as the kernel wants it

	_, _, errno := unix.Syscall(unix.SYS_IO_SUBMIT, uintptr(q), 1, uintptr(at))
	if errno != 0 {
		return fmt.Errorf("queue a flush: %w", errno)
	}

	return nil
}

// collect waits until all answers are there for which there is room, or for some time
// until those that are; zero: for at least one, however long. It returns how many.
func (q aioQueue) collect(answers []aioAnswer, wait time.Duration) int {
	if len(answers) == 0 {
		return 0
	}

	least := len(answers)
	limit := unix.NsecToTimespec(int64(wait))
	until := &limit

	if wait == 0 {
		least, until = 1, nil
	}

	var n uintptr

	err := again(func() error {
		var errno unix.Errno

		n, _, errno = unix.Syscall6(unix.SYS_IO_GETEVENTS, uintptr(q), uintptr(least), uintptr(len(answers)),
			uintptr(unsafe.Pointer(&answers[0])), uintptr(unsafe.Pointer(until)), 0) //nolint:gosec // as the kernel wants it
		if errno != 0 {
			return errno //nolint:wrapcheck // wrapped below
		}

		return nil
	})
	if err != nil {
		panic("bug: wait for flushes: " + err.Error())
	}

	return int(n)
}

// aioQueues are the queues of a spool that nobody uses at the moment.
type aioQueues struct {
	mu     sync.Mutex
	free   []aioQueue // guarded by mu
	closed bool       // guarded by mu; none is kept any more
}

// take returns a queue, which put gives back.
//
// Errors: what io_setup(2) says: the system allows no more, or none at all.
func (q *aioQueues) take() (aioQueue, error) {
	q.mu.Lock()
	defer q.mu.Unlock()

	if q.closed {
		return 0, fs.ErrClosed
	}

	if last := len(q.free) - 1; last >= 0 {
		one := q.free[last]
		q.free = q.free[:last]

		return one, nil
	}

	var one aioQueue

	at := unsafe.Pointer(&one) //nolint:gosec // as the kernel wants it
	if _, _, errno := unix.Syscall(unix.SYS_IO_SETUP, aioMost, uintptr(at), 0); errno != 0 {
		return 0, fmt.Errorf("make a queue: %w", errno)
	}

	return one, nil
}

// put gives a queue back of which all answers were collected.
func (q *aioQueues) put(one aioQueue) {
	q.mu.Lock()
	defer q.mu.Unlock()

	if q.closed {
		one.destroy()

		return
	}

	q.free = append(q.free, one)
}

// close ends all queues; those that are in use when they come back.
func (q *aioQueues) close() {
	q.mu.Lock()
	defer q.mu.Unlock()

	for _, one := range q.free {
		one.destroy()
	}

	q.free, q.closed = nil, true
}

// destroy ends a queue in which nothing is left.
func (q aioQueue) destroy() {
	_, _, _ = unix.Syscall(unix.SYS_IO_DESTROY, uintptr(q), 0, 0) // it fails only for what is no queue
}
