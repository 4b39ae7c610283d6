// Command count is a worker for importerd that counts the lines of each file it is
// given. It reads its jobs from standard input and answers on descriptor 3, several
// jobs at a time. Give it to a spool:
//
//	[spool.lines]
//	dir      = "/srv/importerd/lines"
//	worker   = ["/usr/local/bin/count"]
//	inflight = 16
//	results  = true
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// Exit codes, as those of commands.
const (
	done     = 0
	tryAgain = 1
	badFile  = 65
)

// request is what the daemon says: a job, or that one is to be given up.
type request struct {
	Job        string `json:"job"`
	File       string `json:"file"`
	FileB64    []byte `json:"file_b64"` // the path's bytes, where they are not UTF-8
	Results    string `json:"results"`
	ResultsB64 []byte `json:"results_b64"`
	Cancel     bool   `json:"cancel"`
}

// answer is what the worker says.
type answer struct {
	Job      string   `json:"job"`
	Exit     *int     `json:"exit,omitempty"`
	Error    string   `json:"error,omitempty"`
	Progress *float64 `json:"progress,omitempty"`
}

// worker has the jobs under way.
type worker struct {
	mu      sync.Mutex
	answers *json.Encoder                 // guarded by mu; one line at a time
	cancels map[string]context.CancelFunc // guarded by mu; by job
}

func main() {
	w := &worker{
		answers: json.NewEncoder(os.NewFile(3, "answers")),
		cancels: map[string]context.CancelFunc{},
	}

	//nolint:forbidigo // here contexts begin
	if err := w.run(context.Background(), os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(tryAgain)
	}
}

// run does all jobs that come on in. When that ends it finishes those under way.
func (w *worker) run(ctx context.Context, in io.Reader) error {
	var jobs sync.WaitGroup
	defer jobs.Wait()

	for requests := json.NewDecoder(in); ; {
		var r request

		err := requests.Decode(&r)
		if errors.Is(err, io.EOF) {
			return nil
		}

		if err != nil {
			return fmt.Errorf("read a job: %w", err)
		}

		if r.Cancel {
			w.cancel(r.Job)

			continue
		}

		ctx := w.begin(ctx, r.Job)

		jobs.Go(func() { w.attempt(ctx, r) })
	}
}

// begin makes a job one that can be cancelled.
func (w *worker) begin(ctx context.Context, job string) context.Context {
	ctx, cancel := context.WithCancel(ctx)

	w.mu.Lock()
	defer w.mu.Unlock()

	w.cancels[job] = cancel

	return ctx
}

// cancel has a job given up, if it is still under way.
func (w *worker) cancel(job string) {
	w.mu.Lock()
	defer w.mu.Unlock()

	if cancel := w.cancels[job]; cancel != nil {
		cancel()
	}
}

// attempt does one job and says how it went.
func (w *worker) attempt(ctx context.Context, r request) {
	code, err := w.count(ctx, r)
	a := answer{Job: r.Job, Exit: &code}

	if err != nil {
		a.Error = err.Error()
	}

	w.cancel(r.Job)
	w.say(a)

	w.mu.Lock()
	defer w.mu.Unlock()

	delete(w.cancels, r.Job)
}

// say says one thing.
func (w *worker) say(a answer) {
	w.mu.Lock()
	defer w.mu.Unlock()

	if err := w.answers.Encode(a); err != nil { // the daemon is gone
		os.Exit(tryAgain)
	}
}

// count is the work.
func (w *worker) count(ctx context.Context, r request) (int, error) {
	file, err := os.Open(path(r.File, r.FileB64))
	if err != nil {
		return tryAgain, err //nolint:wrapcheck // it says what it is
	}
	defer file.Close()

	lines := 0

	for in := bufio.NewReader(file); ; lines++ {
		line, err := in.ReadBytes('\n')

		switch {
		case errors.Is(err, io.EOF) && len(line) == 0:
			return finish(r, lines)
		case err != nil && !errors.Is(err, io.EOF):
			return tryAgain, err //nolint:wrapcheck // as above
		case bytes.IndexByte(line, 0) >= 0:
			return badFile, fmt.Errorf("line %d is no text", lines+1)
		case ctx.Err() != nil:
			return tryAgain, ctx.Err()
		}
	}
}

// finish writes the result, if one is wanted.
func finish(r request, lines int) (int, error) {
	if r.Results == "" {
		return done, nil
	}

	out := filepath.Join(path(r.Results, r.ResultsB64), "lines")
	if err := os.WriteFile(out, fmt.Appendln(nil, lines), 0o644); err != nil {
		return tryAgain, err //nolint:wrapcheck // as above
	}

	return done, nil
}

// path returns a path, by its bytes where it has some that are not UTF-8.
func path(text string, raw []byte) string {
	if len(raw) > 0 {
		return string(raw)
	}

	return text
}
