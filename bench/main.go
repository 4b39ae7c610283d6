// Command bench measures importerd, the limits of the file system and the kernel,
// and other programs for the same work, in turn, in one run on one disk.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"importerd/bench/build"
	"importerd/bench/machine"
	"importerd/bench/plan"
	"importerd/bench/report"
	"importerd/bench/result"
	"importerd/bench/trial"
)

// Where results and report are, from the root of the repository.
const (
	results = "bench/results.json"
	docs    = "docs"
)

// descriptors is how many open files a login shell allows where nobody says more.
const descriptors = 1024

// options are what the command line says.
type options struct {
	runner  plan.Runner
	work    string
	only    string
	without string
	profile string
	under   string
	force   bool
	write   bool
	report  bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)

	stop()

	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	o, err := parse()
	if err != nil {
		return err
	}

	if o.report {
		return rebuild()
	}

	if err := limit(); err != nil {
		return err
	}

	if err := os.MkdirAll(o.work, 0o755); err != nil {
		return fmt.Errorf("make work directory: %w", err)
	}

	m, err := machine.Describe(o.work)
	if err != nil && (!o.force || !errors.Is(err, machine.ErrNoDisk)) {
		return fmt.Errorf("%w: choose a directory with -work, or say -force", err)
	}

	if err := build.Programs(ctx, o.runner.Place.Bin, o.profile != ""); err != nil {
		return err
	}

	found := result.Run{
		Made: time.Now().UTC().Format(time.RFC3339), Command: command(), Quick: o.runner.Quick, Machine: m,
	}

	if found.Rows, err = o.runner.Run(ctx); err != nil {
		return err
	}

	fmt.Fprint(os.Stdout, "\n", report.Summary(found))

	fmt.Fprintf(os.Stdout, "\n%s keeps the files for the next run; remove it when you need none\n", o.work)

	if !o.write {
		return nil
	}

	if err := found.Save(results); err != nil {
		return err
	}

	return rebuild()
}

// rebuild writes the report from the results.
func rebuild() error {
	found, err := result.Load(results)
	if err != nil {
		return err
	}

	for name, text := range report.Pages(found) {
		path := filepath.Join(docs, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("write report: %w", err)
		}

		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}

	return nil
}

// command is how this run can be repeated.
func command() string {
	return strings.Join(append([]string{"go", "run", "./bench"}, os.Args[1:]...), " ")
}

func parse() (*options, error) {
	o := &options{}
	r := &o.runner

	flag.StringVar(&o.only, "only", "", "rows, separated by commas; * stands for anything (default all)")
	flag.StringVar(&o.without, "without", "", "contenders that do not take part, separated by commas")
	flag.BoolVar(&r.Quick, "quick", false, "few rounds and small counts: three minutes")
	flag.IntVar(&r.Rounds, "rounds", 0, "rounds of each row (default as the row has it)")
	flag.IntVar(&r.Files, "files", 0, "files in each round (default as the row has it)")
	flag.StringVar(&o.work, "work", "", "directory on a real disk to work in (default in the user's cache)")
	flag.BoolVar(&o.force, "force", false, "also work where there is no disk below, and nothing durable")
	flag.StringVar(&o.profile, "profile", "", "let importerd write profiles to this directory (for go tool pprof)")
	flag.StringVar(&o.under, "under", "", "run importerd under a command, for example 'perf record -g -o FILE'")
	flag.BoolVar(&o.write, "write", false, "write "+results+" and the report (default if all rows are run in full)")
	flag.BoolVar(&o.report, "report", false, "measure nothing, write the report from "+results)
	flag.Parse()

	if flag.NArg() > 0 {
		return nil, fmt.Errorf("there are no arguments, only options: %s", flag.Arg(0))
	}

	return o, o.complete()
}

// complete derives from the options what follows from them.
func (o *options) complete() error {
	if o.work == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("find work directory: %w", err)
		}

		o.work = filepath.Join(cache, "importerd-bench")
	}

	source := "."
	if err := errors.Join(absolute(&o.work), absolute(&o.profile), absolute(&source)); err != nil {
		return err
	}

	r := &o.runner
	r.Only, r.Without = names(o.only), names(o.without)

	whole := o.only+o.without+o.profile+o.under == "" && !r.Quick
	o.write = o.write || whole && r.Rounds+r.Files == 0

	r.Work, r.Out = o.work, os.Stdout
	r.Place = trial.Place{
		Source: source, Bin: filepath.Join(o.work, "bin"), Dir: filepath.Join(o.work, "spool"),
		Stamps: filepath.Join(o.work, "stamps"), Logs: filepath.Join(o.work, "logs"),
		Profile: o.profile, Under: strings.Fields(o.under),
	}

	return nil
}

// absolute makes a path absolute, if there is one.
func absolute(path *string) error {
	if *path == "" {
		return nil
	}

	var err error
	if *path, err = filepath.Abs(*path); err != nil {
		return fmt.Errorf("find directory: %w", err)
	}

	return nil
}

// names splits a list.
func names(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

// limit gives all programs as many descriptors as a login does: some close all
// that they may have before each command, and that would be measured.
func limit() error {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return fmt.Errorf("limit descriptors: %w", err)
	}

	l.Cur = min(l.Max, descriptors)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return fmt.Errorf("limit descriptors: %w", err)
	}

	return nil
}
