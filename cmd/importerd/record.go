package main

import (
	"encoding/base64"
	"time"
	"unicode/utf8"

	"importerd/internal/job"
)

// record is a job as machines read it. Names of files are bytes: where they are
// not UTF-8 the field of base64 beside them has them, and the other one is for
// people.
type record struct {
	ID            job.ID    `json:"id"`
	Spool         string    `json:"spool"`
	Name          string    `json:"name"` // as dropped
	NameB64       string    `json:"name_b64,omitempty"`
	State         job.State `json:"state"`
	Attempt       int       `json:"attempt"`
	Interruptions int       `json:"interruptions"`
	Crashes       int       `json:"crashes"` // interruptions by the daemon's death
	Size          int64     `json:"size"`    // bytes
	CreatedAt     time.Time `json:"created_at,omitzero"`
	StartedAt     time.Time `json:"started_at,omitzero"`
	FinishedAt    time.Time `json:"finished_at,omitzero"`
	DueAt         time.Time `json:"due_at,omitzero"`
	ExitCode      *int      `json:"exit_code,omitempty"` // of the last attempt, if it exited
	Signal        string    `json:"signal,omitempty"`    // that it died of
	Took          float64   `json:"took,omitempty"`      // seconds
	Error         string    `json:"error,omitempty"`
	File          string    `json:"file,omitempty"` // in the folder of the state; none: there is no file any more
	FileB64       string    `json:"file_b64,omitempty"`
	Results       string    `json:"results,omitempty"` // in results/
	ResultsB64    string    `json:"results_b64,omitempty"`
	Checkpoint    string    `json:"checkpoint,omitempty"`
	Changed       bool      `json:"changed"`
	Moving        *moving   `json:"moving,omitempty"`
	Output        string    `json:"output,omitempty"` // the last that the handler said
}

// moving is a move of a file that is not confirmed yet.
type moving struct {
	From job.Folder `json:"from"`
	To   job.Folder `json:"to"`
}

// recordOf returns a job for machines, without its output.
func recordOf(rec job.Record) record {
	r := record{
		ID: rec.ID, Spool: rec.Spool, State: rec.State,
		Attempt: rec.Attempt, Interruptions: rec.Interruptions, Crashes: rec.Crashes, Size: rec.Size,
		CreatedAt: rec.CreatedAt.UTC(), StartedAt: rec.StartedAt.UTC(),
		FinishedAt: rec.FinishedAt.UTC(), DueAt: dueAt(&rec).UTC(),
		Error: rec.Error, Checkpoint: rec.Checkpoint, Changed: rec.Changed,
	}

	r.Name, r.NameB64 = bothForms(rec.Name)
	r.File, r.FileB64 = bothForms(rec.File)
	r.Results, r.ResultsB64 = bothForms(rec.Results)

	if exit := rec.Exit; exit != nil {
		r.Signal, r.Took = exit.Signal, exit.Took.Seconds()

		if exit.Code >= 0 {
			r.ExitCode = &exit.Code
		}
	}

	if rec.Moving != nil {
		r.Moving = &moving{rec.Moving.From, rec.Moving.To}
	}

	return r
}

// dueAt is when a job goes on; zero: it does not wait.
func dueAt(rec *job.Record) time.Time {
	if rec.State != job.Deferred {
		return time.Time{}
	}

	return rec.DueAt
}

// withOutput adds the last that the handler said.
func (r record) withOutput(exit *job.Exit) record {
	if exit != nil {
		r.Output = string(exit.Tail)
	}

	return r
}

// bothForms returns a name as text and, where it is not UTF-8, in base64.
func bothForms(name string) (string, string) {
	if utf8.ValidString(name) {
		return name, ""
	}

	return job.Show(name), base64.StdEncoding.EncodeToString([]byte(name))
}

// shortID is the end of an id, which tells it from others of its time: all
// ids of an hour begin alike.
func shortID(id job.ID) string {
	const digits = 12

	text := id.String()

	return text[len(text)-digits:]
}
