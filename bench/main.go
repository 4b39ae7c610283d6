// Command bench measures importerd, the limits of the file system and the kernel,
// and other programs for the same work, in turn, in one run on one disk.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"importerd/bench/build"
	"importerd/bench/stage"
	"importerd/bench/stat"
	"importerd/bench/trial"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to be done
	}
}

func run(ctx context.Context) error {
	only := flag.String("only", "backlog-command,backlog-worker", "rows, separated by commas")
	rounds := flag.Int("rounds", 3, "rounds")
	files := flag.Int("files", 0, "files in each round (0: as the row has it)")
	size := flag.Int64("size", 1024, "bytes in each file")
	without := flag.String("without", "", "contenders to leave out, separated by commas")
	work := flag.String("work", "", "directory to work in, on a real disk (default in the user's cache)")
	profile := flag.String("profile", "", "write profiles of importerd to this directory (pprof)")
	under := flag.String("under", "", "run importerd under this command, for example 'perf record -g -o FILE'")
	flag.Parse()

	if *work == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return err
		}

		*work = filepath.Join(cache, "importerd-bench")
	}

	var err error

	bin := filepath.Join(*work, "bin")
	if err := build.Programs(ctx, bin, *profile != ""); err != nil {
		return err
	}

	p := trial.Place{
		Bin: bin, Dir: filepath.Join(*work, "spool"), Stamps: filepath.Join(*work, "stamps"), Logs: filepath.Join(*work, "logs"),
	}

	if *profile != "" {
		if p.Profile, err = filepath.Abs(*profile); err != nil {
			return err
		}
	}

	p.Under = strings.Fields(*under)

	for row := range strings.SplitSeq(*only, ",") {
		contenders, n := rowOf(row)
		if *files > 0 {
			n = *files
		}

		set, err := stage.NewSet(*work, n, *size)
		if err != nil {
			return err
		}

		rates := make(map[string][]float64)

		for round := range *rounds {
			for _, c := range contenders {
				if slices.Contains(strings.Split(*without, ","), c.Name) {
					continue
				}

				s, err := trial.Backlog(ctx, c, p, set)
				if err != nil {
					return err
				}

				rates[c.Name] = append(rates[c.Name], s.Rate())
				fmt.Fprintf(os.Stdout, "%-16s %d %-18s %7d files %8.3f s %8.0f files/s  from ready %7.3f s  cpu %7.1f ms/1000  %5.1f MiB  missed %d twice %d\n",
					row, round, c.Name, s.Files, s.Seconds, s.Rate(), s.Working, s.CPU*1e6/float64(s.Files), s.Memory, s.Missed, s.Twice)
			}
		}

		for _, c := range contenders[1:] {
			r := stat.Ratios(rates[contenders[0].Name], rates[c.Name])
			if r.Rounds > 0 {
				fmt.Fprintf(os.Stdout, "%-16s %s against %s: %.3f (%.3f to %.3f)\n", row, contenders[0].Name, c.Name, r.Median, r.Min, r.Max)
			}
		}
	}

	return nil
}

func rowOf(name string) ([]trial.Contender, int) {
	switch name {
	case "backlog-command":
		xargs := trial.Contender{Name: "xargs", Title: "ls | xargs -P2 -n1", Ends: true, Command: func(p trial.Place) ([][]string, error) {
			return [][]string{{"ls"}, {"xargs", "-P2", "-n1", "/bin/true"}}, nil
		}}

		return []trial.Contender{trial.Command(2, trial.True), trial.BareCommand(2, false, trial.True), xargs}, 2000
	default:
		return []trial.Contender{
			trial.Worker(1, 16), trial.Bare(1, 256, false), trial.BareAsk(2, 256, false), trial.Bare(1, 0, false),
		}, 10_000
	}
}
