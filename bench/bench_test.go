// Package main_test measures the daemon's real binary: `make bench-go`. Figures
// depend on the machine and on what else it does; compare only what one run
// prints.
package main_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkBacklog handles files that lie there at the start with a command
// that does nothing. Staging the files is not counted.
func BenchmarkBacklog(b *testing.B) {
	const files = 2000

	for _, workers := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()

				r := newRig(b)
				r.stage(files, "a small file\n")
				b.StartTimer()

				r.start("--workers", strconv.Itoa(workers), "--", "/bin/true")
				r.await(func() bool { return r.count("done") == files })
				b.StopTimer()
				r.stop()
				b.StartTimer()
			}

			b.ReportMetric(files*float64(b.N)/b.Elapsed().Seconds(), "files/s")
		})
	}
}

// BenchmarkXargs is the yardstick: the same command for the same files by
// xargs, which keeps no record, flushes nothing and moves nothing.
func BenchmarkXargs(b *testing.B) {
	const files = 2000

	for b.Loop() {
		b.StopTimer()

		r := newRig(b)
		r.stage(files, "a small file\n")
		b.StartTimer()

		cmd := exec.CommandContext(b.Context(), "sh", "-c", "ls | xargs -P2 -n1 /bin/true")

		cmd.Dir = filepath.Join(r.spool, "inbox")
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("xargs: %v: %s", err, out)
		}
	}

	b.ReportMetric(files*float64(b.N)/b.Elapsed().Seconds(), "files/s")
}

// BenchmarkWaiting lets 200,000 files wait behind a command that does not end,
// and tells the daemon's memory when it has seen them all.
func BenchmarkWaiting(b *testing.B) {
	const files = 200_000

	var most float64

	for b.Loop() {
		b.StopTimer()

		r := newRig(b)
		r.stage(files, "x")
		b.StartTimer()

		r.start("--sweep", "1s", "--drain", "0s", "--kill-after", "1s", "--", "sleep", "1000000")
		r.await(func() bool { return r.count("processing") == 1 })

		for range 5 { // sweeps: so that counting passes are part of the figure
			<-time.After(time.Second)

			most = max(most, r.memory())
		}

		b.StopTimer()
		r.stop()
		b.StartTimer()
	}

	b.ReportMetric(most, "MiB")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkLatency renames files into the inbox of an idle daemon and tells how
// long it takes until the command runs, the start of bash included.
func BenchmarkLatency(b *testing.B) {
	const files = 300

	var waits []time.Duration

	for b.Loop() {
		r := newRig(b)
		out := filepath.Join(r.dir, "times")

		r.start("--", "bash", "-c", `echo "$IMPORTERD_JOB_NAME $EPOCHREALTIME" >>"$1"`, "bash", out)

		for i := range files {
			name := fmt.Sprintf("%d.csv", i)
			r.write(filepath.Join(r.dir, name), "a small file\n")

			sent := time.Now()
			if err := os.Rename(filepath.Join(r.dir, name), filepath.Join(r.spool, "inbox", name)); err != nil {
				b.Fatal(err)
			}

			r.await(func() bool { return r.count("done") == i+1 })
			waits = append(waits, started(b, out).Sub(sent))
		}

		r.stop()
	}

	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(0, "ns/op")
}

// started returns the time in the last line that a handler wrote.
func started(b *testing.B, path string) time.Time {
	b.Helper()

	text, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}

	fields := strings.Fields(string(text))

	seconds, micros, _ := strings.Cut(fields[len(fields)-1], ".")

	s, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		b.Fatal(err)
	}

	us, err := strconv.ParseInt(micros, 10, 64)
	if err != nil {
		b.Fatal(err)
	}

	return time.Unix(s, us*1000)
}

// rig is a spool in a directory of its own and its daemon.
type rig struct {
	*testing.B
	binary, dir, spool string
	daemon             *exec.Cmd
}

func newRig(b *testing.B) *rig {
	b.Helper()

	dir := b.TempDir()
	r := &rig{B: b, binary: filepath.Join(dir, "importerd"), dir: dir, spool: filepath.Join(dir, "spool")}

	if err := os.MkdirAll(filepath.Join(r.spool, "inbox"), 0o750); err != nil {
		b.Fatal(err)
	}

	build := exec.CommandContext(b.Context(), "go", "build", "-o", r.binary, "importerd/cmd/importerd")

	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}

	return r
}

func (r *rig) write(path, content string) {
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		r.Fatal(err)
	}
}

// stage puts files into the inbox.
func (r *rig) stage(n int, content string) {
	for i := range n {
		r.write(filepath.Join(r.spool, "inbox", fmt.Sprintf("file-%07d.csv", i)), content)
	}
}

// start starts the daemon and waits until it is ready.
func (r *rig) start(args ...string) {
	args = append([]string{"run", "--spool", r.spool, "--log-format", "json"}, args...)
	r.daemon = exec.CommandContext(r.Context(), r.binary, args...)

	log, err := r.daemon.StderrPipe()
	if err != nil {
		r.Fatal(err)
	}

	if err := r.daemon.Start(); err != nil {
		r.Fatal(err)
	}

	ready := make(chan struct{}) // closed by the reader of the log

	go func() {
		lines := bufio.NewScanner(log)
		for lines.Scan() && !strings.Contains(lines.Text(), `"ready"`) {
			continue
		}

		close(ready)

		for lines.Scan() {
			continue
		}
	}()

	<-ready
}

func (r *rig) stop() {
	if err := r.daemon.Process.Signal(syscall.SIGTERM); err != nil {
		r.Fatal(err)
	}

	if err := r.daemon.Wait(); err != nil {
		r.Fatalf("daemon: %v", err)
	}
}

// memory returns the daemon's resident memory in MiB, at its highest.
func (r *rig) memory() float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.daemon.Process.Pid))
	if err != nil {
		r.Fatal(err)
	}

	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmHWM:" {
			kib, err := strconv.ParseFloat(fields[1], 64)
			if err != nil {
				r.Fatal(err)
			}

			return kib / 1024
		}
	}

	r.Fatal("no VmHWM")

	return 0
}

func (r *rig) count(folder string) int {
	dir, err := os.Open(filepath.Join(r.spool, folder))
	if err != nil {
		return 0
	}
	defer dir.Close()

	names, err := dir.Readdirnames(-1)
	if err != nil {
		r.Fatal(err)
	}

	return len(names)
}

// await polls at a pace that does not disturb.
func (r *rig) await(holds func() bool) {
	deadline := time.Now().Add(5 * time.Minute)

	for tick := time.Tick(2 * time.Millisecond); !holds(); <-tick {
		if time.Now().After(deadline) {
			r.Fatal("waited in vain")
		}
	}
}
