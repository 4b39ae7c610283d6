package drain

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// actor is one member of a group.
type actor struct {
	name   string
	grace  func() time.Duration // asked when it is stopped
	run    func(context.Context) error
	cancel context.CancelFunc
	done   chan struct{} // nobody sends; closed by the actor's goroutine when run has returned
	err    error         // what run returned; read only after done is closed
}

// start lets the actor run beside the caller. It sends itself to ended at its end.
func (a *actor) start(ctx context.Context, ended chan<- *actor) {
	ctx, a.cancel = context.WithCancel(context.WithoutCancel(ctx))

	go func() {
		// Deferred, so that an actor that leaves by runtime.Goexit is not waited for.
		defer func() {
			close(a.done)
			ended <- a
		}()

		a.err = a.run(ctx)
	}()
}

// stop ends the actor and waits for it, at most for its grace.
func (a *actor) stop() error {
	defer a.cancel()

	select {
	case <-a.done:
		return a.failure()
	default:
	}

	a.cancel()

	grace := a.grace()

	timer := time.NewTimer(grace)
	defer timer.Stop()

	select {
	case <-a.done:
	case <-timer.C:
		return fmt.Errorf("%s did not end within %s", a.name, grace)
	}

	if onlyCanceled(a.err) {
		return nil
	}

	return a.failure()
}

// onlyCanceled says whether err is context.Canceled, perhaps wrapped. In joined
// errors, which errors.Is would search too, others may stand beside it.
func onlyCanceled(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if err == context.Canceled { //nolint:errorlint // the loop unwraps
			return true
		}
	}

	return false
}

// failure returns the error of an actor that has ended, with its name.
func (a *actor) failure() error {
	if a.err == nil {
		return nil
	}

	return fmt.Errorf("%s: %w", a.name, a.err)
}
