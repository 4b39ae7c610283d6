package systemd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// JournalSocket is where the journal takes messages of its native protocol.
const JournalSocket = "/run/systemd/journal/socket"

// identifier is the SYSLOG_IDENTIFIER of all messages: `journalctl -t importerd`.
const identifier = "importerd"

// Journal takes the lines of a log, JSON objects as zerolog writes them, and hands
// them to systemd's journal with all their fields; message.go says as which. What
// the journal does not take is written, as it is, to the writer that stands by.
//
// Write waits while the journal is full, like any file: put something before it that
// does not. go-systemd's Send is not used: on its socket, which is connected to
// nobody, a full journal is not told from one that takes messages, and it takes a
// directory that is writable to send long ones.
//
// A Journal is not safe for concurrent use.
type Journal struct {
	socket  string
	standby io.Writer
	conn    *net.UnixConn // nil: there is none
}

// NewJournal returns a writer to the journal that listens at socket. It connects with
// the first line, and again when the journal has gone.
func NewJournal(socket string, standby io.Writer) *Journal {
	return &Journal{socket: socket, standby: standby}
}

// Write hands on lines, each by itself.
func (j *Journal) Write(lines []byte) (int, error) {
	written := 0

	for line := range bytes.Lines(lines) {
		n, err := j.write(line)
		written += n

		if err != nil {
			return written, err
		}
	}

	return written, nil
}

// write hands on one line.
func (j *Journal) write(line []byte) (int, error) {
	native, err := message(line)
	if err == nil {
		err = j.send(native)
	}

	if err != nil {
		return j.standby.Write(line)
	}

	return len(line), nil
}

// send sends a message. A second try finds the journal if its socket was made anew.
func (j *Journal) send(message []byte) error {
	var err error

	for range 2 {
		if err = j.dial(); err != nil {
			return err
		}

		_, err = j.conn.Write(message)
		if errors.Is(err, syscall.EMSGSIZE) || errors.Is(err, syscall.ENOBUFS) {
			err = j.sendLong(message)
		}

		if err == nil {
			return nil
		}

		_ = j.conn.Close() // nothing of it is used any more
		j.conn = nil
	}

	return fmt.Errorf("journal: %w", err)
}

// dial connects if that was not done yet.
func (j *Journal) dial() error {
	if j.conn != nil {
		return nil
	}

	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: j.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}

	j.conn = conn

	return nil
}

// sendLong sends a message that is too long for a datagram: as a file in memory,
// sealed, or the journal would not take it from other users than root.
func (j *Journal) sendLong(message []byte) error {
	fd, err := unix.MemfdCreate("journal", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return fmt.Errorf("make a file in memory: %w", err)
	}

	file := os.NewFile(uintptr(fd), "journal")
	defer file.Close()

	if _, err := file.Write(message); err != nil {
		return err //nolint:wrapcheck // it says enough, and its errno is what counts
	}

	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("seal it: %w", err)
	}

	return j.pass(fd)
}

// pass sends an open file. The method of net that does so refuses sockets that are
// connected.
func (j *Journal) pass(fd int) error {
	raw, err := j.conn.SyscallConn()
	if err != nil {
		return fmt.Errorf("pass a file: %w", err)
	}

	var sent error

	err = raw.Write(func(socket uintptr) bool {
		sent = unix.Sendmsg(int(socket), nil, unix.UnixRights(fd), nil, unix.MSG_NOSIGNAL)

		return !errors.Is(sent, unix.EAGAIN)
	})

	return errors.Join(err, sent)
}
