package control_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"testing"

	"importerd/internal/control"
)

// TestEndAnswersNewcomers ends the server between a connection and its request.
func TestEndAnswersNewcomers(t *testing.T) {
	t.Parallel()

	r := prepare(t)

	s, err := control.New(r.options)
	must(t, err)

	l := &seenListener{Listener: listen(t), accepted: make(chan struct{}, 1), closed: make(chan struct{}, 2)}
	ctx, end := context.WithCancel(t.Context())
	served := make(chan error, 1)

	go func() { served <- s.Serve(ctx, l) }()

	conn, err := net.Dial("unix", l.Addr().String())
	must(t, err)

	t.Cleanup(func() { _ = conn.Close() })

	<-l.accepted
	end()
	<-l.closed // the end has begun

	_, err = conn.Write([]byte("GET /healthz HTTP/1.1\r\nHost: importerd\r\n\r\n"))
	must(t, err)

	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)

	defer answer.Body.Close()

	if answer.StatusCode != http.StatusOK {
		t.Errorf("answered %s", answer.Status)
	}

	must(t, <-served)
}

// seenListener tells what happens to it.
type seenListener struct {
	net.Listener

	accepted, closed chan struct{} // buffered; each call sends once
}

func (l *seenListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.accepted <- struct{}{}
	}

	return conn, err
}

func (l *seenListener) Close() error {
	select {
	case l.closed <- struct{}{}:
	default:
	}

	return l.Listener.Close()
}
