package main

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"importerd/internal/control/wire"
)

const (
	// refuseWait is how long nobody may have come before all are refused.
	refuseWait = 100 * time.Millisecond
	// refuseTime is how long all the refusing may take, at most twice.
	refuseTime = time.Second
)

// deadliner is a listener that waits for so long only.
type deadliner interface{ SetDeadline(at time.Time) error }

// refuse answers those who wait at the sockets of the service manager when the
// daemon could not start, with the reason. Otherwise it would be started again at
// once for their sake, without end. A daemon that has served has closed them.
func (p *program) refuse(err error) {
	var all sync.WaitGroup

	over := time.Now().Add(refuseTime)

	for _, l := range p.sockets {
		bounded, ok := l.(deadliner)

		for ok && time.Now().Before(over) && bounded.SetDeadline(time.Now().Add(refuseWait)) == nil {
			conn, failed := l.Accept()
			if failed != nil {
				break
			}

			all.Go(func() { refuse(conn, reason(conn, err)) })
		}
	}

	all.Wait()
}

// reason is what a client is told: all of it only where the socket's group says who
// may ask.
func reason(conn net.Conn, err error) string {
	if conn.LocalAddr().Network() != "unix" {
		return "the daemon cannot start: its log says why"
	}

	return "the daemon cannot start: " + err.Error()
}

// refuse reads a request and answers that there is no daemon.
func refuse(conn net.Conn, why string) {
	defer func() { _ = conn.Close() }() // nothing is left to say

	_ = conn.SetDeadline(time.Now().Add(refuseTime)) // one that fails is answered all the same
	_, _ = http.ReadRequest(bufio.NewReader(conn))   // whatever it is

	var body wire.Error

	body.Error.Code, body.Error.Message = wire.CodeDegraded, why

	text, err := json.Marshal(body)
	if err != nil {
		return // bytes in a message are no reason
	}

	head := "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
	_, _ = conn.Write([]byte(head + strconv.Itoa(len(text)) + "\r\n\r\n" + string(text))) // it may be gone
}
