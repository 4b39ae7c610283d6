package app

import (
	"errors"
	"iter"
	"time"

	"importerd/internal/job"
	"importerd/internal/process"
)

// seenFolders are folders of which each move is told.
type seenFolders struct {
	process.Folders
	findings *findings
}

// Move passes the call on.
func (s seenFolders) Move(m job.Move) (string, error) {
	name, err := s.Folders.Move(m)
	if err == nil {
		s.findings.moved(m, name)
	}

	return name, err
}

// Join passes the call on.
func (s seenFolders) Join(m job.Move) (string, error) {
	name, err := s.Folders.Join(m)
	if err == nil {
		s.findings.add(Finding{
			Place: string(m.From) + "/" + m.File, Job: m.ID,
			Found: "a power cut has left its file in " + string(m.To) + "/ too", Does: "this name goes away",
		})
	}

	return name, err
}

// seenLister is a lister of which it is told what is no file in deferred/:
// recovery leaves it there.
type seenLister struct {
	process.Lister
	findings *findings
}

// Stat passes the call on.
func (s seenLister) Stat(folder job.Folder, name string) (job.File, error) {
	f, err := s.Lister.Stat(folder, name)
	if folder == job.DeferredFolder && errors.Is(err, job.ErrNotRegular) {
		s.findings.oddity(string(folder) + "/" + name)
	}

	return f, err
}

// seenIntake is an inbox of which each claim is told.
type seenIntake struct {
	process.Intake
	findings *findings
}

// Claim passes the call on.
func (s seenIntake) Claim(f job.File) (job.File, error) {
	got, err := s.Intake.Claim(f)
	if err == nil {
		s.findings.add(Finding{
			Place: string(job.InboxFolder) + "/" + f.Name,
			Found: "a power cut has undone its claim", Does: "claimed again",
		})
	}

	return got, err
}

// seenPapers are papers of which it is told what is set aside.
type seenPapers struct {
	process.Papers
	findings *findings
}

// SetAside passes the call on.
func (s seenPapers) SetAside(name string) (string, error) {
	path, err := s.Papers.SetAside(name)
	if err == nil {
		s.findings.add(Finding{
			Place: string(job.ProcessingFolder) + "/" + name,
			Found: "is not a regular file", Does: "set aside as " + job.Show(path),
		})
	}

	return path, err
}

// seenResults are results of which it is remembered which were published.
type seenResults struct {
	process.Results
	findings *findings
}

// PublishResults passes the call on.
func (s seenResults) PublishResults(id job.ID, name string) (string, error) {
	got, err := s.Results.PublishResults(id, name)
	if err == nil {
		s.findings.published(id)
	}

	return got, err
}

// seenJournal is a journal of which it is told what is recorded.
type seenJournal struct {
	process.Journal
	findings *findings
}

// Note passes the call on.
func (s seenJournal) Note(recs ...job.Record) error {
	err := s.Journal.Note(recs...)
	if err == nil {
		s.findings.recorded(recs)
	}

	return err
}

// Commit passes the call on.
func (s seenJournal) Commit(recs ...job.Record) error {
	err := s.Journal.Commit(recs...)
	if err == nil {
		s.findings.recorded(recs)
	}

	return err
}

// Drop passes the call on.
func (s seenJournal) Drop(ids ...job.ID) error {
	err := s.Journal.Drop(ids...)
	if err == nil {
		for _, id := range ids {
			s.findings.dropped(id)
		}
	}

	return err
}

// CutDue leaves the times of deferred jobs to the next start: it depends on
// settings that may not be known here.
func (s seenJournal) CutDue(time.Time) error { return nil }

// seenIndex remembers the jobs that recovery begins with.
type seenIndex struct {
	process.Index
	findings *findings
}

// Unfinished passes the call on.
func (s seenIndex) Unfinished() iter.Seq2[job.Record, error] {
	return func(yield func(job.Record, error) bool) {
		for rec, err := range s.Index.Unfinished() {
			if err == nil {
				s.findings.remember(rec)
			}

			if !yield(rec, err) {
				return
			}
		}
	}
}
