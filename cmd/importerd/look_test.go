package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"importerd/internal/config"
	"importerd/internal/job"
)

// Without a daemon a file in the inbox is judged as the daemon would.
func TestLook(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	inbox := filepath.Join(dir, "inbox")
	mustDo(t, os.MkdirAll(filepath.Join(inbox, "dir.csv"), 0o755))

	for _, name := range []string{"full.csv", "full.csv.ok", "x.part", "x.txt", "open.csv", "bare.csv"} {
		mustDo(t, os.WriteFile(filepath.Join(inbox, name), []byte("1"), 0o644))
	}

	mustDo(t, os.WriteFile(filepath.Join(inbox, "empty.csv"), nil, 0o644))
	mustDo(t, os.WriteFile(filepath.Join(inbox, "empty.csv.ok"), nil, 0o644))
	mustDo(t, os.WriteFile(filepath.Join(inbox, "open.csv.ok"), nil, 0o644))

	writes, err := os.OpenFile(filepath.Join(inbox, "open.csv"), os.O_RDWR, 0)
	mustDo(t, err)
	t.Cleanup(func() { writes.Close() })

	rules := config.Spool{Dir: dir, Match: []string{"*.csv"}, Ready: config.ReadyMarker, Marker: ".ok"}
	boot := time.Now().Add(time.Hour)

	for name, want := range map[string]job.Reason{
		"full.csv":    {Standing: job.Ready, Text: reasonNoDaemon},
		"full.csv.ok": {Standing: job.Ignored, Text: job.ReasonIsMarker},
		"bare.csv":    {Standing: job.Settling, Text: job.ReasonNoMarker},
		"x.part":      {Standing: job.Ignored, Text: job.ReasonTemporary},
		"x.txt":       {Standing: job.Ignored, Text: job.ReasonNoMatch},
		"dir.csv":     {Standing: job.Ignored, Text: job.ReasonNotRegular},
		"open.csv":    {Standing: job.Settling, Text: job.ReasonOpen},
		"empty.csv":   {Standing: job.Held, Text: job.ReasonHusk},
		"none.csv":    {Text: job.ReasonGone},
		"none.part":   {Text: job.ReasonGone},
	} {
		l := look{target: target{place: place{"orders", dir, &rules}, name: name}, husks: boot}
		if got := l.reason(); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}

	l := look{target: target{place: place{"orders", dir, nil}, name: "full.csv"}, underWay: true}
	if got := l.reason(); got.Text != job.ReasonUnderWay {
		t.Errorf("behind another one of its name: %+v", got)
	}

	l = look{target: target{place: place{"orders", dir, nil}, name: "empty.csv"}}
	if got := l.reason(); got.Text != reasonNoDaemon {
		t.Errorf("empty: %+v", got)
	}
}

// Only who may write is a writer, under whatever name the file is opened.
func TestWriters(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	path, other := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	mustDo(t, os.WriteFile(path, nil, 0o644))
	mustDo(t, os.Link(path, other))

	reads, err := os.Open(path)
	mustDo(t, err)
	t.Cleanup(func() { reads.Close() })

	if got := writersOf(path); len(got) != 0 {
		t.Errorf("a reader is a writer: %v", got)
	}

	writes, err := os.OpenFile(other, os.O_WRONLY, 0)
	mustDo(t, err)

	isUs := func(w writer) bool { return w.PID == os.Getpid() && w.Command != "" }

	if got := writersOf(path); !slices.ContainsFunc(got, isUs) { // and a child that was forked a moment ago
		t.Errorf("the writer is %v", got)
	}

	mustDo(t, writes.Close())

	if got := writersOf(path); slices.ContainsFunc(got, isUs) {
		t.Errorf("one that has closed it is a writer: %v", got)
	}

	if got := writersOf(filepath.Join(dir, "none")); got != nil {
		t.Errorf("of nothing: %v", got)
	}
}

// Any path says which file is meant.
func TestSplit(t *testing.T) {
	t.Parallel()

	for path, want := range map[string][2]string{
		"inbox/a.csv": {"inbox", "a.csv"}, "done/a.csv": {"done", "a.csv"}, "errors/a.csv.txt": {"errors", "a.csv"},
		"results/a.csv": {"results", "a.csv"}, "results/a.csv/deep/rows": {"results", "a.csv"},
		".importerd/logs/x.log": {"", "x.log"}, "inbox/dir/a.csv": {"", "a.csv"}, "inbox": {"", "inbox"},
		"results": {"results", "results"},
	} {
		folder, name := split(path)
		if string(folder) != want[0] || name != want[1] {
			t.Errorf("%s is %q in %q", path, name, folder)
		}
	}
}
