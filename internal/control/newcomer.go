package control

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// newcomerGrace is how long the end waits for those who have connected to say what
// they want. A client that is alive has said it at once.
const newcomerGrace = time.Second

// newcomers are the connections of which no request has come yet. net/http closes
// them at its shutdown without a word, also when their request has just been
// read; whoever was accepted shall be answered.
type newcomers struct {
	tally

	leave sync.Map // from net.Conn to the func() that ends its time as a newcomer
}

// newcomerKey is the key of the function that ends the time as a newcomer of the
// connection of a request.
type newcomerKey struct{}

// enter counts a new connection; for http.Server.ConnContext.
func (n *newcomers) enter(ctx context.Context, conn net.Conn) context.Context {
	n.tally.enter()

	leave := sync.OnceFunc(n.tally.leave)
	n.leave.Store(conn, leave)

	return context.WithValue(ctx, newcomerKey{}, leave)
}

// changed forgets a connection that is over; for http.Server.ConnState.
func (n *newcomers) changed(conn net.Conn, state http.ConnState) {
	if state != http.StateClosed && state != http.StateHijacked {
		return
	}

	if leave, ok := n.leave.LoadAndDelete(conn); ok {
		leave.(func())() // only enter stores
	}
}

// greet makes a connection no newcomer when its request is about to be answered.
func (n *newcomers) greet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if leave, ok := r.Context().Value(newcomerKey{}).(func()); ok {
			leave()
		}

		next.ServeHTTP(w, r)
	})
}

// wait waits for all of them, for newcomerGrace at most.
func (n *newcomers) wait(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, newcomerGrace)
	defer cancel()

	n.tally.wait(ctx)
}
