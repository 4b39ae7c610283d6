package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/rs/zerolog"
)

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
	for {
		select {
		case <-ended:
			return
		case sig := <-s:
			switch sig {
			case syscall.SIGTERM, syscall.SIGINT:
				stop()
			case syscall.SIGHUP:
				log.Warn().Msg("reload is not supported yet: restart")
			}
		}
	}
}
