package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"importerd/internal/control/wire"
)

func TestRefuse(t *testing.T) {
	t.Parallel()

	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _ = l.Close() })

	var waiting []net.Conn

	for range 3 {
		conn, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}

		t.Cleanup(func() { _ = conn.Close() })

		if _, err := conn.Write([]byte("GET /v1/spools HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
			t.Fatal(err)
		}

		waiting = append(waiting, conn)
	}

	closed, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}

	_ = closed.Close() // as a daemon that has served leaves it

	p := &program{sockets: []net.Listener{closed, l}}
	p.refuse(errors.New(`line 6: "wokers" is no key`))

	for _, conn := range waiting {
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}

		var body wire.Error

		err = json.NewDecoder(answer.Body).Decode(&body)
		_ = answer.Body.Close()

		if err != nil || answer.StatusCode != http.StatusServiceUnavailable ||
			!strings.Contains(body.Error.Message, `line 6: "wokers" is no key`) {
			t.Errorf("%s, %v: %+v", answer.Status, err, body)
		}
	}
}
