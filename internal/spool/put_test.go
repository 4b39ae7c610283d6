package spool_test

import (
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

func TestPut(t *testing.T) {
	t.Parallel()

	inbox := t.TempDir()

	if os.Geteuid() == 0 {
		check(t, os.Chown(inbox, someone, someone))
	}

	path, err := spool.Put(inbox, spool.PutOptions{Name: "a.csv"}, strings.NewReader("one"))
	if err != nil || path != filepath.Join(inbox, "a.csv") {
		t.Fatalf("put: %q, %v", path, err)
	}

	holds(t, path, "one")

	var stat unix.Stat_t

	check(t, unix.Stat(path, &stat))

	if stat.Mode&0o7777 != 0o660 || stat.Nlink != 1 || os.Geteuid() == 0 && (stat.Uid != someone || stat.Gid != someone) {
		t.Errorf("it has mode %o, %d links, owner %d:%d", stat.Mode, stat.Nlink, stat.Uid, stat.Gid)
	}

	_, err = spool.Put(inbox, spool.PutOptions{Name: "a.csv"}, strings.NewReader("two"))
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("put again: %v, want that the name is taken", err)
	}

	holds(t, path, "one")

	if names := list(t, inbox); len(names) != 1 {
		t.Errorf("the inbox holds %q", names)
	}
}

func TestPutRefusesNames(t *testing.T) {
	t.Parallel()

	inbox := t.TempDir()

	for _, name := range []string{
		"", ".", "..", "../x", "a/b", ".hidden", "a.part", "new\nline", strings.Repeat("x", 256),
	} {
		if _, err := spool.Put(inbox, spool.PutOptions{Name: name}, strings.NewReader("one")); err == nil {
			t.Errorf("%q was put", name)
		}
	}

	if names := list(t, inbox); len(names) > 0 {
		t.Errorf("the inbox holds %q", names)
	}

	_, err := spool.Put(filepath.Join(inbox, "nowhere"), spool.PutOptions{Name: "a"}, strings.NewReader("one"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("put nowhere: %v", err)
	}
}

// torn is a reader that calls do, then fails.
type torn struct{ do func() }

var errTorn = errors.New("torn")

func (r torn) Read([]byte) (int, error) {
	r.do()

	return 0, errTorn
}

func TestPutLeavesNothingBehind(t *testing.T) {
	t.Parallel()

	inbox := t.TempDir()
	part := io.MultiReader(strings.NewReader("half"), torn{func() {
		if names := list(t, inbox); len(names) > 0 && !job.Temporary(names[0]) {
			t.Errorf("half of it is seen as %q", names)
		}
	}})

	if _, err := spool.Put(inbox, spool.PutOptions{Name: "a.csv"}, part); !errors.Is(err, errTorn) {
		t.Errorf("put: %v, want what the reader said", err)
	}

	// Somebody else takes the name while it is copied.
	late := io.MultiReader(strings.NewReader("half"), eof{func() { write(t, filepath.Join(inbox, "a.csv"), "other") }})
	if _, err := spool.Put(inbox, spool.PutOptions{Name: "a.csv"}, late); !errors.Is(err, fs.ErrExist) {
		t.Errorf("put: %v, want that the name is taken", err)
	}

	holds(t, filepath.Join(inbox, "a.csv"), "other")

	if names := list(t, inbox); len(names) != 1 {
		t.Errorf("the inbox holds %q", names)
	}
}

// eof is a reader that calls do, then ends.
type eof struct{ do func() }

func (r eof) Read([]byte) (int, error) {
	r.do()

	return 0, io.EOF
}

func TestPutOnAFullDisk(t *testing.T) {
	t.Parallel()

	inbox := t.TempDir()

	inNamespace(t, func() {
		mount(t, inbox, "tmpfs", 0, "size=64k")

		_, err := spool.Put(inbox, spool.PutOptions{Name: "a.csv"}, strings.NewReader(strings.Repeat("x", 1<<20)))
		if !errors.Is(err, job.ErrDisk) {
			t.Errorf("put: %v, want that the disk refuses", err)
		}

		if names := list(t, inbox); len(names) > 0 {
			t.Errorf("the inbox holds %q", names)
		}
	})
}

// Without /proc a file that has no name cannot get one, so it has a hidden one
// from the start, as on file systems that know no such files.
func TestPutWhereFilesNeedAName(t *testing.T) {
	t.Parallel()

	inbox := t.TempDir()

	inNamespace(t, func() {
		mount(t, "/proc", "tmpfs", 0, "")

		look := func() {
			if names := list(t, inbox); len(names) != 1 || !job.Temporary(names[0]) {
				t.Errorf("the inbox holds %q, want a hidden file", names)
			}
		}

		_, err := spool.Put(inbox, spool.PutOptions{Name: "b.csv"}, torn{look})
		if !errors.Is(err, errTorn) {
			t.Errorf("put: %v, want what the reader said", err)
		}

		late := io.MultiReader(eof{look}, eof{func() { write(t, filepath.Join(inbox, "b.csv"), "other") }})
		if _, err := spool.Put(inbox, spool.PutOptions{Name: "b.csv"}, late); !errors.Is(err, fs.ErrExist) {
			t.Errorf("put: %v, want that the name is taken", err)
		}

		_, err = spool.Put(inbox, spool.PutOptions{Name: "a.csv"}, strings.NewReader("one"))
		check(t, err)
		holds(t, filepath.Join(inbox, "a.csv"), "one")
		holds(t, filepath.Join(inbox, "b.csv"), "other")

		if names := list(t, inbox); len(names) != 2 {
			t.Errorf("the inbox holds %q", names)
		}
	})
}

// A producer may be allowed to add files and not to list them.
func TestPutAsProducerWhoMayNotList(t *testing.T) {
	t.Parallel()
	needRoot(t)

	inbox := filepath.Join(public(t), "inbox")
	check(t, os.Mkdir(inbox, 0o700))
	check(t, os.Chmod(inbox, os.ModeSticky|0o733))

	asUser(t, someone, func() {
		if _, err := spool.Put(inbox, spool.PutOptions{Name: "a.csv"}, strings.NewReader("one")); err != nil {
			t.Errorf("put: %v", err)
		}
	})

	holds(t, filepath.Join(inbox, "a.csv"), "one")
}
