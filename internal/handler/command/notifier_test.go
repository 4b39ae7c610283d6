package command

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

func newNotifier(t *testing.T, c Config) *Notifier {
	t.Helper()

	n, err := NewNotifier(c)
	if err != nil {
		t.Fatal(err)
	}

	return n
}

func newNotice(t *testing.T) Notice {
	t.Helper()

	return Notice{
		Job:  job.Record{ID: job.NewID(), Name: "a.csv", Attempt: 8, Checkpoint: "row 7"},
		Path: "/spool/failed/a.csv",
		Note: []byte("a.csv failed\n\x00\xff"),
		Log:  filepath.Join(t.TempDir(), "log"),
	}
}

func TestNotify(t *testing.T) {
	t.Parallel()

	notice := newNotice(t)
	c := config(t, "sh", "-c", `cat; echo "$IMPORTERD_JOB_SPOOL $IMPORTERD_JOB_FILE $IMPORTERD_JOB_NAME" \
		"$IMPORTERD_JOB_ID $IMPORTERD_JOB_ATTEMPT $IMPORTERD_JOB_CHECKPOINT|$*|"; test ! -e /proc/$$/fd/3 && echo no 3`,
		"script", "{}", "x")

	if err := newNotifier(t, c).Notify(t.Context(), notice); err != nil {
		t.Error(err)
	}

	log, err := os.ReadFile(notice.Log)
	if err != nil {
		t.Fatal(err)
	}

	want := string(notice.Note) + "orders /spool/failed/a.csv a.csv " + notice.Job.ID.String() + " 8 row 7|{} x|\nno 3\n"
	if string(log) != want {
		t.Errorf("log %q, want %q", log, want)
	}
}

func TestNotifyOfASpool(t *testing.T) {
	t.Parallel()

	n := newNotifier(t, config(t, "sh", "-c", `test "$(env | grep ^IMPORTERD_)" = IMPORTERD_JOB_SPOOL=orders`))
	if err := n.Notify(t.Context(), Notice{Note: []byte("broken")}); err != nil {
		t.Error(err)
	}
}

// A note longer than a pipe holds up nobody, read or not.
func TestNotifyNeedNotRead(t *testing.T) {
	t.Parallel()

	notice := newNotice(t)
	notice.Note = make([]byte, 1<<20)

	if err := newNotifier(t, config(t, "true")).Notify(t.Context(), notice); err != nil {
		t.Error(err)
	}

	c := config(t, "sh", "-c", `test "$(wc -c)" -eq 1048576`)
	if err := newNotifier(t, c).Notify(t.Context(), notice); err != nil {
		t.Error(err)
	}
}

func TestNotifyFails(t *testing.T) {
	t.Parallel()

	tests := map[string][]string{
		"sh exited with 3: no mail here\n": {"sh", "-c", "echo no mail here; exit 3"},
		"sh died of SIGKILL: ":             {"sh", "-c", "kill -KILL $$"},
		`program "/no/such": no such file`: {"/no/such"},
	}
	for want, command := range tests {
		err := newNotifier(t, config(t, command...)).Notify(t.Context(), newNotice(t))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}

	err := newNotifier(t, config(t, "/no/such")).Notify(t.Context(), newNotice(t))
	if !errors.Is(err, syscall.ENOENT) {
		t.Errorf("%v, want ENOENT", err)
	}

	if _, err := NewNotifier(config(t)); err == nil {
		t.Error("an empty command was taken")
	}
}

func TestNotifyIsEnded(t *testing.T) {
	t.Parallel()

	notice := newNotice(t)
	c := config(t, "sh", "-c", `trap "" TERM; echo ready; while :; do sleep 0.05; done`)
	c.KillAfter = 10 * time.Millisecond

	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	n := newNotifier(t, c)

	go func() { ended <- n.Notify(ctx, notice) }()

	eventually(t, "ready", func() bool {
		log, _ := os.ReadFile(notice.Log)

		return len(log) > 0
	})
	cancel(handler.ErrStop)

	if err := <-ended; err == nil || !strings.Contains(err.Error(), "SIGKILL") {
		t.Errorf("%v, want SIGKILL", err)
	}

	if err := n.Notify(ctx, notice); !errors.Is(err, handler.ErrStop) {
		t.Errorf("%v, want the cause", err)
	}
}
