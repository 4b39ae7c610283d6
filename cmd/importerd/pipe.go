package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"importerd/internal/job"
)

// notPipe refuses a named pipe: to open it would wait for somebody who writes, and
// whether that one comes, or has said all, is not to be seen. What a shell makes of
// <(COMMAND) is a pipe as well, but one whose writer is there.
func notPipe(source string) error {
	info, err := os.Stat(source)
	if err != nil || info.Mode()&fs.ModeNamedPipe == 0 || // what is wrong is said by whoever opens it
		strings.HasPrefix(source, "/dev/") || strings.HasPrefix(source, "/proc/") {
		return nil
	}

	return usage("importerd put SPOOL - --name "+job.Show(filepath.Base(source))+" <"+job.Show(source),
		"%s is a pipe, not a file", job.Show(source))
}
