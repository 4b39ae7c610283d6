package process

import "io"

// sheafSize is how many bytes of log lines are written at once at most: so much a pipe
// takes whole, whoever else writes to it.
const sheafSize = 4096

// sheaf gathers lines of the log, to be written together.
type sheaf struct {
	to    io.Writer
	lines []byte
}

// Write takes one line.
func (s *sheaf) Write(line []byte) (int, error) {
	if len(s.lines)+len(line) > sheafSize {
		s.flush()
	}

	s.lines = append(s.lines, line...)

	return len(line), nil
}

// flush writes what was gathered. That nobody takes the log is no reason to end.
func (s *sheaf) flush() {
	if len(s.lines) > 0 {
		_, _ = s.to.Write(s.lines)
		s.lines = s.lines[:0]
	}
}
