package spool

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// lockNote is what a lock file says; the package comment tells the meaning.
type lockNote struct {
	Job     string `json:"job"`
	Name    string `json:"name"`
	NameB64 string `json:"name_b64,omitempty"`
	Worker  bool   `json:"worker,omitempty"`
	PID     int    `json:"pid,omitempty"`
	Since   uint64 `json:"since,omitempty"` // no later than its own start; 0: Start is that
	Start   uint64 `json:"start,omitempty"` // no earlier than its own
	Boot    string `json:"boot,omitempty"`
}

func newNote(id job.ID, name string) lockNote {
	note := lockNote{Job: id.String(), Name: name}
	if !utf8.ValidString(name) {
		note.NameB64 = base64.StdEncoding.EncodeToString([]byte(name))
	}

	return note
}

// parseNote reads a lock file. One that is empty or spoilt says nothing: the
// lock counts, and a crash may have left the file at any stage.
func parseNote(text []byte) lockNote {
	var note lockNote
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&note); err != nil {
		return lockNote{}
	}

	return note
}

// text returns what stands in the lock file: what encoding/json would make of it. It is
// written twice for each attempt, and that takes four times as long.
func (n lockNote) text() []byte {
	text := append(make([]byte, 0, 256), `{"job":`...)
	text = appendString(text, n.Job)
	text = appendString(append(text, `,"name":`...), n.Name)

	if n.NameB64 != "" {
		text = appendString(append(text, `,"name_b64":`...), n.NameB64)
	}

	if n.Worker {
		text = append(text, `,"worker":true`...)
	}

	if n.PID != 0 {
		text = strconv.AppendInt(append(text, `,"pid":`...), int64(n.PID), 10)
	}

	if n.Since != 0 {
		text = strconv.AppendUint(append(text, `,"since":`...), n.Since, 10)
	}

	if n.Start != 0 {
		text = strconv.AppendUint(append(text, `,"start":`...), n.Start, 10)
	}

	if n.Boot != "" {
		text = appendString(append(text, `,"boot":`...), n.Boot)
	}

	return append(text, "}\n"...)
}

// appendString appends s as JSON has it.
func appendString(text []byte, s string) []byte {
	odd := func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }
	if strings.IndexFunc(s, odd) < 0 {
		return append(append(append(text, '"'), s...), '"')
	}

	quoted, err := json.Marshal(s)
	if err != nil {
		panic("bug: " + err.Error()) // any string can be one of JSON
	}

	return append(text, quoted...)
}

// name returns the bytes of the file's name.
func (n lockNote) name() string {
	if raw, err := base64.StdEncoding.DecodeString(n.NameB64); err == nil && len(raw) > 0 {
		return string(raw)
	}

	return n.Name
}

// handler returns what the note tells of the attempts that had the lock.
func (n lockNote) handler(id job.ID, alive bool) job.OldHandler {
	return job.OldHandler{Job: id, Name: n.name(), Worker: n.Worker, PID: n.PID, Alive: alive}
}

// alive says whether the process noted is there and the very one, or has left any of its
// group: numbers are given to other processes again, also after a boot, and mean others
// inside of a container.
func (n lockNote) alive() bool {
	if n.PID <= 1 || n.Boot == "" {
		return false
	}

	boot, err := BootID()
	if err != nil || boot != n.Boot {
		return false
	}

	start, err := startOf(n.PID)
	if errors.Is(err, fs.ErrNotExist) {
		return n.left()
	}

	return err == nil && cmp.Or(n.Since, n.Start) <= start && start <= n.Start
}

// left says whether anybody lives of the group of the process noted, which has ended
// itself: such a child may have closed the lock. As long as there is one the kernel gives
// the number to nobody else; that a later process had it, and has left a group in its
// turn, is told by the environment of those that we start.
func (n lockNote) left() bool {
	if errors.Is(unix.Kill(-n.PID, 0), unix.ESRCH) {
		return false
	}

	entries, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}

	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}

		if group, err := unix.Getpgid(pid); err != nil || group != n.PID {
			continue
		}

		env, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		if err == nil && bytes.Contains(env, []byte("IMPORTERD_JOB_SPOOL=")) {
			return true
		}
	}

	return false
}

// readLock reads the lock file of a job. One that still tells of another job says nothing:
// a crash came before it was written for this one.
func (s *Spool) readLock(id job.ID) (lockNote, error) {
	const longest = 1 << 16 // bytes; a name in base64 and JSON needs less than 4 KiB

	var note lockNote

	err := s.locks.use(func(at int) error {
		fd, err := openat(at, id.String(), readFlags, 0)
		if err != nil {
			return err
		}

		file := os.NewFile(uintptr(fd), id.String())
		defer file.Close() // nothing was written through it

		text, err := io.ReadAll(io.LimitReader(file, longest))
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}

		if note = parseNote(text); note.Job != id.String() {
			note = lockNote{}
		}

		return nil
	})

	return note, err
}

// lockID returns the job to which a lock belongs.
func lockID(lock *os.File) (job.ID, error) {
	id, err := job.ParseID(filepath.Base(lock.Name()))
	if err != nil {
		return id, fmt.Errorf("bug: %s is not a lock of ours: %w", job.Show(lock.Name()), err)
	}

	return id, nil
}

// startOf returns when a process started, in clock ticks since the boot. One
// that has ended and only waits to be waited for is gone: fs.ErrNotExist.
func startOf(pid int) (uint64, error) {
	const state, start = 0, 19 // the third and the 22nd field; the second ends with the last ")"

	text, err := readStat(pid)
	if errors.Is(err, unix.ESRCH) { // it ended between the open and the read
		err = fs.ErrNotExist
	}

	if err != nil {
		return 0, fmt.Errorf("process %d: %w", pid, err)
	}

	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) <= start {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}

	if fields[state] == "Z" || fields[state] == "X" {
		return 0, fmt.Errorf("process %d has ended: %w", pid, fs.ErrNotExist)
	}

	began, err := strconv.ParseUint(fields[start], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("start time of process %d: %w", pid, err)
	}

	return began, nil
}

// readStat returns the first KiB of what the kernel says of a process, which comes with one
// read. A file of package os takes three times as many calls, for a poller that is no use here.
func readStat(pid int) ([]byte, error) {
	fd, err := openat(unix.AT_FDCWD, "/proc/"+strconv.Itoa(pid)+"/stat", unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer discard(fd)

	text := make([]byte, 1024)
	n := 0

	err = again(func() (err error) {
		n, err = unix.Read(fd, text)

		return err //nolint:wrapcheck // the caller says which process it is
	})

	return text[:max(n, 0)], err
}

// BootID returns what tells this boot of the machine from all others.
func BootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("boot id: %w", err)
	}

	return strings.TrimSpace(string(text)), nil
}
