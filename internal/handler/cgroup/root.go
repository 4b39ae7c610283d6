// Package cgroup gives each attempt a cgroup of its own, where the daemon's own
// cgroup is delegated to it: then all that an attempt has started is found, frozen,
// limited and ended as one, whatever processes do to get away.
//
// Delegated means that nobody else manages what is below: the service manager has
// said so (Delegate=yes, which leaves the attribute user.delegate), or the cgroup is
// the root of a cgroup namespace, as in a container. That we may write there is not
// enough: root may everywhere, and the cgroups still belong to the service manager.
//
// Below the daemon's own cgroup lie
//
//	daemon       a leaf for the daemon itself: with controllers enabled, only leaves may hold processes
//	job-<id>     an attempt on that job, while it runs
//	note-<id>    the operator's on_failed command for that job, while it runs
//
// Only the second version of cgroups counts, from Linux 5.14 on.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

const (
	// JobPrefix begins the names of groups of attempts; the job's id follows.
	JobPrefix = "job-"
	// NotePrefix begins those of on_failed commands; the job's id follows, or the name of
	// the spool where it is about no job.
	NotePrefix = "note-"

	leaf      = "daemon" // where the daemon itself goes
	groupMode = 0o755
	// clearWait bounds the wait for killed leftovers.
	clearWait = time.Second
)

// errNotEnabled is why a controller is missing before Enable.
var errNotEnabled = errors.New("the controller was not enabled")

// ErrNone says that there can be no group; the process group must do.
var ErrNone = errors.New("no cgroup")

// Root is a delegated cgroup, below which groups are made. Its methods may be called
// from several goroutines. It is held by a lock that ends with the process.
type Root struct {
	dir     *os.File
	path    string
	missing map[string]error // why controllers that limits need are not enabled
	log     zerolog.Logger

	noClone3 error // why the kernel starts no process in a group; nil: it does
	mayEnter bool  // processes may be started that enter their groups, see Enter

	mu   sync.Mutex
	left map[string]struct{} // guarded by mu; groups that could not be removed yet
	said map[string]struct{} // guarded by mu; troubles that were told
}

// Hold takes over a cgroup that is ours to manage; see Place. Before groups are made in
// it the daemon must have left it, see MoveIn, and groups have limits only after Enable.
// Two daemons in one would end each other's groups: the second one gets an error.
func Hold(path string, log zerolog.Logger) (*Root, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("own cgroup: %w", err)
	}

	r := &Root{
		dir: dir, path: path, missing: map[string]error{}, log: log,
		left: map[string]struct{}{}, said: map[string]struct{}{}, noClone3: lacksClone3(),
	}

	for _, controller := range controllers() {
		r.missing[controller] = errNotEnabled
	}

	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("cgroup %s is used by another daemon: %w", path, err), dir.Close())
	}

	return r, nil
}

// MoveIn moves this process into a leaf below the cgroup, and whoever else is in the cgroup:
// process 1 of a container, above all, which has started us. While somebody stays, no
// controller can be enabled. The error says what to do.
func (r *Root) MoveIn() error {
	fd := int(r.dir.Fd())

	err := unix.Mkdirat(fd, leaf, groupMode)
	if errors.Is(err, unix.EROFS) {
		return fmt.Errorf("cgroup %s is read-only: set ProtectControlGroups=no in the unit", r.path)
	}

	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("leaf of cgroup %s: %w", r.path, err)
	}

	for _, file := range []string{"cgroup.kill", "cgroup.freeze"} {
		if err := unix.Faccessat(fd, leaf+"/"+file, unix.W_OK, unix.AT_EACCESS); err != nil {
			return fmt.Errorf("%s of cgroup %s (Linux 5.14 and later have it): %w", file, r.path, err)
		}
	}

	if err := write(fd, leaf+"/cgroup.procs", strconv.Itoa(os.Getpid())); err != nil {
		return fmt.Errorf("move into a leaf of cgroup %s: %w", r.path, err)
	}

	r.moveOthers()

	return nil
}

// moveOthers moves all that is left in the cgroup into the leaf. Who cannot be moved stays:
// Enable then tells what that costs.
func (r *Root) moveOthers() {
	fd := int(r.dir.Fd())

	text, err := read(fd, "cgroup.procs")
	if err != nil {
		return
	}

	for pid := range strings.FieldsSeq(text) {
		if pid != "0" { // in a process namespace that we do not see; written it would mean ourselves
			_ = write(fd, leaf+"/cgroup.procs", pid)
		}
	}
}

// Enable gives the groups the controllers that limits need, one by one: that one is
// not there is no reason to go without the others. It comes before New.
func (r *Root) Enable() {
	fd := int(r.dir.Fd())
	text, err := read(fd, "cgroup.controllers")
	there := strings.Fields(text)

	for _, controller := range controllers() {
		switch {
		case err != nil:
			r.missing[controller] = err
		case !slices.Contains(there, controller):
			r.missing[controller] = errors.New("the controller is not delegated to cgroup " + r.path)
		default:
			if err := write(fd, "cgroup.subtree_control", "+"+controller); err != nil {
				r.missing[controller] = fmt.Errorf("enable the controller in cgroup %s: %w", r.path, err)
			} else {
				delete(r.missing, controller)
			}
		}
	}
}

// Path returns where the cgroup lies.
func (r *Root) Path() string { return r.path }

// Usable says why no process gets into a group; nil: each does.
func (r *Root) Usable() error {
	if r.mayEnter {
		return nil
	}

	return r.noClone3
}

// Tell logs once why a process had to do without its group.
func (r *Root) Tell(why error) {
	r.mu.Lock()
	_, known := r.said[why.Error()]
	r.said[why.Error()] = struct{}{}
	r.mu.Unlock()

	if !known {
		r.log.Warn().Err(why).Msg("no cgroup for an attempt, its process group must do")
	}
}

// Close lets the cgroup go. The daemon stays in its leaf.
func (r *Root) Close() error {
	r.tryLeft()

	if err := r.dir.Close(); err != nil {
		return fmt.Errorf("close cgroup: %w", err)
	}

	return nil
}

// New makes a group. ErrNone: it cannot be made, which was told; unix.EAGAIN:
// processes live in one of that name.
func (r *Root) New(name string, l Limits) (*Group, error) {
	r.tryLeft()

	fd := int(r.dir.Fd())

	err := unix.Mkdirat(fd, name, groupMode)
	if errors.Is(err, unix.EEXIST) {
		if err = remove(fd, name); errors.Is(err, unix.EBUSY) {
			return nil, fmt.Errorf("processes of an earlier attempt live in cgroup %s/%s: %w", r.path, name, unix.EAGAIN)
		}

		if err == nil {
			err = unix.Mkdirat(fd, name, groupMode)
		}
	}

	if err == nil {
		var g *Group
		if g, err = r.Find(name); err == nil {
			return g.limit(l)
		}
	}

	r.Tell(fmt.Errorf("make cgroup %s/%s: %w", r.path, name, err))

	return nil, ErrNone
}

// Find opens a group that is there. fs.ErrNotExist: there is none.
func (r *Root) Find(name string) (*Group, error) {
	fd, err := unix.Openat(int(r.dir.Fd()), name, dirFlags, 0)
	if err != nil {
		return nil, fmt.Errorf("cgroup %s/%s: %w", r.path, name, err)
	}

	return &Group{root: r, name: name, fd: fd}, nil
}

// Names returns the names of the groups that are there.
func (r *Root) Names() []string {
	names := slices.DeleteFunc(children(int(r.dir.Fd())), func(name string) bool {
		return !strings.HasPrefix(name, JobPrefix) && !strings.HasPrefix(name, NotePrefix)
	})
	slices.Sort(names)

	return names
}

// Clear ends and removes the groups that an earlier daemon has left, but for those
// that keep wants. It is for the start. What does not go at once is tried again when
// the next group is made.
func (r *Root) Clear(keep func(name string) bool) {
	var groups []*Group

	for _, name := range r.Names() {
		if keep(name) {
			continue
		}

		if g, err := r.Find(name); err == nil {
			g.Kill()

			groups = append(groups, g)
		}
	}

	deadline := time.Now().Add(clearWait)

	for _, g := range groups {
		if !g.AwaitEmpty(time.Until(deadline)) {
			r.log.Warn().Str("cgroup", g.name).Msg("processes of an earlier daemon cannot be ended")
		}

		g.Remove()
	}
}

// tryLeft removes what could not be removed before.
func (r *Root) tryLeft() {
	r.mu.Lock()
	defer r.mu.Unlock()

	for name := range r.left {
		if err := remove(int(r.dir.Fd()), name); err == nil || errors.Is(err, fs.ErrNotExist) {
			delete(r.left, name)
		}
	}
}
