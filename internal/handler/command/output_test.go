package command

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// TestFloodOfOutput is not parallel: it measures memory.
func TestFloodOfOutput(t *testing.T) {
	const size = 200_000_000

	task := newTask(t, "a.csv")
	h := newHandler(t, shell(t, fmt.Sprintf("head -c %d /dev/zero && echo end >&2", size)))

	var before, after runtime.MemStats

	runtime.ReadMemStats(&before)
	exit := h.Run(t.Context(), task)
	runtime.ReadMemStats(&after)

	if exit.Code != 0 || exit.Signal != "" {
		t.Errorf("exit %+v", exit)
	}

	if taken := after.TotalAlloc - before.TotalAlloc; taken > 4<<20 {
		t.Errorf("%d bytes of memory taken in all, want at most 4 MiB", taken)
	}

	log := readLog(t, task)
	gap := fmt.Sprintf("\nimporterd: %d bytes of output left out here\n", size+4-headSize-restSize)

	if len(log) != headSize+restSize+len(gap) || strings.Index(log, gap) != headSize ||
		!strings.HasSuffix(log, "\x00end\n") {
		t.Errorf("log of %d bytes, its gap at %d", len(log), strings.Index(log, gap))
	}
}

func TestHeadAndTailAreExact(t *testing.T) {
	t.Parallel()

	task := newTask(t, "a.csv")
	newHandler(t, config(t, "seq", "-f", "%.0f{}", "300000")).Run(t.Context(), task)

	var all bytes.Buffer
	for i := 1; i <= 300_000; i++ {
		fmt.Fprintf(&all, "%d%s\n", i, task.Path)
	}

	whole := all.Bytes()
	want := string(whole[:headSize])

	if !strings.HasSuffix(want, "\n") {
		want += "\n"
	}

	want += fmt.Sprintf("importerd: %d bytes of output left out here\n%s",
		len(whole)-headSize-restSize, whole[len(whole)-restSize:])

	if log := readLog(t, task); log != want {
		t.Errorf("log of %d bytes differs from the %d wanted", len(log), len(want))
	}
}

func TestOutputIsSeenAtOnce(t *testing.T) {
	t.Parallel()

	a := begin(t, shell(t, `echo early; echo "checkpoint x" >&3; `+patient))
	eventually(t, "in the log", func() bool { return readLog(t, a.task) == "early\n" })
	close(a.kill)
	a.end(t)
}

func TestNoOutputNoLog(t *testing.T) {
	t.Parallel()

	task := newTask(t, "a.csv")
	exit := newHandler(t, config(t, "true")).Run(t.Context(), task)

	if _, err := os.Lstat(task.Log); !os.IsNotExist(err) || exit.Tail != nil {
		t.Errorf("log: %v, tail %q", err, exit.Tail)
	}
}

func TestLogIsNotForEverybody(t *testing.T) {
	t.Parallel()

	task := newTask(t, "a.csv")
	newHandler(t, config(t, "echo")).Run(t.Context(), task)

	info, err := os.Stat(task.Log)
	if err != nil || info.Mode().Perm()&^0o640 != 0 {
		t.Errorf("log: %v %v", info.Mode(), err)
	}
}

func TestAttemptsFollowOneAnother(t *testing.T) {
	t.Parallel()

	task := newTask(t, "a.csv")
	h := newHandler(t, shell(t, `printf "said in $IMPORTERD_JOB_ATTEMPT"`))

	for task.Job.Attempt = 1; task.Job.Attempt <= 3; task.Job.Attempt++ {
		if exit := h.Run(t.Context(), task); string(exit.Tail) != fmt.Sprintf("said in %d", task.Job.Attempt) {
			t.Errorf("tail %q", exit.Tail)
		}
	}

	lines := strings.Split(readLog(t, task), "\n")
	if len(lines) != 5 || lines[0] != "said in 1" || lines[2] != "said in 2" || lines[4] != "said in 3" ||
		!strings.HasPrefix(lines[1], "importerd: attempt 2, 2") || !strings.HasPrefix(lines[3], "importerd: attempt 3, 2") {
		t.Errorf("log %q", lines)
	}
}

// A job may be tried for ever: its log must not grow for ever, and the last
// attempts are what a person wants to see.
func TestLogOfManyAttemptsIsBounded(t *testing.T) {
	t.Parallel()

	task := newTask(t, "a.csv")
	h := newHandler(t, shell(t, `yes "line of $IMPORTERD_JOB_ATTEMPT" | head -c 900001`))

	for task.Job.Attempt = 1; task.Job.Attempt <= 6; task.Job.Attempt++ {
		h.Run(t.Context(), task)

		if size := len(readLog(t, task)); size > maxOlder+headSize+restSize+1000 {
			t.Fatalf("%d bytes after attempt %d", size, task.Job.Attempt)
		}
	}

	log := readLog(t, task)
	if !strings.HasPrefix(log, "importerd: older output left out here\nline of ") ||
		!strings.HasSuffix(strings.TrimRight(log, "\n"), "line of 6") && !strings.Contains(log, "\nline of 6\n") ||
		!strings.Contains(log, "\nline of 5\n") || !strings.Contains(log, "\nimporterd: attempt 6, ") ||
		strings.Contains(log, "line of 2") {
		t.Errorf("log begins %q, ends %q", log[:200], log[len(log)-200:])
	}
}

func TestDiskFull(t *testing.T) {
	t.Parallel()

	for _, log := range []string{"/dev/full", filepath.Join(t.TempDir(), "missing", "log"), t.TempDir()} {
		task := newTask(t, "a.csv")
		task.Log = log

		exit := newHandler(t, shell(t, "seq 500000; echo last; exit 5")).Run(t.Context(), task)
		if exit.Code != 5 || exit.Err != nil || !strings.HasSuffix(string(exit.Tail), "\n500000\nlast\n") {
			t.Errorf("%s: exit %+v", log, exit)
		}
	}
}

func TestDiskThatWasFullForAWhile(t *testing.T) {
	t.Parallel()

	dir := filepath.Join(t.TempDir(), "logs")
	task := newTask(t, "a.csv")
	task.Log = filepath.Join(dir, "log")
	out := newOutput(attemptLogOf(task))
	out.take([]byte("lost\n"))

	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}

	out.take([]byte("kept"))
	out.finish()

	want := "kept\nimporterd: 5 bytes of output could not be written here: open " + task.Log +
		": no such file or directory\n"
	if log := readLog(t, task); log != want {
		t.Errorf("log %q, want %q", log, want)
	}
}

func TestWithoutLog(t *testing.T) {
	t.Parallel()

	task := newTask(t, "a.csv")
	task.Log = ""

	exit := newHandler(t, shell(t, "seq 500000")).Run(t.Context(), task)
	if exit.Code != 0 || !strings.HasSuffix(string(exit.Tail), "\n500000\n") || len(exit.Tail) > tailSize {
		t.Errorf("exit %+v", exit)
	}
}

func TestTail(t *testing.T) {
	t.Parallel()

	long := strings.Repeat("x", tailSize)
	tests := []struct {
		in   string
		cut  bool
		want string
	}{
		{"", false, ""},
		{"one\ntwo", false, "one\ntwo"},
		{"broken\nwhole\n", true, "whole\n"},
		{"only line", true, "only line"},
		{"only line\n", true, "only line\n"},
		{"bar 1%\rbar 2%\rdone\r\n", false, "bar 1%\nbar 2%\ndone\n"},
		{"\x1b[31mred\x00\u202e\xff\t\u0085", false, "\ufffd[31mred\ufffd\ufffd\ufffd\t\ufffd"},
		{long + "\n", false, long[1:] + "\n"},
	}
	for _, tt := range tests {
		if got := string(text([]byte(tt.in), tt.cut)); got != tt.want {
			t.Errorf("text(%.30q, %v) = %.30q, want %.30q", tt.in, tt.cut, got, tt.want)
		}
	}
}

func TestTailIsTextWhateverComes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SliceOfN(rapid.SampledFrom([]byte("a\n\r\xff\xe2\x80\xae\x00")), 0, 2*tailSize).Draw(t, "in")

		got := text(in, rapid.Bool().Draw(t, "cut"))
		if !utf8.Valid(got) || len(got) > tailSize || bytes.ContainsAny(got, "\x00\r\u202e") {
			t.Errorf("%d bytes: %q", len(got), got)
		}
	})
}

func TestRing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 3*firstRing).Draw(t, "size")
		r := ring{size: size}

		var all []byte

		for i, n := range rapid.SliceOfN(rapid.IntRange(0, 2*size), 0, 20).Draw(t, "writes") {
			b := bytes.Repeat([]byte{byte('a' + i)}, n)
			for j := range b {
				b[j] += byte(j % 100)
			}

			all = append(all, b...)
			r.put(b)

			want := all[max(0, len(all)-size):]
			if got := r.bytes(); !bytes.Equal(got, want) || r.lost != int64(len(all)-len(want)) || cap(r.buf) > size {
				t.Fatalf("ring of %d after %d bytes: %d kept, %d lost, %d taken", size, len(all), len(got), r.lost, cap(r.buf))
			}
		}
	})
}
