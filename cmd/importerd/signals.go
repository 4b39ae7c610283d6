package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
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

// during runs live and answers signals until it returns.
func (s signals) during(log zerolog.Logger, stop func(), live func() error) error {
	var wg sync.WaitGroup

	ended := make(chan struct{}) // closed here when live has returned, answer receives

	wg.Go(func() { s.answer(log, stop, ended) })

	err := live()

	close(ended)
	wg.Wait()

	return err
}

// answer answers signals until ended is closed.
func (s signals) answer(log zerolog.Logger, stop func(), ended <-chan struct{}) {
	var last wish

	for {
		select {
		case <-ended:
			return
		case sig := <-s:
			switch {
			case sig == syscall.SIGHUP:
				log.Warn().Msg("reload is not supported yet: restart")
			case sig != syscall.SIGPIPE && last.isNew(sig):
				stop()
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
