package spool_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
	"importerd/internal/spool"
)

// draft receives a file of the text.
func draft(t *testing.T, s *spool.Spool, text string) *spool.Draft {
	t.Helper()

	d, err := s.NewDraft(t.Context(), strings.NewReader(text))
	check(t, err)

	t.Cleanup(func() { check(t, d.Close()) })

	return d
}

// received are the names that the spool keeps for what it is receiving.
func received(t *testing.T, s *spool.Spool) []string {
	t.Helper()

	var hidden []string

	for _, name := range list(t, s.Path(job.OwnFolder, "work")) {
		if job.Temporary(name) {
			hidden = append(hidden, name)
		}
	}

	return hidden
}

// nothing fails the test unless nothing of what was received is there.
func nothing(t *testing.T, s *spool.Spool) {
	t.Helper()
	empty(t, s, job.DeferredFolder)

	if names := received(t, s); len(names) > 0 {
		t.Errorf("work/ holds %q", names)
	}
}

// drafts goes through the life of received files on a file system of any kind.
func drafts(t *testing.T, s *spool.Spool) {
	t.Helper()

	d := draft(t, s, "one")
	empty(t, s, job.DeferredFolder)

	if d.Size() != 3 || d.File().Size != 3 || d.File().Ino == 0 || d.File().Mtime.IsZero() || d.File().Name != "" {
		t.Errorf("it is %+v", d.File())
	}

	id := job.NewID()

	name, err := d.Appear("a.csv", id)
	if err != nil || name != "a.csv" {
		t.Fatalf("appear: %q, %v", name, err)
	}

	holds(t, s.Path(job.DeferredFolder, "a.csv"), "one")
	check(t, s.Sync(job.DeferredFolder))

	// It can be handled at once, whenever Close may come.
	f, err := settled(t, s, job.DeferredFolder, "a.csv")
	if err != nil || !f.Untouched(d.File()) {
		t.Errorf("probe: %+v, %v; want %+v", f, err, d.File())
	}

	if _, err := d.Appear("b.csv", id); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("appear again: %v", err)
	}

	check(t, d.Close())
	check(t, d.Close())
	holds(t, s.Path(job.DeferredFolder, "a.csv"), "one")

	taken(t, s)

	if names := received(t, s); len(names) > 0 {
		t.Errorf("work/ holds %q", names)
	}
}

// taken is the part of drafts in which a.csv is taken.
func taken(t *testing.T, s *spool.Spool) {
	t.Helper()

	id := job.NewID()
	other := job.WithID("a.csv", id)

	name, err := draft(t, s, "two").Appear("a.csv", id)
	if err != nil || name != other {
		t.Errorf("appear: %q, %v; want %q", name, err, other)
	}

	three := draft(t, s, "three")
	if _, err := three.Appear("a.csv", id); !errors.Is(err, fs.ErrExist) {
		t.Errorf("appear: %v, want that both names are taken", err)
	}

	check(t, three.Close())
	holds(t, s.Path(job.DeferredFolder, "a.csv"), "one")
	holds(t, s.Path(job.DeferredFolder, other), "two")

	if names := list(t, s.Path(job.DeferredFolder, "")); len(names) != 2 {
		t.Errorf("deferred/ holds %q", names)
	}
}

func TestDraft(t *testing.T) {
	t.Parallel()

	s := open(t)
	inbox := s.Path(job.InboxFolder, "")

	if os.Geteuid() == 0 {
		check(t, os.Chown(inbox, someone, someone))
	}

	drafts(t, s)

	var stat unix.Stat_t

	check(t, unix.Stat(s.Path(job.DeferredFolder, "a.csv"), &stat))

	if stat.Mode&0o7777 != 0o640 || stat.Nlink != 1 || os.Geteuid() == 0 && (stat.Uid != someone || stat.Gid != someone) {
		t.Errorf("it has mode %o, %d links, owner %d:%d", stat.Mode, stat.Nlink, stat.Uid, stat.Gid)
	}
}

func TestDraftThatIsEmpty(t *testing.T) {
	t.Parallel()

	s := open(t)

	_, err := draft(t, s, "").Appear("a.csv", job.NewID())
	check(t, err)
	holds(t, s.Path(job.DeferredFolder, "a.csv"), "")
}

func TestDraftBadName(t *testing.T) {
	t.Parallel()

	s := open(t)
	d := draft(t, s, "one")

	for _, name := range []string{"", ".", "..", "a/b"} {
		if _, err := d.Appear(name, job.NewID()); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("appear as %q: %v", name, err)
		}
	}

	s.AllowNames(143)

	id, long := job.NewID(), strings.Repeat("n", 256)

	name, err := d.Appear(long, id)
	if err != nil || name != s.WithID(long, id) {
		t.Errorf("appear under a name that is too long: %q, %v", name, err)
	}
}

// What the reader says is passed on as it is, whatever a disk would mean by it.
func TestDraftThatIsTorn(t *testing.T) {
	t.Parallel()

	s := open(t)

	part := io.MultiReader(strings.NewReader("half"), torn{func() { nothing(t, s) }})

	d, err := s.NewDraft(t.Context(), part)
	if d != nil || !errors.Is(err, errTorn) || errors.Is(err, job.ErrDisk) {
		t.Errorf("draft: %v, want what the reader said", err)
	}

	d, err = s.NewDraft(t.Context(), silent{})
	if d != nil || !errors.Is(err, unix.ETIMEDOUT) || errors.Is(err, job.ErrDisk) {
		t.Errorf("draft: %v, want what the network said", err)
	}

	nothing(t, s)
}

// silent is a peer of whom nothing is heard any more.
type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, unix.ETIMEDOUT }

// endless is a reader without an end.
type endless struct{ do func() }

func (r endless) Read(buf []byte) (int, error) {
	r.do()

	return len(buf), nil
}

func TestDraftThatIsCancelled(t *testing.T) {
	t.Parallel()

	s := open(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	reads := 0

	_, err := s.NewDraft(ctx, endless{func() {
		if reads++; reads == 3 {
			cancel(errTorn)
		}
	}})
	if !errors.Is(err, errTorn) || errors.Is(err, job.ErrDisk) || reads != 3 {
		t.Errorf("draft: %v after %d reads", err, reads)
	}

	nothing(t, s)
}

func TestDraftAfterClose(t *testing.T) {
	t.Parallel()

	s := open(t)
	d := draft(t, s, "one")
	shut(t, s)

	if _, err := d.Appear("a.csv", job.NewID()); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("appear: %v", err)
	}

	if _, err := s.NewDraft(t.Context(), strings.NewReader("two")); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("draft: %v", err)
	}
}

// An upload that does not fit goes away and gives back what it took. The reserve
// is for the outcomes of what runs, not for it.
func TestDraftOnAFullDisk(t *testing.T) {
	t.Parallel()

	kinds := map[string]func(t *testing.T) string{
		"tmpfs": func(t *testing.T) string {
			t.Helper()

			dir := t.TempDir()
			mount(t, dir, "tmpfs", 0, "size=8m")

			return dir
		},
		"ext4": func(t *testing.T) string {
			t.Helper()

			return image(t, "ext4", 16<<20)
		},
	}

	for kind, disk := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			inNamespace(t, func() { overfills(t, openAt(t, disk(t))) })
		})
	}
}

func overfills(t *testing.T, s *spool.Spool) {
	t.Helper()

	defer shut(t, s)

	check(t, s.FillReserve())

	before := free(t, s.Dir())

	_, err := s.NewDraft(t.Context(), io.LimitReader(endless{func() {}}, before+1<<20))
	if !errors.Is(err, job.ErrDisk) {
		t.Errorf("draft: %v, want that the disk refuses", err)
	}

	nothing(t, s)

	info, err := os.Stat(s.Path(job.OwnFolder, "reserve"))
	if err != nil || info.Size() != 4<<20 {
		t.Errorf("the reserve: %v, %v", info, err)
	}

	// It is room for one that fits.
	_, err = draft(t, s, strings.Repeat("x", int(before/2))).Appear("a.csv", job.NewID())
	check(t, err)
}

// free is how many bytes of a file system are free.
func free(t *testing.T, dir string) int64 {
	t.Helper()

	var stat unix.Statfs_t

	check(t, unix.Statfs(dir, &stat))

	return int64(stat.Bavail) * stat.Bsize
}

// Without /proc a file that has no name cannot get one, so it has a hidden one
// in work/ from the start, as on file systems that know no such files.
func TestDraftWhereFilesNeedAName(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()

	inNamespace(t, func() {
		mount(t, "/proc", "tmpfs", 0, "")

		s := openAt(t, dir)
		defer shut(t, s)

		look := torn{func() {
			if len(received(t, s)) != 1 {
				t.Errorf("work/ holds %q, want a hidden file", received(t, s))
			}
		}}

		if _, err := s.NewDraft(t.Context(), look); !errors.Is(err, errTorn) {
			t.Errorf("draft: %v, want what the reader said", err)
		}

		nothing(t, s)
		drafts(t, s)
	})
}

// A daemon that is killed while it receives a file under a hidden name leaves it.
func TestOpenClearsDrafts(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	shut(t, openAt(t, dir))

	work := filepath.Join(dir, ".importerd", "work")
	write(t, filepath.Join(work, ".put-"+job.NewID().String()+".tmp"), "half")
	write(t, filepath.Join(work, "other.tmp"), "none of ours")

	s := openAt(t, dir)
	if names := received(t, s); len(names) != 1 || names[0] != "other.tmp" {
		t.Errorf("work/ holds %q", names)
	}
}
