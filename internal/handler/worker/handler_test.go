package worker_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

func TestOneProcessHasAllJobs(t *testing.T) {
	t.Parallel()

	r := newRig(t, 1, 1)

	for _, code := range []int{0, 65, 75, 255} {
		r.exits("exit="+string(rune('0'+code/100))+string(rune('0'+code/10%10))+string(rune('0'+code%10)), code)
	}

	if n := r.started(); n != 1 {
		t.Errorf("%d workers", n)
	}
}

func TestAnswersInAnyOrder(t *testing.T) {
	t.Parallel()

	r := newRig(t, 1, 2)
	slow := r.begin(r.task("await=go exit=1"))
	r.taken(1)
	r.exits("exit=2", 2)
	r.let("go")

	if exit := r.end(slow); exit.Code != 1 {
		t.Errorf("ended with %+v", exit)
	}
}

// TestShare: no worker gets more than its jobs, and all workers get some.
func TestShare(t *testing.T) {
	t.Parallel()

	r := newRig(t, 2, 2)

	var all []*attempt
	for range 5 {
		all = append(all, r.begin(r.task("await=go exit=0")))
	}

	r.taken(4)

	if n := r.started(); n != 2 {
		t.Errorf("%d workers", n)
	}

	if n := len(r.lines("lines")); n != 4 {
		t.Errorf("%d jobs were given, want 4", n)
	}

	r.let("go")

	for _, a := range all {
		r.end(a)
	}
}

// TestRequest: what a worker is given, to the byte, also for what no JSON can hold.
func TestRequest(t *testing.T) {
	t.Parallel()

	r := newRig(t, 1, 1)

	for _, name := range []string{"plain", "quo\"te\\ \x01\n\u2028é", "\xff\xfe raw é", "\x80"} {
		before := len(r.lines("lines"))
		task := r.task(name + " exit=0")
		task.Results, task.Job.Checkpoint, task.Job.Attempt = "/results", name, 7
		r.end(r.begin(task))

		var got request
		if err := json.Unmarshal([]byte(r.lines("lines")[before]), &got); err != nil {
			t.Fatal(err)
		}

		for plain, b64 := range map[[2]string]string{
			{task.Job.Name, got.Name}:             got.NameB64,
			{task.Path, got.File}:                 got.FileB64,
			{task.Job.Checkpoint, got.Checkpoint}: got.CheckpointB64,
		} {
			raw, err := base64.StdEncoding.DecodeString(b64)
			if err != nil || b64 == "" && plain[0] != plain[1] || b64 != "" && string(raw) != plain[0] ||
				plain[1] != strings.Join(strings.Split(toValid(plain[0]), ""), "") {
				t.Errorf("%q came as %q and %q", plain[0], plain[1], b64)
			}
		}

		if got.Job != task.Job.ID.String() || got.Attempt != 7 || got.Results != "/results" || got.Cancel {
			t.Errorf("got %+v", got)
		}
	}
}

// toValid replaces each byte that is not UTF-8.
func toValid(s string) string {
	var b strings.Builder
	for _, r := range s { // it yields U+FFFD for each such byte
		b.WriteRune(r)
	}

	return b.String()
}

func TestReports(t *testing.T) {
	t.Parallel()

	r := newRig(t, 1, 1)
	task := r.task(`say={"job":"JOB","progress":0.25,"checkpoint":"half"} ` +
		`say={"job":"JOB","retry_after":7,"error":"no~way","exit":75}`)

	var (
		mu  sync.Mutex
		got []handler.Report
	)

	task.Report = func(rep handler.Report) {
		mu.Lock()
		defer mu.Unlock()

		got = append(got, rep)
	}

	exit := r.end(r.begin(task))
	if exit.Code != 75 || exit.RetryAfter != 7*time.Second || string(exit.Tail) != "no way" {
		t.Errorf("ended with %+v", exit)
	}

	mu.Lock()
	defer mu.Unlock()

	if len(got) != 2 || *got[0].Checkpoint != "half" || *got[1].Progress != 0.25 {
		t.Errorf("reports %+v", got)
	}

	if text, err := os.ReadFile(task.Log); err != nil || !strings.Contains(string(text), "attempt 1, ") ||
		!strings.HasSuffix(string(text), "\nno way\n") {
		t.Errorf("log %q, %v", text, err)
	}
}

func TestNoLogWithoutReason(t *testing.T) {
	t.Parallel()

	r := newRig(t, 1, 1)
	task := r.task("exit=0")
	r.end(r.begin(task))

	if _, err := os.Stat(task.Log); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a log: %v", err)
	}
}

func TestGarbageHarmsNobody(t *testing.T) {
	t.Parallel()

	for _, line := range []string{
		`nonsense`, `{}`, `[]`, `null`, `{"job":7,"exit":0}`, `{"job":"JOB"}`, `{"job":"JOB","exit":"0"}`,
		`{"job":"JOB","exit":0.5}`, `{"job":"JOB","exit":256}`, `{"job":"JOB","exit":-1}`, `{"job":"JOB","progress":2}`,
		`{"job":"JOB","progress":-1}`, `{"job":"JOB","exit":0,"retry_after":-1}`, `{"job":"JOB","exit":0}x`,
		`{"job":"JOBx","exit":0}`, `{"job":"","exit":0}`, `{"exit":0}`, `{"job":"JOB","exit":null}`,
		`{"job":"00000000-0000-0000-0000-000000000000","exit":0}`, `{"job":"JOB","exit":00}`,
		`{"job":"JOB","error":"` + strings.Repeat("x", 65<<10) + `","exit":0}`,
		`{"job":"JOB","checkpoint":"` + strings.Repeat("x", 5<<10) + `"}`,
	} {
		t.Run(line[:min(len(line), 50)], func(t *testing.T) {
			t.Parallel()

			r := newRig(t, 1, 2)
			other := r.begin(r.task("await=go exit=3"))
			r.taken(1)

			r.exits("say="+line+" exit=2", 2)
			r.let("go")

			if exit := r.end(other); exit.Code != 3 {
				t.Errorf("the other one ended with %+v", exit)
			}

			if !strings.Contains(r.log.String(), "worker said what means nothing") || r.started() != 1 {
				t.Errorf("%d workers, log %s", r.started(), r.log)
			}
		})
	}
}

// TestTwice: the second answer on a job counts for nothing.
func TestTwice(t *testing.T) {
	t.Parallel()

	r := newRig(t, 1, 1)
	r.exits("exit=1 exit=0", 1)
	r.exits("exit=4", 4)
	r.until("told", func() bool { return strings.Contains(r.log.String(), "does not have this job") })
}

// TestComplaintsAreBounded: however much nonsense comes.
func TestComplaintsAreBounded(t *testing.T) {
	t.Parallel()

	r := newRig(t, 1, 1)
	r.exits(strings.Repeat("say=x ", 10000)+"exit=0", 0)

	if n := strings.Count(r.log.String(), "means nothing"); n != 1 {
		t.Errorf("told %d times", n)
	}
}

func TestOutputGoesToTheLogOfTheWorker(t *testing.T) {
	t.Parallel()

	r := newRig(t, 1, 1)
	r.exits("print=10 exit=0", 0)
	r.until("in the log", func() bool {
		lines := r.lines("worker-1.log")

		return len(lines) == 2 && strings.HasPrefix(lines[0], "importerd: worker with pid ") && lines[1] == "xxxxxxxxxx"
	})

	for range 4 {
		r.exits("print=1000000 print=20 exit=0", 0)
	}

	r.until("cut", func() bool {
		lines := r.lines("worker-1.log")

		return lines[0] == "importerd: older output left out here" && lines[len(lines)-1] == strings.Repeat("x", 20)
	})

	if info, err := os.Stat(r.dir + "/worker-1.log"); err != nil || info.Size() > 1<<20 {
		t.Errorf("%v, %v", info, err)
	}
}

// TestEnvironment: a worker knows its spool and no job.
func TestEnvironment(t *testing.T) {
	t.Parallel()

	r := newRigOf(t, 1, 1, func(dir string) []string {
		return []string{"/bin/sh", "-c", `env | grep ^IMPORTERD_ > "$0"/env; read line; ` +
			`echo "{\"job\":\"$(echo "$line" | cut -c9-44)\",\"exit\":0}" >&3; read line`, dir}
	})
	r.exits("{}", 0)

	if got := r.lines("env"); len(got) != 1 || got[0] != "IMPORTERD_JOB_SPOOL=orders" {
		t.Errorf("environment %q", got)
	}
}

func TestTimeBeginsWhenAWorkerHasTheJob(t *testing.T) {
	t.Parallel()

	r := newRig(t, 1, 1)
	first := r.begin(r.task("await=go exit=0"))
	r.taken(1)

	started := make(chan struct{}, 1)
	task := r.task("exit=0")
	task.Started = func(int) { started <- struct{}{} }
	second := r.begin(task)

	select {
	case <-started:
		t.Error("begun while its worker has another job")
	case <-time.After(20 * time.Millisecond):
	}

	r.let("go")
	r.end(first)
	r.end(second)
	<-started
}

func TestWhatWaitsIsEndedAtOnce(t *testing.T) {
	t.Parallel()

	r := newRig(t, 1, 1)
	first := r.begin(r.task("await=go exit=0"))
	r.taken(1)

	second := r.begin(r.task("exit=0"))
	second.cancel(handler.ErrStop)

	if exit := r.end(second); !errors.Is(exit.Err, handler.ErrStop) {
		t.Errorf("ended with %+v", exit)
	}

	r.let("go")
	r.end(first)

	if n := len(r.lines("lines")); n != 1 {
		t.Errorf("%d lines", n)
	}
}

// kind says which kind of end this is.
func kind(exit job.Exit) string {
	switch {
	case errors.Is(exit.Err, handler.ErrDied):
		return "died"
	case errors.Is(exit.Err, handler.ErrShared) && exit.RetryAfter > 0:
		return "soon"
	case errors.Is(exit.Err, context.Canceled):
		return "cancelled"
	case exit.Err != nil:
		return "broken"
	case exit.Code == -1:
		return "ended"
	}

	return "exit"
}
