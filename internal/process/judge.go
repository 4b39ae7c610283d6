package process

import (
	"errors"
	"strconv"
	"syscall"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// Exit codes by which a handler says more than yes or no. They are those of
// sysexits.h and of the shell.
const (
	exitDataErr     = 65  // the file is bad
	exitNoInput     = 66  // the file is bad
	exitUnavailable = 69  // later
	exitTempFail    = 75  // later
	exitConfig      = 78  // the handler cannot work
	exitNotRunnable = 126 // the handler cannot be run
	exitNotFound    = 127 // the handler is not there
)

// judge says what the end of an attempt means. cause is why the attempt was
// asked to end; nil: it was not.
func judge(exit job.Exit, cause error) job.Verdict {
	switch {
	case errors.Is(cause, handler.ErrTerminate): // was recorded before
		return job.Ended
	case exit.Code == 0:
		return job.Succeeded
	case errors.Is(exit.Err, handler.ErrShared) && !errors.Is(cause, handler.ErrStop):
		return job.Later
	case errors.Is(cause, handler.ErrTimeout): // also before it was started: it must not go on for ever
		return job.Refused
	case exit.Err != nil:
		return judgeStart(exit.Err, cause)
	case exit.Signal != "":
		return judgeSignal(cause)
	default:
		return judgeCode(exit.Code)
	}
}

// judgeStart judges a handler that could not be started.
func judgeStart(err, cause error) job.Verdict {
	if cause != nil {
		return job.Interrupted
	}

	if errors.Is(err, handler.ErrDied) {
		return job.Refused
	}

	for _, passing := range []error{
		syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE, syscall.ETXTBSY,
	} {
		if errors.Is(err, passing) {
			return job.Later
		}
	}

	return job.Broken
}

// judgeSignal judges a handler that died of a signal.
func judgeSignal(cause error) job.Verdict {
	if cause != nil {
		return job.Interrupted
	}

	return job.Refused
}

// judgeCode judges a handler by its exit code, which is not 0.
func judgeCode(code int) job.Verdict {
	switch code {
	case exitTempFail, exitUnavailable:
		return job.Later
	case exitDataErr, exitNoInput:
		return job.Rejected
	case exitConfig, exitNotRunnable, exitNotFound:
		return job.Broken
	default:
		return job.Refused
	}
}

// describe says for people how an attempt ended; empty: well.
func describe(exit job.Exit, cause error) string {
	switch {
	case errors.Is(cause, handler.ErrTerminate):
		return errEnded
	case exit.Code == 0:
		return ""
	case exit.Err != nil:
		return exit.Err.Error()
	case errors.Is(cause, handler.ErrTimeout):
		return "timed out after " + exit.Took.Round(time.Millisecond).String()
	case exit.Signal != "" && exit.OOM != "":
		return "killed: " + exit.OOM
	case exit.Signal != "":
		return "killed by " + exit.Signal
	case exit.OOM != "": // of a process that it has started, and it could not do without
		return describeCode(exit.Code) + " (" + exit.OOM + ")"
	default:
		return describeCode(exit.Code)
	}
}

// describeCode says what a handler means that ends with this code.
func describeCode(code int) string {
	text := "exit " + strconv.Itoa(code)

	switch code {
	case exitDataErr, exitNoInput:
		return text + ": the file is bad"
	case exitTempFail, exitUnavailable:
		return text + ": asked for later"
	case exitConfig:
		return text + ": the handler cannot work"
	case exitNotRunnable:
		return text + ": a program cannot be run"
	case exitNotFound:
		return text + ": a program was not found"
	default:
		return text
	}
}

// decide gives rec the state that follows from the verdict on its last
// attempt, whose number is rec.Attempt. Verdicts that use no attempt give the
// number back.
func decide(rec job.Record, verdict job.Verdict, cfg Config, now time.Time) job.Record {
	wait := time.Duration(0)

	switch verdict {
	case job.Succeeded:
		rec.State, rec.FinishedAt = job.Done, now

		return rec
	case job.Ended:
		rec.State, rec.FinishedAt = job.Terminated, now

		return rec
	case job.Rejected:
		rec.State, rec.FinishedAt = job.Failed, now

		return rec
	case job.Refused:
		if rec.Attempt >= cfg.Attempts {
			rec.State, rec.FinishedAt = job.Failed, now

			return rec
		}

		wait = cfg.Backoff.Wait(rec.Attempt)
	case job.Later, job.Broken:
		rec.Attempt--

		wait = cfg.Backoff.Widest()
	case job.Interrupted:
		rec.Attempt--
		rec.Interruptions++
	}

	if rec.Exit != nil && rec.Exit.RetryAfter > 0 && verdict != job.Interrupted {
		wait = rec.Exit.RetryAfter
	}

	rec.State, rec.DueAt = job.Deferred, now.Add(wait)

	return rec
}
