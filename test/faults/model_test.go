package faults_test

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"importerd/internal/job"
	"importerd/internal/journal"
)

// TestKilledAtRandomMoments kills the daemon again and again while files come, and
// looks each time, and at the end, whether each file is where it should be.
func TestKilledAtRandomMoments(t *testing.T) {
	t.Parallel()

	for _, role := range []string{"model", "worker"} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			killAtRandomMoments(t, role)
		})
	}
}

// killAtRandomMoments is TestKilledAtRandomMoments for one kind of handler.
func killAtRandomMoments(t *testing.T, role string) {
	t.Helper()

	chosen, kills := seed(t), setting(t, "FAULTS_KILLS", 200)
	rng := rand.New(rand.NewPCG(chosen, 1<<32))
	r := newRig(t, filepath.Join(t.TempDir(), "spool"))
	r.role = role
	p := newProducers(r)

	p.begin(3, chosen)

	done := uint64(0)
	for ; done < kills && !t.Failed(); done++ {
		r.start()
		wait(moment(rng))

		if rng.IntN(8) == 0 { // in the middle of a drain
			_ = r.daemon.Process.Signal(os.Interrupt)

			wait(time.Duration(rng.IntN(60)) * time.Millisecond)
		}

		r.kill()
		p.everyFileOnce()

		if done%2 == 0 { // the other times nobody but the daemon has touched the journal
			r.noteRecorded()
		}
	}

	p.end()
	r.drain()

	j := p.verify()
	t.Logf("FAULTS_SEED=%d FAULTS_KILLS=%d: %d kills, %d files, %d runs, %d of them repeats of a success "+
		"that nobody saw, %d files given up as suspects",
		chosen, kills, done, p.count(), j.runs(), j.repeats, len(j.suspects))
}

// moment returns how long a daemon may live: often it dies while it starts and
// recovers.
func moment(rng *rand.Rand) time.Duration {
	if rng.IntN(4) == 0 {
		return time.Duration(rng.IntN(80)) * time.Millisecond
	}

	return time.Duration(60+rng.IntN(700)) * time.Millisecond
}

// noteRecorded notes which outcomes the journal has although they were not told.
func (r *rig) noteRecorded() {
	r.Helper()

	reader, err := journal.OpenReadOnly(r.path(".importerd", "journal.db"))
	if errors.Is(err, fs.ErrNotExist) || err != nil && strings.Contains(err.Error(), "no such table") {
		return // killed before it was made, or as it was
	} else if err != nil {
		r.Fatal(err)
	}
	defer func() { _ = reader.Close() }() // it has only read

	for e, err := range reader.Unfinished() {
		if err != nil {
			r.Fatal(err)
		}

		if !e.State.Ended() {
			continue
		}

		if err := (event{Message: recorded, Job: e.ID.String()}).append(r.history()); err != nil {
			r.Fatal(err)
		}
	}
}

// everyFileOnce wants each file that was delivered in exactly one folder, and
// nothing else in any. No daemon may run.
func (p *producers) everyFileOnce() {
	p.Helper()
	p.pause.Lock()
	defer p.pause.Unlock()

	places := p.census()

	for id, d := range p.all {
		if at := places[d.inode]; len(at) != 1 {
			p.Errorf("%s, delivered as %s, is in %d places: %q\n%s", id, d.name, len(at), at, p.tail())
		}

		delete(places, d.inode)
	}

	for _, at := range places {
		p.Errorf("nobody has delivered what lies in %q\n%s", at, p.tail())
	}
}

// verify judges the end: nothing is left to do, and no daemon runs.
func (p *producers) verify() *judge {
	p.Helper()
	p.everyFileOnce()

	j := newJudge(p.all)
	j.read(readHistory(p.TB, p.history()))
	j.ends()

	for i, wrong := range j.wrongs {
		if i == 20 {
			p.Errorf("and %d more", len(j.wrongs)-i)

			break
		}

		p.Error(wrong)
	}

	for ino, places := range p.census() {
		p.wantWhole(j, ino, places[0])
	}

	p.journalAgrees(j)

	return j
}

// wantWhole wants a file to hold what was delivered, in the folder of its plan.
func (p *producers) wantWhole(j *judge, ino uint64, place string) {
	p.Helper()

	text, err := os.ReadFile(p.path(place))
	if err != nil {
		p.Error(err)

		return
	}

	c, err := parse(text)
	if err != nil {
		p.Errorf("%s: %v", place, err)

		return
	}

	d := p.all[c.id]
	if d == nil || d.inode != ino {
		p.Errorf("%s holds %s, another content than was delivered in it", place, c.id)

		return
	}

	suspect := j.suspects[j.story(c.id).job]
	want := "done/"

	if d.plan == planBad || suspect {
		want = "failed/"
	}

	if !strings.HasPrefix(place, want) {
		p.Errorf("%s with plan %s is in %s", d.id, d.plan, place)
	}

	if d.plan == planChange && !suspect && len(text) < len(d.bytes)+len("and more\n") {
		p.Errorf("%s has lost what its handler has written", place)
	}

	if d.plan == planResults && !suspect {
		p.wantResults(d, filepath.Base(place))
	}
}

// wantResults wants what the handler has produced, whole.
func (p *producers) wantResults(d *delivery, name string) {
	p.Helper()

	for _, file := range []string{"one", "two"} {
		text, err := os.ReadFile(p.path("results", name, file))
		if err != nil || !slices.Equal(text, d.bytes) {
			p.Errorf("results of %s: %s is not whole: %d bytes, %v", name, file, len(text), err)
		}
	}
}

// journalAgrees wants the journal to know each file and nothing else.
func (p *producers) journalAgrees(j *judge) {
	p.Helper()

	reader, err := journal.OpenReadOnly(p.path(".importerd", "journal.db"))
	if err != nil {
		p.Fatal(err)
	}
	defer func() { _ = reader.Close() }() // it has only read

	entries, err := reader.List(journal.Query{})
	if err != nil {
		p.Fatal(err)
	}

	known := map[string]bool{}

	for _, e := range entries {
		known[string(e.State.Folder())+"/"+e.File] = true

		if story := j.jobs[e.ID.String()]; story == nil || !e.State.Ended() || e.Moving != nil ||
			story.told != "job "+string(e.State) {
			p.Errorf("the journal has job %s as %s (moving %v), told was %+v", e.ID, e.State, e.Moving, story)
		}
	}

	for _, folder := range []job.Folder{job.DoneFolder, job.FailedFolder} {
		for _, name := range p.files(folder) {
			if !known[string(folder)+"/"+name] {
				p.Errorf("the journal does not know %s/%s", folder, name)
			}
		}
	}

	if len(entries) != len(p.all) {
		p.Errorf("the journal has %d jobs, %d files were delivered", len(entries), len(p.all))
	}

	if err := errors.Join(checkUnfinished(reader)); err != nil {
		p.Error(err)
	}
}

// checkUnfinished wants no job to be open.
func checkUnfinished(reader *journal.Reader) error {
	for e, err := range reader.Unfinished() {
		if err != nil {
			return err
		}

		return errors.New("the journal still has something to do for job " + e.ID.String())
	}

	return nil
}
