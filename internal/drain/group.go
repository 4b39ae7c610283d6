package drain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// ErrRan says that a group was run a second time. Make a new one.
var ErrRan = errors.New("the group has been run already")

// Group is a list of actors that live together. Add them, then Run once. The
// zero Group is empty and ready.
type Group struct {
	mu     sync.Mutex
	actors []*actor
	ran    bool
}

// Add appends an actor. Its run lives until its context is done and then
// returns nil, or earlier: nil says that it has done its part, which the others
// need not care about, an error ends them all. What it starts it has to wait
// for. grace is how long the group waits for it after its context was
// cancelled. A panic in run is not caught.
//
// Add panics if the actor is not whole or the group runs already.
func (g *Group) Add(name string, grace time.Duration, run func(context.Context) error) {
	if grace <= 0 {
		panic(fmt.Sprintf("bug: actor %q with grace %s cannot be added", name, grace))
	}

	g.AddLasting(name, func() time.Duration { return grace }, run)
}

// AddLasting is Add for an actor of which nobody knows before it is stopped how
// long it may take then.
func (g *Group) AddLasting(name string, grace func() time.Duration, run func(context.Context) error) {
	g.mu.Lock()
	defer g.mu.Unlock()

	if name == "" || run == nil || g.ran {
		panic(fmt.Sprintf("bug: actor %q cannot be added", name))
	}

	g.actors = append(g.actors, &actor{name: name, grace: grace, run: run, done: make(chan struct{})})
}

// Run starts the actors in the order in which they were added. When ctx is done,
// or when one of them ends with an error, it stops them in the reverse order,
// each only after the one before it has ended or has used up its grace. It
// returns when all are stopped, at once when all have ended by themselves, and
// starts none if ctx is done before. The actors' contexts carry the values of
// ctx but end only when it is their turn.
//
// The error joins, each with the actor's name in front, the one that ended the
// group, then those of the others in the order of stopping. An actor that
// outlives its grace is left behind and is an error too. One that was told to
// stop and answers context.Canceled has done well.
func (g *Group) Run(ctx context.Context) error {
	actors, err := g.take()
	if err != nil || ctx.Err() != nil {
		return err
	}

	// Each actor sends itself once, when it has ended; only wait receives. There
	// is room for all, so that nobody is held up when no one listens any more.
	ended := make(chan *actor, len(actors))
	for _, a := range actors {
		a.start(ctx, ended)
	}

	first := wait(ctx, ended, len(actors))

	var errs []error
	if first != nil {
		errs = append(errs, first.failure())
	}

	for _, a := range slices.Backward(actors) {
		if err := a.stop(); a != first {
			errs = append(errs, err)
		}
	}

	return errors.Join(errs...)
}

// take hands out the actors to the first caller.
func (g *Group) take() ([]*actor, error) {
	g.mu.Lock()
	defer g.mu.Unlock()

	if g.ran {
		return nil, ErrRan
	}

	g.ran = true

	return g.actors, nil
}

// wait returns the actor that ended with an error, or nil when ctx is done or
// all n have ended well.
func wait(ctx context.Context, ended <-chan *actor, n int) *actor {
	for range n {
		select {
		case <-ctx.Done():
			return nil
		case a := <-ended:
			if a.err != nil {
				return a
			}
		}
	}

	return nil
}
