package systemd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// fields are those of a message, as the journal understands them.
type fields map[string][]string

// decode reads a message of the native protocol.
func decode(t *testing.T, message []byte) fields {
	t.Helper()

	all := fields{}

	for len(message) > 0 {
		line, rest, ok := bytes.Cut(message, []byte("\n"))
		if !ok {
			t.Fatalf("%q does not end", message)
		}

		name, value, plain := bytes.Cut(line, []byte("="))
		if !plain {
			size := binary.LittleEndian.Uint64(rest)
			value, rest = rest[8:8+size], rest[8+size+1:]
		}

		all[string(name)] = append(all[string(name)], string(value))
		message = rest
	}

	return all
}

// receive returns the next message, also one that comes as a file.
func receive(t *testing.T, conn *net.UnixConn) fields {
	t.Helper()

	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}

	message, control := make([]byte, 1<<16), make([]byte, 256)

	n, controls, _, _, err := conn.ReadMsgUnix(message, control)
	if err != nil {
		t.Fatal(err)
	}

	if controls == 0 {
		return decode(t, message[:n])
	}

	return decode(t, readSealed(t, control[:controls]))
}

// readSealed reads the file that a message carries, which nobody may change any more.
func readSealed(t *testing.T, control []byte) []byte {
	t.Helper()

	parsed, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		t.Fatal(err)
	}

	fds, err := unix.ParseUnixRights(&parsed[0])
	if err != nil {
		t.Fatal(err)
	}

	file := os.NewFile(uintptr(fds[0]), "message")
	defer file.Close()

	seals, err := unix.FcntlInt(file.Fd(), unix.F_GET_SEALS, 0)
	if want := unix.F_SEAL_SEAL | unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW; err != nil || seals != want {
		t.Errorf("seals are %x, %v, want %x", seals, err, want)
	}

	text, err := io.ReadAll(io.NewSectionReader(file, 0, 1<<30))
	if err != nil {
		t.Fatal(err)
	}

	return text
}

// testJournal returns a socket in the journal's place, and a logger to it.
func testJournal(t *testing.T) (*net.UnixConn, zerolog.Logger) {
	t.Helper()

	path := filepath.Join(t.TempDir(), "socket")
	conn := listen(t, path)
	j := NewJournal(path, failing{t})

	t.Cleanup(func() {
		if j.conn != nil {
			_ = j.conn.Close()
		}
	})

	return conn, zerolog.New(j).With().Timestamp().Logger()
}

// failing is a writer that nothing may be written to.
type failing struct{ t *testing.T }

func (f failing) Write(line []byte) (int, error) {
	f.t.Errorf("the journal has not taken %s", line)

	return len(line), nil
}

func TestJournalFields(t *testing.T) {
	t.Parallel()

	conn, log := testJournal(t)

	for _, tt := range []struct {
		what  string
		event func(log zerolog.Logger)
		want  fields
	}{
		{
			"a job", func(log zerolog.Logger) {
				log.Error().Str("spool", "orders").Str("job", "0199").Str("file", "a b.csv").Int("attempt", 8).
					Str("state", "failed").Int("exit", 3).Bool("changed", true).Msg("job failed")
			},
			fields{
				"MESSAGE":  {`job failed spool=orders job=0199 file="a b.csv" attempt=8 changed=true`},
				"PRIORITY": {"3"}, "MESSAGE_ID": {eventID("job failed")}, "IMPORTERD_SPOOL": {"orders"},
				"IMPORTERD_JOB": {"0199"}, "IMPORTERD_FILE": {"a b.csv"}, "IMPORTERD_ATTEMPT": {"8"},
				"IMPORTERD_STATE": {"failed"}, "IMPORTERD_EXIT": {"3"}, "IMPORTERD_CHANGED": {"true"},
			},
		},
		{
			"lists", func(log zerolog.Logger) {
				log.Info().Strs("added", []string{"a", "b"}).Strs("removed", []string{}).Interface("nil", nil).Msg("something")
			},
			fields{"MESSAGE": {"something added=a,b"}, "PRIORITY": {"6"}, "IMPORTERD_ADDED": {"a", "b"}},
		},
		{
			"what tries to be a field", func(log zerolog.Logger) {
				log.Warn().Str("file", "a\nPRIORITY=0\nMESSAGE=\x00\x1b[2Jforged").Str("b\nMESSAGE_ID=1", "ü").
					Msg("x\nPRIORITY=0")
			},
			fields{
				"MESSAGE": {
					"x\nPRIORITY=0" + ` file="a\nPRIORITY=0\nMESSAGE=\x00\x1b[2Jforged"` + " b\nMESSAGE_ID=1=ü",
				},
				"PRIORITY":                 {"4"},
				"IMPORTERD_FILE":           {"a\nPRIORITY=0\nMESSAGE=\x00\x1b[2Jforged"},
				"IMPORTERD_B_MESSAGE_ID_1": {"ü"},
			},
		},
		{
			"more than a datagram holds", func(log zerolog.Logger) {
				log.Debug().Str(strings.Repeat("k", 100), strings.Repeat("long ", 1<<17)).Msg("much")
			},
			fields{
				"MESSAGE":  {"much " + strings.Repeat("k", 100) + `="` + strings.Repeat("long ", 1<<17) + `"`},
				"PRIORITY": {"7"}, "IMPORTERD_" + strings.Repeat("K", 54): {strings.Repeat("long ", 1<<17)},
			},
		},
	} {
		tt.event(log)

		tt.want["SYSLOG_IDENTIFIER"] = []string{"importerd"}

		if got := receive(t, conn); !maps.EqualFunc(got, tt.want, slices.Equal) {
			t.Errorf("%s: got %.4000q, want %.4000q", tt.what, got, tt.want)
		}
	}
}

// TestJournalLines: lines that are written together are messages of their own.
func TestJournalLines(t *testing.T) {
	t.Parallel()

	path := filepath.Join(t.TempDir(), "socket")
	conn := listen(t, path)
	j := NewJournal(path, failing{t})

	if _, err := j.Write([]byte(`{"message":"one"}` + "\n" + `{"message":"two"}` + "\n")); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _ = j.conn.Close() })

	for _, want := range []string{"one", "two"} {
		if got := receive(t, conn); !slices.Equal(got["MESSAGE"], []string{want}) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestJournalThatNobodyReads: a line waits, without being lost or sent twice, and goes
// on when somebody reads.
func TestJournalThatNobodyReads(t *testing.T) {
	t.Parallel()

	const lines = 1000 // more than any socket keeps

	conn, log := testJournal(t)
	written := make(chan int, lines)

	go func() {
		defer close(written)

		for i := range lines {
			log.Info().Int("n", i).Msg("line")

			written <- i
		}
	}()

	for range lines {
		select {
		case _, ok := <-written:
			if !ok {
				t.Fatal("the socket takes everything")
			}

			continue
		case <-time.After(300 * time.Millisecond): // full, or the machine is slow: either is fine
		}

		break
	}

	for i := range lines {
		if got := receive(t, conn)["MESSAGE"][0]; got != "line n="+strconv.Itoa(i) {
			t.Fatalf("line %d is %q", i, got)
		}
	}

	for range written {
	}
}

// TestJournalThatGoes: while there is none lines are written as they are; a new one
// is found.
func TestJournalThatGoes(t *testing.T) {
	t.Parallel()

	var standby bytes.Buffer

	path := filepath.Join(t.TempDir(), "socket")
	j := NewJournal(path, &standby)
	log := zerolog.New(j)

	log.Info().Msg("too early")

	first, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}

	log.Info().Msg("heard")

	if got := receive(t, first)["MESSAGE"][0]; got != "heard" {
		t.Errorf("heard %q", got)
	}

	if err := errors.Join(first.Close(), os.Remove(path)); err != nil {
		t.Fatal(err)
	}

	second := listen(t, path)

	log.Info().Msg("heard again")

	if got := receive(t, second)["MESSAGE"][0]; got != "heard again" {
		t.Errorf("heard %q", got)
	}

	_ = j.conn.Close()

	if got := standby.String(); got != `{"level":"info","message":"too early"}`+"\n" {
		t.Errorf("written instead: %s", got)
	}
}
