package faults_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// disk is a file system of its own in a file, of which the power can be cut.
type disk struct {
	testing.TB
	device, dir string
	mounted     bool
}

// newDisk makes and mounts a disk of so many MiB.
func newDisk(t testing.TB, fstype string, size int64) *disk {
	t.Helper()

	dir := t.TempDir()
	image := filepath.Join(dir, "image")

	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}

	if err := os.Truncate(image, size<<20); err != nil {
		t.Fatal(err)
	}

	if _, err := exec.LookPath("mkfs." + fstype); err != nil {
		t.Skipf("needs mkfs.%s", fstype)
	}

	if out, err := exec.Command("mkfs."+fstype, "-q", image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.%s: %v: %s", fstype, err, out)
	}

	out, err := exec.Command("losetup", "--find", "--show", image).CombinedOutput()
	if err != nil {
		t.Skipf("needs loop devices: %s", out)
	}

	base := filepath.Join(dir, "base")
	d := &disk{TB: t, device: strings.TrimSpace(string(out)), dir: filepath.Join(base, "mnt")}

	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		t.Fatal(err)
	}

	// Daemons may live in mount namespaces of their own. Where this is shared an
	// unmount reaches them: the file system would live on in them otherwise.
	err = errors.Join(unix.Mount(base, base, "", unix.MS_BIND, ""), unix.Mount("", base, "", unix.MS_SHARED, ""))
	if err != nil {
		t.Skipf("needs to mount: %v", err)
	}

	t.Cleanup(func() {
		if d.mounted {
			d.unmount()
		}

		if err := unix.Unmount(base, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}

		if out, err := exec.Command("losetup", "--detach", d.device).CombinedOutput(); err != nil {
			t.Errorf("losetup: %v: %s", err, out)
		}
	})

	d.mount()

	return d
}

func (d *disk) mount() {
	d.Helper()

	// As long as anybody still holds the file system that was shut down, a mount
	// shows that one again.
	if !poll(func() bool {
		if out, err := exec.Command("mount", d.device, d.dir).CombinedOutput(); err != nil {
			d.Fatalf("mount: %v: %s", err, out)
		}

		d.mounted = true
		probe := filepath.Join(d.dir, "probe")

		if os.WriteFile(probe, nil, 0o600) == nil && os.Remove(probe) == nil {
			return true
		}

		d.unmount()

		return false
	}) {
		d.Fatal("the disk does not come back")
	}
}

// unmount waits for processes that still use it.
func (d *disk) unmount() {
	d.Helper()

	var err error
	if !pollFor(30*time.Second, func() bool {
		err = unix.Unmount(d.dir, 0)

		return err == nil
	}) {
		d.Errorf("unmount: %v: %q", err, d.users())

		_ = unix.Unmount(d.dir, unix.MNT_DETACH)
	}

	d.mounted = false
}

// users returns what processes have open on the disk.
func (d *disk) users() []string {
	var users []string

	for _, pattern := range []string{"/proc/[0-9]*/fd/*", "/proc/[0-9]*/cwd", "/proc/[0-9]*/exe"} {
		links, _ := filepath.Glob(pattern)
		for _, link := range links {
			if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, d.dir) {
				users = append(users, link+" -> "+to)
			}
		}
	}

	return users
}

// cut stops the file system as a power cut would: nothing that is not in its
// log on the disk will be there again, and nothing can be written.
func (d *disk) cut() error {
	const (
		shutdown   = 0x8004587d // FS_IOC_SHUTDOWN of ext4 and xfs
		noLogFlush = 2
	)

	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer f.Close()

	if err := unix.IoctlSetPointerInt(int(f.Fd()), shutdown, noLogFlush); err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}

	return nil
}

// family returns a process and those that it has started and that still are
// its children.
func family(pid int) []int {
	pids := []int{pid}

	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, path := range tasks {
		text, _ := os.ReadFile(path) // gone: no children
		for word := range strings.FieldsSeq(string(text)) {
			child := 0
			if _, err := fmt.Sscan(word, &child); err == nil {
				pids = append(pids, child)
			}
		}
	}

	return pids
}

// killFamily kills the daemon and its handlers, as the end of a machine does.
func (r *rig) killFamily() {
	r.Helper()

	pids := family(r.daemon.Process.Pid)
	r.kill()

	for _, pid := range pids[1:] {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}
