package spool_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
	"importerd/internal/spool"
)

// image makes a file system of the kind and size in bytes in a file and mounts it
// in the namespace of this thread. It returns the directory. xfs wants 300 MB.
func image(t *testing.T, kind string, size int64) string {
	t.Helper()

	return mountImage(t, makeImage(t, kind, size))
}

// makeImage makes a file system in a file.
func makeImage(t *testing.T, kind string, size int64) string {
	t.Helper()
	need(t, "mkfs."+kind)

	file := filepath.Join(t.TempDir(), "image")
	write(t, file, "")
	check(t, os.Truncate(file, size))

	if out, err := exec.CommandContext(t.Context(), "mkfs."+kind, file).CombinedOutput(); err != nil {
		t.Skipf("needs mkfs.%s that works: %v: %s", kind, err, out)
	}

	return file
}

// mountImage mounts a file system in a file.
func mountImage(t *testing.T, file string) string {
	t.Helper()
	need(t, "mount")

	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-o", "loop", file, dir).CombinedOutput(); err != nil {
		t.Skipf("needs to mount a file system in a file: %v: %s", err, out)
	}

	return dir
}

// Everything that matters works alike on all file systems that people use.
func TestFileSystems(t *testing.T) {
	t.Parallel()

	for _, kind := range []string{"ext4", "xfs", "btrfs"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			inNamespace(t, func() { works(t, image(t, kind, 400<<20)) })
		})
	}

	t.Run("tmpfs", func(t *testing.T) {
		t.Parallel()

		dir := t.TempDir()

		inNamespace(t, func() {
			mount(t, dir, "tmpfs", 0, "")
			works(t, dir)
		})
	})

	t.Run("overlay", func(t *testing.T) {
		t.Parallel()

		base := t.TempDir()

		inNamespace(t, func() {
			mount(t, base, "tmpfs", 0, "")

			for _, name := range []string{"lower", "upper", "work", "all"} {
				check(t, os.Mkdir(filepath.Join(base, name), 0o700))
			}

			dir := filepath.Join(base, "all")
			mount(t, dir, "overlay", 0,
				"lowerdir="+base+"/lower,upperdir="+base+"/upper,workdir="+base+"/work")

			s, err := spool.Open(dir, spool.Options{})
			check(t, err)

			defer shut(t, s)

			if all := strings.Join(s.Warnings(), "\n"); !strings.Contains(all, "overlayfs") {
				t.Errorf("no warning of overlayfs in %q", all)
			}

			passes(t, s)
			drafts(t, s)
		})
	})
}

func works(t *testing.T, dir string) {
	t.Helper()

	s, err := spool.Open(dir, spool.Options{})
	check(t, err)

	defer shut(t, s)

	if !s.LeaseWorks() {
		t.Error("leases do not work")
	}

	seesWriters(t, s)
	passes(t, s)
	drafts(t, s)
}

// passes takes a file through all folders, with everything that a job has.
func passes(t *testing.T, s *spool.Spool) {
	t.Helper()

	for range 2 { // the second time the names are taken
		id := job.NewID()

		_, err := spool.Put(s.Path(job.InboxFolder, ""), spool.PutOptions{Name: "a.csv"}, strings.NewReader("one"))
		check(t, err)

		f, err := settled(t, s, job.InboxFolder, "a.csv")
		check(t, err)
		check(t, s.Flush(job.InboxFolder, f))

		got, err := s.Claim(f)
		check(t, err)

		if !got.Untouched(f) {
			t.Errorf("the rename has changed %+v into %+v", f, got)
		}

		if _, err := s.Claim(f); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("claim again: %v", err)
		}

		dir, err := s.MakeResults(id)
		check(t, err)
		write(t, filepath.Join(dir, "result"), "two")
		check(t, s.FlushResults(id))

		name, err := s.PublishResults(id, "a.csv")
		check(t, err)
		holds(t, s.Path(job.ResultsFolder, name+"/result"), "two")

		name, err = s.Move(job.Move{
			From: job.ProcessingFolder, File: "a.csv", To: job.DoneFolder, Name: "a.csv", ID: id,
		})
		check(t, err)
		check(t, s.Sync(job.ProcessingFolder, job.DoneFolder, job.ResultsFolder))
		check(t, s.WriteNote("a.csv", []byte("why")))
		holds(t, s.Path(job.DoneFolder, name), "one")
		check(t, s.CheckInbox())
	}

	empty(t, s, job.ProcessingFolder)

	if names := list(t, s.Path(job.DoneFolder, "")); len(names) != 2 {
		t.Errorf("done/ holds %q", names)
	}
}

// A full ext4 refuses a rename into a directory that would have to grow. The
// file must then be where it was.
func TestFullFileSystemLosesNothing(t *testing.T) {
	t.Parallel()

	inNamespace(t, func() {
		s := openAt(t, image(t, "ext4", 8<<20))
		defer shut(t, s)

		const files = 200

		names := make([]string, files)
		for i := range names {
			names[i] = strings.Repeat("n", 240) + string(rune('A'+i/26)) + string(rune('a'+i%26))
			drop(t, s, job.ProcessingFolder, names[i], names[i])
		}

		fill(t, s.Path(job.OwnFolder, "fill"))

		refused := 0

		for _, name := range names {
			_, err := s.Move(job.Move{
				From: job.ProcessingFolder, File: name, To: job.DoneFolder, Name: name, ID: job.NewID(),
			})
			in := job.DoneFolder

			switch {
			case errors.Is(err, job.ErrDisk):
				in = job.ProcessingFolder
				refused++
			case err != nil:
				t.Errorf("move: %v", err)
			}

			holds(t, s.Path(in, name), name)
		}

		if refused == 0 {
			t.Error("no rename was refused, so this proves nothing")
		}
	})
}

// fill writes until nothing more fits.
func fill(t *testing.T, path string) {
	t.Helper()

	f, err := os.Create(path)
	check(t, err)

	defer f.Close()

	for _, piece := range []int{1 << 20, 4096, 1} {
		for {
			if _, err := f.Write(make([]byte, piece)); err != nil {
				if !errors.Is(err, unix.ENOSPC) {
					t.Fatal(err)
				}

				break
			}

			if err := f.Sync(); err != nil { // the blocks are really taken
				break
			}
		}
	}
}
