package trial

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
)

// stamp is what a handler has noted of one file.
type stamp struct {
	at   int64 // CLOCK_MONOTONIC in ns
	size int64
}

// stamps are the notes of all handlers of a trial, by name in their order.
type stamps map[string][]stamp

// readStamps reads the notes; without any it returns none.
func readStamps(path string) (stamps, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return stamps{}, nil
	} else if err != nil {
		return nil, fmt.Errorf("read notes: %w", err)
	}

	all := make(stamps)

	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) != 3 {
			return nil, fmt.Errorf("read notes: %q", line)
		}

		at, err1 := strconv.ParseInt(string(fields[1]), 10, 64)
		size, err2 := strconv.ParseInt(string(fields[2]), 10, 64)

		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("read notes: %w", err)
		}

		name := string(fields[0])
		all[name] = append(all[name], stamp{at, size})
	}

	return all, nil
}

// twice returns how often a file was handled again.
func (s stamps) twice() int {
	n := 0
	for _, of := range s {
		n += len(of) - 1
	}

	return n
}

// first returns the earliest time, 0 if there is none.
func (s stamps) first() int64 {
	var first int64

	for _, of := range s {
		if first == 0 || of[0].at < first {
			first = of[0].at
		}
	}

	return first
}

// notes counts the lines of a file that grows.
type notes struct {
	path  string
	file  *os.File
	lines int
}

func (n *notes) look() {
	if n.file == nil {
		var err error
		if n.file, err = os.Open(n.path); err != nil {
			n.file = nil // not yet there
			return
		}
	}

	var buffer [1 << 16]byte

	for {
		got, err := n.file.Read(buffer[:])
		n.lines += bytes.Count(buffer[:got], []byte{'\n'})

		if got == 0 || err != nil {
			return
		}
	}
}

func (n *notes) close() {
	if n.file != nil {
		n.file.Close()
	}
}
