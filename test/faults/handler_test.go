package faults_test

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The plans of contents: what a handler does with them.
const (
	planDone     = "done"
	planRefuse   = "refuse"   // exit 1 at first
	planLater    = "later"    // exit 75 at first
	planBad      = "bad"      // exit 65
	planSlow     = "slow"     // takes a sixth of a second
	planStubborn = "stubborn" // takes a quarter of a second and ignores SIGTERM
	planChange   = "change"   // writes to its file
	planResults  = "results"  // produces two files
)

// run is one attempt as the handler sees it.
type run struct {
	side, path string
	results    string
	event      event
	content    *content
}

// handle is what this binary does as a handler; it returns the exit status. All
// handlers note in the history what they see.
func handle(role string) int {
	if role == "worker" {
		return work()
	}

	r := &run{
		side: os.Getenv(sideVar), path: os.Getenv("IMPORTERD_JOB_FILE"), results: os.Getenv("IMPORTERD_JOB_RESULTS"),
	}
	r.event.Job, r.event.File = os.Getenv("IMPORTERD_JOB_ID"), os.Getenv("IMPORTERD_JOB_NAME")
	r.event.Attempt, _ = strconv.Atoi(os.Getenv("IMPORTERD_JOB_ATTEMPT"))
	r.event.Life, _ = strconv.Atoi(os.Getenv(lifeVar))
	r.event.PID = os.Getpid()

	switch role {
	case "blind": // looks at nothing
		return 0
	case "linger":
		return r.misbehave(role)
	}

	return r.handle(role)
}

// handle is what is done with one file.
func (r *run) handle(role string) int {
	text, err := os.ReadFile(r.path)
	if errors.Is(err, unix.EIO) {
		return 1 // the power is cut
	}

	if err == nil {
		r.content, err = parse(text)
	}

	if r.content != nil {
		r.event.Content = r.content.id
	}

	if err != nil {
		r.event.Err = err.Error()
		r.note(torn)

		return 65
	}

	if role != "model" {
		return r.misbehave(role)
	}

	lock, err := r.lock()
	if err != nil {
		r.event.Err = err.Error()
		r.note(collision)

		return 1
	}
	defer lock.Close()

	r.note(handlerRun)

	code := r.follow()
	r.event.Exit = &code
	r.note(handlerEnd)

	return code
}

// lock makes sure that nobody else works on this content.
func (r *run) lock() (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(r.side, "lock-"+r.content.id), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}

	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, fmt.Errorf("somebody works on %s: %w", r.content.id, err)
	}

	return f, nil
}

// follow does what the content's plan says.
func (r *run) follow() int {
	switch r.content.plan {
	case planRefuse:
		return r.firstTime(1)
	case planLater:
		return r.firstTime(75)
	case planBad:
		return 65
	case planSlow:
		wait(150 * time.Millisecond)
	case planStubborn:
		signal.Ignore(syscall.SIGTERM)
		wait(250 * time.Millisecond)
	case planChange:
		return r.change()
	case planResults:
		return r.produce()
	}

	return 0
}

// firstTime returns code when it is called first for a content, then 0.
func (r *run) firstTime(code int) int {
	f, err := os.OpenFile(filepath.Join(r.side, "first-"+r.content.id), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0
	}

	f.Close()

	return code
}

// change writes to the file.
func (r *run) change() int {
	f, err := os.OpenFile(r.path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return 1
	}
	defer f.Close()

	for range 3 {
		if _, err := f.WriteString("and more\n"); err != nil {
			return 1
		}

		wait(5 * time.Millisecond)
	}

	return 0
}

// produce makes results: the content in two files.
func (r *run) produce() int {
	for _, name := range []string{"one", "two"} {
		path := filepath.Join(r.results, name)
		if err := os.WriteFile(path, r.content.bytes, 0o600); err != nil {
			return 1
		}
	}

	return 0
}

// note appends the run's event to the history.
func (r *run) note(message string) {
	r.event.Message = message
	if err := r.event.append(filepath.Join(r.side, historyName)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(70)
	}
}
