package trial_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"importerd/bench/build"
	"importerd/bench/stage"
	"importerd/bench/trial"
)

// files is how many files the trials of these tests have.
const files = 50

// TestTrials are the tests that need the programs which take part: they are built
// once.
func TestTrials(t *testing.T) {
	t.Parallel()

	bin := t.TempDir()
	if err := build.Programs(t.Context(), bin, false); err != nil {
		t.Fatal(err)
	}

	for name, test := range map[string]func(*testing.T, string){
		"backlog":             testBacklog,
		"loss is seen":        testLoss,
		"lossy mover":         testLossyMover,
		"failure is told":     testFailure,
		"arrival":             testArrival,
		"half files are seen": testHalf,
		"idle":                testIdle,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, bin)
		})
	}
}

func place(t *testing.T, bin string) trial.Place {
	t.Helper()

	dir := t.TempDir()

	return trial.Place{
		Bin: bin, Dir: filepath.Join(dir, "spool"), Stamps: filepath.Join(dir, "stamps"), Logs: filepath.Join(dir, "logs"),
		Patience: 2 * time.Minute, // a slow machine loses nothing
	}
}

func staged(t *testing.T) *stage.Set {
	t.Helper()

	set, err := stage.NewSet(t.TempDir(), files, 100)
	if err != nil {
		t.Fatal(err)
	}

	return set
}

// testBacklog lets all contenders that are part of the system handle a few files.
func testBacklog(t *testing.T, bin string) {
	t.Helper()

	set := staged(t)

	for _, c := range []trial.Contender{
		trial.Command(2, trial.True), trial.Command(2, trial.Stamp).Noting(), trial.Worker(1, 16),
		trial.Bare(1, 0), trial.Bare(2, 16), trial.BareAsk(2, 16),
		trial.BareCommand(2, trial.True), trial.BareCommand(2, trial.Stamp).Noting(),
		trial.Xargs(trial.True), trial.Xargs(trial.Stamp).Noting(),
	} {
		s, err := trial.Backlog(t.Context(), c, place(t, bin), set)
		if err != nil {
			t.Fatal(err)
		}

		if s.Files != files || s.Missed > 0 || s.Twice > 0 || s.Seconds <= 0 || s.CPU <= 0 {
			t.Errorf("%s: %+v", c.Name, s)
		}

		if c.Stamps && (s.Missed != 0 || s.Twice != 0 || s.First <= 0 || s.First > s.Seconds) {
			t.Errorf("%s notes each file: %+v", c.Name, s)
		}

		if c.Tells && s.Missed+s.Twice != 0 {
			t.Errorf("%s tells of each file: %+v", c.Name, s)
		}
	}
}

// script is a contender that handles what lies there by a shell script.
func script(text string) trial.Contender {
	return trial.Contender{
		Name: "script", Ends: true, Stamps: true,
		Command: func(p trial.Place) ([][]string, error) {
			return [][]string{append([]string{"bash", "-c", text, "script"}, trial.Stamp(p)...)}, nil
		},
	}
}

// testLoss has contenders that lose a file, and that handle one twice.
func testLoss(t *testing.T, bin string) {
	t.Helper()

	set := staged(t)

	for _, test := range []struct {
		name, script  string
		missed, twice int
	}{
		{"sound", `"$@" *`, 0, 0},
		{"lossy", `rm file-0000007.csv file-0000031.csv; "$@" *`, 2, 0},
		{"double", `"$@" *; "$@" file-0000001.csv; "$@" file-0000001.csv file-0000002.csv`, 0, 3},
		{"both", `rm file-0000000.csv; "$@" *; "$@" file-0000009.csv`, 1, 1},
		{"idle", `true`, files, 0},
	} {
		s, err := trial.Backlog(t.Context(), script(test.script), place(t, bin), set)
		if err != nil {
			t.Fatal(err)
		}

		if s.Missed != test.missed || s.Twice != test.twice {
			t.Errorf("%s: missed %d twice %d, want %d and %d", test.name, s.Missed, s.Twice, test.missed, test.twice)
		}
	}
}

// testLossyMover has a contender of which only done/ can be counted.
func testLossyMover(t *testing.T, bin string) {
	t.Helper()

	c := script(`mkdir ../done; rm file-0000007.csv; mv * ../done/`)
	c.Stamps, c.Moves = false, true

	s, err := trial.Backlog(t.Context(), c, place(t, bin), staged(t))
	if err != nil {
		t.Fatal(err)
	}

	if s.Missed != 1 || s.Twice != -1 {
		t.Errorf("missed %d twice %d, want 1, and that nobody knows", s.Missed, s.Twice)
	}
}

func testFailure(t *testing.T, bin string) {
	t.Helper()

	set := staged(t)

	if s, err := trial.Backlog(t.Context(), script("exit 3"), place(t, bin), set); err == nil {
		t.Errorf("no error: %+v", s)
	}

	if n, err := stage.Count(set.Dir()); err != nil || n != files {
		t.Errorf("%d files are left for the next one: %v", n, err)
	}
}

// testArrival lets contenders wait for files, and one of them lose and repeat some.
func testArrival(t *testing.T, bin string) {
	t.Helper()

	const loop = `while :; do for f in *.csv probe-?; do
		[ -e "$f" ] || continue
		mv "$f" "$f.seen"
		case $f in (*13.csv) ;; (*25.csv) "$@" "$f" "$f" ;; (*) "$@" "$f" ;; esac
	done; read -t 0.01 <><(:) ; done`

	lossy := script(loop)
	lossy.Ends = false

	for _, test := range []struct {
		c             trial.Contender
		missed, twice int
	}{
		{trial.Command(2, trial.Stamp).Noting(), 0, 0},
		{trial.Worker(2, 4), 0, 0},
		{trial.Bare(1, 0), 0, 0},
		{trial.BareAsk(2, 0), 0, 0},
		{trial.BareCommand(2, trial.Stamp).Noting(), 0, 0},
		{lossy, 1, 1},
	} {
		t.Run(test.c.Name, func(t *testing.T) {
			t.Parallel()

			set := staged(t)
			produce := func(ctx context.Context, inbox string) (stage.Sent, error) { return set.Stream(ctx, inbox, 1000) }

			s, err := trial.Arrival(t.Context(), test.c, place(t, bin), produce, 0)
			if err != nil {
				t.Fatal(err)
			}

			if s.Files != files || s.Missed != test.missed || s.Twice != test.twice {
				t.Errorf("%+v", s)
			}

			if s.Seconds <= 0 || s.Wait(0.5) <= 0 || s.Wait(1) < s.Wait(0.5) {
				t.Errorf("waits: %+v", s)
			}
		})
	}
}

// testHalf has a contender that takes files which are still being
// written, and importerd, which does not.
func testHalf(t *testing.T, bin string) {
	t.Helper()

	eager := script(`shopt -s nullglob; declare -A seen
		while :; do for f in *; do
			[ -s "$f" ] && [ -z "${seen[$f]}" ] && "$@" "$f" && seen[$f]=1
		done; read -t 0.01 <><(:) ; done`)
	eager.Ends = false

	for _, test := range []struct {
		c    trial.Contender
		half bool
	}{
		{eager, true},
		{trial.Command(1, trial.Stamp).Noting(), false},
	} {
		t.Run(test.c.Name, func(t *testing.T) {
			t.Parallel()

			p := place(t, bin)
			looks := 0

			s, err := trial.Arrival(t.Context(), test.c, p, func(_ context.Context, inbox string) (stage.Sent, error) {
				return writeHalf(t, filepath.Join(inbox, stage.Name(0)), func() bool {
					text, _ := os.ReadFile(p.Stamps)
					looks++

					return strings.Contains(string(text), stage.Name(0)) || !test.half && looks > 20
				})
			}, 1000)
			if err != nil {
				t.Fatal(err)
			}

			if s.Missed != 0 || (s.Half > 0) != test.half {
				t.Errorf("%+v", s)
			}
		})
	}
}

// writeHalf writes half of a file, and the rest when seen holds.
func writeHalf(t *testing.T, path string, seen func() bool) (stage.Sent, error) {
	t.Helper()

	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()

	if _, err := f.Write(stage.Content(500)); err != nil {
		return nil, err
	}

	deadline := time.Now().Add(time.Minute)
	for tick := time.Tick(20 * time.Millisecond); !seen(); <-tick {
		if time.Now().After(deadline) {
			return nil, errors.New("nobody takes half a file")
		}
	}

	if _, err := f.Write(stage.Content(500)); err != nil {
		return nil, err
	}

	return stage.Sent{filepath.Base(path): stage.Clock()}, nil
}

func testIdle(t *testing.T, bin string) {
	t.Helper()

	s, err := trial.Idle(t.Context(), place(t, bin), 2, time.Second)
	if err != nil {
		t.Fatal(err)
	}

	if s.CPU <= 0 || s.Memory < 1 || s.Seconds < 1 {
		t.Errorf("%+v", s)
	}
}
