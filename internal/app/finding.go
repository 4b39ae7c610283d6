package app

import (
	"cmp"
	"fmt"
	"maps"
	"sync"

	"importerd/internal/job"
	"importerd/internal/process"
)

// Finding is one thing in a spool that is not as a clean stop leaves it.
type Finding struct {
	Place string // path below the spool's directory: bytes
	Job   job.ID // zero: it is about no job that is known
	Found string // what is the matter, one clause
	Does  string // what recovery does about it, one clause; empty: nothing, a person must
}

// findings tells of each thing that recovery does. Recovery and the pool may
// tell from several goroutines.
type findings struct {
	mu     sync.Mutex
	report func(Finding)          // guarded by mu
	before map[job.ID]job.Record  // guarded by mu; jobs as the journal had them
	after  map[job.ID]job.Record  // guarded by mu; jobs as recovery has recorded them
	odd    map[string]struct{}    // guarded by mu; what is no file and was told of
	aims   map[job.ID]*job.Record // guarded by mu; jobs whose files are still to be moved
	used   map[job.ID]struct{}    // guarded by mu; jobs whose results were published
}

func newFindings(report func(Finding)) *findings {
	return &findings{
		report: report, before: map[job.ID]job.Record{}, after: map[job.ID]job.Record{}, odd: map[string]struct{}{},
		aims: map[job.ID]*job.Record{}, used: map[job.ID]struct{}{},
	}
}

// add tells of one thing.
func (f *findings) add(found Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.report(found)
}

// remember keeps a job as the journal has it.
func (f *findings) remember(rec job.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.before[rec.ID] = rec
}

// recorded tells of jobs that are recorded; those that are to be moved are told
// of when they are.
func (f *findings) recorded(recs []job.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()

	for i := range recs {
		rec := recs[i]
		_, known := f.after[rec.ID]
		f.after[rec.ID] = rec

		switch {
		case rec.Moving != nil && !known:
			f.aims[rec.ID] = &rec
		case !known, f.aims[rec.ID] != nil && rec.Moving == nil: // it needed no move
			delete(f.aims, rec.ID)
			f.tell(&rec)
		}
	}
}

// moved tells that the file of a job goes to a folder, where it has the name.
func (f *findings) moved(m job.Move, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()

	rec := f.aims[m.ID]
	if rec == nil {
		return
	}

	delete(f.aims, m.ID)

	does := "to " + string(m.To) + "/"
	if name != m.File {
		does += job.Show(name)
	}

	f.report(Finding{
		Place: string(m.From) + "/" + m.File, Job: f.known(m.ID), Found: f.found(rec), Does: does,
	})
}

// tell tells of a job whose file stays where it is, or that has none; mu is
// held.
func (f *findings) tell(rec *job.Record) {
	found := Finding{Place: rec.Name, Job: f.known(rec.ID), Found: f.found(rec), Does: "noted as " + string(rec.State)}
	if rec.File != "" {
		found.Place = string(rec.State.Folder()) + "/" + rec.File
	}

	if _, known := f.before[rec.ID]; !known {
		found.Does = "a new job, due at once"
	}

	f.report(found)
}

// known is the id of a job that the journal had; one that is being made is
// another one next time. mu is held.
func (f *findings) known(id job.ID) job.ID { return f.before[id].ID }

// found says what is the matter with a job that recovery brings to rec; mu is
// held.
func (f *findings) found(rec *job.Record) string {
	old, known := f.before[rec.ID]

	switch {
	case !known:
		return stranger(rec)
	case old.Wish == job.WishTerminate && rec.State == job.Terminated:
		return "a person has terminated it"
	case rec.Interruptions > old.Interruptions && rec.State == job.Failed:
		return rec.Error
	case rec.Interruptions > old.Interruptions:
		return fmt.Sprintf("the daemon died while it was handled (attempt %d)", old.Attempt)
	case rec.File == "":
		return cmp.Or(rec.Error, "the file is in none of the folders")
	case old.Moving != nil:
		return "its move to " + string(old.Moving.To) + "/ is not confirmed"
	}

	return "the journal has it as " + string(old.State)
}

// stranger says what is the matter with a file of which the journal has no job.
func stranger(rec *job.Record) string {
	switch {
	case rec.Interruptions > 0:
		return "no job knows it, and the journal may have lost one: it may have been handled"
	case rec.State == job.Failed:
		return rec.Error
	}

	return "no job knows it"
}

// oddity tells once of something in deferred/ that is no file.
func (f *findings) oddity(place string) {
	f.mu.Lock()
	defer f.mu.Unlock()

	if _, told := f.odd[place]; !told {
		f.odd[place] = struct{}{}
		f.report(Finding{Place: place, Found: "is not a regular file"})
	}
}

// dropped tells of a job that never came to be.
func (f *findings) dropped(id job.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()

	old, known := f.before[id]
	if !known { // recorded by this very run
		return
	}

	delete(f.before, id)

	if old.Moving != nil && old.Moving.From == "" {
		f.report(Finding{
			Place: string(job.DeferredFolder) + "/" + old.Name, Job: id,
			Found: "it was about to be accepted, but has no file", Does: "the journal forgets the job",
		})

		return
	}

	f.report(Finding{
		Place: string(job.InboxFolder) + "/" + old.Name, Job: id,
		Found: "its claim was begun, but it is still there", Does: "left there, the journal forgets the job",
	})
}

// published remembers that the directory for the results of a job was used.
func (f *findings) published(id job.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.used[id] = struct{}{}
}

// wasPublished says whether published was told of the job.
func (f *findings) wasPublished(id job.ID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()

	_, used := f.used[id]

	return used
}

// last returns the jobs that the journal had open or that recovery has
// recorded, as they are now.
func (f *findings) last() map[job.ID]job.Record {
	f.mu.Lock()
	defer f.mu.Unlock()

	last := maps.Clone(f.before)
	maps.Copy(last, f.after)

	return last
}

// attach lets the findings see what a pool does with deps.
func (f *findings) attach(deps process.Deps) process.Deps {
	deps.Folders = seenFolders{deps.Folders, f}
	deps.Lister = seenLister{deps.Lister, f}
	deps.Intake = seenIntake{deps.Intake, f}
	deps.Results = seenResults{deps.Results, f}
	deps.Papers = seenPapers{deps.Papers, f}
	deps.Journal = seenJournal{deps.Journal, f}
	deps.Index = seenIndex{deps.Index, f}

	return deps
}
