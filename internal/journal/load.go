package journal

import (
	"database/sql"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"strconv"
	"time"

	"importerd/internal/job"
)

// load reads what is kept in memory, and checks the whole where that is due.
func (j *Journal) load() error {
	meta, err := readMeta(j.db)
	if err != nil {
		return err
	}

	j.last, j.clean = meta["boot"], meta["clean"] == "1"
	j.fresh = j.last == ""
	_ = j.husks.UnmarshalText([]byte(meta[husksKey])) // missing: there are none

	if err := j.inspect(); err != nil {
		return err
	}

	if j.dueRows, err = j.db.Prepare(selectSQL(version, dueSQL)); err != nil {
		return withKind(err)
	}

	j.id = meta["journal"]
	j.known.paused = meta[pausedKey] == "1"

	return j.known.load(j.db, meta)
}

// inspect has SQLite check the database.
func (j *Journal) inspect() error {
	info, err := os.Stat(j.path)
	if err != nil {
		return diskKind(fmt.Errorf("stat: %w", err))
	}

	if j.clean && info.Size() > checkAlways {
		return nil
	}

	var answer string
	if err := j.db.QueryRow("PRAGMA quick_check(1)").Scan(&answer); err != nil {
		return withKind(err)
	}

	if answer != "ok" {
		return fmt.Errorf("%w: %s", errDamaged, answer)
	}

	return nil
}

// readMeta reads table meta.
func readMeta(db *sql.DB) (map[string]string, error) {
	rows, err := db.Query("SELECT key, value FROM meta")
	if err != nil {
		return nil, withKind(err)
	}
	defer rows.Close()

	meta := map[string]string{}

	for rows.Next() {
		var key, value string
		if err := rows.Scan(&key, &value); err != nil {
			return nil, withKind(err)
		}

		meta[key] = value
	}

	return meta, withKind(rows.Err())
}

// load reads the open jobs and the counts.
func (k *known) load(db *sql.DB, meta map[string]string) error {
	k.mu.Lock()
	defer k.mu.Unlock()

	// Ten years from now, as the first six bytes of an id.
	var stamp [8]byte
	binary.BigEndian.PutUint64(stamp[:], uint64(time.Now().AddDate(10, 0, 0).UnixMilli())<<16)
	copy(k.high[:], stamp[:6])

	var (
		last, told sql.NullInt64
		low        sql.NullString
	)

	if err := db.QueryRow("SELECT (SELECT max(seq) FROM job), (SELECT max(id) FROM job WHERE id < ?),"+
		" (SELECT max(cursor) FROM job WHERE cursor IS NOT NULL)", k.high.String()).Scan(&last, &low, &told); err != nil {
		return withKind(err)
	}

	k.next = max(least(meta, nextSeqKey), last.Int64+1)
	k.cursor.Store(max(least(meta, nextCursorKey), told.Int64+1) - 1)

	if low.Valid {
		id, err := job.ParseID(low.String)
		if err != nil {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}

		k.low = id
	}

	if err := k.loadTally(db); err != nil {
		return err
	}

	return k.loadOpen(db)
}

// least returns the number of a row of table meta; missing or nonsense: the rows
// of jobs decide.
func least(meta map[string]string, key string) int64 {
	n, _ := strconv.ParseInt(meta[key], 10, 64)

	return n
}

func (k *known) loadTally(db *sql.DB) error {
	tally, err := readTally(db)
	maps.Copy(k.counts, tally)

	return err
}

// loadOpen reads what is kept of the open jobs; mu is held.
func (k *known) loadOpen(db *sql.DB) error {
	rows, err := db.Query("SELECT seq, id, name, state, due_at, move_to IS NOT NULL, origin, wish, cursor FROM job" +
		" WHERE open = 1 ORDER BY seq")
	if err != nil {
		return withKind(err)
	}
	defer rows.Close()

	for rows.Next() {
		var (
			seq          int64
			id, state    string
			origin, wish sql.NullString
			name         []byte
			due, cursor  sql.NullInt64
			moving       bool
		)

		if err := rows.Scan(&seq, &id, &name, &state, &due, &moving, &origin, &wish, &cursor); err != nil {
			return withKind(err)
		}

		rec := job.Record{
			Name: string(name), State: job.State(state), Origin: job.Origin(origin.String), DueAt: wall(due),
			Cursor: cursor.Int64,
		}
		if moving {
			rec.Moving = &job.Move{}
		}

		if rec.ID, err = job.ParseID(id); err != nil || !isState(rec.State) {
			return fmt.Errorf("%w: row %d has id %q, state %q", errDamaged, seq, id, state)
		}

		now := k.factsOf(seq, &rec, job.Wish(wish.String))
		k.counts[now.shown()]-- // it is in the tally

		at := &slot{}
		k.slots[rec.ID] = at
		k.swap(&change{slot: at, now: now})

		if now.triggers() {
			k.triggers = append(k.triggers, rec.ID)
		}
	}

	k.dueKnown = false

	return withKind(rows.Err())
}
