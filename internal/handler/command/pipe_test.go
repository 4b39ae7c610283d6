package command

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/handler"
)

var _ handler.Handler = (*Handler)(nil)

// What was in the pipe when its process ended is read, all of it, although
// somebody else still has the pipe open.
func TestPipeIsReadToTheEndOfItsProcess(t *testing.T) {
	t.Parallel()

	for _, size := range []int{0, 1, smallRead, smallRead + 1, 60_000} {
		p, err := newPipe()
		if err != nil {
			t.Fatal(err)
		}

		want := bytes.Repeat([]byte("x"), size)
		if n, err := unix.Write(p.writer, want); n != size || err != nil {
			t.Fatal(n, err)
		}

		p.open()
		p.finish()

		var got []byte

		p.pump(func(b []byte) time.Time {
			got = append(got, b...)

			return time.Time{}
		})
		p.release()

		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes read of %d", len(got), size)
		}
	}
}

// The same of one that nobody has read meanwhile.
func TestPipeIsReadAfterTheEndOfItsProcess(t *testing.T) {
	t.Parallel()

	for _, size := range []int{0, 1, 60_000} {
		p, err := newPipe()
		if err != nil {
			t.Fatal(err)
		}

		want := bytes.Repeat([]byte("x"), size)
		if n, err := unix.Write(p.writer, want); n != size || err != nil {
			t.Fatal(n, err)
		}

		var got []byte

		p.finish()
		p.drain(func(b []byte) time.Time {
			got = append(got, b...)

			return time.Time{}
		})
		p.release()

		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes read of %d", len(got), size)
		}
	}
}

func TestPipeEndsWithItsWriters(t *testing.T) {
	t.Parallel()

	p, err := newPipe()
	if err != nil {
		t.Fatal(err)
	}

	p.open()

	if _, err := unix.Write(p.writer, []byte("last")); err != nil {
		t.Fatal(err)
	}

	p.release()

	var got []byte

	p.pump(func(b []byte) time.Time {
		got = append(got, b...)

		return time.Time{}
	})
	p.finish() // late, and harmless

	if string(got) != "last" {
		t.Errorf("read %q", got)
	}
}

func TestPipeWakesWhoAsks(t *testing.T) {
	t.Parallel()

	p, err := newPipe()
	if err != nil {
		t.Fatal(err)
	}

	p.open()

	if _, err := unix.Write(p.writer, []byte("x")); err != nil {
		t.Fatal(err)
	}

	var calls []int

	p.pump(func(b []byte) time.Time {
		calls = append(calls, len(b))

		switch len(calls) {
		case 1:
			return time.Now().Add(10 * time.Millisecond)
		case 2: // after that time, with nothing
			p.release()
		}

		return time.Time{}
	})

	if !slices.Equal(calls, []int{1, 0}) {
		t.Errorf("bytes by call: %v", calls)
	}
}

// A zombie that nobody reaps has let go of everything: it is not waited for.
func TestZombiesAreNotAlive(t *testing.T) {
	t.Parallel()

	path := needs(t, "sleep")

	pid, _, err := syscall.StartProcess(path, []string{path, "1000"}, &syscall.ProcAttr{
		Env: os.Environ(), Sys: (&tree{}).attributes(),
	})
	if err != nil {
		t.Fatal(err)
	}

	if !alive(pid) {
		t.Error("a sleeping process is said to be dead")
	}

	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}

	eventually(t, "zombie", func() bool { return state(t, strconv.Itoa(pid)) == "Z" })

	if alive(pid) {
		t.Error("a zombie is said to be alive")
	}

	// As the first process of a container we reap it.
	tr := tree{pgid: pid}
	if !tr.gone() {
		t.Error("a reaped group is said to be there")
	}
}

func TestSettleWaitsForTheLiving(t *testing.T) {
	t.Parallel()

	path := needs(t, "sleep")

	pid, _, err := syscall.StartProcess(path, []string{path, "0.05"}, &syscall.ProcAttr{
		Env: os.Environ(), Sys: (&tree{}).attributes(),
	})
	if err != nil {
		t.Fatal(err)
	}

	tr := tree{pgid: pid}
	tr.settle()

	if !tr.gone() {
		t.Error("settled while a process lived")
	}
}

func TestTreeWithoutAProcess(t *testing.T) {
	t.Parallel()

	defer func() {
		if recover() == nil {
			t.Error("a signal was sent to ourselves")
		}
	}()

	(&tree{}).signal(0)
}
