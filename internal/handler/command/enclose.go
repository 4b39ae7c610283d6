package command

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"importerd/internal/handler/cgroup"
	"importerd/internal/job"
)

// enclose makes the cgroup for the run. That it gets none is an error only where
// processes of an earlier attempt live in it, or where its limits are not kept.
func (r *run) enclose() error {
	if r.groups == nil {
		return nil
	}

	groups := r.groups()
	if groups == nil {
		return nil
	}

	group, err := groups.New(r.name, r.limits)
	if errors.Is(err, cgroup.ErrNone) {
		return nil
	}

	r.tree.cgroup = group

	return err //nolint:wrapcheck // it names the cgroup
}

// launch starts the program in the cgroup, or without one if the kernel cannot.
func (r *run) launch(program string, attr *syscall.ProcAttr) (int, error) {
	attr.Sys = r.tree.attributes()

	pid, _, err := syscall.StartProcess(program, r.argv, attr)
	if err == nil || !r.tree.doubts(err) {
		return pid, err //nolint:wrapcheck // explained by the caller
	}

	r.tree.release()

	attr.Sys = r.tree.attributes()

	pid, _, again := syscall.StartProcess(program, r.argv, attr)
	if again != nil {
		return pid, again //nolint:wrapcheck // as above
	}

	err = fmt.Errorf("start a process in a cgroup: %w", err)
	if errors.Is(err, unix.ENOSYS) { // there is no clone3, or somebody forbids it
		r.groups().GiveUp(err)
	} else {
		r.groups().Tell(err)
	}

	return pid, nil
}

// doubts says whether err, with which no process could be started, may be for the
// cgroup's sake and not for the program's.
func (t *tree) doubts(err error) bool {
	if t.cgroup == nil {
		return false
	}

	for _, e := range []error{unix.ENOSYS, unix.EBUSY, unix.EOPNOTSUPP, unix.EPERM, unix.EACCES} {
		if errors.Is(err, e) {
			return true
		}
	}

	return t.cgroup.Gone()
}

// account puts what the cgroup knows of the run into exit, and removes it.
func (r *run) account(exit *job.Exit) {
	group := r.tree.cgroup
	if group == nil {
		return
	}

	used := group.Usage()
	exit.MaxMemory, exit.CPU = used.MaxMemory, max(used.CPU, exit.CPU)

	switch used.OOM {
	case cgroup.NoOOM:
	case cgroup.OOMMachine:
		exit.OOM = "out of memory"
	case cgroup.OOMLimit:
		exit.OOM = "out of memory, limit " + cgroup.Size(r.limits.Memory)
	}

	r.tree.release()
}

// attributes returns with what the main process is to be started. There is no
// signal at the parent's death among them: the kernel would send it when one
// thread of the daemon ends.
func (t *tree) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}

	if t.cgroup != nil {
		attr.UseCgroupFD, attr.CgroupFD = true, t.cgroup.FD()
	}

	return attr
}

// release removes the cgroup, in which nothing is to happen any more.
func (t *tree) release() {
	if t.cgroup != nil {
		t.cgroup.Remove()

		t.cgroup = nil
	}
}
