package plan

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver of the journal

	"importerd/bench/stage"
	"importerd/bench/trial"
)

// journal makes a journal with so many jobs that are done: importerd handles one
// file, and its row is then repeated. What an earlier run has made is used again,
// if it is of the same schema.
func (r *Runner) journal(ctx context.Context, jobs int) error {
	one, err := stage.NewSet(r.Work, 1, small)
	if err != nil {
		return err
	}

	p := r.Place
	p.Profile, p.Under = "", nil

	if _, err := trial.Backlog(ctx, trial.Command(1, trial.True), p, one); err != nil {
		return fmt.Errorf("make journal: %w", err)
	}

	fresh := journalOf(p)

	db, err := sql.Open("sqlite", fresh)
	if err != nil {
		return fmt.Errorf("make journal: %w", err)
	}
	defer func() { _ = db.Close() }() // what matters is closed below

	kind, err := schema(ctx, db)
	if err != nil {
		return err
	}

	note := fmt.Sprintf("%d %s\n", jobs, kind)

	if known, err := os.ReadFile(r.journalPath() + ".txt"); err == nil && string(known) == note {
		if _, err := os.Stat(r.journalPath()); err == nil {
			return nil
		}
	}

	fmt.Fprintf(r.Out, "%-17s making a journal of %d jobs\n", "journal", jobs)

	if err := repeat(ctx, db, jobs); err != nil {
		return fmt.Errorf("make journal: %w", err)
	}

	if err := db.Close(); err != nil {
		return fmt.Errorf("make journal: %w", err)
	}

	if err := os.Rename(fresh, r.journalPath()); err != nil {
		return fmt.Errorf("make journal: %w", err)
	}

	if err := os.WriteFile(r.journalPath()+".txt", []byte(note), 0o644); err != nil {
		return fmt.Errorf("make journal: %w", err)
	}

	return nil
}

func journalOf(p trial.Place) string { return filepath.Join(p.Dir, ".importerd", "journal.db") }

// keepJournal takes the journal back that a trial has had.
func (r *Runner) keepJournal(p trial.Place) error {
	if p.Journal == "" {
		return nil
	}

	if err := os.Rename(journalOf(p), p.Journal); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("take journal back: %w", err)
	}

	return nil
}

// schema returns a short name of the database's form.
func schema(ctx context.Context, db *sql.DB) (string, error) {
	rows, err := db.QueryContext(ctx, "SELECT coalesce(sql, name) FROM sqlite_master ORDER BY name")
	if err != nil {
		return "", fmt.Errorf("read schema: %w", err)
	}
	defer rows.Close()

	sum := sha256.New()

	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return "", fmt.Errorf("read schema: %w", err)
		}

		sum.Write([]byte(text))
	}

	return hex.EncodeToString(sum.Sum(nil)[:8]), rows.Err()
}

// repeat copies the journal's row under other numbers, ids and names.
func repeat(ctx context.Context, db *sql.DB, jobs int) error {
	columns, values, err := copied(ctx, db)
	if err != nil {
		return err
	}

	insert := `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < ?)
		INSERT INTO job (` + columns + `) SELECT ` + values + ` FROM n, (SELECT * FROM job LIMIT 1) AS job ORDER BY i`

	for statement, args := range map[string][]any{
		insert: {jobs - 1},
		"UPDATE tally SET jobs = ? WHERE state = 'done'": {jobs},
	} {
		if _, err := db.ExecContext(ctx, statement, args...); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}

	if _, err = db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}

	return nil
}

// copied returns the columns of table job and what a copy has in them.
func copied(ctx context.Context, db *sql.DB) (columns, values string, err error) {
	rows, err := db.QueryContext(ctx, "SELECT name FROM pragma_table_info('job')")
	if err != nil {
		return "", "", fmt.Errorf("read columns: %w", err)
	}
	defer rows.Close()

	other := map[string]string{
		"seq": "seq + i", "cursor": "cursor + i",
		"id":   "substr(id, 1, 24) || printf('%012x', i)",
		"name": "CAST(printf('old-%07d.csv', i) AS BLOB)", "file": "CAST(printf('old-%07d.csv', i) AS BLOB)",
	}

	var names, copies []string

	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return "", "", fmt.Errorf("read columns: %w", err)
		}

		names = append(names, name)
		if value, ok := other[name]; ok {
			copies = append(copies, value)
		} else {
			copies = append(copies, "job."+name)
		}
	}

	return strings.Join(names, ", "), strings.Join(copies, ", "), rows.Err()
}
