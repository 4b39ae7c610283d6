package main

import (
	"context"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestSignals counts the wishes to stop: one that a wrapper sends twice is one.
func TestSignals(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		s := make(signals, 16)
		stops, hangUps := 0, 0
		end := make(chan struct{})
		ended := make(chan error)

		go func() {
			ended <- s.during(t.Context(), answers{
				stop: func() { stops++ },
				hangUp: func(ctx context.Context) {
					hangUps++

					<-ctx.Done() // a reload that takes long holds up nobody
				},
				beat: func() {}, every: time.Hour,
			}, func() error {
				<-end

				return nil
			})
		}()

		for _, step := range []struct {
			signal syscall.Signal
			after  time.Duration
			stops  int
		}{
			{syscall.SIGHUP, 0, 0},
			{syscall.SIGPIPE, 0, 0},
			{syscall.SIGTERM, 0, 1},
			{syscall.SIGTERM, echo / 2, 1},
			{syscall.SIGTERM, 2 * echo, 2},
			{syscall.SIGINT, 0, 3},
			{syscall.SIGTERM, 0, 4},
		} {
			<-time.After(step.after)

			s <- step.signal

			synctest.Wait()

			if stops != step.stops {
				t.Errorf("after %v: %d stops, want %d", step.signal, stops, step.stops)
			}
		}

		close(end)

		if err := <-ended; err != nil || hangUps < 1 {
			t.Errorf("%v, %d hang-ups", err, hangUps)
		}
	})
}
