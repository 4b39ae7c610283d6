package app_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"importerd/internal/app"
	"importerd/internal/job"
)

// told is a connection over which text was sent.
type told struct {
	net.Conn

	t      *testing.T
	reader *bufio.Reader
}

// tell sends text to a socket.
func tell(t *testing.T, socket, text string) told {
	t.Helper()

	conn, err := (&net.Dialer{}).DialContext(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _ = conn.Close() })

	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}

	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}

	return told{conn, t, bufio.NewReader(conn)}
}

// answer returns the status of the next answer.
func (c told) answer() int {
	c.t.Helper()

	answer, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()

	return answer.StatusCode
}

// Who waits for the end of a job holds up no drain.
func TestWaitDoesNotHoldTheDrain(t *testing.T) {
	t.Parallel()

	s := newSpool(t, "true")
	d := start(t, app.Options{}, s)
	d.await(`"message":"ready"`)

	socket := s.path(".importerd", "importerd.sock")

	pause := "POST /v1/spools/" + s.cfg.Name + "/pause HTTP/1.1\r\nHost: localhost\r\n\r\n"
	if got := tell(t, socket, pause).answer(); got != http.StatusOK {
		t.Fatalf("pause: %d", got)
	}

	c := tell(t, socket, "POST /v1/spools/"+s.cfg.Name+"/files?name=a.csv&wait=5m HTTP/1.1\r\nHost: localhost\r\n"+
		"Content-Length: 1\r\n\r\nx")
	s.await(string(job.DeferredFolder), "a.csv")

	d.stops()

	if got := c.answer(); got != http.StatusAccepted {
		t.Errorf("who waited is answered %d", got)
	}
}

// One who sends a part of a file and then nothing holds up no drain, and is told why.
func TestStalledUploadDoesNotHoldTheDrain(t *testing.T) {
	t.Parallel()

	for what, rest := range map[string]string{
		"nothing of it":     "Content-Length: 10\r\n\r\n",
		"a half of it":      "Content-Length: 10\r\n\r\nhello",
		"a half of a chunk": "Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
		"a form with no end": "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n" +
			"--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nxxx\r\n--b\r\n",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()

			s := newSpool(t, "true")
			d := start(t, app.Options{}, s)
			d.await(`"message":"ready"`)

			head, body, _ := strings.Cut(rest, "\r\n\r\n")
			c := tell(t, s.path(".importerd", "importerd.sock"), fmt.Sprintf(
				"POST /v1/spools/%s/files?name=a.csv HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n%s\r\n\r\n",
				s.cfg.Name, head))

			if got := c.answer(); got != http.StatusContinue { // it is being read
				t.Fatalf("the head is answered %d", got)
			}

			if _, err := c.Write([]byte(body)); err != nil {
				t.Fatal(err)
			}

			d.stops()

			if got := c.answer(); got != http.StatusServiceUnavailable {
				t.Errorf("the sender is answered %d", got)
			}

			s.wants(string(job.DeferredFolder))
		})
	}
}

// However many clients want to hear of all, short requests are answered.
func TestStreamsLeavePlaces(t *testing.T) {
	t.Parallel()

	s := newSpool(t, "true")
	d := start(t, app.Options{}, s)
	d.await(`"message":"ready"`)

	socket, in := s.path(".importerd", "importerd.sock"), 0

	for range 300 {
		c := tell(t, socket, "GET /v1/events?all=true HTTP/1.1\r\nHost: localhost\r\n\r\n")

		line, err := c.reader.ReadString('\n') // no more of an answer that lasts
		if err != nil {
			t.Fatal(err)
		}

		if strings.Contains(line, " 200 ") {
			in++
		} else if !strings.Contains(line, " 429 ") {
			t.Errorf("a stream is answered %s", line)
		}
	}

	if in != 256 {
		t.Errorf("%d streams are let in, not 256", in)
	}

	for _, path := range []string{"/healthz", "/v1/spools"} {
		if got := tell(t, socket, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n").answer(); got != http.StatusOK {
			t.Errorf("%s: %d", path, got)
		}
	}

	d.stops()
}
