package worker_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
	"importerd/internal/spool"
)

// ends runs an attempt that must end in that way.
func (r *rig) ends(name, want string) job.Exit {
	r.Helper()

	exit := r.does(name)
	if got := kind(exit); got != want {
		r.Errorf("%q ended with %+v: %s, want %s", name, exit, got, want)
	}

	return exit
}

// TestDeathWithOneJob: that job has used an attempt, however the worker ended.
func TestDeathWithOneJob(t *testing.T) {
	t.Parallel()

	r := newRig(t, 1, 4)

	for _, name := range []string{"die=0", "die=1", "die=75", "die=65", "kill"} {
		exit := r.ends(name, "died")
		if exit.Signal != "" != (name == "kill") {
			t.Errorf("%q ended with %+v", name, exit)
		}
	}

	r.exits("exit=0", 0)

	if n := r.started(); n != 6 {
		t.Errorf("%d workers", n)
	}
}

// TestDeathThatSaysBroken: a worker that exits so cannot work at all.
func TestDeathThatSaysBroken(t *testing.T) {
	t.Parallel()

	r := newRig(t, 1, 2)

	for _, code := range []int{78, 126, 127} {
		other := r.begin(r.task("hang"))
		r.taken(1)
		r.exits("die="+strconv.Itoa(code), code)

		if exit := r.end(other); exit.Code != code || exit.Err != nil {
			t.Errorf("the other one ended with %+v", exit)
		}

		if err := os.Remove(filepath.Join(r.dir, "lines")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDeathWithSeveralJobs: none has used an attempt; each runs next alone, and only a
// death there counts.
func TestDeathWithSeveralJobs(t *testing.T) {
	t.Parallel()

	r := newRig(t, 1, 3)
	innocent, guilty := r.task("await=go exit=0"), r.task("await=now kill")
	one, two := r.begin(innocent), r.begin(guilty)
	r.taken(2)
	r.let("now")

	for _, a := range []*attempt{one, two} {
		if exit := r.end(a); kind(exit) != "soon" || !strings.Contains(exit.Err.Error(), "2 jobs") {
			t.Errorf("%q ended with %+v", a.task.Job.Name, exit)
		}
	}

	two = r.begin(guilty)

	if exit := r.end(two); kind(exit) != "died" {
		t.Errorf("alone it ended with %+v", exit)
	}

	one = r.begin(innocent)
	r.taken(4)

	other := r.begin(r.task("exit=0"))

	select {
	case exit := <-other.exit:
		t.Errorf("another one ran beside it: %+v", exit)
	case <-time.After(50 * time.Millisecond):
	}

	r.let("go")

	if exit := r.end(one); kind(exit) != "exit" || exit.Code != 0 {
		t.Errorf("alone it ended with %+v", exit)
	}

	r.end(other)

	// It was answered: it need not be alone any more.
	one = r.begin(innocent)
	other = r.begin(r.task("exit=0"))
	r.end(other)
	r.end(one)
}

// TestDeathSparesWhatWasNotRead: another worker has what a dead one had not begun to
// read, and nobody notices.
func TestDeathSparesWhatWasNotRead(t *testing.T) {
	t.Parallel()

	r := newRigOf(t, 1, 2, func(dir string) []string {
		// A shell reads byte by byte: no more than a line.
		return []string{"/bin/sh", "-c", `read line; echo "$line" >> "$0"/lines; ` +
			`while [ ! -e "$0"/go ]; do sleep 0.01; done; ` +
			`echo "{\"job\":\"$(echo "$line" | cut -c9-44)\",\"exit\":0}" >&3; exit 0`, dir}
	})

	first := r.begin(r.task("a"))
	r.taken(1)

	second := r.begin(r.task("b"))
	r.let("go")

	for _, a := range []*attempt{first, second} {
		if exit := r.end(a); exit.Code != 0 || exit.Err != nil {
			t.Errorf("%+v", exit)
		}
	}

	r.taken(2)
}

// TestStillborn: a worker that ends before it has read anything cannot work.
func TestStillborn(t *testing.T) {
	t.Parallel()

	for script, want := range map[string]string{
		"echo so sorry >&2; exit 3":              "the worker ended before it read a job: exit 3",
		"exit 0":                                 "the worker ended before it read a job: exit 0",
		"kill -9 $$":                             "the worker ended before it read a job: SIGKILL",
		"exec <&-; while :; do sleep 0.01; done": "the worker closed its standard input before it read a job",
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()

			r := newRigOf(t, 1, 1, func(string) []string { return []string{"/bin/sh", "-c", script} })

			exit := r.ends("a", "broken")
			if exit.Err.Error() != want {
				t.Errorf("ended with %v, want %s", exit.Err, want)
			}

			if strings.Contains(script, "sorry") && string(exit.Tail) != "so sorry\n" {
				t.Errorf("tail %q", exit.Tail)
			}
		})
	}
}

func TestNotToBeStarted(t *testing.T) {
	t.Parallel()

	r := newRigOf(t, 1, 1, func(string) []string { return []string{"/no/such/program"} })
	if exit := r.ends("a", "broken"); !strings.Contains(exit.Err.Error(), "/no/such/program") {
		t.Errorf("ended with %v", exit.Err)
	}

	if n := r.fleet.Counts(); n.Started != 0 || n.Alive != 0 {
		t.Errorf("counts %+v", n)
	}
}

// TestDeathBetweenJobs: nobody notices.
func TestDeathBetweenJobs(t *testing.T) {
	t.Parallel()

	r := newRig(t, 1, 1)

	for n := range 5 {
		r.exits("exit=7 sleep=1 die="+strconv.Itoa(n), 7)
		r.until("gone", func() bool { return r.fleet.Counts().Alive == 0 })
	}
}

// TestDeathWhileJobsCome: whenever a worker exits, no job is lost and none is blamed
// that it has not begun to read.
func TestDeathWhileJobsCome(t *testing.T) {
	t.Parallel()

	r := newRigOf(t, 2, 1, func(string) []string {
		return []string{"/bin/sh", "-c", `read line; ` +
			`echo "{\"job\":\"$(echo "$line" | cut -c9-44)\",\"exit\":0}" >&3`}
	})

	var all []*attempt
	for range 100 {
		all = append(all, r.begin(r.task("a")))
	}

	for _, a := range all {
		if exit := r.end(a); exit.Code != 0 || exit.Err != nil {
			t.Errorf("%+v", exit)
		}
	}
}

// TestAnswersBeforeDeathCount: also the last line, without its end.
func TestAnswersBeforeDeathCount(t *testing.T) {
	t.Parallel()

	r := newRigOf(t, 1, 1, func(string) []string {
		return []string{"/bin/sh", "-c", `read line; ` +
			`printf "{\"job\":\"$(echo "$line" | cut -c9-44)\",\"exit\":5}" >&3; kill -9 $$`}
	})
	r.exits("a", 5)
	r.exits("b", 5)
}

// TestGiveUp: a worker that gives a job up when it is asked to lives on.
func TestGiveUp(t *testing.T) {
	t.Parallel()

	for name, cause := range map[string]error{"timeout": handler.ErrTimeout, "terminate": handler.ErrTerminate} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			r := newRig(t, 1, 2)
			other := r.begin(r.task("await=go exit=0"))
			a := r.begin(r.task("yield exit=1"))
			r.taken(2)
			a.cancel(cause)

			if exit := r.end(a); exit.Code != 1 {
				t.Errorf("ended with %+v", exit)
			}

			r.let("go")

			if exit := r.end(other); exit.Code != 0 || r.started() != 1 {
				t.Errorf("the other one ended with %+v", exit)
			}
		})
	}
}

// TestHung: a worker that does not give a job up is ended, which counts as a death for
// the others.
func TestHung(t *testing.T) {
	t.Parallel()

	r := newRig(t, 1, 2)
	r.grace(50 * time.Millisecond)

	other := r.begin(r.task("hang"))
	a := r.begin(r.task("hang"))
	r.taken(2)
	a.cancel(handler.ErrTimeout)

	if exit := r.end(a); exit.Code != -1 || exit.Err != nil {
		t.Errorf("ended with %+v", exit)
	}

	if exit := r.end(other); kind(exit) != "soon" {
		t.Errorf("the other one ended with %+v", exit)
	}

	r.exits("exit=0", 0)
}

// TestHungBeforeOthers: the time of those behind one that hangs runs out too where a
// worker does its jobs one after the other. They use no attempt, whether it has begun to
// read them or not; the one that hangs uses one when it is alone.
func TestHungBeforeOthers(t *testing.T) {
	t.Parallel()

	const first = `IFS= read -r line; : >begun; sleep 1000`

	for name, script := range map[string]string{
		"not read": first,
		"read":     `IFS= read -r one; IFS= read -r two; IFS= read -r three; : >begun; sleep 1000`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			r := newRigOf(t, 1, 3, func(string) []string { return []string{"/bin/false"} })
			r.killAfter = 50 * time.Millisecond
			r.configure([]string{"/bin/sh", "-c", "cd '" + r.dir + "'; " + script})

			all := []*attempt{r.begin(r.task("a")), r.begin(r.task("b")), r.begin(r.task("c"))}
			r.until("one has begun", func() bool { return r.exists("begun") })

			for _, a := range all {
				a.cancel(handler.ErrTimeout)
			}

			soon := 0
			for _, a := range all {
				if exit := r.end(a); kind(exit) == "soon" {
					soon++
				} else if name == "read" || kind(exit) != "ended" {
					t.Errorf("%q ended with %+v", a.task.Job.Name, exit)
				}
			}

			if soon < 2 {
				t.Errorf("%d are tried again for nothing", soon)
			}
		})
	}
}

// TestEndedForAnother: a job has used no attempt whose worker is ended because of
// another one, that it has not even read.
func TestEndedForAnother(t *testing.T) {
	t.Parallel()

	r := newRigOf(t, 1, 2, func(string) []string { return []string{"/bin/false"} })
	r.killAfter = 50 * time.Millisecond
	r.configure([]string{"/bin/sh", "-c", "cd '" + r.dir + "'; IFS= read -r line; : >begun; sleep 1000"})

	one := r.begin(r.task("a"))
	r.until("it has begun", func() bool { return r.exists("begun") })

	task, given := r.task("b"), make(chan struct{})
	task.Started = func(int) { close(given) }
	other := r.begin(task)
	<-given
	other.cancel(handler.ErrTerminate)
	r.end(other)

	if exit := r.end(one); kind(exit) != "soon" {
		t.Errorf("ended with %+v", exit)
	}
}

// TestNeverReads: a worker that does not read is ended when a job is to be given up,
// also with more before it than a pipe holds.
func TestNeverReads(t *testing.T) {
	t.Parallel()

	r := newRigOf(t, 1, 300, func(string) []string { return []string{"/bin/sleep", "1000"} })
	r.killAfter = 50 * time.Millisecond
	r.configure([]string{"/bin/sleep", "1000"})

	var all []*attempt
	for range 300 {
		all = append(all, r.begin(r.task(strings.Repeat("x", 250))))
	}

	r.until("all are given", func() bool { return r.fleet.Counts().Alive == 1 })

	for _, a := range all {
		a.cancel(handler.ErrTimeout)
	}

	for _, a := range all {
		if exit := r.end(a); exit.Code != -1 {
			t.Fatalf("ended with %+v", exit)
		}
	}
}

// TestStop: at the end of a drain the workers are asked to end at once.
func TestStop(t *testing.T) {
	t.Parallel()

	r := newRig(t, 1, 2)
	a, b := r.begin(r.task("hang")), r.begin(r.task("hang"))
	r.taken(2)

	for _, a := range []*attempt{a, b} {
		a.cancel(handler.ErrStop)
	}

	for _, a := range []*attempt{a, b} {
		if exit := r.end(a); exit.Code != -1 || exit.Signal != "SIGTERM" || exit.Err == nil {
			t.Errorf("ended with %+v", exit)
		}
	}
}

// TestMute: a worker that closes descriptor 3 and lives is of no use any more.
func TestMute(t *testing.T) {
	t.Parallel()

	r := newRig(t, 1, 1)
	r.grace(50 * time.Millisecond)
	r.ends("mute hang", "died")
	r.exits("exit=0", 0)
}

// TestDeaf: a worker that closes its input still answers what it has read, and gets
// nothing more.
func TestDeaf(t *testing.T) {
	t.Parallel()

	r := newRigOf(t, 1, 2, func(dir string) []string {
		return []string{"/bin/sh", "-c", `read line; echo "$line" >> "$0"/lines; exec <&-; ` +
			`while [ ! -e "$0"/go ]; do sleep 0.01; done; ` +
			`echo "{\"job\":\"$(echo "$line" | cut -c9-44)\",\"exit\":0}" >&3; while :; do sleep 0.01; done`, dir}
	})
	r.killAfter = 50 * time.Millisecond
	r.configure([]string{"/bin/sh", "-c", `read line; echo "$line" >> "$0"/lines; exec <&-; ` +
		`while [ ! -e "$0"/go ]; do sleep 0.01; done; ` +
		`echo "{\"job\":\"$(echo "$line" | cut -c9-44)\",\"exit\":0}" >&3; while :; do sleep 0.01; done`, r.dir})

	first := r.begin(r.task("a"))
	r.taken(1)

	second := r.begin(r.task("b"))
	<-time.After(50 * time.Millisecond)
	r.let("go")

	for _, a := range []*attempt{first, second} {
		if exit := r.end(a); exit.Code != 0 || exit.Err != nil {
			t.Errorf("%q: %+v", a.task.Job.Name, exit)
		}
	}
}

// TestChildren: what a worker has started ends with it, and keeps nothing open for us,
// even in a session of its own with the lock.
func TestChildren(t *testing.T) {
	t.Parallel()

	r := newRig(t, 1, 1)
	r.ends("child die=1", "died")

	pid, err := strconv.Atoi(r.lines("child")[0])
	if err != nil {
		t.Fatal(err)
	}

	r.until("child gone", func() bool {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")

		return err != nil || strings.Contains(string(text), ") Z ")
	})
	r.exits("exit=0", 0)
}

// TestClose: workers get the end of their input and end by themselves.
func TestClose(t *testing.T) {
	t.Parallel()

	r := newRig(t, 2, 1)
	a, b := r.begin(r.task("await=go exit=0")), r.begin(r.task("await=go exit=0"))
	r.taken(2)
	r.let("go")
	r.end(a)
	r.end(b)
	r.fleet.Close(t.Context())

	if n := len(r.lines("eof")); n != 2 {
		t.Errorf("%d workers have seen the end of their input", n)
	}

	if c := r.fleet.Counts(); c.Alive != 0 || c.Started != 2 || c.Died != 0 {
		t.Errorf("counts %+v", c)
	}

	if old, err := r.spool.OldHandlers(); err != nil || len(old) > 0 {
		t.Errorf("locks left: %v, %v", old, err)
	}

	r.exits("exit=0", 0) // what comes later is done all the same
}

// TestCloseIsFirm: a worker that does not go is asked to, and then killed.
func TestCloseIsFirm(t *testing.T) {
	t.Parallel()

	const script = `trap 'echo asked > "$0"/asked' TERM; echo ready > "$0"/ready; ` +
		`read line; echo "{\"job\":\"$(echo "$line" | cut -c9-44)\",\"exit\":0}" >&3; while :; do sleep 0.01; done`

	for name, at := range map[string]bool{"by itself": false, "at once": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			r := newRigOf(t, 1, 1, func(dir string) []string { return []string{"/bin/sh", "-c", script, dir} })
			if !at {
				r.killAfter = 50 * time.Millisecond
			} else {
				r.killAfter = time.Second
			}

			r.configure([]string{"/bin/sh", "-c", script, r.dir})
			r.exits("a", 0)

			work, cancel := context.WithCancel(t.Context())
			if at {
				cancel()
			}

			r.fleet.Close(work)
			cancel()

			if len(r.lines("asked")) != 1 {
				t.Error("it was not asked")
			}
		})
	}
}

// TestRetire: the workers of a replaced handler end when their jobs have, those of the
// new one begin meanwhile.
func TestRetire(t *testing.T) {
	t.Parallel()

	r := newRig(t, 1, 1)
	a := r.begin(r.task("await=go exit=0"))
	r.taken(1)

	old := r.Handler
	r.grace(must)
	r.fleet.Retire(r.Handler)
	r.exits("exit=0", 0)

	if n := len(r.lines("eof")); n != 0 || r.started() != 2 {
		t.Errorf("%d workers started, %d ended", r.started(), n)
	}

	r.let("go")
	r.end(a)
	r.until("the old one has ended", func() bool { return len(r.lines("eof")) == 1 })
	r.fleet.Retire(r.Handler)
	r.exits("exit=0", 0)

	if exit := old.Run(t.Context(), r.task("exit=9")); exit.Code != 9 { // it was chosen before
		t.Errorf("ended with %+v", exit)
	}

	r.until("that one ends too", func() bool { return len(r.lines("eof")) == 2 })
}

// TestKill: nothing is waited for.
func TestKill(t *testing.T) {
	t.Parallel()

	r := newRig(t, 1, 1)
	a := r.begin(r.task("hang"))
	r.taken(1)
	close(r.kill)

	if exit := r.end(a); exit.Signal != "SIGKILL" {
		t.Errorf("ended with %+v", exit)
	}
}

// TestSurvivor: a job is not begun while something lives that may still be at work on it.
func TestSurvivor(t *testing.T) {
	t.Parallel()

	r := newRig(t, 1, 1)
	r.locks.keep(true)

	task := r.task("die=1")
	if exit := r.end(r.begin(task)); kind(exit) != "died" {
		t.Errorf("ended with %+v", exit)
	}

	exit := r.end(r.begin(task))
	if got := kind(exit); got != "broken" && got != "later" || !strings.Contains(exit.Err.Error(), "lives on") {
		t.Errorf("ended with %+v", exit)
	}

	r.exits("exit=0", 0) // others are not concerned
	r.locks.keep(false)

	if exit := r.end(r.begin(task)); kind(exit) != "died" {
		t.Errorf("ended with %+v", exit)
	}
}

// holding are locks that somebody does not give back.
type holding struct {
	*spool.Spool

	held chan bool // holds the present answer
}

// keep says whether locks stay held.
func (h *holding) keep(held bool) {
	<-h.held
	h.held <- held
}

func (h *holding) UnlockJob(id job.ID, lock *os.File) error {
	held := <-h.held
	h.held <- held

	if held {
		_ = lock.Close()

		return job.ErrHeld
	}

	return h.Spool.UnlockJob(id, lock)
}

func (h *holding) HandlerGone(id job.ID) bool {
	held := <-h.held
	h.held <- held

	return !held && h.Spool.HandlerGone(id)
}

func (h *holding) SignalHandlers(ids []job.ID, signals ...syscall.Signal) {
	h.Spool.SignalHandlers(ids, signals...)
}

// exists says whether there is a file of that name.
func (r *rig) exists(name string) bool {
	_, err := os.Stat(filepath.Join(r.dir, name))

	return err == nil
}
