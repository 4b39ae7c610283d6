package command

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// told runs a script and returns what it reported, as text.
func told(t *testing.T, script string) (job.Exit, []string) {
	t.Helper()

	var got []string

	task := newTask(t, "a.csv")
	task.Report = func(r handler.Report) { got = append(got, show(r)) }
	exit := newHandler(t, shell(t, script)).Run(t.Context(), task)

	return exit, got
}

func show(r handler.Report) string {
	switch {
	case r.Progress != nil && r.Checkpoint == nil:
		return fmt.Sprintf("progress %v", *r.Progress)
	case r.Checkpoint != nil && r.Progress == nil:
		return fmt.Sprintf("checkpoint %q", *r.Checkpoint)
	default:
		return "not one field"
	}
}

func TestReports(t *testing.T) {
	t.Parallel()

	exit, got := told(t, `printf 'progress 0.25\ncheckpoint row 7 \nretry-after 1.5' >&3`)
	if want := []string{"progress 0.25", `checkpoint "row 7 "`}; !slices.Equal(got, want) {
		t.Errorf("reports %q, want %q", got, want)
	}

	if exit.Code != 0 || exit.RetryAfter != 1500*time.Millisecond {
		t.Errorf("exit %+v", exit)
	}
}

func TestNobodyAsksForReports(t *testing.T) {
	t.Parallel()

	exit, _ := runShell(t, `echo "progress 0.5" >&3; echo "retry-after 3" >&3; exit 75`)
	if exit.Code != 75 || exit.RetryAfter != 3*time.Second {
		t.Errorf("exit %+v", exit)
	}
}

func TestReportLines(t *testing.T) {
	t.Parallel()

	fits := strings.Repeat("c", maxLine-len("checkpoint "))
	tests := []struct{ in, progress, checkpoint, retry string }{
		{"progress 0\n", "0", "", "0s"},
		{"progress 1\n", "1", "", "0s"},
		{"progress  0.5 \r\n", "0.5", "", "0s"},
		{"progress 1.5\nprogress -0.1\nprogress NaN\nprogress inf\nprogress\nprogress x\nprogress 0,5\n", "", "", "0s"},
		{"progress 0.1\nprogress 0.2\nprogress x\n", "0.2", "", "0s"},
		{"PROGRESS 0.1\n progress 0.1\nprogress\t0.1\nprogression 0.1\n", "", "", "0s"},
		{"checkpoint a\ncheckpoint b", "", "b", "0s"},
		{"checkpoint a\ncheckpoint nul\x00byte\n", "", "a", "0s"},
		{"checkpoint \xff\xfe\n", "", "\xff\xfe", "0s"},
		{"checkpoint " + fits + "\n", "", fits, "0s"},
		{"checkpoint a\ncheckpoint " + fits + "x\n", "", "a", "0s"},
		{"checkpoint " + fits + "x", "", "", "0s"},
		{strings.Repeat("y", 1<<20) + "\nprogress 0.5", "0.5", "", "0s"},
		{"retry-after 5\nretry-after 0.5\n", "", "", "500ms"},
		{"retry-after 5\nretry-after -1\nretry-after NaN\nretry-after inf\n", "", "", "5s"},
		{"retry-after 5\nretry-after 1e400\nretry-after 5s\nretry-after 6x\n", "", "", "5s"},
		{"retry-after 1e300\n", "", "", maxRetryAfter.String()},
		{"retry-after 5\nretry-after 0\n", "", "", "0s"},
		{"\n\n\x00\n\xff\xff", "", "", "0s"},
	}
	for _, tt := range tests {
		for _, step := range []int{1, 7, 1 << 22} {
			var progress, checkpoint string

			r := newReports(func(r handler.Report) {
				if r.Progress != nil {
					progress = fmt.Sprint(*r.Progress)
				} else {
					checkpoint = *r.Checkpoint
				}
			})

			for part := range slices.Chunk([]byte(tt.in), step) {
				r.take(part)
			}

			retry := r.finish()
			if progress != tt.progress || checkpoint != tt.checkpoint || retry.String() != tt.retry {
				t.Errorf("%.40q by %d: progress %s, checkpoint %.20q, retry %s", tt.in, step, progress, checkpoint, retry)
			}
		}
	}
}

func TestCheckpointIsEmptied(t *testing.T) {
	t.Parallel()

	for _, line := range []string{"checkpoint", "checkpoint "} {
		if _, got := told(t, "echo '"+line+"' >&3"); !slices.Equal(got, []string{`checkpoint ""`}) {
			t.Errorf("%q: reports %q", line, got)
		}
	}
}

// What is reported is heard soon, and a report made while another is held back
// is heard without any further line.
func TestReportsAreHeardWhileTheCommandRuns(t *testing.T) {
	t.Parallel()

	a := begin(t, shell(t, `for i in 1 2 3; do echo "checkpoint $i" >&3; done; `+patient))
	for last := a.word; last != "3"; last = a.next(t) {
		if len(a.ended) > 0 {
			t.Fatal("heard only when it had ended")
		}
	}

	close(a.kill)
	a.end(t)
}

func TestFloodOfReports(t *testing.T) {
	t.Parallel()

	task := newTask(t, "a.csv")
	count, last := 0, ""
	task.Report = func(r handler.Report) { count, last = count+1, show(r) }

	exit := newHandler(t, shell(t, `
		head -c 20000000 /dev/zero >&3; yes "checkpoint x" | head -c 20000000 >&3
		yes garbage | head -c 20000000 >&3; seq -f "checkpoint %.0f" 200000 >&3; exit 6`)).Run(t.Context(), task)

	if most := int(exit.Took/reportPause) + 2; exit.Code != 6 || count > most || last != `checkpoint "200000"` {
		t.Errorf("exit %+v, %d reports, want at most %d, the last %s", exit, count, most, last)
	}
}

// A caller that is slow holds up the command at worst.
func TestNoReportAfterTheRun(t *testing.T) {
	t.Parallel()

	over := make(chan struct{})
	task := newTask(t, "a.csv")
	task.Report = func(handler.Report) {
		select {
		case <-over:
			t.Error("a report after the end")
		default:
		}
	}

	newHandler(t, shell(t, `seq -f "checkpoint %.0f" 1000 >&3 & wait`)).Run(t.Context(), task)
	close(over)
}

func TestReportsTakeAnything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := newReports(func(r handler.Report) {
			if r.Progress != nil && !(*r.Progress >= 0 && *r.Progress <= 1) {
				t.Errorf("progress %v", *r.Progress)
			}

			if r.Checkpoint != nil && (len(*r.Checkpoint) > maxLine || strings.ContainsAny(*r.Checkpoint, "\x00\n")) {
				t.Errorf("checkpoint %q", *r.Checkpoint)
			}
		})

		words := []string{"progress ", "checkpoint ", "retry-after ", "\n", "0.5", "-1", "1e9", "\x00", "NaN", "x", "\xff"}
		for _, word := range rapid.SliceOf(rapid.SampledFrom(words)).Draw(t, "words") {
			r.take([]byte(word))
		}

		if retry := r.finish(); retry < 0 || retry > maxRetryAfter {
			t.Errorf("retry after %s", retry)
		}

		if cap(r.line) > 2*maxLine {
			t.Errorf("%d bytes held", cap(r.line))
		}
	})
}
