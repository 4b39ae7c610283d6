package watch

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// patient makes all quiet times so long that what is handed over was taken
// without any.
func patient(o *Options) { o.Settle, o.Linger = never, never }

func TestRenameIn(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly, patient).start().swept()
	r.drop("a.csv", "1")
	r.want("a.csv")
}

func TestHardLinkIn(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly, patient).start().swept()
	r.write(r.side("a.csv"), "1")
	must(t, os.Link(r.side("a.csv"), r.in("a.csv")))
	r.want("a.csv")
}

func TestRenameOverAWaitingName(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly, patient).start().swept()
	r.write(r.in("a.csv"), "")
	r.explained("a.csv", job.ReasonSettling)
	r.drop("a.csv", "whole")
	r.want("a.csv")
}

// That the old file of that name was being written says nothing of the new one.
func TestRenameOverABusyName(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly, patient).start().swept()
	f, err := os.Create(r.in("a.csv"))
	must(t, err)
	t.Cleanup(func() { f.Close() })
	r.explained("a.csv", job.ReasonOpen)
	r.until("busy file", func(c Counts) bool { return c.Reasons[job.ReasonOpen] == 1 })
	r.drop("a.csv", "whole")
	r.want("a.csv")
}

func TestBeforeTheStart(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly)
	r.drop("a.csv", "1")
	r.start().want("a.csv")
}

func TestOldFileBeforeTheStartIsTakenAtOnce(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly, patient)
	r.inbox.bend = func(f job.File, err error) (job.File, error) {
		f.Ctime = f.Ctime.Add(-time.Minute)

		return f, err
	}
	r.write(r.in("a.csv"), "1")
	r.start().want("a.csv")
}

// Without events only the sweeps find it.
func TestSweepFindsWhatNoEventTold(t *testing.T) {
	t.Parallel()

	r := newRig(t, func(o *Options) { o.newSource = newFake().make }).start().swept()
	r.drop("a.csv", "1")
	r.want("a.csv")
}

func TestSlowWriter(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly).start().swept()

	f, err := os.Create(r.in("a.csv"))
	must(t, err)

	for range 3 {
		_, err = f.WriteString("line\n")
		must(t, err)
		r.explained("a.csv", job.ReasonOpen)
	}

	r.until("open file", func(c Counts) bool { return c.Reasons[job.ReasonOpen] == 1 })
	must(t, f.Close())
	r.want("a.csv")
}

// The descriptor that wrote is closed, its copy is not.
func TestSecondDescriptor(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly).start().swept()
	f, err := os.Create(r.in("a.csv"))
	must(t, err)

	fd, err := unix.Dup(int(f.Fd()))
	must(t, err)

	_, err = f.WriteString("1")
	must(t, err)
	must(t, f.Close())
	r.explained("a.csv", job.ReasonOpen)
	must(t, unix.Close(fd))
	r.want("a.csv")
}

func TestMappedWriter(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly)
	r.skipOn(unix.OVERLAYFS_SUPER_MAGIC, "overlayfs does not tell of writers that have a file mapped")
	r.start().swept()

	f, err := os.Create(r.in("a.csv"))
	must(t, err)
	must(t, f.Truncate(4096))

	data, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must(t, err)
	must(t, f.Close())
	r.explained("a.csv", job.ReasonOpen)

	data[0] = 'x'

	must(t, unix.Munmap(data))
	r.want("a.csv")
}

// A file that is written in place waits after its end for those who set its
// times and mode by path.
func TestWrittenInPlaceLingers(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly, func(o *Options) { o.Linger = never }).start().swept()

	f, err := os.Create(r.in("a.csv"))
	must(t, err)
	r.until("busy file", func(c Counts) bool { return c.Reasons[job.ReasonOpen] == 1 })
	_, err = f.WriteString("1")
	must(t, err)
	must(t, f.Close())

	if until := r.explained("a.csv", job.ReasonSettling).Until; until < never/2 || until > never {
		t.Errorf("it is said to wait for %v, not for %v", until, never)
	}
}

func TestEmptyFile(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly, func(o *Options) { o.Linger = never }).start().swept()
	r.write(r.in("a.csv"), "")
	r.want("a.csv")
}

func TestEmptyFileSettles(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly, func(o *Options) { o.Settle = never }).start().swept()
	r.drop("a.csv", "")
	r.explained("a.csv", job.ReasonSettling)
}

func TestUnnamedThenLinked(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly, patient).start().swept()

	fd, err := unix.Open(r.path, unix.O_TMPFILE|unix.O_WRONLY, 0o644)
	if err != nil {
		t.Skipf("no unnamed files here: %v", err)
	}

	_, err = unix.Write(fd, []byte("1"))
	must(t, err)

	// Linked by a reading descriptor, after the writing one was closed.
	proc := "/proc/self/fd/" + strconv.Itoa(fd)
	reader, err := unix.Open(proc, unix.O_RDONLY, 0)
	must(t, err)
	must(t, unix.Close(fd))

	proc = "/proc/self/fd/" + strconv.Itoa(reader)
	must(t, unix.Linkat(unix.AT_FDCWD, proc, unix.AT_FDCWD, r.in("a.csv"), unix.AT_SYMLINK_FOLLOW))
	must(t, unix.Close(reader))
	r.want("a.csv")
}

// cp -p sets an old mtime: who believed it would take the file at once.
func TestCopyThatKeepsTimes(t *testing.T) {
	t.Parallel()

	for _, mode := range []Mode{ModeAuto, ModeSettle} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()

			cp, err := exec.LookPath("cp")
			if err != nil {
				t.Skip("cp is missing")
			}

			r := newRig(t, eventsOnly, func(o *Options) {
				o.Ready = mode
				if mode == ModeSettle {
					o.Settle = never
				}
			}).start().swept()

			r.write(r.side("a.csv"), "1")

			old := time.Now().Add(-24 * time.Hour)
			must(t, os.Chtimes(r.side("a.csv"), old, old))
			must(t, exec.CommandContext(t.Context(), cp, "-p", r.side("a.csv"), r.in("a.csv")).Run())

			if mode == ModeSettle {
				r.explained("a.csv", job.ReasonSettling)
			} else {
				r.want("a.csv")
			}
		})
	}
}

func TestNotRegular(t *testing.T) {
	t.Parallel()

	r := newRig(t)
	r.write(r.side("target.csv"), "1")
	must(t, os.Symlink(r.side("target.csv"), r.in("link.csv")))
	must(t, unix.Mkfifo(r.in("pipe.csv"), 0o644))
	must(t, os.Mkdir(r.in("dir.csv"), 0o755))

	short, err := os.MkdirTemp("", "s") // a socket's path must be short
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(short)) })

	var lc net.ListenConfig

	socket, err := lc.Listen(t.Context(), "unix", filepath.Join(short, "s"))
	must(t, err)
	t.Cleanup(func() { _ = socket.Close() })
	must(t, os.Rename(filepath.Join(short, "s"), r.in("socket.csv")))

	r.start()
	r.drop("a.csv", "1")
	r.want("a.csv")
	r.until("count of four", func(c Counts) bool {
		return c.Reasons[job.ReasonNotRegular] == 4 && c.Standing[job.Ignored] == 4
	})
	r.refuses("link.csv", "pipe.csv", "dir.csv", "socket.csv")

	for _, name := range []string{"link.csv", "pipe.csv", "dir.csv", "socket.csv"} {
		r.explained(name, job.ReasonNotRegular)
	}
}

func TestTemporaryNames(t *testing.T) {
	t.Parallel()

	names := []string{".a", "a.tmp", "a.part", "a.filepart", "a.crdownload", "a~"}

	r := newRig(t)
	for _, name := range names[:3] {
		r.write(r.in(name), "1")
	}

	r.start()

	for _, name := range names[3:] {
		r.drop(name, "1")
	}

	must(t, os.Rename(r.in("a.tmp"), r.in("a.csv")))
	r.want("a.csv")
	r.until("count", func(c Counts) bool { return c.Reasons[job.ReasonTemporary] == 5 })
	r.refuses(names...)
	r.explained(".a", job.ReasonTemporary)
}

func TestMatch(t *testing.T) {
	t.Parallel()

	r := newRig(t, func(o *Options) { o.Match = []string{"*.csv", "x-[0-9]*.{gz,zst}"} }).start()
	for _, name := range []string{"a.txt", "x-a.gz", "a.csv", "x-1.zst", "b\xff.csv"} {
		r.drop(name, "1")
	}

	r.want("a.csv", "x-1.zst", "b\xff.csv")
	r.until("count", func(c Counts) bool { return c.Reasons[job.ReasonNoMatch] == 2 })
	r.refuses("a.txt", "x-a.gz")
	r.explained("a.txt", job.ReasonNoMatch)
}

// skipOn skips the test on file systems of that kind.
func (r *rig) skipOn(kind int64, why string) {
	r.t.Helper()

	var fs unix.Statfs_t

	must(r.t, unix.Statfs(r.path, &fs))

	if fs.Type == kind {
		r.t.Skip(why)
	}
}
