package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"

	"importerd/internal/control/client"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// viewer shows what is followed.
type viewer interface {
	// event shows what the daemon tells.
	event(e wire.Event)
	// away says that the daemon is away and why; nil: that it is back.
	away(err error)
	// draw brings what is shown up to date.
	draw()
	// close shows it for the last time.
	close()
}

// viewer returns what shows what is asked for.
func (c *monitor) viewer(w wire.Watch) viewer {
	if c.output == "json" {
		return jsonView{c.program}
	}

	file, ok := c.stdout.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || os.Getenv("TERM") == "dumb" {
		return &lineView{out: c.stdout, stderr: c.stderr, all: w.All, now: time.Now, known: map[job.ID]string{}}
	}

	return newBoard(newPainter(file), w, func() (int, int) {
		width, height, err := term.GetSize(int(file.Fd()))
		if err != nil {
			return leastWidth, 24
		}

		return width, height
	})
}

// follower follows jobs and shows what becomes of them.
type follower struct {
	*program

	view  viewer
	watch wire.Watch
	met   bool  // the daemon has answered
	lost  error // why it does not now; nil: it does
	bad   bool  // a job was not done, or there is none
}

// item is what the daemon tells, or why it does not.
type item struct {
	event wire.Event
	err   error
}

// follow shows all that the daemon tells. An error is why it could not, or that
// jobs that were asked for are not done.
func (f *follower) follow(ctx context.Context, c *client.Client) error {
	ctx, stop := context.WithCancel(ctx)

	var listening sync.WaitGroup

	items := make(chan item) // listen sends and closes, show receives

	listening.Go(func() { f.listen(ctx, c, items) })

	defer listening.Wait()
	defer stop()

	err := f.show(ctx, items)

	f.view.close()

	switch {
	case err != nil:
		return err
	case f.bad:
		return &fault{code: codeNotSo, err: errTold}
	}

	return nil
}

// listen hands on what the daemon tells.
func (f *follower) listen(ctx context.Context, c *client.Client, items chan<- item) {
	defer close(items)

	for e, err := range c.Monitor(ctx, f.watch) {
		select {
		case items <- item{e, err}:
		case <-ctx.Done():
			return
		}
	}
}

// drawEvery is how often what is shown is brought up to date.
const drawEvery = 250 * time.Millisecond

// show shows what is handed on until that ends or ctx is done.
func (f *follower) show(ctx context.Context, items <-chan item) error {
	tick := time.NewTicker(drawEvery)
	defer tick.Stop()

	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)

	defer signal.Stop(resized)

	for {
		select {
		case i, open := <-items:
			if !open {
				return f.lost
			}

			if err := f.take(i); err != nil {
				return err
			}
		case <-tick.C:
			f.view.draw()
		case <-resized:
			f.view.draw()
		case <-ctx.Done():
			return nil
		}
	}
}

// take takes up one item. An error is the end.
func (f *follower) take(i item) error {
	if i.err != nil {
		return f.away(i.err)
	}

	if f.lost != nil {
		f.lost = nil
		f.view.away(nil)
	}

	e := i.event
	f.met = true
	f.bad = f.bad || e.Kind == wire.KindUnknown || e.Kind == wire.KindEnded && e.Job.State != job.Done

	if len(f.watch.Watch) == 0 {
		f.bad = false // it is told, but was not asked about
	}

	f.view.event(e)

	return nil
}

// away says that the daemon is away, if it was there before.
func (f *follower) away(err error) error {
	if !f.met {
		return err
	}

	if f.lost == nil {
		f.view.away(err)
	}

	f.lost = err

	return nil
}

// jsonView prints each event as it came.
type jsonView struct{ *program }

func (v jsonView) event(e wire.Event) { _ = v.printJSON(e) } // nobody can be told

func (v jsonView) away(err error) { tellAway(v.stderr, err) }

func (v jsonView) draw() {}

func (v jsonView) close() {}

// tellAway says on standard error that the daemon is away, or back.
func tellAway(stderr *os.File, err error) {
	if err == nil {
		fmt.Fprintln(stderr, "importerd: the daemon is back")

		return
	}

	fmt.Fprintf(stderr, "importerd: %s: waiting for it to come back\n", awayText(err))
}

// awayText says in short why the daemon is away.
func awayText(err error) string {
	if e, ok := errors.AsType[*client.Error](err); ok {
		return "the daemon does not serve: " + job.Show(e.Error())
	}

	return job.Show(err.Error())
}

// lineView prints a line for each start and end.
type lineView struct {
	out    interface{ Write(p []byte) (int, error) }
	stderr *os.File
	all    bool // of all spools: each line says which
	now    func() time.Time
	known  map[job.ID]string // how each job was when it was last told
}

func (v *lineView) event(e wire.Event) {
	if line := eventLine(e, v.known, v.all, v.now()); line.text != "" {
		fmt.Fprintln(v.out, line.text)
	}
}

func (v *lineView) away(err error) { tellAway(v.stderr, err) }

func (v *lineView) draw() {}

func (v *lineView) close() {}
