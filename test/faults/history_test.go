package faults_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"testing"
)

// The history is one file to which the daemon writes its log, each handler what
// it sees, and the test what it does to them: each line in one write at the
// end. So there is one order of all that has happened.
const historyName = "history"

// What handlers and tests write. What the daemon writes is in the design.
const (
	handlerRun = "handler run"       // a handler has seen its whole file and works
	handlerEnd = "handler end"       // it is about to end
	torn       = "handler torn"      // its file was not whole
	collision  = "handler collision" // another one works on the same content
	recorded   = "test reads"        // the journal has the job's outcome
	killed     = "test kills"        // the daemon, or what it has started, is dead or about to be
)

// event is one line of the history.
type event struct {
	Message string `json:"message"`
	Job     string `json:"job,omitempty"`
	File    string `json:"file,omitempty"`
	Attempt int    `json:"attempt,omitempty"`
	Err     string `json:"err,omitempty"`
	Level   string `json:"level,omitempty"`

	Content string `json:"content,omitempty"`
	PID     int    `json:"pid,omitempty"`
	Exit    *int   `json:"exit,omitempty"`
	Life    int    `json:"life,omitempty"` // which of the daemons, one after the other, has started the handler
}

// append writes the event at the end of the history at path.
func (e event) append(path string) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}

	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()

	_, err = f.Write(append(line, '\n'))

	return err
}

// readHistory returns all that has happened, in order. Lines that are no events
// are the daemon's last words.
func readHistory(t testing.TB, path string) []event {
	t.Helper()

	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	var events []event

	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)

	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			e = event{Message: "no event", Err: lines.Text()}
		}

		events = append(events, e)
	}

	return events
}

// at is where an event stands, for messages.
func at(i int, e event) string {
	return fmt.Sprintf("history line %d: %s: job %s, content %q, attempt %d", i+1, e.Message, e.Job, e.Content, e.Attempt)
}
