package enter

import (
	"bytes"
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// orderSeals are what makes an order one of ours: nobody has changed it, and nobody will.
const orderSeals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE

// heading begins an order.
const heading = "importerd enters: %d %d\n"

// order is what is to be started.
type order struct {
	program   string
	argv, env []string
}

// write returns a descriptor with an order.
func write(program string, argv, env []string) (int, error) {
	var text bytes.Buffer

	fmt.Fprintf(&text, heading, len(argv), len(env))

	for _, list := range [][]string{{program}, argv, env} {
		for _, s := range list {
			if strings.IndexByte(s, 0) >= 0 {
				return -1, syscall.EINVAL // as syscall.StartProcess
			}

			text.WriteString(s)
			text.WriteByte(0)
		}
	}

	fd, err := unix.MemfdCreate("order", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, blame("order: ", err)
	}

	if err := fill(fd, text.Bytes()); err != nil {
		closeFD(fd)

		return -1, blame("order: ", err)
	}

	return fd, nil
}

// fill writes and seals an order; what is inherited is read from its begin.
func fill(fd int, text []byte) error {
	for off := 0; off < len(text); {
		n, err := unix.Pwrite(fd, text[off:], int64(off))
		if err != nil {
			return err //nolint:wrapcheck // told by the caller
		}

		off += n
	}

	_, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, orderSeals)

	return err //nolint:wrapcheck // as above
}

// read returns the order in a descriptor.
func read(fd int) (order, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return order{}, err //nolint:wrapcheck // a bare errno, to be told on the pipe
	}

	text := make([]byte, st.Size)

	for off := 0; off < len(text); {
		n, err := unix.Pread(fd, text[off:], int64(off))
		if err != nil || n == 0 {
			return order{}, unix.EIO
		}

		off += n
	}

	return parse(string(text))
}

func parse(text string) (order, error) {
	var args, variables int

	head, rest, _ := strings.Cut(text, "\n")
	if _, err := fmt.Sscanf(head+"\n", heading, &args, &variables); err != nil || args < 0 || variables < 0 {
		return order{}, unix.EINVAL
	}

	fields := strings.Split(rest, "\x00")
	if len(fields) != 1+args+variables+1 {
		return order{}, unix.EINVAL
	}

	return order{program: fields[0], argv: fields[1 : 1+args], env: fields[1+args : 1+args+variables]}, nil
}
