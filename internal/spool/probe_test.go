package spool_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
	"importerd/internal/spool"
)

// oddNames are names that a directory may hold and programs stumble over.
func oddNames() []string {
	return []string{
		"a.csv", "with space", "-rf", "--", "new\nline.csv", "bell\a", "bad\xff\xfe.csv", "..csv", "...", "*", "{}",
		"\u202etxt.exe", "a\\b", strings.Repeat("x", 255), strings.Repeat("é", 127), "x." + strings.Repeat("y", 253),
	}
}

func TestOddNamesGoAllTheWay(t *testing.T) {
	t.Parallel()

	s := open(t)

	for _, name := range oddNames() {
		drop(t, s, job.InboxFolder, name, name)

		f, err := settled(t, s, job.InboxFolder, name)
		if err != nil || f.Name != name || f.Size != int64(len(name)) {
			t.Errorf("probe %q: %+v, %v", name, f, err)
		}

		if _, err := s.Claim(f); err != nil {
			t.Errorf("claim %q: %v", name, err)
		}

		for _, to := range []job.Folder{job.DoneFolder, job.ProcessingFolder, job.FailedFolder} {
			from := job.ProcessingFolder
			if to == job.ProcessingFolder {
				from = job.DoneFolder
			}

			got, err := s.Move(job.Move{From: from, File: name, To: to, Name: name, ID: job.NewID()})
			if err != nil || got != name {
				t.Errorf("move %q to %s: %q, %v", name, to, got, err)
			}
		}

		holds(t, s.Path(job.FailedFolder, name), name)
	}
}

func TestNamesThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()

	s := open(t)
	write(t, filepath.Join(s.Dir(), "secret"), "secret")

	for _, name := range []string{"", ".", "..", "../secret", "a/b", "nul\x00"} {
		f := job.File{Name: name}
		_, probe := s.Probe(job.InboxFolder, name)
		_, stat := s.Stat(job.InboxFolder, name)
		_, claim := s.Claim(f)
		_, from := s.Move(job.Move{From: job.InboxFolder, File: name, To: job.DoneFolder, Name: "a", ID: job.NewID()})
		_, to := s.Move(job.Move{From: job.InboxFolder, File: "a", To: job.DoneFolder, Name: name, ID: job.NewID()})
		_, aside := s.SetAside(name)
		_, publish := s.PublishResults(job.NewID(), name)

		for i, err := range []error{
			probe, stat, claim, from, to, aside, publish, s.Flush(job.InboxFolder, f), s.DropMarker(name),
			s.WriteNote(name, nil), s.Remove(job.ErrorsFolder, name),
		} {
			if !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%q in call %d: %v, want a refusal", name, i, err)
			}
		}
	}

	holds(t, filepath.Join(s.Dir(), "secret"), "secret")

	if _, err := s.Probe(job.InboxFolder, strings.Repeat("x", 256)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a name of 256 bytes: %v, want that it is not there", err)
	}
}

func TestProbeTellsWhatIsThere(t *testing.T) {
	t.Parallel()

	s := open(t)
	drop(t, s, job.InboxFolder, "a.csv", "12345")

	f, err := settled(t, s, job.InboxFolder, "a.csv")
	check(t, err)

	info, err := os.Stat(s.Path(job.InboxFolder, "a.csv"))
	check(t, err)

	if !f.Mtime.Equal(info.ModTime()) || f.Size != 5 || f.Mode != 0o600 || int(f.UID) != os.Geteuid() ||
		f.Ctime.IsZero() || f.Dev == 0 || f.Ino == 0 {
		t.Errorf("probe: %+v", f)
	}

	if g, err := s.Stat(job.InboxFolder, "a.csv"); err != nil || g != f {
		t.Errorf("stat: %+v, %v; want as probe: %+v", g, err, f)
	}
}

func TestProbeNeverBlocksOnWhatIsNoFile(t *testing.T) {
	t.Parallel()

	s := open(t)
	in := func(name string) string { return s.Path(job.InboxFolder, name) }

	check(t, os.Mkdir(in("dir"), 0o700))
	check(t, os.Symlink("/etc/passwd", in("link")))
	check(t, os.Symlink("nowhere", in("dangling")))
	check(t, unix.Mkfifo(in("pipe"), 0o600))
	listen(t, in("socket"))

	names := []string{"dir", "link", "dangling", "pipe", "socket"}

	if unix.Mknod(in("device"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5))) == nil {
		names = append(names, "device")
	}

	for _, name := range names {
		f, err := s.Probe(job.InboxFolder, name)
		if !errors.Is(err, job.ErrNotRegular) || f.Ino == 0 {
			t.Errorf("probe %s: %+v, %v", name, f, err)
		}

		if _, err := s.Stat(job.InboxFolder, name); !errors.Is(err, job.ErrNotRegular) {
			t.Errorf("stat %s: %v", name, err)
		}

		if _, err := s.Claim(f); !errors.Is(err, job.ErrNotRegular) {
			t.Errorf("claim %s: %v", name, err)
		}

		if err := s.Flush(job.InboxFolder, f); !errors.Is(err, job.ErrNotRegular) {
			t.Errorf("flush %s: %v", name, err)
		}

		if err := s.DropMarker(name); !errors.Is(err, job.ErrNotRegular) {
			t.Errorf("drop marker %s: %v", name, err)
		}

		if _, err := os.Lstat(in(name)); err != nil {
			t.Error(err)
		}
	}

	if _, err := s.Probe(job.InboxFolder, "nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("probe of nothing: %v", err)
	}
}

func TestProbeSeesEveryWriter(t *testing.T) {
	t.Parallel()
	seesWriters(t, open(t))
}

// seesWriters probes files that are open for writing in all ways.
func seesWriters(t *testing.T, s *spool.Spool) {
	t.Helper()

	if !s.LeaseWorks() {
		t.Skip("needs a file system with leases")
	}

	writer := func(t *testing.T, name string, flags int) *os.File {
		t.Helper()

		w, err := os.OpenFile(s.Path(job.InboxFolder, name), flags, 0)
		check(t, err)

		return w
	}

	for name, begin := range map[string]func(t *testing.T, name string) (end func() error){
		"open": func(t *testing.T, name string) func() error {
			t.Helper()

			return writer(t, name, os.O_WRONLY).Close
		},
		"open to read and write": func(t *testing.T, name string) func() error {
			t.Helper()

			return writer(t, name, os.O_RDWR).Close
		},
		"duplicate": func(t *testing.T, name string) func() error {
			t.Helper()

			w := writer(t, name, os.O_WRONLY)
			dup, err := unix.FcntlInt(w.Fd(), unix.F_DUPFD_CLOEXEC, 0)
			check(t, err)
			check(t, w.Close())

			return func() error { return unix.Close(dup) }
		},
		"mapped": func(t *testing.T, name string) func() error {
			t.Helper()

			w := writer(t, name, os.O_RDWR)
			mem, err := unix.Mmap(int(w.Fd()), 0, 3, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			check(t, err)
			check(t, w.Close())

			return func() error { return unix.Munmap(mem) }
		},
		"through another hard link": func(t *testing.T, name string) func() error {
			t.Helper()

			other := s.Path(job.OwnFolder, name)
			check(t, os.Link(s.Path(job.InboxFolder, name), other))

			w, err := os.OpenFile(other, os.O_WRONLY, 0)
			check(t, err)

			return w.Close
		},
	} {
		drop(t, s, job.InboxFolder, name, "one")

		end := begin(t, name)

		f, err := s.Probe(job.InboxFolder, name)
		if !errors.Is(err, job.ErrOpen) || f.Size != 3 {
			t.Errorf("%s: %+v, %v; want that it is open for writing", name, f, err)
		}

		check(t, end())

		if _, err := settled(t, s, job.InboxFolder, name); err != nil {
			t.Errorf("%s, ended: %v", name, err)
		}
	}
}

func TestProbeLetsReadersAndWritersBe(t *testing.T) {
	t.Parallel()

	s := open(t)
	f := dropped(t, s, "a.csv", "one")

	r, err := os.Open(s.Path(job.InboxFolder, "a.csv"))
	check(t, err)

	defer r.Close()

	if _, err := settled(t, s, job.InboxFolder, "a.csv"); err != nil {
		t.Errorf("while somebody reads: %v", err)
	}

	// A lease that were still held would make this fail.
	w, err := unix.Open(s.Path(job.InboxFolder, "a.csv"), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	check(t, err)
	check(t, unix.Close(w))

	if g, err := s.Stat(job.InboxFolder, "a.csv"); err != nil || !g.Quiet(f) {
		t.Errorf("probing has changed %+v into %+v, %v", f, g, err)
	}
}

func TestProbeWithoutLeases(t *testing.T) {
	t.Parallel()

	s := open(t)
	f := dropped(t, s, "a.csv", "one")
	s.RefuseLeases()

	if g, err := s.Probe(job.InboxFolder, "a.csv"); !errors.Is(err, job.ErrNoLease) || !g.Quiet(f) {
		t.Errorf("probe: %+v, %v; want that there is no lease, and %+v", g, err, f)
	}
}

func TestProbeAsAnotherUser(t *testing.T) {
	t.Parallel()
	needRoot(t)

	dir := public(t)
	s := openAt(t, dir)
	check(t, os.Chmod(s.Path(job.InboxFolder, ""), 0o777))

	drop(t, s, job.InboxFolder, "readable", "one")
	check(t, os.Chmod(s.Path(job.InboxFolder, "readable"), 0o644))
	drop(t, s, job.InboxFolder, "private", "one")

	asUser(t, someone, func() {
		if f, err := s.Probe(job.InboxFolder, "readable"); !errors.Is(err, job.ErrNoLease) || f.Size != 3 {
			t.Errorf("another user's file: %+v, %v; want that there is no lease", f, err)
		}

		f, err := s.Probe(job.InboxFolder, "private")
		if !errors.Is(err, job.ErrUnreadable) || f.Size != 3 {
			t.Errorf("another user's private file: %+v, %v; want that it is unreadable", f, err)
		}

		if text := err.Error(); !strings.Contains(text, "0600") || !strings.Contains(text, "root") {
			t.Errorf("%q does not tell mode and owner", text)
		}

		if err := s.Flush(job.InboxFolder, f); !errors.Is(err, job.ErrUnreadable) {
			t.Errorf("flush: %v, want that it is unreadable", err)
		}
	})
}

// A producer that replaces a file by a pipe again and again must not make a
// probe hang or a claim take the pipe for a file.
func TestProbeAndClaimWhileNamesAreSwapped(t *testing.T) {
	t.Parallel()

	const rounds = 100

	s := open(t)
	stop := make(chan struct{})
	stopped := make(chan struct{})

	go func() {
		defer close(stopped)
		swap(s, stop)
	}()

	deadline := time.Now().Add(time.Minute)
	claimed := 0

	for claimed < rounds && time.Now().Before(deadline) {
		f, err := s.Probe(job.InboxFolder, "x")
		if err != nil {
			continue
		}

		got, err := s.Claim(f)

		switch {
		case err == nil && !got.Same(f):
			t.Fatalf("claimed %+v without a word, wanted %+v", got, f)
		case err == nil || errors.Is(err, job.ErrOther):
			claimed++

			now, serr := s.Stat(job.ProcessingFolder, "x")
			if serr != nil || now != got {
				t.Fatalf("processing/ has %+v, %v; want %+v", now, serr, got)
			}

			check(t, os.Remove(s.Path(job.ProcessingFolder, "x")))
		default:
			if _, serr := os.Lstat(s.Path(job.ProcessingFolder, "x")); serr == nil {
				t.Fatalf("claim says %v, but something is in processing/", err)
			}
		}
	}

	close(stop)
	<-stopped
}

// swap puts files, pipes and links in each other's place as x in the inbox.
func swap(s *spool.Spool, stop <-chan struct{}) {
	next, name := s.Path(job.OwnFolder, "next"), s.Path(job.InboxFolder, "x")

	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}

		switch i % 4 {
		case 0, 1:
			_ = os.WriteFile(next, []byte{byte(i)}, 0o600)
		case 2:
			_ = unix.Mkfifo(next, 0o600)
		case 3:
			_ = os.Symlink("/etc/passwd", next)
		}

		_ = os.Rename(next, name)
	}
}
