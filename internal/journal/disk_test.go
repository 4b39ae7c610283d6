package journal_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
	"importerd/internal/journal"
)

// mount mounts something on a new directory, or skips the test.
func mount(t *testing.T, source, kind string, flags uintptr, data string) string {
	t.Helper()

	dir := t.TempDir()
	if err := unix.Mount(source, dir, kind, flags, data); err != nil {
		t.Skipf("cannot mount %s here: %v", kind, err)
	}

	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})

	return dir
}

// readOnly mounts a directory a second time, so that nothing can be written
// there.
func readOnly(t *testing.T, dir string) string {
	t.Helper()

	view := mount(t, dir, "", unix.MS_BIND, "")
	must(t, unix.Mount("", view, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))

	return view
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()

	f, err := os.Create(path)
	must(t, err)

	defer f.Close()

	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}

	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()

	for _, kind := range []string{"tmpfs", "ext4"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()

			dir := small(t, kind)
			j := open(t, dir)

			var told []job.ID

			for i := range 3 {
				must(t, j.Commit(plain("before")))
				fill(t, filepath.Join(dir, "filler"))

				told = append(told, commitUntilFull(t, j)...)
				rec := plain(fmt.Sprint("refused", i))

				for refused := 0; refused < 3; refused++ { // again and again the same
					err := j.Commit(rec)
					if err == nil { // a small one may fit where a large one did not
						told = append(told, rec.ID)
						rec, refused = plain(fmt.Sprint("refused", i, len(told))), -1

						continue
					}

					if !errors.Is(err, job.ErrDisk) {
						t.Fatalf("got %v, want job.ErrDisk", err)
					}
				}

				if _, err := j.Get(rec.ID); !errors.Is(err, fs.ErrNotExist) || j.UnderWay(rec.Name) {
					t.Errorf("what was refused is half there: %v", err)
				}

				must(t, os.Remove(filepath.Join(dir, "filler")))
				must(t, j.Commit(rec))

				told = append(told, rec.ID)
			}

			must(t, j.Close())

			j = open(t, dir)
			defer shut(t, j)

			for _, id := range told {
				if _, err := j.Get(id); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestFullDiskLetsRowsChange has a disk on which nothing is left while jobs that are
// recorded go on: where the -wal cannot grow it is used anew.
func TestFullDiskLetsRowsChange(t *testing.T) {
	t.Parallel()

	for _, kind := range []string{"tmpfs", "ext4"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()

			dir := small(t, kind)
			j := open(t, dir)
			rec := plain("a")
			must(t, j.Commit(rec))
			must(t, j.Close()) // all is in the database

			j = open(t, dir)
			for range 50 {
				rec.Attempt++
				must(t, j.Commit(rec))
			}

			fill(t, filepath.Join(dir, "filler"))

			refused := 0

			for range 300 {
				rec.Attempt++

				err := j.Commit(rec)
				if errors.Is(err, job.ErrDisk) {
					refused++
					err = j.Commit(rec) // which the pool does, too
				}

				must(t, err)
			}

			if refused == 0 {
				t.Error("the disk was not full")
			}

			if e, err := j.Get(rec.ID); err != nil || e.Attempt != rec.Attempt {
				t.Errorf("attempt %d, %v; want %d", e.Attempt, err, rec.Attempt)
			}
		})
	}
}

// commitUntilFull commits jobs until the disk refuses one, and returns those
// that it took.
func commitUntilFull(t *testing.T, j *journal.Journal) []job.ID {
	t.Helper()

	for told := []job.ID{}; ; {
		rec := plain(strings.Repeat("a", 200))

		err := j.Commit(rec)
		if errors.Is(err, job.ErrDisk) {
			return told
		}

		must(t, err)

		told = append(told, rec.ID)
	}
}

// small returns a directory on a file system of 12 MiB.
func small(t *testing.T, kind string) string {
	t.Helper()

	if kind == "tmpfs" {
		return mount(t, "none", kind, 0, "size=12m")
	}

	image := filepath.Join(t.TempDir(), "image")
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Truncate(image, 12<<20))

	if out, err := exec.CommandContext(t.Context(), "mkfs."+kind, "-q", image).CombinedOutput(); err != nil {
		t.Skipf("cannot make %s: %v: %s", kind, err, out)
	}

	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-o", "loop", image, dir).CombinedOutput(); err != nil {
		t.Skipf("cannot mount %s: %v: %s", kind, err, out)
	}

	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})

	return dir
}

func TestReadOnlyFileSystem(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	path := filled(t, dir)
	view := filepath.Join(readOnly(t, dir), filepath.Base(path))

	read := func(want int, when string) {
		t.Helper()

		r, err := journal.OpenReadOnly(view)
		if err != nil {
			t.Errorf("%s: %v", when, err)

			return
		}

		defer func() { must(t, r.Close()) }()

		if list, err := r.List(journal.Query{}); err != nil || len(list) != want {
			t.Errorf("%s: %d jobs, %v; want %d", when, len(list), err, want)
		}
	}

	read(501, "after a clean stop")

	o := options(filepath.Dir(view))
	if _, err := journal.Open(o); !errors.Is(err, job.ErrDisk) {
		t.Errorf("got %v, want job.ErrDisk", err)
	}

	j := open(t, dir)
	read(501, "beside a daemon that has written nothing")
	must(t, j.Commit(plain("new")))
	read(502, "beside a daemon")
}

func TestMissingDirectory(t *testing.T) {
	t.Parallel()

	o := options(filepath.Join(t.TempDir(), "none"))
	if _, err := journal.Open(o); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}

	if _, err := journal.OpenReadOnly(o.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}

func TestReaderBesideTheDaemon(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	j := open(t, dir)
	must(t, j.Commit(plain("a")))

	r, err := journal.OpenReadOnly(filepath.Join(dir, "journal.db"))
	must(t, err)

	rec := ended(plain("b"), job.Done)
	must(t, j.Commit(rec))

	if e, err := r.Get(rec.ID); err != nil || e.State != job.Done {
		t.Errorf("got %q, %v", e.State, err)
	}

	if tally, err := r.Tally(); err != nil || tally[job.Done] != 1 || tally[job.Processing] != 1 {
		t.Errorf("tally is %v, %v", tally, err)
	}

	must(t, r.Close())
}

// TestSqlite3CanReadIt asks the tool that people will use.
func TestSqlite3CanReadIt(t *testing.T) {
	t.Parallel()

	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip("sqlite3 is missing")
	}

	dir := t.TempDir()
	j := open(t, dir)
	rec := ended(plain("orders\xff.csv"), job.Failed)
	rec.FinishedAt = time.Unix(1_700_000_000, 250_000_000)
	b := plain("b")
	rec.Cursor, b.Origin = 7, job.Triggered
	must(t, j.Commit(rec, b))
	must(t, j.Wish(job.WishPause, b.ID))

	ask := func(query, want string) {
		t.Helper()

		out, err := exec.CommandContext(t.Context(), "sqlite3", filepath.Join(dir, "journal.db"), query).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s: got %q, %v; want %q", query, out, err, want)
		}
	}

	ask("SELECT name, state, finished, origin, cursor FROM jobs WHERE id = '"+rec.ID.String()+"'",
		"orders\xff.csv|failed|2023-11-14T22:13:20.250Z||7")
	ask("SELECT name, state, origin, cursor FROM jobs WHERE id = '"+b.ID.String()+"'", "b|paused|trigger|")
	ask("SELECT count(*) FROM job WHERE open", "1")
	ask("SELECT state, jobs FROM tally", "failed|1")
	ask("PRAGMA integrity_check", "ok")

	must(t, j.Commit(plain("c"))) // it goes on
}

// TestLogIsBounded has the -wal folded again and again.
func TestLogIsBounded(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	j := open(t, dir)

	for range 20 {
		for range 300 {
			must(t, j.Note(plain("a")))
		}

		grow(t, j, 3000)
	}

	info, err := os.Stat(filepath.Join(dir, "journal.db-wal"))
	must(t, err)

	if info.Size() > 20<<20 {
		t.Errorf("the -wal has %d bytes", info.Size())
	}
}

// TestSomebodyElseWrites has rows changed by hand while the journal is open, against our
// advice: what it records next must not fail for it, now or later.
func TestSomebodyElseWrites(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	j, db := open(t, dir), raw(t, dir)
	rec := plain("a")

	for range 3 {
		must(t, j.Note(rec))

		_, err := db.Exec("UPDATE job SET checkpoint = 'by hand'")
		must(t, err)

		other := plain("b")
		must(t, j.Commit(other))

		for id, want := range map[job.ID]string{rec.ID: "by hand", other.ID: ""} {
			if e, err := j.Get(id); err != nil || e.Checkpoint != want {
				t.Errorf("checkpoint %q, %v", e.Checkpoint, err)
			}
		}
	}
}
