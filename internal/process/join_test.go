package process_test

import (
	"os"
	"testing"
	"time"

	"importerd/internal/job"
	"importerd/internal/process"
)

// TestTwoNamesOfOneFile: some file systems undo a rename by half.
func TestTwoNamesOfOneFile(t *testing.T) {
	for name, past := range map[string]process.Past{"after a power cut": {Cut: true}, "without one": {}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				rec := running()
				rec.State, rec.FinishedAt, rec.Exit = job.Done, time.Now(), &job.Exit{}
				rec.Moving = &job.Move{
					From: job.ProcessingFolder, File: "a", To: job.DoneFolder, Name: "a", ID: rec.ID,
				}
				r.dies(rec, "processing/a")

				if err := os.Link(r.disk.Path(job.ProcessingFolder, "a"), r.disk.Path(job.DoneFolder, "a")); err != nil {
					r.Fatal(err)
				}

				for range 2 { // recovery may be repeated
					if err := r.build().Recover(r.Context(), past); err != nil {
						r.Fatal(err)
					}
				}

				if past.Cut {
					r.want("done/a")
				} else {
					r.want("done/a", "done/"+job.WithID("a", rec.ID))
				}
			})
		})
	}
}
