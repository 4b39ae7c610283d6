package trial_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"importerd/bench/build"
	"importerd/bench/stage"
	"importerd/bench/trial"
)

// files is how many files the trials of these tests have.
const files = 50

// programs builds what takes part, once for all tests.
var programs = sync.OnceValues(func() (string, error) {
	bin, err := os.MkdirTemp("", "bench")
	if err != nil {
		return "", err
	}

	return bin, build.Programs(context.Background(), bin, false)
})

func TestMain(m *testing.M) {
	code := m.Run()

	if bin, err := programs(); err == nil {
		os.RemoveAll(bin)
	}

	os.Exit(code)
}

func place(t *testing.T) trial.Place {
	t.Helper()

	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()

	return trial.Place{
		Bin: bin, Dir: filepath.Join(dir, "spool"), Stamps: filepath.Join(dir, "stamps"), Logs: filepath.Join(dir, "logs"),
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

// TestBacklog lets all contenders that are part of the system handle a few files.
func TestBacklog(t *testing.T) {
	t.Parallel()

	set := staged(t)

	for _, c := range []trial.Contender{
		trial.Command(2, trial.True), trial.Command(2, trial.Stamp).Noting(),
		trial.Bare(1, 0), trial.Bare(2, 16), trial.BareAsk(2, 16),
		trial.BareCommand(2, trial.True), trial.BareCommand(2, trial.Stamp).Noting(),
		trial.Xargs(trial.True), trial.Xargs(trial.Stamp).Noting(),
	} {
		s, err := trial.Backlog(t.Context(), c, place(t), set)
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

// TestLossIsSeen has contenders that lose a file, and that handle one twice.
func TestLossIsSeen(t *testing.T) {
	t.Parallel()

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
		s, err := trial.Backlog(t.Context(), script(test.script), place(t), set)
		if err != nil {
			t.Fatal(err)
		}

		if s.Missed != test.missed || s.Twice != test.twice {
			t.Errorf("%s: missed %d twice %d, want %d and %d", test.name, s.Missed, s.Twice, test.missed, test.twice)
		}
	}
}

// TestMoverThatLosesIsSeen has a contender of which only done/ can be counted.
func TestMoverThatLosesIsSeen(t *testing.T) {
	t.Parallel()

	c := script(`mkdir ../done; rm file-0000007.csv; mv * ../done/`)
	c.Stamps, c.Moves = false, true

	s, err := trial.Backlog(t.Context(), c, place(t), staged(t))
	if err != nil {
		t.Fatal(err)
	}

	if s.Missed != 1 || s.Twice != -1 {
		t.Errorf("missed %d twice %d, want 1, and that nobody knows", s.Missed, s.Twice)
	}
}

func TestFailureIsTold(t *testing.T) {
	t.Parallel()

	set := staged(t)

	if s, err := trial.Backlog(t.Context(), script("exit 3"), place(t), set); err == nil {
		t.Errorf("no error: %+v", s)
	}

	if n, err := stage.Count(set.Dir()); err != nil || n != files {
		t.Errorf("%d files are left for the next one: %v", n, err)
	}
}

// TestArrival lets contenders wait for files, and one of them lose and repeat some.
func TestArrival(t *testing.T) {
	t.Parallel()

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
		{trial.Bare(1, 0), 0, 0},
		{trial.BareAsk(2, 0), 0, 0},
		{trial.BareCommand(2, trial.Stamp).Noting(), 0, 0},
		{lossy, 1, 1},
	} {
		t.Run(test.c.Name, func(t *testing.T) {
			t.Parallel()

			set := staged(t)
			produce := func(ctx context.Context, inbox string) (stage.Sent, error) { return set.Stream(ctx, inbox, 1000) }

			s, err := trial.Arrival(t.Context(), test.c, place(t), produce, 0)
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

// TestHalfWrittenIsSeen has a contender that takes files which are still being
// written, and importerd, which does not.
func TestHalfWrittenIsSeen(t *testing.T) {
	t.Parallel()

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

			s, err := trial.Arrival(t.Context(), test.c, place(t), func(ctx context.Context, inbox string) (stage.Sent, error) {
				return stage.Write(ctx, inbox, 5, 1000)
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
