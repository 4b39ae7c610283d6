package listing

import (
	"fmt"

	"importerd/internal/job"

	"github.com/bmatcuk/doublestar/v4"
)

// chunk is how many jobs are read at a time of one source: a record may hold some KiB.
const chunk = 100

// feed is the jobs of one source that have one state in the journal.
type feed struct {
	source *Source
	query  Query
	keep   func(job.Record) bool // nil: all
	ahead  []Entry               // read already
	done   bool                  // nothing more is to be read
}

// feeds returns what is to be read of a source. A job that is frozen is shown as paused,
// but its record says processing.
func (c Choice) feeds(source *Source) []*feed {
	q := Query{Name: c.Name, Since: c.since, Limit: chunk}
	if c.Match != "" {
		q.Match = func(name string) bool { return doublestar.MatchUnvalidated(c.Match, name) }
	}

	if len(c.States) == 0 {
		return []*feed{{source: source, query: q}}
	}

	shown, recorded := map[job.State]bool{}, map[job.State]bool{}

	for _, state := range c.States {
		shown[state], recorded[state] = true, true

		if state == job.Paused {
			recorded[job.Processing] = true
		}
	}

	var feeds []*feed

	for _, state := range States() {
		if recorded[state] {
			q.State = state
			feeds = append(feeds, &feed{
				source: source, query: q, keep: func(rec job.Record) bool { return shown[rec.Shown()] },
			})
		}
	}

	return feeds
}

// resume goes to where a feed was left; false: it was at its end.
func (f *feed) resume(marks []mark) bool {
	for _, m := range marks {
		if m.Spool == f.source.Name && m.State == f.query.State {
			f.query.Before = m.Before

			return true
		}
	}

	return false
}

// fill reads on until it is known what comes next.
func (f *feed) fill() error {
	for len(f.ahead) == 0 && !f.done {
		read, err := f.source.List(f.query)
		if err != nil {
			return fmt.Errorf("list jobs of %s: %w", f.source.Name, err)
		}

		f.done = len(read) < chunk

		for _, e := range read {
			if f.query.Before = e.Place; f.keep == nil || f.keep(e.Record) {
				f.ahead = append(f.ahead, e)
			}
		}
	}

	return nil
}

// before says whether the next job of f comes before that of g.
func (f *feed) before(g *feed) bool {
	a, b := f.ahead[0], g.ahead[0]

	switch {
	case f.source == g.source:
		return a.Place > b.Place
	case !a.CreatedAt.Equal(b.CreatedAt):
		return a.CreatedAt.After(b.CreatedAt)
	default:
		return a.ID.String() > b.ID.String()
	}
}
