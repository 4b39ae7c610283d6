package systemd

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Env is what a supervisor told the daemon at its start. The zero Env says that
// there is none.
type Env struct {
	NotifySocket  string        // path, or @ and an abstract name; empty: nobody listens
	Watchdog      time.Duration // the daemon is killed when it has been silent for so long; zero: never
	JournalStream string        // device:inode of the journal's stream; empty: the output does not go there
	Credentials   string        // directory of the credentials; empty: there are none
}

// TakeEnv reads the Env from the environment and takes NOTIFY_SOCKET and
// WATCHDOG_* out of it, so that no child can be mistaken for the daemon. A
// watchdog meant for another process (WATCHDOG_PID) is none. The Env is valid
// also with an error, which says that the watchdog is off because its variables
// make no sense. Only main calls it, before anything else has started.
func TakeEnv() (Env, error) {
	env := Env{
		NotifySocket:  os.Getenv("NOTIFY_SOCKET"),
		JournalStream: os.Getenv("JOURNAL_STREAM"),
		Credentials:   os.Getenv("CREDENTIALS_DIRECTORY"),
	}

	watchdog, err := daemon.SdWatchdogEnabled(true)
	env.Watchdog = max(0, watchdog)

	if err = errors.Join(err, os.Unsetenv("NOTIFY_SOCKET")); err != nil {
		return env, fmt.Errorf("read the supervisor's variables: %w", err)
	}

	return env, nil
}

// Journal says whether what is written to file goes to the journal, which puts
// times of its own before each line. A program whose output was redirected has
// inherited the variable all the same; hence the look at the file.
func (e Env) Journal(file *os.File) bool {
	info, err := file.Stat()
	if err != nil {
		return false
	}

	stat, ok := info.Sys().(*syscall.Stat_t)

	return ok && e.JournalStream == strconv.FormatUint(stat.Dev, 10)+":"+strconv.FormatUint(stat.Ino, 10)
}
