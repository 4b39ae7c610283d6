package faults_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// delivery is one file that was delivered whole.
type delivery struct {
	*content
	name  string
	inode uint64
	turn  int // among those of its name

	durable bool // its producer has flushed it and its name
}

// producers deliver files into the inbox of a rig.
type producers struct {
	*rig
	plans   []string // one of them is chosen for each content, equally often
	flush   func(n int) bool
	backlog int  // no more than so many files wait
	size    int  // of a file at most
	unique  bool // no name is used twice
	uploads bool // some files go through the API

	powerless atomic.Bool // the disk is gone: no delivery can succeed, and none is expected to

	quit    chan struct{}  // closed by stop
	workers sync.WaitGroup // of all producers

	pause sync.RWMutex // held by each delivery; who has it whole sees none half done

	mu       sync.Mutex // guards what follows
	accepted int        // uploads that were answered with 201
	all      map[string]*delivery
	turn     map[string]int
	next     int
}

func newProducers(r *rig) *producers {
	return &producers{
		rig: r, all: map[string]*delivery{}, turn: map[string]int{}, backlog: 60, size: 40_000,
		flush: func(int) bool { return false },
		plans: []string{
			planDone, planDone, planDone, planDone, planRefuse, planLater, planBad, planSlow, planStubborn, planChange,
			planResults,
		},
	}
}

// begin starts n producers, whose choices follow from seed.
func (p *producers) begin(n int, seed uint64) {
	p.quit = make(chan struct{})
	p.powerless.Store(false)

	for i := range n {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))

		p.workers.Go(func() {
			for {
				select {
				case <-p.quit:
					return
				default:
				}

				if len(p.files("inbox")) >= p.backlog {
					wait(breath(rng))

					continue
				}

				switch err := p.deliver(rng); {
				case err == nil:
				case p.powerless.Load():
					return
				default:
					p.Errorf("deliver: %v", err)

					return
				}

				wait(breath(rng))
			}
		})
	}
}

// breath is the time between two deliveries.
func breath(rng *rand.Rand) time.Duration { return time.Duration(rng.IntN(20)) * time.Millisecond }

// end stops the producers and waits for their last deliveries.
func (p *producers) end() {
	close(p.quit)
	p.workers.Wait()
}

// deliver delivers one file in one of several ways, often under the name of
// an earlier one. One of which the name is taken is dropped.
func (p *producers) deliver(rng *rand.Rand) error {
	p.mu.Lock()
	p.next++
	n := p.next
	p.mu.Unlock()

	c := newContent(rng, fmt.Sprintf("c%06d", n), p.plans[rng.IntN(len(p.plans))], p.size)

	name := c.id + ".dat"
	if rng.IntN(4) == 0 && !p.unique {
		name = fmt.Sprintf("again-%d.dat", rng.IntN(5))
	}

	ways := []func(d *delivery, flush bool) error{p.byRename, p.byLink, p.inPlace}
	if p.uploads {
		ways = append(ways, p.byUpload, p.byUpload)
	}

	how := ways[rng.IntN(len(ways))]

	p.pause.RLock()
	defer p.pause.RUnlock()

	if err := how(&delivery{content: c, name: name}, p.flush(n)); !errors.Is(err, fs.ErrExist) {
		return err
	}

	return nil
}

// count returns how many were delivered.
func (p *producers) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()

	return len(p.all)
}

// byRename writes under a temporary name and renames.
func (p *producers) byRename(d *delivery, flush bool) error {
	part := p.path("inbox", d.id+".part")
	if err := p.write(part, d, flush); err != nil {
		return err
	}

	err := p.name(d, func() error {
		return unix.Renameat2(unix.AT_FDCWD, part, unix.AT_FDCWD, p.path("inbox", d.name), unix.RENAME_NOREPLACE)
	})
	if err != nil {
		return errors.Join(err, os.Remove(part))
	}

	return p.flushInbox(d, flush)
}

// byLink makes a second name and removes the first one.
func (p *producers) byLink(d *delivery, flush bool) error {
	part := p.path("inbox", d.id+".part")
	if err := p.write(part, d, flush); err != nil {
		return err
	}

	err := p.name(d, func() error { return os.Link(part, p.path("inbox", d.name)) })
	if err := errors.Join(err, os.Remove(part)); err != nil {
		return err
	}

	return p.flushInbox(d, flush)
}

// inPlace writes slowly under the name itself.
func (p *producers) inPlace(d *delivery, flush bool) error {
	var f *os.File

	// Its turn among those of its name is that of its name, not of its end.
	err := p.name(d, func() (err error) {
		f, err = os.OpenFile(p.path("inbox", d.name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err == nil {
			d.inode = inode(p.path("inbox", d.name))
		}

		return err
	})
	if err != nil {
		return err
	}

	if err := fill(f, d.bytes, flush); err != nil {
		return err
	}

	return p.flushInbox(d, flush)
}

// byUpload uploads a file to the daemon, if one is there. What was answered with 201
// is durable, whatever becomes of the others.
func (p *producers) byUpload(d *delivery, _ bool) error {
	p.mu.Lock()
	p.all[d.id] = d
	p.mu.Unlock()

	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", p.path(".importerd", "importerd.sock"))
		},
	}

	ctx, cancel := context.WithTimeout(p.Context(), patience)
	defer cancel()

	r, err := http.NewRequestWithContext(ctx, http.MethodPost,
		"http://localhost/v1/spools/spool/files?name="+d.name, bytes.NewReader(d.bytes))
	if err != nil {
		return err
	}

	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return nil // there is no daemon, or none any more
	}
	defer answer.Body.Close()

	p.mu.Lock()
	defer p.mu.Unlock()

	if d.durable = answer.StatusCode == http.StatusCreated && !p.powerless.Load(); d.durable {
		p.accepted++
	}

	return nil
}

// name gives a file its name by do, and notes that it was delivered: both or
// neither, so that the turns of one name are those in which it was given.
func (p *producers) name(d *delivery, do func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()

	if err := do(); err != nil {
		return err
	}

	d.turn = p.turn[d.name]
	p.turn[d.name]++
	p.all[d.id] = d

	return nil
}

// write makes the file of a delivery.
func (p *producers) write(path string, d *delivery, flush bool) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}

	d.inode = inode(path)

	return fill(f, d.bytes, flush)
}

// fill writes in pieces, flushes if that is wanted, and closes.
func fill(f *os.File, text []byte, flush bool) error {
	var err error

	for len(text) > 0 && err == nil {
		n := min(8192, len(text))
		_, err = f.Write(text[:n])
		text = text[n:]
	}

	if flush && err == nil {
		err = f.Sync()
	}

	return errors.Join(err, f.Close())
}

// flushInbox makes the name of a file whose content was flushed durable.
func (p *producers) flushInbox(file *delivery, flush bool) error {
	if !flush {
		return nil
	}

	d, err := os.Open(p.path("inbox"))
	if err != nil {
		return err
	}
	defer d.Close()

	if err := d.Sync(); err != nil {
		return err
	}

	p.mu.Lock()
	defer p.mu.Unlock()

	// XFS answers that all is well when it has just been shut down.
	file.durable = !p.powerless.Load()

	return nil
}
