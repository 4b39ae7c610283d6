package command

import (
	"os"
	"testing"
)

// BenchmarkTrue is what a run costs over BenchmarkTrueBare, which does nothing
// but start and reap.
func BenchmarkTrue(b *testing.B) {
	path := needs(b, "true")
	h := newHandler(b, config(b, path))
	task := newTask(b, "a.csv")

	for b.Loop() {
		if exit := h.Run(b.Context(), task); exit.Code != 0 {
			b.Fatalf("exit %+v", exit)
		}
	}
}

func BenchmarkTrueBare(b *testing.B) {
	path := needs(b, "true")
	null, err := os.Open(os.DevNull)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()

	attr := &os.ProcAttr{Env: os.Environ(), Files: []*os.File{null, null, null}}

	for b.Loop() {
		process, err := os.StartProcess(path, []string{path, "x"}, attr)
		if err != nil {
			b.Fatal(err)
		}

		if _, err := process.Wait(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOutput(b *testing.B) {
	h := newHandler(b, shell(b, "head -c 100000000 /dev/zero"))
	task := newTask(b, "a.csv")
	b.SetBytes(100_000_000)

	for b.Loop() {
		h.Run(b.Context(), task)
	}
}

// BenchmarkTrueInCgroup is BenchmarkTrue with a cgroup for each run.
func BenchmarkTrueInCgroup(b *testing.B) {
	path := needs(b, "true")
	h := newHandler(b, grouped(b, config(b, path)))
	task := newTask(b, "a.csv")

	for b.Loop() {
		if exit := h.Run(b.Context(), task); exit.Code != 0 {
			b.Fatalf("exit %+v", exit)
		}
	}
}
