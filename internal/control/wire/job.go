package wire

import (
	"time"

	"importerd/internal/job"
)

// Job is a job as machines read it.
type Job struct {
	ID            job.ID     `json:"id"`
	Spool         string     `json:"spool"`
	Name          string     `json:"name"` // as dropped
	NameB64       string     `json:"name_b64,omitempty"`
	State         job.State  `json:"state"`
	Origin        job.Origin `json:"origin,omitempty"` // none: dropped into the inbox
	Attempt       int        `json:"attempt"`          // used up or running
	Interruptions int        `json:"interruptions"`
	Crashes       int        `json:"crashes"` // interruptions by the daemon's death
	Size          int64      `json:"size"`    // bytes
	CreatedAt     time.Time  `json:"created_at,omitzero"`
	StartedAt     time.Time  `json:"started_at,omitzero"`
	FinishedAt    time.Time  `json:"finished_at,omitzero"`
	DueAt         time.Time  `json:"due_at,omitzero"`
	ExitCode      *int       `json:"exit_code,omitempty"` // of the last attempt, if it exited
	Signal        string     `json:"signal,omitempty"`    // that it died of
	Took          float64    `json:"took,omitempty"`      // seconds
	// CPU is how many seconds the processes of the last attempt had a processor; without
	// a cgroup of its own only those that were waited for count.
	CPU float64 `json:"cpu,omitempty"`
	// MaxMemory is how many bytes they had at most at one time, files that they read
	// included; none: not known.
	MaxMemory  int64    `json:"max_memory,omitempty"`
	Progress   *float64 `json:"progress,omitempty"` // from 0 to 1, as the running handler last reported
	Error      string   `json:"error,omitempty"`
	File       string   `json:"file,omitempty"` // in the folder of the state; none: there is no file any more
	FileB64    string   `json:"file_b64,omitempty"`
	Results    string   `json:"results,omitempty"` // in results/
	ResultsB64 string   `json:"results_b64,omitempty"`
	Checkpoint string   `json:"checkpoint,omitempty"`
	Changed    bool     `json:"changed"` // the handler changed the file
	Cursor     string   `json:"cursor,omitempty"`
	Moving     *Moving  `json:"moving,omitempty"`
	Output     string   `json:"output,omitempty"` // the last that the handler said
}

// Moving is a move of a file that is not confirmed yet.
type Moving struct {
	From job.Folder `json:"from"`
	To   job.Folder `json:"to"`
}

// JobOf returns a job for machines, without progress, cursor and output.
func JobOf(rec job.Record) Job {
	j := Job{
		ID: rec.ID, Spool: rec.Spool, State: rec.Shown(), Origin: rec.Origin,
		Attempt: rec.Attempt, Interruptions: rec.Interruptions, Crashes: rec.Crashes, Size: rec.Size,
		CreatedAt: rec.CreatedAt.UTC(), StartedAt: rec.StartedAt.UTC(), FinishedAt: rec.FinishedAt.UTC(),
		Error: rec.Error, Checkpoint: rec.Checkpoint, Changed: rec.Changed,
	}

	if rec.State == job.Deferred {
		j.DueAt = rec.DueAt.UTC()
	}

	j.Name, j.NameB64 = Forms(rec.Name)
	j.File, j.FileB64 = Forms(rec.File)
	j.Results, j.ResultsB64 = Forms(rec.Results)

	if exit := rec.Exit; exit != nil {
		j.Signal, j.Took = exit.Signal, exit.Took.Seconds()
		j.CPU, j.MaxMemory = exit.CPU.Seconds(), exit.MaxMemory

		if exit.Code >= 0 {
			j.ExitCode = &exit.Code
		}
	}

	if rec.Moving != nil {
		j.Moving = &Moving{rec.Moving.From, rec.Moving.To}
	}

	return j
}

// WithOutput returns the job with the last that its handler said.
func (j Job) WithOutput(exit *job.Exit) Job {
	if exit != nil {
		j.Output = string(exit.Tail)
	}

	return j
}
