package watch

import (
	"os"
	"testing"

	"importerd/internal/job"
)

func marker(o *Options) { o.Ready, o.Marker = ModeMarker, ".done" }

func TestMarkerAfterTheFile(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly, marker).start().swept()
	r.drop("a.csv", "1")
	r.explained("a.csv", job.ReasonNoMarker)
	r.drop("a.csv.done", "")
	r.want("a.csv")
	r.refuses("a.csv.done")
	r.explained("a.csv.done", job.ReasonIsMarker)
}

// A marker that is older than the file was meant for another one.
func TestMarkerBeforeTheFile(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly, marker).start().swept()
	r.write(r.in("a.csv.done"), "")
	r.later()
	r.drop("a.csv", "1")
	r.explained("a.csv", job.ReasonNoMarker)
	r.write(r.in("a.csv.done"), "again")
	r.want("a.csv")
}

func TestMarkerFoundBySweep(t *testing.T) {
	t.Parallel()

	r := newRig(t, marker, func(o *Options) { o.newSource = newFake().make })
	r.drop("a.csv", "1")
	r.drop("a.csv.done", "")
	r.drop("b.csv", "1")
	r.start().want("a.csv")
	r.until("counts", func(c Counts) bool {
		return c.Reasons[job.ReasonNoMarker] == 1 && c.Reasons[job.ReasonIsMarker] == 1
	})
}

func TestMarkerMustBeAFile(t *testing.T) {
	t.Parallel()

	r := newRig(t, marker).start().swept()
	r.drop("a.csv", "1")
	must(t, os.Mkdir(r.in("a.csv.done"), 0o755))
	r.explained("a.csv", job.ReasonNoMarker)
	must(t, os.Remove(r.in("a.csv.done")))
	r.drop("a.csv.done", "")
	r.want("a.csv")
}

// The marker does not make a file whole that somebody still writes.
func TestMarkerIsNotEnough(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly, marker).start().swept()
	f, err := os.Create(r.in("a.csv"))
	must(t, err)
	_, err = f.WriteString("half")
	must(t, err)
	r.drop("a.csv.done", "")
	r.explained("a.csv", job.ReasonOpen)
	must(t, f.Close())
	r.want("a.csv")
}

func TestMarkersAreNeverJobs(t *testing.T) {
	t.Parallel()

	r := newRig(t, marker, func(o *Options) { o.Match = []string{"*.done", "*.csv"} }).start()
	r.drop("a.done", "1")
	r.drop("a.done.done", "1")
	r.drop("b.csv", "1")
	r.drop("b.csv.done", "1")
	r.want("b.csv")
	r.refuses("a.done", "a.done.done", "b.csv.done")
	r.explained("a.done", job.ReasonIsMarker)
}

// later waits until the file system's clock has gone on.
func (r *rig) later() {
	r.t.Helper()

	r.write(r.side("clock"), "")
	before, err := r.inbox.statAt(r.side("clock"))
	must(r.t, err)

	r.until("next tick of the clock", func(Counts) bool {
		r.write(r.side("clock"), "")
		now, err := r.inbox.statAt(r.side("clock"))
		must(r.t, err)

		return now.Ctime.After(before.Ctime)
	})
}
