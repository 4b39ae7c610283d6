package spool_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
	"importerd/internal/spool"
)

// benchFiles is how many files one round of a benchmark has.
const benchFiles = 1000

// BenchmarkProbe is what it costs to ask whether a file is whole.
func BenchmarkProbe(b *testing.B) {
	s, files := benchSpool(b)

	m := newMeter(b)

	for i := range b.N {
		if _, err := s.Probe(job.InboxFolder, files[i%len(files)].Name); err != nil {
			b.Fatal(err)
		}
	}

	m.report()
}

// BenchmarkFlush is what it costs to flush a file that is on the disk already, without
// the disk's share.
func BenchmarkFlush(b *testing.B) {
	s, files := benchSpool(b)
	s.OnFlush(func(int) error { return nil })

	m := newMeter(b)

	for i := range b.N {
		if err := s.Flush(job.InboxFolder, files[i%len(files)]); err != nil {
			b.Fatal(err)
		}
	}

	m.report()
}

// BenchmarkFlushAll is what it costs to flush files that are on the disk already, in
// groups. What the kernel does beside us is not in it.
func BenchmarkFlushAll(b *testing.B) {
	const group = 50

	s, files := benchSpool(b)
	m := newMeter(b)

	for i := 0; i < b.N; i += group {
		at := i % len(files)

		s.FlushAll(files[at:at+group], func(told []job.Flushed) {
			for _, f := range told {
				if f.Err != nil {
					b.Error(f.Err)
				}

				f.Lease.GiveBack()
			}
		})
	}

	m.report()
}

// BenchmarkWay is what a file costs the folders from the inbox to done/.
func BenchmarkWay(b *testing.B) {
	s, files := benchSpool(b)
	done, inbox := s.Path(job.DoneFolder, ""), s.Path(job.InboxFolder, "")
	id := job.NewID()

	m := newMeter(b)

	for i := range b.N {
		f := &files[i%len(files)]

		if _, err := s.Claim(*f); err != nil {
			b.Fatal(err)
		}

		move := job.Move{From: job.ProcessingFolder, File: f.Name, To: job.DoneFolder, Name: f.Name, ID: id}
		if _, err := s.Move(move); err != nil {
			b.Fatal(err)
		}

		if i%len(files) < len(files)-1 {
			continue
		}

		b.StopTimer() // the same files once more
		m.stop()

		for j := range files {
			check(b, os.Rename(done+"/"+files[j].Name, inbox+"/"+files[j].Name))

			var err error

			files[j], err = s.Stat(job.InboxFolder, files[j].Name)
			check(b, err)
		}

		b.StartTimer()
		m.start()
	}

	m.report()
}

// meter measures what the process uses of the CPU, which depends less on what else
// the machine does than the time that passes.
type meter struct {
	b     *testing.B
	since time.Duration
	used  time.Duration
}

func newMeter(b *testing.B) *meter {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()

	m := &meter{b: b}
	m.start()

	return m
}

func (m *meter) start() { m.since = cpu(m.b) }
func (m *meter) stop()  { m.used += cpu(m.b) - m.since }

func (m *meter) report() {
	m.b.StopTimer()
	m.stop()
	m.b.ReportMetric(float64(m.used.Nanoseconds())/float64(m.b.N), "cpu-ns/op")
}

// cpu returns the CPU time of this process.
func cpu(b *testing.B) time.Duration {
	b.Helper()

	var used unix.Rusage

	check(b, unix.Getrusage(unix.RUSAGE_SELF, &used))

	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// benchSpool returns a spool with files in its inbox.
func benchSpool(b *testing.B) (*spool.Spool, []job.File) {
	b.Helper()

	s, err := spool.Open(b.TempDir(), spool.Options{})
	check(b, err)
	b.Cleanup(func() { check(b, s.Close()) })

	files := make([]job.File, benchFiles)
	for i := range files {
		name := "file-" + strconv.Itoa(i) + ".csv"
		check(b, os.WriteFile(s.Path(job.InboxFolder, name), make([]byte, 1024), 0o600))

		files[i], err = s.Probe(job.InboxFolder, name)
		check(b, err)
	}

	return s, files
}
