package command

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// forbidCall makes the test binary run its tests where the system call that the next
	// argument names is forbidden, as in the sandbox of a service.
	forbidCall = "forbid"
	// allGrouped is a variable that gives each run a cgroup.
	allGrouped = "IMPORTERD_TEST_GROUPED"
	// cannotForbid is its exit code where that cannot be done.
	cannotForbid = 77
)

// forbid forbids a system call for all threads of this process and all that it starts.
func forbid(name string) error {
	number := map[string]uint32{"clone3": unix.SYS_CLONE3, "memfd_create": unix.SYS_MEMFD_CREATE}[name]

	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: number, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}

	runtime.LockOSThread() // the next two are about one thread, until the filter is on all
	defer runtime.UnlockOSThread()

	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}

	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program))) //nolint:gosec // as the call takes it
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}

	if _, _, errno := unix.RawSyscall(uintptr(number), 0, 0, 0); errno != unix.ENOSYS {
		return fmt.Errorf("%s is not forbidden: %w", name, errno)
	}

	return nil
}

// testsWithout runs tests of this package where a system call is forbidden.
func testsWithout(t *testing.T, call, tests string) {
	t.Helper()

	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", forbidCall, call,
		"-test.v", "-test.timeout=5m", "-test.run="+tests,
		"-test.skip=^(TestWithoutClone3|TestByTheKernel)$")

	cmd.Env = append(os.Environ(), allGrouped+"=1")

	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == cannotForbid {
		t.Skipf("cannot forbid system calls here: %s", out)
	}

	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}

	if !strings.Contains(string(out), "--- PASS") {
		t.Errorf("none has run:\n%s", out)
	}
}

// Where the sandbox forbids to start processes in a cgroup, each is there all the same.
func TestWithoutClone3(t *testing.T) {
	t.Parallel()
	grouped(t, config(t, "true"))
	needs(t, "setsid")

	testsWithout(t, "clone3", "^Test(Cgroup.*|Session.*|FreezeCgroup|FrozenCgroup.*|ManyCgroups.*|Usage.*|Notif.*|"+
		"Placeholder|OddNames|ExitCodes|DiedOf.*|Environment.*|WorkingDirectory.*|Descriptors|Lock.*|Signals.*|"+
		"MemoryScore|NothingIsLeft|NotToBeStarted|Program.*|ArgumentZero.*|OwnProcessGroup|Reports)$")
}

// Where it does not, the kernel starts them there: what entering takes is not needed.
func TestByTheKernel(t *testing.T) {
	t.Parallel()
	grouped(t, config(t, "true"))

	testsWithout(t, "memfd_create", "^TestCgroup(FromTheStart|OfNoStart|IsTaken)$")
}

// Started as a person would start it, the step between says what it is.
func TestEnterByHand(t *testing.T) {
	t.Parallel()

	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Args = []string{"importerd-enter"}
	cmd.Stdin = os.Stdin

	if out, err := cmd.CombinedOutput(); err == nil {
		t.Errorf("it went well: %s", out)
	}
}
