package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"importerd/internal/config"
	"importerd/internal/job"
	"importerd/internal/journal"
)

// place is a spool as the command line or the configuration names it.
type place struct {
	name  string
	dir   string
	rules *config.Spool // nil: not known
}

// places are the options that say which spools a command is about.
type places struct {
	config string
	spool  string // directory or name; empty: all of the configuration
}

// flags adds the options.
func (o *places) flags(cmd *cobra.Command) {
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&o.spool, "spool", "",
		"directory of a `SPOOL`, or its name (default all of the configuration)")
	o.configFlag(cmd)

	mustComplete(cmd.RegisterFlagCompletionFunc("spool", o.completeSpool))
}

// configFlag adds the option for the configuration alone.
func (o *places) configFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.config, "config", "c", defaultConfig, "configuration `FILE`")
}

// find returns the spool that is asked for, or all of the configuration. A
// directory needs no configuration.
func (o *places) find() ([]place, error) {
	cfg, err := config.Load(o.config)

	info, statErr := os.Stat(o.spool)
	if strings.Contains(o.spool, "/") || statErr == nil && info.IsDir() {
		return []place{placeOf(o.spool, info, cfg)}, nil
	}

	if err != nil {
		return nil, o.noConfig(err)
	}

	var (
		all   []place
		names []string
	)

	for i, s := range cfg.Spools {
		names = append(names, s.Name)

		if o.spool == "" || o.spool == s.Name {
			all = append(all, place{s.Name, s.Dir, &cfg.Spools[i]})
		}
	}

	if len(all) == 0 {
		return nil, usage("the spools there are "+strings.Join(names, ", "),
			"%q is neither a directory nor a spool of %s", o.spool, o.config)
	}

	return all, nil
}

// noConfig says why it cannot be told which spools are meant.
func (o *places) noConfig(err error) error {
	f := &fault{
		code: codeConfig, err: err,
		hint: "give the directory of the spool, or the configuration file with --config",
	}

	if o.spool != "" {
		f.err = fmt.Errorf("%q is no directory, and its name cannot be looked up: %w", o.spool, err)
	}

	return f
}

// placeOf returns the spool in a directory, with its rules if the configuration
// has it.
func placeOf(path string, info os.FileInfo, cfg config.Config) place {
	for i, s := range cfg.Spools {
		if at, err := os.Stat(s.Dir); info != nil && err == nil && os.SameFile(at, info) {
			return place{s.Name, path, &cfg.Spools[i]}
		}
	}

	name := path
	if abs, err := filepath.Abs(path); err == nil {
		name = filepath.Base(abs)
	}

	return place{name, path, nil}
}

// own returns the path of something below the spool's own folder.
func (p place) own(names ...string) string {
	return filepath.Join(append([]string{p.dir, string(job.OwnFolder)}, names...)...)
}

// check says why there is no spool there that we may read.
func (p place) check() error {
	_, err := os.Stat(p.own())

	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &fault{
			code: codeConfig, err: fmt.Errorf("there is no spool at %s", job.Show(p.dir)),
			hint: "importerd run makes one of a directory when it starts",
		}
	case err != nil:
		return &fault{code: codeConfig, err: fmt.Errorf("spool %s: %w", job.Show(p.name), err)}
	}

	return nil
}

// open opens the spool's journal to read it; nil: it has none yet.
func (p place) open() (*journal.Reader, error) {
	if err := p.check(); err != nil {
		return nil, err
	}

	r, err := journal.OpenReadOnly(p.own("journal.db"))

	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil //nolint:nilnil // no journal, no jobs
	case errors.Is(err, fs.ErrPermission):
		return nil, &fault{
			code: codeConfig, err: fmt.Errorf("spool %s: %w", job.Show(p.name), err),
			hint: "only root and the user of the daemon may read it: sudo importerd ...",
		}
	case err != nil:
		return nil, fmt.Errorf("spool %s: %w", job.Show(p.name), err)
	}

	return r, nil
}

// source is an open journal with its spool.
type source struct {
	place
	journal *journal.Reader
}

// openAll opens the journals of all spools that are asked for. It returns also
// what is open if others could not be opened.
func (o *places) openAll() ([]source, error) {
	all, err := o.find()
	if err != nil {
		return nil, err
	}

	var (
		sources []source
		errs    []error
	)

	for _, p := range all {
		r, err := p.open()
		if err != nil {
			errs = append(errs, err)
		} else if r != nil {
			sources = append(sources, source{p, r})
		}
	}

	return sources, gravest(errs)
}

// closeAll closes what openAll has opened.
func closeAll(sources []source) {
	for _, s := range sources {
		_ = s.journal.Close() // nothing was written through it
	}
}
