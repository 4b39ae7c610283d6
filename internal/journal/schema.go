package journal

import (
	"fmt"
	"strings"

	"importerd/internal/job"
)

// version is that of the schema that this program writes.
const version = 3

// applicationID marks the database as ours: "impj".
const applicationID = 0x696d706a

// migrations bring a journal from each version to the next; the first makes a
// new one. What was released is never edited: add a step.
var migrations = [version]string{ //nolint:gochecknoglobals // a table that nobody writes to
	`
CREATE TABLE job (
	seq              INTEGER PRIMARY KEY,
	id               TEXT NOT NULL UNIQUE,
	spool            TEXT NOT NULL,
	name             BLOB NOT NULL,
	file             BLOB,
	state            TEXT NOT NULL,
	open             INTEGER NOT NULL,
	attempt          INTEGER NOT NULL,
	interruptions    INTEGER NOT NULL,
	crashes          INTEGER NOT NULL,
	busy             INTEGER NOT NULL,
	size             INTEGER NOT NULL,
	created_at       INTEGER,
	started_at       INTEGER,
	finished_at      INTEGER,
	due_at           INTEGER,
	exit_code        INTEGER,
	exit_signal      TEXT,
	exit_error       TEXT,
	exit_retry_after INTEGER,
	exit_took        INTEGER,
	exit_tail        BLOB,
	error            TEXT,
	results          BLOB,
	checkpoint       TEXT,
	changed          INTEGER NOT NULL,
	move_from        TEXT,
	move_file        BLOB,
	move_to          TEXT,
	move_name        BLOB,
	seen_name        BLOB,
	seen             TEXT,
	cursor           INTEGER,
	wish             TEXT
) STRICT;
-- Only of jobs that are few: the history costs a file nothing.
CREATE INDEX job_open ON job (seq) WHERE open = 1;
CREATE INDEX job_due ON job (due_at, seq) WHERE state = 'deferred' AND move_to IS NULL;
CREATE INDEX job_failed ON job (state, seq) WHERE state IN ('failed', 'terminated');
CREATE TABLE tally (state TEXT PRIMARY KEY, jobs INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE VIEW jobs AS SELECT
	seq, id, CAST(name AS TEXT) AS name, CAST(file AS TEXT) AS file, state, attempt, interruptions, size,
	strftime('%Y-%m-%dT%H:%M:%fZ', created_at / 1e9, 'unixepoch') AS created,
	strftime('%Y-%m-%dT%H:%M:%fZ', started_at / 1e9, 'unixepoch') AS started,
	strftime('%Y-%m-%dT%H:%M:%fZ', finished_at / 1e9, 'unixepoch') AS finished,
	strftime('%Y-%m-%dT%H:%M:%fZ', due_at / 1e9, 'unixepoch') AS due,
	exit_code, exit_signal, exit_error, exit_took / 1e9 AS seconds, error,
	CAST(results AS TEXT) AS results, checkpoint, CAST(exit_tail AS TEXT) AS output
FROM job;
`,
	`
ALTER TABLE job ADD COLUMN origin TEXT;
ALTER TABLE job ADD COLUMN exit_max_memory INTEGER;
ALTER TABLE job ADD COLUMN exit_cpu INTEGER;
-- Its entries come in ascending order: each goes to the end.
CREATE INDEX job_told ON job (cursor) WHERE cursor IS NOT NULL;
DROP VIEW jobs;
CREATE VIEW jobs AS SELECT
	seq, id, CAST(name AS TEXT) AS name, CAST(file AS TEXT) AS file,
	CASE WHEN state = 'processing' AND wish = 'pause' THEN 'paused' ELSE state END AS state,
	origin, attempt, interruptions, size,
	strftime('%Y-%m-%dT%H:%M:%fZ', created_at / 1e9, 'unixepoch') AS created,
	strftime('%Y-%m-%dT%H:%M:%fZ', started_at / 1e9, 'unixepoch') AS started,
	strftime('%Y-%m-%dT%H:%M:%fZ', finished_at / 1e9, 'unixepoch') AS finished,
	strftime('%Y-%m-%dT%H:%M:%fZ', due_at / 1e9, 'unixepoch') AS due,
	exit_code, exit_signal, exit_error, exit_took / 1e9 AS seconds, exit_cpu / 1e9 AS cpu, exit_max_memory AS max_memory,
	error, CAST(results AS TEXT) AS results, checkpoint, CAST(exit_tail AS TEXT) AS output, cursor
FROM job;
`,
	`
-- What a start and the end of a move change stands in no index.
ALTER TABLE job ADD COLUMN waits INTEGER NOT NULL DEFAULT 0;
UPDATE job SET waits = 1 WHERE open = 1 AND state = 'deferred' AND move_to IS NULL;
DROP INDEX IF EXISTS job_due;
CREATE INDEX job_due ON job (due_at, seq) WHERE waits = 1;
`,
}

// columns of table job that a record fills, in the order of fill. All but waits are read
// back, in the order of scan.
var columns = []string{ //nolint:gochecknoglobals // a table that nobody writes to
	"seq", "id", "spool", "name", "file", "state", "open", "attempt", "interruptions", "crashes", "busy", "size",
	"created_at", "started_at", "finished_at", "due_at", "waits",
	"exit_code", "exit_signal", "exit_error", "exit_retry_after", "exit_took", "exit_tail",
	"error", "results", "checkpoint", "changed",
	"move_from", "move_file", "move_to", "move_name", "seen_name", "seen",
	"origin", "exit_max_memory", "exit_cpu", "cursor",
}

// shownState is Record.Shown in SQL.
const shownState = "CASE WHEN state = 'processing' AND wish = 'pause' THEN 'paused' ELSE state END"

// insertSQL writes a new row.
func insertSQL() string {
	return "INSERT INTO job (" + strings.Join(columns, ",") + ") VALUES (?" + strings.Repeat(",?", len(columns)-1) + ")"
}

// updateSQL returns the statement that writes a row that is there, with the values of an
// insert but for seq and id, which stay, and with seq behind them. Indexes cover what it
// may leave as it is, and are left alone then too.
func updateSQL(u update) string {
	var sets []string

	for _, c := range columns {
		switch {
		case c == "seq", c == "id", !u.state && c == "state", !u.open && c == "open",
			!u.due && (c == "due_at" || c == "waits"), !u.cursor && c == "cursor":
		default:
			sets = append(sets, c+"=?")
		}
	}

	if u.wish {
		sets = append(sets, "wish=NULL")
	}

	return "UPDATE job SET " + strings.Join(sets, ",") + " WHERE seq=?"
}

// selectSQL returns a query for whole rows of a journal of a version; rest
// follows "FROM job".
func selectSQL(version int64, rest string) string {
	list := strings.Replace(strings.Join(columns, ",")+",wish", ",waits,", ",", 1)
	if version < 2 {
		list = strings.Replace(list, ",origin,exit_max_memory,exit_cpu,", ",NULL,NULL,NULL,", 1)
	}

	return "SELECT " + list + " FROM job " + rest
}

// isState says whether s is a state that this version knows.
func isState(s job.State) bool {
	switch s {
	case job.Processing, job.Committing, job.Deferred, job.Paused, job.Done, job.Failed, job.Terminated:
		return true
	}

	return false
}

// isOrigin says whether o is an origin that this version knows.
func isOrigin(o job.Origin) bool { return o == job.Dropped || o == job.Uploaded || o == job.Triggered }

// migrate brings the schema to this version, each step in a transaction of its
// own. It says whether the journal is new.
func migrate(c *conn) (bool, error) {
	var have int64

	err := c.first("PRAGMA user_version", func(s *stmt) { have = s.number(0) })
	if err != nil {
		return false, err
	}

	for v := have; v < version; v++ {
		script := fmt.Sprintf("BEGIN IMMEDIATE;\n%s\nPRAGMA user_version = %d;\nPRAGMA application_id = %d;\n",
			migrations[v], v+1, applicationID)
		if v == 0 {
			script += fmt.Sprintf("INSERT INTO meta VALUES ('journal', '%s');\n", job.NewID())
		}

		if err := c.exec(script + "COMMIT"); err != nil {
			_ = c.exec("ROLLBACK") // as good as none where there is none

			return false, fmt.Errorf("migrate from version %d: %w", v, err)
		}
	}

	return have == 0, nil
}
