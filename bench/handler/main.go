// Command handler is what the benchmark's contenders run: it notes when it was
// asked to handle which file, and does nothing else. It is small, so that its own
// start weighs little.
//
//	handler stamp LOG FILE…   notes each file, as a command per file
//	handler worker LOG        reads JSON lines on standard input and answers on descriptor 3
//
// LOG gets a line for each file: the name, the clock CLOCK_MONOTONIC in
// nanoseconds, and the size that the file had. Lines are appended whole.
package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Exit statuses, as importerd understands them.
const (
	exitUsage = 78
	exitLater = 75
)

func main() {
	now := clock()

	if len(os.Args) < 3 {
		os.Exit(exitUsage)
	}

	log, err := os.OpenFile(os.Args[2], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		os.Exit(exitUsage)
	}

	switch os.Args[1] {
	case "stamp":
		err = stamp(log, now, os.Args[3:])
	case "worker":
		err = work(os.Stdin, os.NewFile(3, "answers"), log)
	default:
		os.Exit(exitUsage)
	}

	if err != nil {
		os.Exit(exitLater)
	}
}

// clock returns CLOCK_MONOTONIC, which all processes of a machine share.
func clock() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0
	}

	return t.Nano()
}

func stamp(log io.Writer, now int64, paths []string) error {
	var lines []byte

	for _, path := range paths {
		lines = line(lines, []byte(filepath.Base(path)), now, size(path))
	}

	_, err := log.Write(lines)

	return err
}

func line(to, name []byte, now, size int64) []byte {
	to = append(to, name...)
	to = append(to, ' ')
	to = strconv.AppendInt(to, now, 10)
	to = append(to, ' ')
	to = strconv.AppendInt(to, size, 10)

	return append(to, '\n')
}

func size(path string) int64 {
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return -1
	}

	return s.Size
}

// work answers each line with exit status 0. Answers and notes are gathered as
// long as there are more lines to read, as a worker does that wants to be quick.
func work(in io.Reader, out, log io.Writer) error {
	lines := bufio.NewReaderSize(in, 1<<18)
	answers := bufio.NewWriterSize(out, 1<<18)
	notes := bufio.NewWriterSize(log, 1<<18)

	for {
		text, err := lines.ReadSlice('\n')
		if err != nil {
			return notes.Flush() //nolint:wrapcheck // only its presence counts
		}

		if job := field(text, `"job":"`); !bytes.Contains(text, []byte(`"cancel"`)) {
			answer(answers, notes, text, job)
		}

		if lines.Buffered() > 0 {
			continue
		}

		if err := answers.Flush(); err != nil {
			return err //nolint:wrapcheck // only its presence counts
		}

		if err := notes.Flush(); err != nil {
			return err //nolint:wrapcheck // only its presence counts
		}
	}
}

func answer(answers, notes *bufio.Writer, text, job []byte) {
	name := field(text, `"name":"`)
	_, _ = notes.Write(line(notes.AvailableBuffer(), name, clock(), 0)) // its error comes with Flush

	_, _ = answers.WriteString(`{"job":"`)
	_, _ = answers.Write(job)
	_, _ = answers.WriteString("\",\"exit\":0}\n")
}

// field finds a text in a line of JSON without reading the rest of it: names and
// ids of the benchmark hold nothing that is escaped.
func field(text []byte, key string) []byte {
	_, rest, _ := bytes.Cut(text, []byte(key))
	value, _, _ := bytes.Cut(rest, []byte{'"'})

	return value
}
