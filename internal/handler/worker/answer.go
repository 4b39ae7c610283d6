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

// fields is a line as JSON has it.
type fields struct {
	Job        *string  `json:"job"`
	Exit       *int     `json:"exit"`
	Error      string   `json:"error"`
	RetryAfter float64  `json:"retry_after"`
	Progress   *float64 `json:"progress"`
	Checkpoint *string  `json:"checkpoint"`
}

// parseAnswer reads a line. The error says what is wrong with it.
func parseAnswer(line []byte) (answer, error) {
	if a, ok := parseShort(line); ok {
		return a, nil
	}

	var f fields
	if err := json.Unmarshal(line, &f); err != nil {
		return answer{}, fmt.Errorf("no JSON object as it is meant: %w", err)
	}

	if f.Job == nil || len(*f.Job) != idLength {
		return answer{}, errors.New("job is no id of a job")
	}

	id, err := uuid.Parse(*f.Job)
	if err != nil {
		return answer{}, errors.New("job is no id of a job")
	}

	if err := f.check(); err != nil {
		return answer{}, err
	}

	a := answer{job: job.ID(id), reason: f.Error, progress: f.Progress, checkpoint: f.Checkpoint}

	if f.Exit != nil {
		a.ended, a.exit = true, *f.Exit
		a.retryAfter = time.Duration(math.Min(f.RetryAfter, command.MaxRetryAfter.Seconds()) * float64(time.Second))
	}

	return a, nil
}

// check says what is impossible.
func (f *fields) check() error {
	switch {
	case f.Exit == nil && f.Progress == nil && f.Checkpoint == nil:
		return errors.New("neither exit nor progress nor checkpoint is there")
	case f.Exit != nil && (*f.Exit < 0 || *f.Exit > maxExit):
		return fmt.Errorf("exit is %d, not 0 to %d", *f.Exit, maxExit)
	case f.Progress != nil && *f.Progress != min(max(*f.Progress, 0), 1):
		return fmt.Errorf("progress is %v, not 0 to 1", *f.Progress)
	case f.Checkpoint != nil && len(*f.Checkpoint) > maxCheckpoint:
		return fmt.Errorf("checkpoint has %d bytes, more than %d", len(*f.Checkpoint), maxCheckpoint)
	case f.RetryAfter < 0:
		return fmt.Errorf("retry_after is %v, less than 0", f.RetryAfter)
	}

	return nil
}

// parseShort reads the line that most are: {"job":"ID","exit":N}, with any blanks.
func parseShort(line []byte) (answer, bool) {
	rest, ok := eat(line, "{", `"job"`, ":", `"`)
	if !ok || len(rest) < idLength || !bytes.HasPrefix(rest[idLength:], []byte(`"`)) {
		return answer{}, false
	}

	id, err := uuid.ParseBytes(rest[:idLength])
	if err != nil {
		return answer{}, false
	}

	if rest, ok = eat(rest[idLength+1:], ",", `"exit"`, ":"); !ok {
		return answer{}, false
	}

	digits, after, ok := bytes.Cut(rest, []byte("}"))
	if !ok || len(bytes.TrimSpace(after)) > 0 {
		return answer{}, false
	}

	code, ok := parseCode(bytes.TrimSpace(digits))

	return answer{job: job.ID(id), ended: true, exit: code}, ok
}

// parseCode reads an exit code as JSON has it.
func parseCode(digits []byte) (int, bool) {
	if len(digits) > 1 && digits[0] == '0' {
		return 0, false
	}

	code, err := strconv.ParseUint(string(digits), 10, 8)

	return int(code), err == nil
}

// eat returns what follows the tokens, before each of which there may be blanks.
func eat(b []byte, tokens ...string) ([]byte, bool) {
	for _, token := range tokens {
		b = bytes.TrimLeft(b, " \t\r")

		if len(b) < len(token) || string(b[:len(token)]) != token {
			return b, false
		}

		b = b[len(token):]
	}

	return b, true
}
