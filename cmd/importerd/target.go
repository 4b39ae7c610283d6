package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"importerd/internal/config"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// target is a name in a spool that shall be explained.
type target struct {
	place
	daemon *remote // nil: none answers for the spool
	why    error   // why none does
	name   string
	folder job.Folder // where the path that was given says that it lies; empty: it does not say
}

// inbox returns the path of the spool's inbox.
func (t target) inbox() string {
	switch {
	case t.daemon != nil && t.daemon.spool.Inbox != "":
		return t.daemon.spool.Inbox
	case t.rules != nil:
		return t.rules.InboxDir()
	}

	return filepath.Join(t.dir, string(job.InboxFolder))
}

// targets returns where to look for what an argument names. One that lies in no spool
// is looked for by its name, in all of them or in the one of --spool.
func (c *explain) targets(ctx context.Context, arg string) ([]target, error) {
	if isDir(filepath.Join(arg, string(job.OwnFolder))) {
		return nil, usage("importerd jobs "+arg, "%s is a spool: which of its files?", job.Show(arg))
	}

	if c.spool == "" {
		if t, ok := c.within(arg); ok {
			t.daemon, t.why = c.api.find(ctx, c.config, t.dir)
			if t.why != nil && !absent(t.why) {
				return nil, t.why
			}

			return []target{t}, nil
		}
	}

	all, err := c.spools(ctx)
	for i := range all {
		all[i].name = filepath.Base(arg)
	}

	return all, err
}

// within returns the spool in which a path lies, whether there is anything at the path
// or not; false: it lies in none.
func (c *explain) within(arg string) (target, bool) {
	if _, err := os.Lstat(arg); err != nil && !strings.Contains(arg, "/") {
		return target{}, false // only a name
	}

	path, err := filepath.Abs(arg)
	if err != nil {
		return target{}, false
	}

	cfg, _ := config.Load(c.config) // without it there are no inboxes elsewhere

	if t, ok := below(path, cfg); ok {
		return t, true
	}

	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return target{}, false
	}

	return below(filepath.Join(dir, filepath.Base(path)), cfg)
}

// below returns the spool in or below whose directory, or in whose inbox, a path lies.
func below(path string, cfg config.Config) (target, bool) {
	dir := filepath.Dir(path)
	info, _ := os.Stat(dir) // it need not be there

	for _, s := range cfg.Spools {
		if at, err := os.Stat(s.InboxDir()); err == nil && info != nil && os.SameFile(at, info) {
			return target{place: place{s.Name, s.Dir, &s}, name: filepath.Base(path), folder: job.InboxFolder}, true
		}
	}

	for ; ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(filepath.Join(dir, string(job.OwnFolder))); err == nil && info.IsDir() {
			info, _ := os.Stat(dir)
			t := target{place: placeOf(dir, info, cfg)}
			t.folder, t.name = split(path[len(strings.TrimSuffix(dir, "/"))+1:])

			return t, true
		}

		if dir == filepath.Dir(dir) {
			return target{}, false
		}
	}
}

// split returns of a path below a spool's directory the folder, and the name of the
// file that it is about.
func split(path string) (job.Folder, string) {
	parts := strings.Split(path, "/")
	folder, name := job.Folder(parts[0]), parts[len(parts)-1]

	switch {
	case folder == job.ErrorsFolder:
		return folder, strings.TrimSuffix(name, ".txt")
	case folder == job.ResultsFolder:
		return folder, parts[min(1, len(parts)-1)]
	case len(parts) != 2: // not where files of jobs lie
		return "", name
	}

	return folder, name
}

// spools returns all spools that are asked for, from the daemon or, where none answers, as
// the configuration has them.
func (c *explain) spools(ctx context.Context) ([]target, error) {
	all, why := c.remotes(ctx)
	if why == nil {
		return all, nil
	}

	if !absent(why) {
		return nil, why
	}

	found, err := c.places.find()
	if err != nil && c.listen != "" {
		return nil, why
	}

	for _, p := range found {
		all = append(all, target{place: p, why: why})
	}

	return all, err
}

// remotes returns the spools that are asked for as the daemon has them.
func (c *explain) remotes(ctx context.Context) ([]target, error) {
	daemon, err := c.daemon(ctx)
	if err != nil {
		return nil, err
	}

	if c.spool != "" {
		return c.targetsOf([]*remote{daemon}), nil
	}

	spools, err := daemon.Spools(ctx)

	found := make([]*remote, len(spools))
	for i, s := range spools {
		found[i] = &remote{daemon.Client, s}
	}

	return c.targetsOf(found), err
}

// targetsOf returns the spools of daemons as targets.
func (c *explain) targetsOf(found []*remote) []target {
	cfg, _ := config.Load(c.config) // only for the rules

	all := make([]target, len(found))

	for i, r := range found {
		all[i] = target{place: remotePlace(r.spool, cfg), daemon: r}
	}

	return all
}

// remotePlace returns where a daemon says that a spool is.
func remotePlace(s wire.Spool, cfg config.Config) place {
	info, _ := os.Stat(s.Dir) // it may be on another machine

	p := placeOf(s.Dir, info, cfg)
	p.name = s.Name

	return p
}
