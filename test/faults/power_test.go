package faults_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestPowerCuts cuts the power again and again while files come, and looks each
// time, before the next daemon starts, whether all is on the disk that was
// flushed by a producer or told by the daemon.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	needRoot(t, "losetup", "mount", "unshare")

	for _, fstype := range []string{"ext4", "xfs"} {
		t.Run(fstype, func(t *testing.T) {
			t.Parallel()

			cuts := setting(t, "FAULTS_CUTS", 75)
			p := newPower(t, fstype, "")

			for range cuts {
				if wrongs := p.round(); len(wrongs) > 0 {
					t.Fatalf("FAULTS_SEED=%d cut %d: %s", p.seed, p.cuts, lines(wrongs))
				}
			}

			p.log = nil
			p.boot()
			p.drain()

			if wrongs := p.atTheEnd(); len(wrongs) > 0 {
				t.Errorf("FAULTS_SEED=%d after %d cuts: %s", p.seed, p.cuts, lines(wrongs))
			}

			flushed := 0
			for _, d := range p.all {
				if d.durable {
					flushed++
				}
			}

			if p.accepted == 0 {
				t.Error("no upload was accepted")
			}

			t.Logf("FAULTS_SEED=%d FAULTS_CUTS=%d: %d cuts, %d files, %d of them flushed by their producer or accepted "+
				"over the API (%d), %d ends told", p.seed, cuts, p.cuts, p.count(), flushed, p.accepted, len(p.told))
		})
	}
}

// TestPowerCutsAreNoticed proves that TestPowerCuts sees what it is for: a
// daemon that leaves out the flush of files, or of directories, does not pass.
func TestPowerCutsAreNoticed(t *testing.T) {
	t.Parallel()
	needRoot(t, "losetup", "mount", "unshare")

	for _, fstype := range []string{"ext4", "xfs"} {
		for _, tags := range []string{"mutate_nofilesync", "mutate_nodirsync"} {
			t.Run(fstype+"/"+tags, func(t *testing.T) {
				t.Parallel()

				p := newPower(t, fstype, tags)

				for range 60 {
					if wrongs := p.round(); len(wrongs) > 0 {
						t.Logf("noticed at cut %d: %s", p.cuts, wrongs[0])

						return
					}
				}

				t.Errorf("FAULTS_SEED=%d: %d cuts, %d ends told, and nothing noticed", p.seed, p.cuts, len(p.told))
			})
		}
	}
}

func lines(wrongs []string) string {
	text := fmt.Sprintf("%d wrongs", len(wrongs))
	for _, wrong := range wrongs[:min(len(wrongs), 10)] {
		text += "\n  " + wrong
	}

	return text
}

// power is a spool on a disk of which the power is cut.
type power struct {
	*producers
	disk *disk
	seed uint64
	rng  *rand.Rand
	cuts int

	// What the daemon has told is what the test has read before the cut, as a
	// person far away would have.
	mu    sync.Mutex
	told  map[string]event // by job
	dark  bool             // the power is cut: what is read now was not told
	ready bool

	jobs map[string]string // content of each job that a handler has seen
}

func newPower(t *testing.T, fstype, tags string) *power {
	t.Helper()

	disk := newDisk(t, fstype, 320)
	r := newRig(t, filepath.Join(disk.dir, "spool"))
	r.tags = tags

	p := &power{producers: newProducers(r), disk: disk, seed: seed(t), told: map[string]event{}, jobs: map[string]string{}}
	p.rng = rand.New(rand.NewPCG(p.seed, 1<<33))
	p.flush = func(n int) bool { return n%2 == 0 }
	p.unique, p.uploads, p.size, p.backlog = true, true, 8000, 40
	p.plans = []string{planDone, planDone, planDone, planDone, planRefuse, planLater, planBad, planResults}

	return p
}

// round lets daemon and producers work for a moment, cuts the power, and
// returns what is wrong on the disk.
func (p *power) round() []string {
	p.Helper()

	reader, writer, err := os.Pipe()
	if err != nil {
		p.Fatal(err)
	}

	p.ready, p.dark = false, false
	p.boot()

	p.log = writer

	p.start()
	writer.Close()

	var ears sync.WaitGroup

	ears.Go(func() { p.listen(reader) })
	p.begin(2, p.seed+uint64(p.cuts)<<20)

	if p.rng.IntN(6) > 0 { // otherwise in the middle of the recovery
		poll(p.isReady)
	}

	wait(time.Duration(5+p.rng.IntN(300)) * time.Millisecond)
	p.cutNow()
	p.killFamily()
	ears.Wait()
	reader.Close()
	p.end()
	p.disk.unmount()
	p.disk.mount()

	return append(p.judgeRuns(), p.inspect()...)
}

// boot lets what is started see another boot of the kernel, as after a real
// power cut.
func (p *power) boot() {
	p.Helper()

	path := filepath.Join(p.side, "boot_id")
	id := fmt.Sprintf("%08x-0000-4000-8000-000000000000\n", p.cuts)

	if err := os.WriteFile(path, []byte(id), 0o600); err != nil {
		p.Fatal(err)
	}

	p.prefix = []string{
		"unshare", "--mount", "--propagation", "slave", "sh", "-c",
		`mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"`, path,
	}
}

func (p *power) isReady() bool {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.ready
}

// cutNow cuts the power at one moment for the disk and for whoever listens.
func (p *power) cutNow() {
	p.Helper()

	p.mu.Lock()
	defer p.mu.Unlock()

	p.cuts++
	p.powerless.Store(true)

	if err := p.disk.cut(); err != nil {
		p.Fatal(err)
	}

	p.dark = true
}

// listen reads the daemon's log until it ends.
func (p *power) listen(log io.Reader) {
	text := bufio.NewScanner(log)
	text.Buffer(nil, 1<<20)

	for text.Scan() {
		var e event
		if err := json.Unmarshal(text.Bytes(), &e); err != nil {
			continue // its last words
		}

		p.hear(e)
	}
}

func (p *power) hear(e event) {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.dark {
		return
	}

	switch e.Message {
	case "ready":
		p.ready = true
	case "job done", "job failed":
		p.told[e.Job] = e

		if err := e.append(p.history()); err != nil {
			p.Error(err)
		}
	}
}

// judgeRuns looks through what handlers have noted since the last time.
func (p *power) judgeRuns() []string {
	var wrongs []string

	told := map[string]bool{}

	for i, e := range readHistory(p.TB, p.history()) {
		switch e.Message {
		case "job done", "job failed":
			told[e.Job] = true
		case collision:
			wrongs = append(wrongs, at(i, e)+": "+e.Err)
		case handlerRun:
			p.jobs[e.Job] = e.Content

			if told[e.Job] {
				wrongs = append(wrongs, at(i, e)+": runs although its end was told")
			}
		case torn:
			if d := p.all[strings.TrimSuffix(e.File, ".dat")]; d != nil && d.durable {
				wrongs = append(wrongs, at(i, e)+": flushed by its producer, and not whole: "+e.Err)
			}
		}
	}

	return wrongs
}

// inspect reads all files and compares them with what was flushed and told.
func (p *power) inspect() []string {
	var wrongs []string

	places := p.whole()

	for id, d := range p.all {
		if at := places[id]; d.durable && len(at) != 1 {
			wrongs = append(wrongs, fmt.Sprintf("%s was flushed by its producer and is whole in %d places: %q", id, len(at), at))
		}
	}

	for job, e := range p.told {
		id, want := p.jobs[job], "done"
		if e.Message == "job failed" {
			want = "failed"
		}

		if id == "" {
			continue // it never was whole, or its handler never ran: it had lost its content before it was claimed
		}

		at := places[id]
		if len(at) != 1 || filepath.Dir(at[0]) != want {
			wrongs = append(wrongs, fmt.Sprintf("%s of job %s, told %q, is whole in %q", id, job, e.Message, at))

			continue
		}

		if p.all[id].plan == planResults && want == "done" {
			wrongs = append(wrongs, p.lacking(id, filepath.Base(at[0]))...)
		}
	}

	return wrongs
}

// whole returns the places of all contents that are whole.
func (p *power) whole() map[string][]string {
	places := map[string][]string{}

	for _, folder := range folders() {
		for _, name := range p.files(folder) {
			place := string(folder) + "/" + name

			text, err := os.ReadFile(p.path(place))
			if err != nil {
				p.Fatal(err)
			}

			if c, err := parse(text); err == nil {
				places[c.id] = append(places[c.id], place)
			}
		}
	}

	return places
}

// lacking says which results are not whole.
func (p *power) lacking(id, name string) []string {
	var wrongs []string

	for _, file := range []string{"one", "two"} {
		text, err := os.ReadFile(p.path("results", name, file))
		if err != nil || !slices.Equal(text, p.all[id].bytes) {
			wrongs = append(wrongs, fmt.Sprintf("results/%s/%s of a job told done has %d bytes: %v", name, file, len(text), err))
		}
	}

	return wrongs
}

// atTheEnd wants what was flushed to have been handled.
func (p *power) atTheEnd() []string {
	wrongs := append(p.judgeRuns(), p.inspect()...)
	places := p.whole()

	for id, d := range p.all {
		want := "done"
		if d.plan == planBad {
			want = "failed"
		}

		if at := places[id]; d.durable && (len(at) != 1 || filepath.Dir(at[0]) != want) {
			wrongs = append(wrongs, fmt.Sprintf("%s (%s) has ended in %q", id, d.plan, at))
		}
	}

	return wrongs
}
