package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"importerd/internal/job"
)

const (
	leastDigits = 6  // of an id that is cut short
	maxListed   = 10 // jobs that an id cut short may mean and that are listed
	wholeID     = 36 // bytes
)

// found is a job with the spool it is of.
type found struct {
	place
	rec job.Record
}

// oneID refuses another number of ids than one, and what cannot be one.
func oneID(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return usage("importerd jobs lists jobs with their ids", "which job?")
	case len(args) > 1:
		return usage(cmd.CommandPath()+" "+args[0], "one job at a time: %q is one too many", args[1])
	}

	return checkID(args[0])
}

// checkID refuses what can neither be an id nor the begin or end of one.
func checkID(id string) error {
	switch {
	case len(id) > wholeID || strings.Trim(strings.ToLower(id), "0123456789abcdef-") != "":
		return usage("importerd jobs lists jobs with their ids", "%q is no job id, nor the begin or end of one", id)
	case len(id) < leastDigits:
		return usage("", "%q is too short for a job id: write at least %d characters of its begin or end", id, leastDigits)
	}

	return nil
}

// findJob returns the one job whose id is, begins or ends as given.
func (o *places) findJob(id string) (found, error) {
	sources, trouble := o.openAll()
	defer closeAll(sources)

	var all []found

	for _, s := range sources {
		some, err := s.find(strings.ToLower(id))
		if err != nil {
			return found{}, err
		}

		all = append(all, some...)
	}

	switch {
	case len(all) == 1:
		return all[0], nil
	case len(all) > 1:
		return found{}, ambiguous(id, all)
	case trouble != nil:
		return found{}, trouble
	}

	return found{}, noJob(id)
}

// noJob says that there is none of that id.
func noJob(id string) error {
	return &fault{
		code: codeNotSo, err: fmt.Errorf("no job %s", id),
		hint: "importerd jobs lists jobs with their ids",
	}
}

// find returns the spool's jobs of that id.
func (s source) find(id string) ([]found, error) {
	ids, err := s.journal.Find(id, maxListed+1)
	if err != nil {
		return nil, fmt.Errorf("spool %s: %w", job.Show(s.name), err)
	}

	var all []found

	for _, id := range ids {
		e, err := s.journal.Get(id)
		if errors.Is(err, fs.ErrNotExist) { // removed just now
			continue
		}

		if err != nil {
			return nil, fmt.Errorf("spool %s: %w", job.Show(s.name), err)
		}

		all = append(all, found{s.place, e.Record})
	}

	return all, nil
}

// ambiguous lists the jobs that an id may mean.
func ambiguous(id string, all []found) error {
	lines := []string{fmt.Sprintf("%q may be several jobs:", id)}

	for i, f := range all {
		if i == maxListed {
			lines = append(lines, "  and more")

			break
		}

		lines = append(lines, fmt.Sprintf("  %s  %s  %s  %s", f.rec.ID, job.Show(f.name), f.rec.State, job.Show(f.rec.Name)))
	}

	return &fault{
		code: codeNotSo, err: errors.New(strings.Join(lines, "\n")),
		hint: "write more of the id, or say which spool with --spool",
	}
}
