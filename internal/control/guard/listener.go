package guard

import (
	"fmt"
	"net"
	"sync"
)

// CheckListener says why nothing may be served at l, which is reached by whoever
// can connect: over TCP a token must be asked for, and what is said, the token
// too, must stay on this machine unless it is secret by TLS.
func CheckListener(l net.Listener, token func() string, secret bool) error {
	addr := l.Addr()
	if isUnix(addr) {
		return nil
	}

	tcp, ok := addr.(*net.TCPAddr)
	if !secret && (!ok || !tcp.IP.IsLoopback()) {
		return fmt.Errorf("%s can be reached from other machines, without TLS: "+
			"give it a certificate, or listen on a loopback address and have a proxy with TLS before it", addr)
	}

	if token == nil {
		return fmt.Errorf("%s is open to all users of this machine: a token is needed", addr)
	}

	if n := len(token()); n < MinToken {
		return fmt.Errorf("the token has %d bytes: at least %d are needed", n, MinToken)
	}

	return nil
}

// Limit returns l with at most n connections open at a time. More wait in the
// kernel's queue.
func Limit(l net.Listener, n int) net.Listener {
	return &limited{Listener: l, slots: make(chan struct{}, n), closed: make(chan struct{})}
}

// limited is a listener with a limit.
type limited struct {
	net.Listener

	slots  chan struct{} // one element for each open connection
	closed chan struct{} // closed by Close; nobody sends
	once   sync.Once
}

// Accept waits for a free slot, then for a connection.
func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}

	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.slots

		return nil, err //nolint:wrapcheck // handed on: the server tells temporary ones from others
	}

	return &slotted{Conn: conn, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

// Close ends the listener, also while it waits for a slot.
func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })

	return l.Listener.Close() //nolint:wrapcheck // handed on
}

// slotted is a connection that holds a slot.
type slotted struct {
	net.Conn

	release func()
}

// Close gives the slot back.
func (c *slotted) Close() error {
	defer c.release()

	return c.Conn.Close() //nolint:wrapcheck // handed on
}

// CloseWrite ends what we send: the server does so first, so that the end of an
// answer is not lost when the connection is closed on a client that still sends.
func (c *slotted) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}

	return nil
}
