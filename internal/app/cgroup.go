package app

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/rs/zerolog"

	"importerd/internal/config"
	"importerd/internal/control/wire"
	"importerd/internal/handler/cgroup"
	"importerd/internal/job"
	"importerd/internal/spool"
)

// isolate takes the daemon's own cgroup over if it is delegated, and ends what an
// earlier daemon has left there. To have none is no trouble, unless limits are wanted.
func (a *App) isolate() {
	groups, err := takeOver(a.opts.Log, a.opts.Enters)
	if err != nil {
		a.opts.Log.Debug().Err(err).Msg("no cgroups for attempts, their process groups must do")
		a.unmet = func(cgroup.Limits) error { return err }

		return
	}

	a.groups, a.unmet = groups, groups.Unmet
	a.opts.Log.Debug().Str("cgroup", groups.Path()).Msg("each attempt gets a cgroup")

	// Handlers are ended with the patience that their spools have, in its recovery.
	groups.Clear(func(name string) bool {
		id, isJob := strings.CutPrefix(name, cgroup.JobPrefix)

		return isJob && slices.ContainsFunc(a.opts.Config.Spools, func(s config.Spool) bool {
			return exists(filepath.Join(s.Dir, string(job.OwnFolder), "locks", id))
		})
	})
}

// takeOver returns the daemon's own cgroup, which the daemon itself has left for a
// leaf, or says why not.
func takeOver(log zerolog.Logger, enters bool) (*cgroup.Root, error) {
	own, err := cgroup.Own()
	if err == nil {
		err = own.Delegated()
	}

	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it is
	}

	groups, err := cgroup.Hold(own.Dir, log)
	if err != nil {
		return nil, err //nolint:wrapcheck // as above
	}

	if enters {
		groups.Enter()
	}

	if err = groups.Usable(); err == nil {
		err = groups.MoveIn()
	}

	if err != nil {
		return nil, errors.Join(err, groups.Close())
	}

	groups.Enable()

	return groups, nil
}

// warnOfLimits says which limits of a configuration are not kept, and why.
func (a *App) warnOfLimits(cfg config.Config) {
	for _, s := range cfg.Spools {
		if s.Limits == (config.Limits{}) {
			continue
		}

		if err := a.unmet(limitsOf(s)); err != nil {
			a.opts.Log.Warn().Str("spool", s.Name).Err(err).Msg("limits are not kept")
		}
	}
}

// limitsOf returns what one attempt of a spool may have.
func limitsOf(s config.Spool) cgroup.Limits {
	return cgroup.Limits{Memory: s.Limits.Memory, CPU: s.Limits.CPU, PIDs: s.Limits.PIDs}
}

// isolation says what keeps the processes of an attempt together.
func (a *App) isolation() wire.Isolation {
	if a.groups != nil {
		return wire.Cgroup
	}

	return wire.ProcessGroup
}

// letGo gives the cgroup back.
func (a *App) letGo() {
	if a.groups == nil {
		return
	}

	if err := a.groups.Close(); err != nil {
		a.opts.Log.Warn().Err(err).Msg("cgroup not closed")
	}
}

// locks are the locks of a spool's attempts, and their cgroups: what has let go of the
// lock and has made a session of its own is found by its cgroup alone.
type locks struct {
	*spool.Spool

	groups *cgroup.Root
	log    zerolog.Logger
}

// OldHandlers returns the attempts of an earlier daemon of which the main process or
// somebody with its lock lives. What else is left of others is ended at once, as it is
// when the main process of an attempt ends.
func (l locks) OldHandlers() ([]job.OldHandler, error) {
	var ours []job.ID

	for _, name := range l.groups.Names() {
		id, err := job.ParseID(strings.TrimPrefix(name, cgroup.JobPrefix))
		if err == nil && exists(l.Path(job.OwnFolder, filepath.Join("locks", id.String()))) {
			ours = append(ours, id)
		}
	}

	old, err := l.Spool.OldHandlers()
	if err != nil {
		return nil, err //nolint:wrapcheck // passed on
	}

	stray := slices.DeleteFunc(ours, func(id job.ID) bool {
		return slices.ContainsFunc(old, func(h job.OldHandler) bool { return h.Job == id })
	})

	if len(stray) > 0 {
		l.log.Warn().Int("handlers", len(stray)).Msg("ended what old handlers have left")
		l.groups.Clear(func(name string) bool {
			return !slices.ContainsFunc(stray, func(id job.ID) bool { return name == groupOf(id) })
		})
	}

	return old, nil
}

// HandlerGone says whether nothing of an attempt lives any more.
func (l locks) HandlerGone(id job.ID) bool {
	g, err := l.groups.Find(groupOf(id))
	if err != nil {
		return l.Spool.HandlerGone(id)
	}

	if g.Populated() {
		g.Close()

		return false
	}

	g.Remove()

	return l.Spool.HandlerGone(id)
}

// SignalHandlers signals all that is found. To be asked twice would confuse: who is in
// a cgroup is asked there. Killed is whoever is found in any way.
func (l locks) SignalHandlers(ids []job.ID, signals ...syscall.Signal) {
	kill := slices.Contains(signals, syscall.SIGKILL)

	others := slices.DeleteFunc(slices.Clone(ids), func(id job.ID) bool {
		return l.signal(id, kill, signals) && !kill
	})

	l.Spool.SignalHandlers(others, signals...)
}

// signal signals the cgroup of a job, and says whether anything lives in it.
func (l locks) signal(id job.ID, kill bool, signals []syscall.Signal) bool {
	g, err := l.groups.Find(groupOf(id))
	if err != nil {
		return false
	}
	defer g.Close()

	if !g.Populated() {
		return false
	}

	if kill {
		g.Kill()

		return true
	}

	g.Signal(func(int) bool { return false }, signals...)
	g.Thaw() // with the request pending

	return true
}

// groupOf returns the name of the cgroup of a job's attempt.
func groupOf(id job.ID) string { return cgroup.JobPrefix + id.String() }

func exists(path string) bool {
	_, err := os.Lstat(path)

	return err == nil
}
