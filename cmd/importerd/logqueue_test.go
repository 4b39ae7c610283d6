package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestLogThatNobodyReads: it costs one moment in all, what was lost is told, and
// the end does not wait for the reader.
func TestLogThatNobodyReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reader, writer := io.Pipe()
		q := newLogQueue(writer)

		go q.run()

		began := time.Now()

		for i := range 100 {
			if _, err := fmt.Fprintf(q, "%d\n", i); err != nil {
				t.Fatal(err)
			}
		}

		if took := time.Since(began); took != logPatience {
			t.Errorf("writing took %v, want %v", took, logPatience)
		}

		lines := bufio.NewScanner(reader)
		lost := ""

		for lost == "" && lines.Scan() {
			if strings.Contains(lines.Text(), "lost") {
				lost = lines.Text()
			}
		}

		if !strings.Contains(lost, `"lost":99,`) {
			t.Errorf("told %s", lost)
		}

		began = time.Now()

		_, _ = q.Write([]byte("the reader has stopped again\n"))
		q.close(time.Minute)

		if took := time.Since(began); took != time.Minute+logPatience {
			t.Errorf("the end took %v", took)
		}

		_ = reader.Close()
		<-q.done
	})
}

// refusing refuses what is written at first.
type refusing struct {
	strings.Builder

	times int
}

func (r *refusing) Write(p []byte) (int, error) {
	if r.times--; r.times >= 0 {
		return 0, io.ErrClosedPipe
	}

	return r.Builder.Write(p)
}

// TestLogThatIsRefused: what is refused counts as lost, and is told of when somebody is there again.
func TestLogThatIsRefused(t *testing.T) {
	t.Parallel()

	r := &refusing{times: 3}
	q := newLogQueue(r)

	go q.run()

	for i := range 5 {
		if _, err := fmt.Fprintf(q, "%d\n", i); err != nil {
			t.Fatal(err)
		}
	}

	q.close(time.Minute)

	got := r.String()
	if !strings.HasPrefix(got, "3\n{") || !strings.Contains(got, `"lost":3,`) || !strings.HasSuffix(got, "}\n4\n") {
		t.Errorf("written: %s", got)
	}
}

// TestLineIsWrittenWhenWriteReturns: a daemon that is killed right after it
// has told of a job must have told it.
func TestLineIsWrittenWhenWriteReturns(t *testing.T) {
	t.Parallel()

	var b strings.Builder

	q := newLogQueue(&b)
	go q.run()

	for i := range 1000 {
		line := fmt.Sprintf("%d\n", i)
		if _, err := q.Write([]byte(line)); err != nil || !strings.HasSuffix(b.String(), line) {
			t.Fatalf("line %d is not written: %v", i, err)
		}
	}

	q.close(time.Minute)
}
