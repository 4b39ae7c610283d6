package app

import (
	"context"
	"reflect"
	"sync"

	"importerd/internal/control/wire"
)

// plan is what a reload is to do.
type plan struct {
	app   *App
	leave []*line
	come  []*line
	stay  []staying
	told  wire.Reloaded
}

// staying is a line that goes on, perhaps under other rules.
type staying struct {
	line  *line
	rules *rules // nil: the same
}

// plan compares the lines with what a configuration wants. Spools are known by
// their names; one that is to have another directory or inbox leaves, and a new one
// comes for it.
func (a *App) plan(all []*rules) *plan {
	p := &plan{app: a, told: wire.Reloaded{Added: []string{}, Removed: []string{}, Changed: []string{}}}
	present := map[string]*line{}

	for _, l := range a.lines.configured() {
		present[l.name] = l
	}

	for _, r := range all {
		l := present[r.Name]
		delete(present, r.Name)

		switch {
		case l == nil:
			p.come = append(p.come, newLine(a, r))
			p.told.Added = append(p.told.Added, r.Name)
		case l.dir != r.Dir || l.rules().Inbox != r.Inbox:
			p.leave = append(p.leave, l)
			p.come = append(p.come, newLine(a, r))
			p.told.Changed = append(p.told.Changed, r.Name)
		case reflect.DeepEqual(l.rules().Spool, r.Spool):
			p.stay = append(p.stay, staying{line: l})
		default:
			p.stay = append(p.stay, staying{l, r})
			p.told.Changed = append(p.told.Changed, r.Name)
		}
	}

	for _, l := range a.lines.configured() {
		if present[l.name] == l {
			p.leave = append(p.leave, l)
			p.told.Removed = append(p.told.Removed, l.name)
		}
	}

	return p
}

// open opens the spools that come, but for those that another line still has: what
// would end the daemon at its start refuses the reload.
func (p *plan) open() error {
	for _, l := range p.come {
		if p.app.lines.holder(l.dir) != nil {
			continue
		}

		if err := l.open(); err != nil && isFinal(err) {
			p.close()

			return err
		}
	}

	return nil
}

// close gives back what open has opened.
func (p *plan) close() {
	for _, l := range p.come {
		l.close()
		l.stages.Drain()
	}
}

// change has the lines that stay go on under the new rules.
func (p *plan) change(ctx context.Context) {
	var wg sync.WaitGroup

	for _, s := range p.stay {
		wg.Go(func() { s.line.change(ctx, s.rules) })
	}

	wg.Wait()
}

// await waits until the lines that come are up, or ctx is done.
func (p *plan) await(ctx context.Context) {
	for _, l := range p.come {
		select {
		case <-l.up:
		case <-ctx.Done():
		}
	}
}

// change gives the line other rules; nil: none. What its handler or its directory
// could not do is tried at once.
func (l *line) change(ctx context.Context, r *rules) {
	l.mu.Lock()

	if r != nil {
		l.now = r
	}

	s := l.built
	l.mu.Unlock()

	switch {
	case s == nil:
		select {
		case l.again <- struct{}{}:
		default:
		}
	case r == nil:
		s.pool.TryAgain(ctx)
	default:
		if err := s.change(ctx, r, l.app.notifier.Watchdog().Interval()); err != nil {
			l.log.Error().Err(err).Msg("rules not taken")
		}
	}
}
