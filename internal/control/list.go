package control

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"importerd/internal/job"

	"github.com/bmatcuk/doublestar/v4"
)

// chunk is how many jobs are read at a time of one spool: a record may hold some KiB.
const chunk = 100

// errNoMore ends a list.
var errNoMore = errors.New("no more jobs")

// list walks through the jobs of a choice, the newest first. Within a spool they come by
// place, which does not change, so that what is added meanwhile makes the following pages
// neither repeat nor miss a job; between spools by time.
type list struct {
	choice  choice
	feeds   []*feed
	missing []string // spools that do not work, and whose jobs would belong here
}

// feed is the jobs of one spool that have one state in the journal.
type feed struct {
	spool *Spool
	query Query
	keep  func(job.Record) bool // nil: all
	ahead []Entry               // read already
	done  bool                  // nothing more is to be read
}

// mark is where a list stands in one feed.
type mark struct {
	Spool  string    `json:"s"`
	State  job.State `json:"t,omitempty"`
	Before int64     `json:"b"`
}

// cursor is where a list stands. It is for us alone: clients give it back as it is.
type cursor struct {
	Key   string `json:"k"`           // of the choice
	Since int64  `json:"n,omitempty"` // of the first page, in ns since 1970: later pages choose the same
	Marks []mark `json:"m"`           // of feeds that have more
	// Missing are the spools that could not be asked when the list began.
	Missing []string `json:"x,omitempty"`
}

// open begins to list, or goes on behind a cursor.
func (c choice) open(after string) (*list, error) {
	l := &list{choice: c}
	at := cursor{Key: c.key}

	if after != "" {
		var err error
		if at, err = parseCursor(after, c.key); err != nil {
			return nil, err
		}

		l.missing = at.Missing

		if at.Since != 0 {
			l.choice.since = time.Unix(0, at.Since)
		}
	}

	for _, sp := range c.spools {
		for _, f := range l.choice.feeds(sp) {
			if after == "" || f.resume(at.Marks) {
				l.feeds = append(l.feeds, f)
			}
		}
	}

	return l, l.look()
}

// feeds returns what is to be read of a spool. A job that is frozen is shown as paused,
// but its record says processing.
func (c choice) feeds(sp *Spool) []*feed {
	q := Query{Name: c.name, Since: c.since, Limit: chunk}
	if c.match != "" {
		q.Match = func(name string) bool { return doublestar.MatchUnvalidated(c.match, name) }
	}

	if len(c.states) == 0 {
		return []*feed{{spool: sp, query: q}}
	}

	wanted := map[job.State]bool{}
	kept := map[job.State]bool{}

	for _, state := range c.states {
		wanted[state], kept[state] = true, true

		if state == job.Paused {
			kept[job.Processing] = true
		}
	}

	var feeds []*feed

	for _, state := range allStates() {
		if kept[state] {
			of := q
			of.State = state
			feeds = append(feeds, &feed{
				spool: sp, query: of, keep: func(rec job.Record) bool { return wanted[rec.Shown()] },
			})
		}
	}

	return feeds
}

// resume goes to where a feed was left; false: it was at its end.
func (f *feed) resume(marks []mark) bool {
	for _, m := range marks {
		if m.Spool == f.spool.Name && m.State == f.query.State {
			f.query.Before = m.Before

			return true
		}
	}

	return false
}

// look reads the beginning of all feeds, so that it is known where each stands. Of
// several spools those that do not work are left out, and named.
func (l *list) look() error {
	for _, f := range l.feeds {
		err := f.fill()
		if err == nil {
			continue
		}

		if !errors.Is(err, job.ErrDegraded) || len(l.choice.spools) == 1 {
			return err
		}

		f.done, f.ahead = true, nil
		if n := len(l.missing); n == 0 || l.missing[n-1] != f.spool.Name {
			l.missing = append(l.missing, f.spool.Name)
		}
	}

	return nil
}

// fill reads on until something is known of what comes next.
func (f *feed) fill() error {
	for len(f.ahead) == 0 && !f.done {
		read, err := f.spool.History.List(f.query)
		if err != nil {
			return fmt.Errorf("list jobs of %s: %w", f.spool.Name, err)
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

// next returns the next job; errNoMore: there is none.
func (l *list) next() (*Spool, job.Record, error) {
	var first *feed

	for _, f := range l.feeds {
		if err := f.fill(); err != nil {
			return nil, job.Record{}, err
		}

		if len(f.ahead) > 0 && (first == nil || f.before(first)) {
			first = f
		}
	}

	if first == nil {
		return nil, job.Record{}, errNoMore
	}

	e := first.ahead[0]
	first.ahead = first.ahead[1:]

	return first.spool, e.Record, nil
}

// before says whether the next job of f comes before that of g.
func (f *feed) before(g *feed) bool {
	a, b := f.ahead[0], g.ahead[0]

	switch {
	case f.spool == g.spool:
		return a.Place > b.Place
	case !a.CreatedAt.Equal(b.CreatedAt):
		return a.CreatedAt.After(b.CreatedAt)
	default:
		return a.ID.String() > b.ID.String()
	}
}

// cursor returns where the list stands; empty: at its end.
func (l *list) cursor() (string, error) {
	at := cursor{Key: l.choice.key, Missing: l.missing}
	if !l.choice.since.IsZero() {
		at.Since = l.choice.since.UnixNano()
	}

	for _, f := range l.feeds {
		if err := f.fill(); err != nil {
			return "", err
		}

		if len(f.ahead) > 0 {
			// Only jobs that are older than all that were seen: new ones are for a new list.
			at.Marks = append(at.Marks, mark{f.spool.Name, f.query.State, f.ahead[0].Place + 1})
		}
	}

	if len(at.Marks) == 0 {
		return "", nil
	}

	text, err := json.Marshal(at)
	if err != nil {
		return "", fmt.Errorf("write the cursor: %w", err)
	}

	return base64.RawURLEncoding.EncodeToString(text), nil
}

// parseCursor reads a cursor that belongs to the choice of a key.
func parseCursor(text, key string) (cursor, error) {
	var at cursor

	plain, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(plain, &at)
	}

	if err != nil || len(at.Marks) == 0 {
		return at, badRequest("after: this is no cursor: give back the one of the answer before, as it is")
	}

	if at.Key != key {
		return at, badRequest("after: this cursor belongs to another question: ask as before, only limit may differ")
	}

	for _, m := range at.Marks {
		if m.Before < 1 || m.Before == math.MaxInt64 {
			return at, badRequest("after: this is no cursor: give back the one of the answer before, as it is")
		}
	}

	return at, nil
}

// keyOf returns a short text that differs for different parts.
func keyOf(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))

	return hex.EncodeToString(sum[:6])
}
