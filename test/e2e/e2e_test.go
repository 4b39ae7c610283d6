// Package e2e_test runs the daemon's real binary the way its users do.
package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a condition may take on a busy machine.
const patience = 4 * time.Minute

// checker is a handler that says whether it has seen the whole of its file: the
// name tells checksum and size. It notes each run.
const checker = `set -- "$1" "$2" $(cksum <"$1")
echo "$IMPORTERD_JOB_NAME" >>"$2"
case $IMPORTERD_JOB_NAME in
*-"$3-$4".dat) ;;
*) echo "saw checksum $3 and $4 bytes" >&2; exit 65 ;;
esac`

// TestEachFileOnce delivers thousands of files in all the ways in which files
// come, stops the daemon in the middle, and finds each exactly once in done/,
// with a handler that has seen the whole of it exactly once.
func TestEachFileOnce(t *testing.T) {
	t.Parallel()

	const files = 5000

	b := newBench(t)
	b.makeFiles(files)

	daemon := b.start()

	var producers sync.WaitGroup

	for how, deliver := range []func(from, name string) error{b.byRename, b.slowly, b.byCopy, b.byLink} {
		producers.Go(func() {
			for n := how; n < files; n += 5 {
				if err := deliver(b.staged[n], filepath.Base(b.staged[n])); err != nil {
					t.Error(err)
				}
			}
		})
	}

	producers.Go(func() { b.byPut(files) })

	b.await("a third is done", func() bool { return len(b.list("done")) > files/3 })
	b.stop(daemon)

	if left := b.list("processing"); len(left) > 0 {
		t.Errorf("processing/ holds %d files after the drain, as %q", len(left), left[0])
	}

	b.note("%d done at the stop, %d in the inbox, %d deferred",
		len(b.list("done")), len(b.list("inbox")), len(b.list("deferred")))

	daemon = b.start()

	producers.Wait()
	b.await("all are done", func() bool { return len(b.list("done"))+len(b.list("failed")) >= files })
	b.stop(daemon)
	b.verify(files)
}

// bench is a spool with its daemon's binary and the files that it will get.
type bench struct {
	*testing.T
	binary, spool, outside, seen string
	staged                       []string
}

func newBench(t *testing.T) *bench {
	t.Helper()

	dir := t.TempDir()
	b := &bench{
		T: t, binary: filepath.Join(dir, "importerd"), spool: filepath.Join(dir, "spool"),
		outside: filepath.Join(dir, "outside"), seen: filepath.Join(dir, "seen"),
	}

	for _, path := range []string{b.spool, filepath.Join(b.spool, "inbox"), b.outside} {
		if err := os.Mkdir(path, 0o750); err != nil {
			t.Fatal(err)
		}
	}

	build := exec.CommandContext(t.Context(), "go", slices.Concat([]string{"build"}, buildFlags(),
		[]string{"-o", b.binary, "importerd/cmd/importerd"})...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}

	return b
}

// makeFiles writes n files outside, each with a content of its own.
func (b *bench) makeFiles(n int) {
	for i := range n {
		content := []byte(strings.Repeat(fmt.Sprintf("%d,%d\n", i, rand.Uint64()), 1+rand.IntN(200)))

		sum := exec.CommandContext(b.Context(), "cksum")
		sum.Stdin = bytes.NewReader(content)

		out, err := sum.Output()
		if err != nil {
			b.Fatal(err)
		}

		fields := strings.Fields(string(out))
		path := filepath.Join(b.outside, fmt.Sprintf("%05d-%s-%s.dat", i, fields[0], fields[1]))

		if err := os.WriteFile(path, content, 0o600); err != nil {
			b.Fatal(err)
		}

		b.staged = append(b.staged, path)
	}
}

func (b *bench) inbox(name string) string { return filepath.Join(b.spool, "inbox", name) }

func (b *bench) byRename(from, name string) error {
	if err := copyFile(from, b.inbox(name+".part"), 1<<20); err != nil {
		return err
	}

	return os.Rename(b.inbox(name+".part"), b.inbox(name))
}

// slowly writes in small pieces under the final name, with other things going on between.
func (b *bench) slowly(from, name string) error { return copyFile(from, b.inbox(name), 100) }

func (b *bench) byCopy(from, name string) error {
	out, err := exec.CommandContext(b.Context(), "cp", "-p", from, b.inbox(name)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("cp: %w: %s", err, out)
	}

	return nil
}

func (b *bench) byLink(from, name string) error { return os.Link(from, b.inbox(name)) }

// byPut delivers every fifth file by importerd put, fifty at a time.
func (b *bench) byPut(files int) {
	batch := []string{}

	for n := 4; n < files; n += 5 {
		if batch = append(batch, b.staged[n]); len(batch) == 50 {
			b.put(batch)

			batch = batch[:0]
		}
	}

	b.put(batch)
}

// put delivers files. What the end of the daemon has cut off is put again under the
// id that was told, as a producer would.
func (b *bench) put(files []string) {
	if len(files) == 0 {
		return
	}

	args := append([]string{"put", b.spool, "--output", "json"}, files...)
	out, err := exec.CommandContext(b.Context(), b.binary, args...).Output()

	var answer struct {
		Files []struct{ Source, ID, Error string }
	}

	if jsonErr := json.Unmarshal(out, &answer); jsonErr != nil || len(answer.Files) != len(files) {
		b.Errorf("put: %v, %v: %s", err, jsonErr, out)
	}

	for _, f := range answer.Files {
		if f.Error != "" {
			b.putAgain(f.Source, f.ID, f.Error)
		}
	}
}

// putAgain puts a file until it is there.
func (b *bench) putAgain(file, id, why string) {
	if id == "" {
		b.Errorf("put %s: %s", file, why)

		return
	}

	b.note("put again: %s", why)
	b.await("the file is put", func() bool {
		return exec.CommandContext(b.Context(), b.binary, "put", b.spool, file, "--id", id).Run() == nil
	})
}

// copyFile writes the content of one file into another, piece by piece.
func copyFile(from, to string, piece int) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}

	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}

	for len(content) > 0 && err == nil {
		n := min(piece, len(content))
		_, err = out.Write(content[:n])
		content = content[n:]
	}

	if cerr := out.Close(); err == nil {
		err = cerr
	}

	return err
}

// start starts the daemon and returns when it takes files.
func (b *bench) start() *exec.Cmd {
	b.Helper()

	daemon := exec.CommandContext(b.Context(), b.binary, "run", "--spool", b.spool, "--workers", "4",
		"--", "sh", "-c", checker, "checker", "{}", b.seen)

	log, err := daemon.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}

	if err := daemon.Start(); err != nil {
		b.Fatal(err)
	}

	ready := make(chan struct{}) // closed when the daemon says so, or its log ends

	var once sync.Once

	go func() {
		defer once.Do(func() { close(ready) })

		for lines := bufio.NewScanner(log); lines.Scan(); {
			line := lines.Text()
			if strings.Contains(line, `"ready"`) {
				once.Do(func() { close(ready) })
			}

			if !strings.Contains(line, `"level":"info"`) {
				b.note("%s", line)
			}
		}
	}()

	<-ready

	return daemon
}

// stop sends SIGTERM and wants a clean end.
func (b *bench) stop(daemon *exec.Cmd) {
	b.Helper()

	if err := daemon.Process.Signal(syscall.SIGTERM); err != nil {
		b.Fatal(err)
	}

	if err := daemon.Wait(); err != nil {
		b.Errorf("the daemon ended with %v, want exit status 0", err)
	}
}

func (b *bench) note(format string, args ...any) {
	_, _ = fmt.Fprintf(b.Output(), format+"\n", args...)
}

// list returns the names in a folder that the producers do not hide.
func (b *bench) list(folder string) []string {
	entries, err := os.ReadDir(filepath.Join(b.spool, folder))
	if err != nil && !os.IsNotExist(err) {
		b.Fatal(err)
	}

	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}

	return names
}

// await waits for a condition.
func (b *bench) await(what string, holds func() bool) {
	b.Helper()

	deadline := time.NewTimer(patience)
	defer deadline.Stop()

	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()

	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			b.Fatalf("waited %v in vain until %s: inbox %d, processing %d, deferred %d, done %d, failed %d", patience,
				what, len(b.list("inbox")), len(b.list("processing")), len(b.list("deferred")),
				len(b.list("done")), len(b.list("failed")))
		}
	}
}

// verify wants each file once in done/, whole, and handled once.
func (b *bench) verify(files int) {
	for _, folder := range []string{"inbox", "processing", "deferred", "failed"} {
		if left := b.list(folder); len(left) > 0 {
			b.Errorf("%s/ holds %d files, as %q", folder, len(left), left[0])
		}
	}

	if got := len(b.list("done")); got != files {
		b.Errorf("done/ holds %d files, want %d", got, files)
	}

	for _, path := range b.staged {
		want, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}

		got, err := os.ReadFile(filepath.Join(b.spool, "done", filepath.Base(path)))
		if err != nil || !bytes.Equal(got, want) {
			b.Errorf("%s is not whole in done/: %v", filepath.Base(path), err)
		}
	}

	text, err := os.ReadFile(b.seen)
	if err != nil {
		b.Fatal(err)
	}

	runs := map[string]int{}
	for name := range strings.FieldsSeq(string(text)) {
		runs[name]++
	}

	for _, path := range b.staged {
		if n := runs[filepath.Base(path)]; n != 1 {
			b.Errorf("%s was handled %d times", filepath.Base(path), n)
		}
	}
}
