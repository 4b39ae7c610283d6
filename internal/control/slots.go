package control

import (
	"net/http"
	"time"

	"importerd/internal/control/reply"
	"importerd/internal/control/wire"
)

// How many requests of each kind that may last are answered at a time. Together with the
// clients of the monitor they are less than the connections: one that asks for something
// short is always heard.
const (
	maxUploads   = 256
	maxWaits     = 256
	maxFollowers = 128
)

// comeBack is after how long one who was not let in may try again.
const comeBack = 5 * time.Second

// slots are places for requests that may last: who comes in sends, and receives when he
// is done.
type slots chan struct{}

// enter takes a place; false: there is none. Who got one calls leave.
func (s slots) enter() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

// leave gives a place back.
func (s slots) leave() { <-s }

// tooMany refuses one for whom there is no place.
func tooMany(what string) error {
	f := reply.NewFault(http.StatusTooManyRequests, wire.CodeTooMany, "too many %s at a time: try again later", what)
	f.Retry = comeBack

	return f
}
