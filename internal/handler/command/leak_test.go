package command

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNothingIsLeft is not parallel: it counts what the process has.
func TestNothingIsLeft(t *testing.T) {
	handlers := []*Handler{
		newHandler(t, shell(t, "exit 0")),
		newHandler(t, shell(t, "echo said; echo checkpoint x >&3; exit 1")),
		newHandler(t, shell(t, "kill -KILL $$")),
		newHandler(t, shell(t, "sleep 1000 & exit 0")),
		newHandler(t, config(t, "/no/such")),
		newHandler(t, in(config(t, "true"), "/no/such")),
	}

	round := func() {
		for _, h := range handlers {
			h.Run(t.Context(), newTask(t, "a.csv"))
		}
	}

	round()

	before := descriptors(t)

	for range 10 {
		round()
	}

	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, were %d", after, before)
	}

	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		t.Errorf("child %d is left (%v)", pid, err)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()

	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}

	return len(entries)
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()

	h := newHandler(t, shell(t, `echo "checkpoint $IMPORTERD_JOB_ID" >&3; cat "$1"; echo "$1"; exit 7`))

	var wg sync.WaitGroup
	defer wg.Wait()

	for range 16 {
		wg.Go(func() {
			for range 4 {
				task := newTask(t, "a.csv")
				exit := h.Run(t.Context(), task)

				if log := readLog(t, task); exit.Code != 7 || log != "content\n"+task.Path+"\n" {
					t.Errorf("exit %+v, log %q", exit, log)
				}
			}
		})
	}
}

func TestNoShell(t *testing.T) {
	t.Parallel()

	task := newTask(t, "a.csv")
	newHandler(t, config(t, "printf", "%s|", "$HOME", "*", "a b", "; exit 1", "~", "")).Run(t.Context(), task)

	want := strings.Join([]string{"$HOME", "*", "a b", "; exit 1", "~", "", task.Path, ""}, "|")
	if got := readLog(t, task); got != want {
		t.Errorf("arguments %q, want %q", got, want)
	}
}
