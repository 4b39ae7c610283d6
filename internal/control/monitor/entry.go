package monitor

import (
	"bytes"
	"encoding/json"
	"slices"
	"sync"
	"unicode/utf8"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// maxOutput bounds what an event tells of a handler's last words, in bytes.
const maxOutput = 1024

// entry is one thing that is told of a job: its end, or how it is now. It is
// written as JSON once, for all clients, when the first one needs it.
type entry struct {
	id       job.ID
	feed     *Feed
	end      bool       // it is one
	cursor   int64      // of an end
	rec      job.Record // is not changed any more, as all of this but the last two
	progress *float64   // nil: nothing is known of it

	once sync.Once
	text []byte // written within once
}

// endOf returns the entry of an end.
func endOf(f *Feed, rec *job.Record) *entry {
	e := &entry{id: rec.ID, feed: f, end: true, cursor: rec.Cursor, rec: *rec}
	e.rec.Exit = clip(rec)

	return e
}

// stateOf returns the entry of a job that has not ended.
func stateOf(f *Feed, rec *job.Record, progress *float64) *entry {
	return &entry{id: rec.ID, feed: f, rec: *rec, progress: progress}
}

// json returns the job as it is told.
func (e *entry) json() []byte {
	e.once.Do(func() {
		j := wire.JobOf(e.rec)

		if e.end {
			j = j.WithOutput(e.rec.Exit)
			j.Cursor = e.feed.cursor(e.cursor)
		} else {
			j.Progress = e.progress
		}

		e.text = encode(j)
	})

	return e.text
}

// clip returns how the last attempt ended, with as much of what the handler said as
// an end tells: nothing if all is well.
func clip(rec *job.Record) *job.Exit {
	if rec.Exit == nil || len(rec.Exit.Tail) == 0 {
		return rec.Exit
	}

	exit := *rec.Exit
	exit.Tail = nil

	if rec.State != job.Done {
		exit.Tail = slices.Clone(lastWords(rec.Exit.Tail))
	}

	return &exit
}

// lastWords returns the end of what a handler said, from the begin of a line
// where that leaves anything.
func lastWords(tail []byte) []byte {
	if len(tail) <= maxOutput {
		return tail
	}

	tail = tail[len(tail)-maxOutput:]
	if _, rest, ok := bytes.Cut(tail, []byte("\n")); ok && len(rest) > 0 {
		return rest
	}

	for len(tail) > 0 && !utf8.RuneStart(tail[0]) {
		tail = tail[1:]
	}

	return tail
}

// encode writes v as JSON, which cannot fail for what we send.
func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("bug: " + err.Error())
	}

	return text
}
