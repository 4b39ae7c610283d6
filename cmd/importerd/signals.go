package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// echo is how long the same signal counts as the same wish: timeout(1), and
// others that run us, send it to the process and to its group.
const echo = 100 * time.Millisecond

// signals are those that the daemon answers. The kernel sends, during receives,
// nobody closes; what comes before during is kept.
type signals chan os.Signal

// listen begins to take signals. SIGPIPE is taken so that a log that nobody
// reads any more does not end the daemon; ignoring it would make handlers ignore it too.
func listen() signals {
	s := make(signals, 16)
	signal.Notify(s, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)

	return s
}

// ignore gives the signals their usual effect back.
func (s signals) ignore() { signal.Stop(s) }

// answers are what signals bring about.
type answers struct {
	stop   func()                // for each wish to stop
	hangUp func(context.Context) // for SIGHUP, never twice at a time; may be left to end when its context is done
	beat   func()                // at each turn of the loop
	every  time.Duration         // so often at least
}

// during runs live and answers signals until it returns.
func (s signals) during(ctx context.Context, a answers, live func() error) error {
	ctx, end := context.WithCancel(ctx)
	hangUps := make(chan struct{}, 1) // answer sends and closes, received below; one waits at most

	var wg sync.WaitGroup

	wg.Go(func() {
		defer close(hangUps)

		s.answer(ctx, a, hangUps)
	})
	wg.Go(func() {
		for range hangUps {
			a.hangUp(ctx)
		}
	})

	err := live()

	end()
	wg.Wait()

	return err
}

// answer answers signals until ctx is done.
func (s signals) answer(ctx context.Context, a answers, hangUps chan<- struct{}) {
	var last wish

	turn := time.NewTicker(a.every)
	defer turn.Stop()

	for {
		a.beat()

		select {
		case <-ctx.Done():
			return
		case <-turn.C:
		case sig := <-s:
			switch {
			case sig == syscall.SIGHUP:
				select {
				case hangUps <- struct{}{}:
				default: // the one that waits has not begun: it is for this signal too
				}
			case sig != syscall.SIGPIPE && last.isNew(sig):
				a.stop()
			}
		}
	}
}

// wish is a signal to stop, and when it came last.
type wish struct {
	sig os.Signal
	at  time.Time
}

// isNew says whether sig is another wish than w, and makes w that one.
func (w *wish) isNew(sig os.Signal) bool {
	before := *w
	*w = wish{sig, time.Now()}

	return sig != before.sig || w.at.Sub(before.at) > echo
}
