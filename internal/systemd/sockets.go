package systemd

import (
	"errors"
	"fmt"
	"net"

	"github.com/coreos/go-systemd/v22/activation"
)

// TakeSockets returns the listening sockets that a socket unit hands over, and
// takes LISTEN_* out of the environment, so that no child can be mistaken for
// the daemon. They are not inherited by children, and closing one leaves its path
// where it is: it belongs to the unit. Only main calls it, before anything else
// has opened a file.
func TakeSockets() ([]net.Listener, error) {
	var (
		listeners []net.Listener
		errs      []error
	)

	for _, file := range activation.Files(true) {
		l, err := net.FileListener(file)
		if err != nil {
			errs = append(errs, fmt.Errorf("socket %s from the service manager: %w", file.Name(), err))
		} else {
			listeners = append(listeners, l)
		}

		errs = append(errs, file.Close())
	}

	return listeners, errors.Join(errs...)
}
