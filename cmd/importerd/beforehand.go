package main

import (
	"errors"
	"fmt"
	"math"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"importerd/internal/config"
)

// checkPrograms refuses a run with --once whose commands are not there. A daemon can
// wait until they are installed; whoever runs once wants to know now, also when
// there is no file on which to notice it.
func (d *daemon) checkPrograms(cfg config.Config) error {
	if !d.once {
		return nil
	}

	var errs []error

	for _, s := range cfg.Spools {
		e := &examination{spool: s}
		e.handler()

		for _, problem := range e.problems {
			errs = append(errs, fmt.Errorf("%s: %s", s.Name, problem))
		}
	}

	if len(errs) == 0 {
		return nil
	}

	return &fault{code: codeConfig, err: errors.Join(errs...)}
}

// filesNeeded returns how many files the daemon may have open at once: for its API
// and its log, for the folders and the journal of each spool, and for the pipes and
// the lock of each handler, twice as many while one is being started.
func filesNeeded(cfg config.Config) uint64 {
	const general, perSpool, perWorker = 64, 48, 10

	files := uint64(general)
	for _, s := range cfg.Spools {
		files += perSpool + perWorker*uint64(max(s.Workers, 0))
	}

	return files
}

// warnOfFiles tells the log if not enough files may be open.
func warnOfFiles(log zerolog.Logger, cfg config.Config) {
	if has, needs := openFiles(), filesNeeded(cfg); has < needs {
		log.Warn().Uint64("limit", has).Uint64("needed", needs).
			Msg("too few open files are allowed: raise LimitNOFILE= of the unit, or ulimit -n")
	}
}

// openFiles returns how many files this process may have open. The runtime has
// raised the soft limit to the hard one already, for us and not for handlers.
func openFiles() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxUint64
	}

	return limit.Cur
}
