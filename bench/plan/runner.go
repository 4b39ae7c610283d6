package plan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"time"

	"importerd/bench/result"
	"importerd/bench/stage"
	"importerd/bench/trial"
)

// Runner runs rows.
type Runner struct {
	Place   trial.Place
	Work    string   // directory for all that is made, on a real disk
	Quick   bool     // few rounds, small counts
	Only    []string // patterns of the names of rows; empty: all
	Without []string // patterns of the names of contenders that do not take part
	Rounds  int      // of each row; 0: as the row has it
	Files   int      // in each round; 0: as the row has it
	Out     io.Writer
}

// Run runs the rows in their order and returns what they have found.
func (r *Runner) Run(ctx context.Context) ([]result.Row, error) {
	var rows []result.Row

	for _, row := range Rows() {
		if amount := r.amount(row); amount.Rounds > 0 {
			found, err := r.row(ctx, row, amount)
			if err != nil {
				return rows, fmt.Errorf("row %s: %w", row.Name, err)
			}

			rows = append(rows, found)
		}
	}

	if len(rows) == 0 {
		return nil, errors.New("no row has such a name")
	}

	return rows, nil
}

// amount returns how much of a row is to be measured. Who names a row wants it,
// also where the quick form leaves it out.
func (r *Runner) amount(row Row) Amount {
	a := row.Amount(r.Quick)

	if len(r.Only) > 0 {
		if !matches(r.Only, row.Name) {
			return Amount{}
		}

		if a.Rounds == 0 {
			a = row.Full
		}
	}

	if a.Rounds > 0 && r.Rounds > 0 {
		a.Rounds = r.Rounds
	}

	if r.Files > 0 {
		a.Files = r.Files
	}

	return a
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := path.Match(pattern, name)

		return ok && err == nil
	})
}

// row lets the contenders take turns. One that fails is left out from then on.
func (r *Runner) row(ctx context.Context, row Row, amount Amount) (result.Row, error) {
	found := result.Row{Name: row.Name}

	if row.Kind == Idle {
		return r.idle(ctx, row, found)
	}

	set, err := r.prepare(ctx, row, amount)
	if err != nil {
		return found, err
	}

	found.Contenders, found.Skipped = r.present(row)

	for round := range amount.Rounds {
		for _, c := range row.Contenders {
			if !takesPart(found, c) {
				continue
			}

			s, err := r.trial(ctx, row, c, set, amount)
			if ctx.Err() != nil {
				return found, context.Cause(ctx)
			}

			if err != nil {
				found = drop(found, c)
				fmt.Fprintf(r.Out, "%-17s %s: left out: %v\n", row.Name, c.Name, err)

				continue
			}

			s.Round = round
			found.Samples = append(found.Samples, s)
			r.print(row, s)
		}
	}

	return found, nil
}

// prepare makes what a row needs beforehand.
func (r *Runner) prepare(ctx context.Context, row Row, amount Amount) (*stage.Set, error) {
	if row.Old > 0 {
		if err := r.journal(ctx, row.Old); err != nil {
			return nil, err
		}
	}

	if row.Kind == Slow {
		return nil, nil //nolint:nilnil // its producer makes the files
	}

	return stage.NewSet(r.Work, amount.Files, row.Size)
}

func takesPart(found result.Row, c trial.Contender) bool {
	return slices.ContainsFunc(found.Contenders, func(p result.Contender) bool { return p.Name == c.Name })
}

// present tells who takes part and who is not there.
func (r *Runner) present(row Row) (here, away []result.Contender) {
	for _, c := range row.Contenders {
		p := result.Contender{Name: c.Name, Title: c.Title}

		switch p.Why = lacking(c); {
		case matches(r.Without, c.Name):
		case p.Why != "":
			away = append(away, p)
			fmt.Fprintf(r.Out, "%-17s %s: %s\n", row.Name, c.Name, p.Why)
		default:
			here = append(here, p)
		}
	}

	return here, away
}

// lacking says why a contender cannot take part; empty: it can.
func lacking(c trial.Contender) string {
	for _, program := range c.Needs {
		if _, err := exec.LookPath(program); err != nil {
			return program + " is not installed"
		}
	}

	if c.Root && os.Geteuid() != 0 {
		return "only root can use it"
	}

	if c.Lacks != nil {
		return c.Lacks()
	}

	return ""
}

// drop leaves out a contender that failed, with what it has done so far.
func drop(found result.Row, c trial.Contender) result.Row {
	named := func(p result.Contender) bool { return p.Name == c.Name }
	found.Contenders = slices.DeleteFunc(found.Contenders, named)
	found.Samples = slices.DeleteFunc(found.Samples, func(s trial.Sample) bool { return s.Contender == c.Name })
	found.Skipped = append(found.Skipped, result.Contender{Name: c.Name, Title: c.Title, Why: "it failed"})

	return found
}

// trialTime bounds one trial: a million files with what is slow.
const trialTime = 10 * time.Minute

func (r *Runner) trial(
	ctx context.Context, row Row, c trial.Contender, set *stage.Set, amount Amount,
) (trial.Sample, error) {
	ctx, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()

	p := r.Place
	if c.Name == OldName {
		p.Journal = r.journalPath()
	}

	switch row.Kind {
	case Backlog:
		s, err := trial.Backlog(ctx, c, p, set)

		return s, errors.Join(err, r.keepJournal(p))
	case Slow:
		return trial.Arrival(ctx, c, p, func(ctx context.Context, inbox string) (stage.Sent, error) {
			return stage.Write(ctx, inbox, amount.Files, row.Size)
		}, row.Size)
	default:
		if err := stage.Flush(set.Dir()); err != nil {
			return trial.Sample{}, err
		}

		s, err := trial.Arrival(ctx, c, p, func(ctx context.Context, inbox string) (stage.Sent, error) {
			return set.Stream(ctx, inbox, row.Rate)
		}, 0)

		return s, errors.Join(err, set.Reclaim(p.Done(), p.Inbox()))
	}
}

func (r *Runner) idle(ctx context.Context, row Row, found result.Row) (result.Row, error) {
	watched := row.Watched[0]
	if r.Quick {
		watched = row.Watched[1]
	}

	s, err := trial.Idle(ctx, r.Place, row.Spools, watched)
	if err != nil {
		return found, err
	}

	found.Contenders = []result.Contender{{Name: s.Contender, Title: s.Contender}}
	found.Samples = append(found.Samples, s)
	fmt.Fprintf(r.Out, "%-17s %s: %.3f s of CPU in %.0f s, %.1f MiB\n",
		row.Name, s.Contender, s.CPU, s.Seconds, s.Memory)

	return found, nil
}

func (r *Runner) print(row Row, s trial.Sample) {
	fmt.Fprintf(r.Out, "%-17s %d %-18s %7d files %8.3f s %7.0f/s",
		row.Name, s.Round, s.Contender, s.Files, s.Seconds, s.Rate())

	if len(s.Waits) > 0 {
		fmt.Fprintf(r.Out, "  p50 %.2f p99 %.2f max %.1f ms", s.Wait(0.5)*1000, s.Wait(0.99)*1000, s.Wait(1)*1000)
	}

	if s.Working > 0 {
		fmt.Fprintf(r.Out, "  from ready %.3f s", s.Working)
	}

	fmt.Fprintf(r.Out, "  %.1f ms CPU/1000  %.1f MiB  missed %d twice %d half %d\n",
		s.CPU*1e6/float64(max(1, s.Files)), s.Memory, s.Missed, s.Twice, s.Half)
}

// journalPath is where the journal of old jobs is while nobody has it.
func (r *Runner) journalPath() string { return filepath.Join(r.Work, "journal.db") }
