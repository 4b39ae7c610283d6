package report_test

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"importerd/bench/report"
	"importerd/bench/result"
	"importerd/bench/trial"
)

// TestPagesAreWhatTheResultsYield keeps hand-written figures out of the pages.
func TestPagesAreWhatTheResultsYield(t *testing.T) {
	t.Parallel()

	run, err := result.Load("../results.json")
	if err != nil {
		t.Fatal(err)
	}

	for name, want := range report.Pages(run) {
		got, err := os.ReadFile(filepath.Join("../../docs", name))
		if err != nil {
			t.Fatal(err)
		}

		if string(got) != want {
			t.Errorf("docs/%s is not what bench/results.json yields: go run ./bench -report", name)
		}
	}
}

// run has a backlog in which importerd takes five times as long in the first
// round and a quarter longer in the second and third.
func run() result.Run {
	row := result.Row{
		Name: "backlog-command",
		Contenders: []result.Contender{
			{Name: "importerd-command", Title: "importerd"}, {Name: "bare-command", Title: "bare <loop>"},
		},
		Skipped: []result.Contender{{Name: "xargs", Title: "xargs", Why: "xargs is not installed"}},
	}

	for round, seconds := range []float64{5, 1.25, 1.25} {
		row.Samples = append(row.Samples,
			trial.Sample{Contender: "importerd-command", Round: round, Files: 2000, Seconds: seconds, Missed: round, CPU: 4},
			trial.Sample{Contender: "bare-command", Round: round, Files: 2000, Seconds: 1, Twice: -1})
	}

	idle := result.Row{
		Name: "idle", Contenders: []result.Contender{{Name: "importerd"}},
		Samples: []trial.Sample{{Contender: "importerd", Seconds: 30, CPU: 0.01, Memory: 21}},
	}

	return result.Run{Rows: []result.Row{row, idle}}
}

func TestTargets(t *testing.T) {
	t.Parallel()

	page := report.Pages(run())[report.Page]

	for _, want := range []string{
		"| `/bin/true`, 2 workers, against the bare loop with the same | at least 0.90 | 0.80 | 0.20 to 0.80 | **no** |",
		"| the same against `xargs -P2 -n1` | at least 0.80 | not measured: xargs: xargs is not installed | – | – |",
		"| idle, 1 spool: CPU in a minute | at most 0.030 s | 0.020 s | – | yes |",
		"| idle, 1 spool: memory | at most 20.0 MiB | 21.0 MiB | – | **no** |",
		"| burst of 50,000: missed | 0 files | not measured: the row was not run | – | – |",
	} {
		if !strings.Contains(page, want+"\n") {
			t.Errorf("the page lacks: %s", want)
		}
	}
}

func TestRows(t *testing.T) {
	t.Parallel()

	page := report.Pages(run())[report.Page]

	for _, want := range []string{
		"2,000 files of 1 KiB each, 3 rounds",
		"| importerd | 1,600 | 400 to 1,600 | – | 2,000 | – | 3 | 0 |", // three missed in all rounds together
		"| bare <loop> | 2,000 | 2,000 to 2,000 | – | – | – | 0 | – |",
		"xargs took no part: xargs is not installed.",
	} {
		if !strings.Contains(page, want+"\n") && !strings.Contains(page, want+" (") {
			t.Errorf("the page lacks: %s\n%s", want, page)
		}
	}
}

func TestPicturesAreWellFormed(t *testing.T) {
	t.Parallel()

	for name, text := range report.Pages(run()) {
		if filepath.Ext(name) != ".svg" {
			continue
		}

		d := xml.NewDecoder(strings.NewReader(text))

		for {
			_, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}

		if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
			t.Errorf("%s has a point that is nowhere", name)
		}
	}
}
