package listing

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"importerd/internal/job"
)

// ErrNoMore ends a list.
var ErrNoMore = errors.New("no more jobs")

// List walks through the jobs of a choice, the newest first. Within a spool they come by
// place, which does not change, so that what is added meanwhile makes the following pages
// neither repeat nor miss a job; between spools by time.
type List struct {
	choice  Choice
	feeds   []*feed
	missing []string
}

// Open begins to list, or goes on behind a cursor. Errors: a fault where the choice
// or the cursor makes no sense, or that of a source.
func (c Choice) Open(after string) (*List, error) {
	if err := c.check(); err != nil {
		return nil, err
	}

	var at cursor

	if after != "" {
		var err error
		if at, err = parse(after, c.key()); err != nil {
			return nil, err
		}

		if at.Since != 0 {
			c.since = time.Unix(0, at.Since)
		}
	}

	l := &List{choice: c, missing: at.Missing}

	for _, source := range c.Sources {
		for _, f := range c.feeds(source) {
			if after == "" || f.resume(at.Marks) {
				l.feeds = append(l.feeds, f)
			}
		}
	}

	return l, l.look()
}

// look reads the beginning of all feeds, so that it is known where each stands. Of
// several sources those that do not work are left out, and named.
func (l *List) look() error {
	for _, f := range l.feeds {
		err := f.fill()
		if err == nil {
			continue
		}

		if !errors.Is(err, job.ErrDegraded) || len(l.choice.Sources) == 1 {
			return err
		}

		f.done, f.ahead = true, nil

		if !slices.Contains(l.missing, f.source.Name) {
			l.missing = append(l.missing, f.source.Name)
		}
	}

	return nil
}

// Missing returns the names of the spools that did not work when the list began, and
// whose jobs are not in it.
func (l *List) Missing() []string { return l.missing }

// Next returns the next job and its spool's name; ErrNoMore: there is none.
func (l *List) Next() (string, job.Record, error) {
	var first *feed

	for _, f := range l.feeds {
		if err := f.fill(); err != nil {
			return "", job.Record{}, err
		}

		if len(f.ahead) > 0 && (first == nil || f.before(first)) {
			first = f
		}
	}

	if first == nil {
		return "", job.Record{}, ErrNoMore
	}

	e := first.ahead[0]
	first.ahead = first.ahead[1:]

	return first.source.Name, e.Record, nil
}

// Cursor returns where the list stands; empty: at its end.
func (l *List) Cursor() (string, error) {
	at := cursor{Key: l.choice.key(), Missing: l.missing}
	if !l.choice.since.IsZero() {
		at.Since = l.choice.since.UnixNano()
	}

	for _, f := range l.feeds {
		if err := f.fill(); err != nil {
			return "", err
		}

		if len(f.ahead) > 0 {
			// Only jobs that are older than all that were seen: new ones are for a new list.
			at.Marks = append(at.Marks, mark{f.source.Name, f.query.State, f.ahead[0].Place + 1})
		}
	}

	if len(at.Marks) == 0 {
		return "", nil
	}

	text, err := at.format()
	if err != nil {
		return "", fmt.Errorf("write the cursor: %w", err)
	}

	return text, nil
}
