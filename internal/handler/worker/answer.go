package worker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/google/uuid"

	"importerd/internal/handler/command"
	"importerd/internal/job"
)

const (
	maxLine       = 64 << 10 // bytes of a line on descriptor 3, without its end
	maxCheckpoint = 4 << 10  // bytes
	maxExit       = 255
	idLength      = 36 // of a job's id as text
)

// answer is one line of a worker.
type answer struct {
	job        job.ID
	ended      bool // exit, reason and retryAfter count
	exit       int
	reason     string
	retryAfter time.Duration
	progress   *float64
	checkpoint *string
}

// parseAnswer reads a line. The error says what is wrong with it.
func parseAnswer(line []byte) (answer, error) {
	if a, ok := parseShort(line); ok {
		return a, nil
	}

	var f struct {
		Job        *string  `json:"job"`
		Exit       *int     `json:"exit"`
		Error      string   `json:"error"`
		RetryAfter float64  `json:"retry_after"`
		Progress   *float64 `json:"progress"`
		Checkpoint *string  `json:"checkpoint"`
	}

	if err := json.Unmarshal(line, &f); err != nil {
		return answer{}, fmt.Errorf("no JSON object as it is meant: %w", err)
	}

	if f.Job == nil {
		return answer{}, errors.New("no job is named")
	}

	id, err := uuid.Parse(*f.Job)
	a := answer{job: job.ID(id), reason: f.Error, progress: f.Progress, checkpoint: f.Checkpoint}

	switch {
	case err != nil || len(*f.Job) != idLength:
		return a, errors.New("job is no id of a job")
	case f.Exit == nil && f.Progress == nil && f.Checkpoint == nil:
		return a, errors.New("neither exit nor progress nor checkpoint is there")
	case f.Exit != nil && (*f.Exit < 0 || *f.Exit > maxExit):
		return a, fmt.Errorf("exit is %d, not 0 to %d", *f.Exit, maxExit)
	case f.Progress != nil && (*f.Progress < 0 || *f.Progress > 1):
		return a, fmt.Errorf("progress is %v, not 0 to 1", *f.Progress)
	case f.Checkpoint != nil && len(*f.Checkpoint) > maxCheckpoint:
		return a, fmt.Errorf("checkpoint has %d bytes, more than %d", len(*f.Checkpoint), maxCheckpoint)
	case f.RetryAfter < 0:
		return a, fmt.Errorf("retry_after is %v, less than 0", f.RetryAfter)
	}

	if f.Exit != nil {
		a.ended, a.exit = true, *f.Exit
		a.retryAfter = time.Duration(math.Min(f.RetryAfter, command.MaxRetryAfter.Seconds()) * float64(time.Second))
	}

	return a, nil
}

// parseShort reads the line that most are: {"job":"ID","exit":N}, with any blanks.
func parseShort(line []byte) (answer, bool) {
	var a answer

	rest, ok := line, true
	for _, token := range []string{"{", `"job"`, ":", `"`} {
		if rest, ok = eat(rest, token); !ok {
			return a, false
		}
	}

	if len(rest) < idLength {
		return a, false
	}

	id, err := uuid.ParseBytes(rest[:idLength])
	if err != nil {
		return a, false
	}

	rest = rest[idLength:]
	if len(rest) == 0 || rest[0] != '"' {
		return a, false
	}

	rest = rest[1:]

	for _, token := range []string{",", `"exit"`, ":"} {
		if rest, ok = eat(rest, token); !ok {
			return a, false
		}
	}

	digits, after, ok := bytes.Cut(rest, []byte("}"))
	if digits = bytes.TrimSpace(digits); !ok || len(bytes.TrimSpace(after)) > 0 || len(digits) > 1 && digits[0] == '0' {
		return a, false
	}

	code, err := strconv.ParseUint(string(digits), 10, 8)

	return answer{job: job.ID(id), ended: true, exit: int(code)}, err == nil
}

// eat returns what follows token, before which there may be blanks.
func eat(b []byte, token string) ([]byte, bool) {
	b = bytes.TrimLeft(b, " \t\r")

	if len(b) < len(token) || string(b[:len(token)]) != token {
		return b, false
	}

	return b[len(token):], true
}
