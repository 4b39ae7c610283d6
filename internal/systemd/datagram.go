package systemd

import (
	"fmt"
	"net"
	"time"
)

// datagram returns a function that sends one message to the socket and gives
// up at the deadline.
//
// go-systemd's SdNotify knows no deadline: a supervisor that does not read would
// block it for ever, and with it the loop that feeds the watchdog. It also reads
// the environment anew each time, from which the variables have been taken. As
// it does, this dials for each message: the supervisor may have made its socket
// anew, and the few messages are not worth an open descriptor.
func datagram(socket string) func(message string, deadline time.Time) error {
	addr := &net.UnixAddr{Name: socket, Net: "unixgram"}

	return func(message string, deadline time.Time) error {
		conn, err := net.DialUnix(addr.Net, nil, addr)
		if err != nil {
			return fmt.Errorf("dial the notify socket: %w", err)
		}
		defer conn.Close() //nolint:errcheck // the datagram is gone, or it is not

		if err := conn.SetWriteDeadline(deadline); err != nil {
			return fmt.Errorf("set a deadline: %w", err)
		}

		// A connected socket takes Write only; anything with an address fails.
		if _, err := conn.Write([]byte(message)); err != nil {
			return fmt.Errorf("notify: %w", err)
		}

		return nil
	}
}
