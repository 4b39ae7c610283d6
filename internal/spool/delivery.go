package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// delivery is a new file on its way into a directory.
type delivery struct {
	to   *dir     // where it will appear
	file *os.File // the new file
	mode uint32   // permission bits, whatever the umask is
	home *dir     // where it lies until then, if it needs a name
	temp string   // its hidden name there; empty: it has none, and goes away with the descriptor
}

// Hidden names end as temporary ones do, so that no spool takes them for files.
const (
	hiddenPrefix = ".put-"
	hiddenSuffix = ".tmp"
)

// newDelivery makes a file without a name or, where the file system knows no such
// thing or /proc is missing, with a hidden one in home.
func newDelivery(to, home *dir, mode uint32) (*delivery, error) {
	d := &delivery{to: to, mode: mode}

	err := to.use(d.openNameless)
	if errors.Is(err, errNeedsName) {
		d.home = home
		err = home.use(d.openHidden)
	}

	if err != nil {
		return nil, err
	}

	return d, nil
}

// errNeedsName says that files without a name do not exist here, or could not get one.
var errNeedsName = errors.New("a new file needs a name")

func (d *delivery) openNameless(at int) error {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		return errNeedsName
	}

	fd, err := openat(at, ".", unix.O_TMPFILE|unix.O_WRONLY, d.mode)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EINVAL) {
		return errNeedsName
	}

	if err != nil {
		return err
	}

	d.file = os.NewFile(uintptr(fd), "new file")

	return nil
}

func (d *delivery) openHidden(at int) error {
	temp := hiddenPrefix + job.NewID().String() + hiddenSuffix

	fd, err := openat(at, temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, d.mode)
	if err != nil {
		return err
	}

	d.file, d.temp = os.NewFile(uintptr(fd), temp), temp

	return nil
}

// own gives the file its mode and, if we are root, the owner that files of the
// inbox have.
func (d *delivery) own(inbox *dir) error {
	if os.Geteuid() == 0 {
		err := inbox.use(func(at int) error {
			stat, err := statAt(at, "")
			if err != nil {
				return err
			}

			return d.file.Chown(int(stat.Uid), int(stat.Gid))
		})
		if err != nil {
			return fmt.Errorf("give it to the owner of the inbox: %w", err)
		}
	}

	if err := d.file.Chmod(os.FileMode(d.mode)); err != nil {
		return fmt.Errorf("set its mode: %w", err)
	}

	return nil
}

// fill copies the content and flushes it.
func (d *delivery) fill(r io.Reader) error {
	if _, err := io.Copy(d.file, r); err != nil {
		return fmt.Errorf("copy: %w", err)
	}

	if err := d.file.Sync(); err != nil {
		return fmt.Errorf("flush: %w", err)
	}

	return nil
}

// appear gives the file its name, unless that is taken.
func (d *delivery) appear(name string) error {
	err := d.to.use(func(to int) error {
		if d.temp != "" {
			return d.home.use(func(home int) error { return d.reveal(home, to, name) })
		}

		self := "/proc/self/fd/" + strconv.Itoa(int(d.file.Fd()))

		return again(func() error {
			return unix.Linkat(unix.AT_FDCWD, self, to, name, unix.AT_SYMLINK_FOLLOW)
		})
	})
	if err != nil {
		return fmt.Errorf("name it: %w", err)
	}

	return nil
}

// reveal puts the name in the place of the hidden one.
func (d *delivery) reveal(home, to int, name string) error {
	err := again(func() error {
		return unix.Renameat2(home, d.temp, to, name, unix.RENAME_NOREPLACE)
	})
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return unix.Linkat(home, d.temp, to, name, 0) //nolint:wrapcheck // by the caller; close removes the hidden name
	}

	if err == nil {
		d.temp = ""
	}

	return err
}

// close removes what has not appeared.
func (d *delivery) close() error {
	var err error
	if d.temp != "" {
		err = d.home.unlink(d.temp)
		d.temp = ""
	}

	return errors.Join(err, d.file.Close())
}
