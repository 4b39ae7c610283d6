package systemd

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// These tests change the environment, so they cannot run beside others.

func TestTakeEnv(t *testing.T) {
	self, other := strconv.Itoa(os.Getpid()), strconv.Itoa(os.Getpid()+1)

	cases := []struct {
		name, usec, pid string
		want            time.Duration
		bad             bool
	}{
		{name: "none"},
		{name: "ours", usec: "30000000", pid: self, want: 30 * time.Second},
		{name: "anybody's", usec: "30000000", want: 30 * time.Second},
		{name: "another's", usec: "30000000", pid: other},
		{name: "no number", usec: "soon", pid: self, bad: true},
		{name: "zero", usec: "0", pid: self, bad: true},
		{name: "no pid", usec: "30000000", pid: "x", bad: true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("NOTIFY_SOCKET", "/run/systemd/notify")
			t.Setenv("WATCHDOG_USEC", c.usec)
			t.Setenv("WATCHDOG_PID", c.pid)
			t.Setenv("JOURNAL_STREAM", "8:1")
			t.Setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x")

			env, err := TakeEnv()
			if (err != nil) != c.bad {
				t.Errorf("error: %v", err)
			}

			want := Env{
				NotifySocket: "/run/systemd/notify", Watchdog: c.want, JournalStream: "8:1",
				Credentials: "/run/credentials/x",
			}
			if env != want {
				t.Errorf("got %+v, want %+v", env, want)
			}

			for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
				if value, left := os.LookupEnv(name); left {
					t.Errorf("%s=%s is left for children", name, value)
				}
			}
		})
	}
}

func TestTakeEnvWhereThereIsNone(t *testing.T) {
	for _, name := range []string{
		"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM", "CREDENTIALS_DIRECTORY",
	} {
		t.Setenv(name, "") // puts it back afterwards

		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}

	if env, err := TakeEnv(); err != nil || env != (Env{}) {
		t.Errorf("got %+v, %v", env, err)
	}
}

func TestJournal(t *testing.T) {
	t.Parallel()

	file, err := os.Create(filepath.Join(t.TempDir(), "stream"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()

	var stat syscall.Stat_t
	if err := syscall.Fstat(int(file.Fd()), &stat); err != nil {
		t.Fatal(err)
	}

	stream := fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
	for stream, want := range map[string]bool{stream: true, stream + "1": false, "": false} {
		if got := (Env{JournalStream: stream}).Journal(file); got != want {
			t.Errorf("with %q: %t, want %t", stream, got, want)
		}
	}
}
