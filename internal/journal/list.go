package journal

import (
	"database/sql"
	"math"
	"strings"
	"time"

	"importerd/internal/job"
)

// Query chooses jobs. Each field that is not zero narrows the choice.
type Query struct {
	State  job.State              // as it is shown
	Name   string                 // the name as dropped, exactly
	Match  func(name string) bool // says of a name as dropped whether it is wanted
	Since  time.Time              // ended then or later; or not ended, and recorded then or later
	Before int64                  // only jobs with a lower Seq: the last one that was listed
	Limit  int                    // at most so many
}

// List returns jobs, the newest first: by Seq, which does not change. Following
// pages, with Before, neither repeat nor miss a job whatever is recorded
// meanwhile. There is no index on names: a search by one reads the whole
// history, about a million jobs a second.
func (r *Reader) List(q Query) ([]Entry, error) {
	if err := r.trouble(); err != nil {
		return nil, err
	}

	where, args := q.where()
	if q.Match == nil {
		return r.entries("WHERE "+where+" ORDER BY seq DESC LIMIT ?", append(args, q.limit())...)
	}

	seqs, err := r.choose(q)
	if err != nil {
		return nil, r.fail(err)
	}

	return r.fetch(seqs)
}

// fetch returns the jobs at some places, in that order; those that were removed
// just now are left out.
func (r *Reader) fetch(seqs []int64) ([]Entry, error) {
	list := make([]Entry, 0, len(seqs))

	for _, seq := range seqs {
		found, err := r.entries("WHERE seq = ?", seq)
		if err != nil {
			return nil, err
		}

		list = append(list, found...)
	}

	return list, nil
}

// namesAhead is how many names are read at a time that are yet to be matched.
const namesAhead = 1000

// named is the name of a job and its place.
type named struct {
	seq  int64
	name string
}

// choose returns the places of the jobs whose names match: most rows need not
// be read whole. Matching may take long: nothing of the database is held meanwhile.
func (r *Reader) choose(q Query) ([]int64, error) {
	var seqs []int64

	for {
		page, err := r.names(q)
		if err != nil {
			return nil, err
		}

		for _, n := range page {
			if q.Before = n.seq; q.Match(n.name) {
				seqs = append(seqs, n.seq)
			}

			if len(seqs) == q.limit() {
				return seqs, nil
			}
		}

		if len(page) < namesAhead {
			return seqs, nil
		}
	}
}

// names returns the names of the next jobs, whether they match or not.
func (r *Reader) names(q Query) ([]named, error) {
	where, args := q.where()

	//nolint:gosec // where is made of constants, what users give is in args
	rows, err := r.db.Query("SELECT seq, name FROM job WHERE "+where+" ORDER BY seq DESC LIMIT ?",
		append(args, namesAhead)...)
	if err != nil {
		return nil, withKind(err)
	}
	defer rows.Close()

	page := make([]named, 0, namesAhead)

	for rows.Next() {
		var (
			seq  int64
			name sql.RawBytes
		)

		if err := rows.Scan(&seq, &name); err != nil {
			return nil, withKind(err)
		}

		page = append(page, named{seq, string(name)})
	}

	return page, withKind(rows.Err())
}

// limit returns how many jobs are wanted at most.
func (q Query) limit() int {
	if q.Limit <= 0 {
		return math.MaxInt
	}

	return q.Limit
}

// where returns the condition in SQL and its arguments.
func (q Query) where() (string, []any) {
	conditions, args := []string{"true"}, []any{}
	add := func(condition string, arg any) {
		conditions = append(conditions, condition)
		args = append(args, arg)
	}

	switch q.State { // so that SQLite sees which index serves
	case "":
	case job.Failed, job.Terminated:
		add("state IN ('failed', 'terminated') AND state = ?", string(q.State))
	case job.Done:
		add("state = ?", string(q.State))
	case job.Processing, job.Paused: // as it is shown
		add("open = 1 AND state IN ('processing', 'paused') AND "+shownState+" = ?", string(q.State))
	case job.Committing, job.Deferred:
		add("open = 1 AND state = ?", string(q.State))
	default: // no state: nothing
		add("open = 1 AND state = ?", string(q.State))
	}

	if q.Name != "" {
		add("name = ?", []byte(q.Name))
	}

	if !q.Since.IsZero() {
		add("coalesce(finished_at, created_at) >= ?", moment(q.Since))
	}

	if q.Before != 0 {
		add("seq < ?", q.Before)
	}

	return strings.Join(conditions, " AND "), args
}
