package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"importerd/internal/control/wire"
	"importerd/internal/job"
	"importerd/internal/spool"
)

const aboutPut = `Put gives files to a spool so that no half-written file is ever seen there, and ends
when they are safe from a power cut. It never overwrites. SPOOL is the spool's
directory, or its name in the configuration file. With - the content comes from
standard input, and --name says what the file is called.

If a daemon answers for the spool, it is sent the files: each becomes a job at once,
whose id is printed. Otherwise they are copied into the inbox. --wait waits for the end of
the jobs; then exit code 1 says that one was not done.

Exit code 69 says that no daemon answers, where one is needed, that it has ended while the
file was sent, or that the connection broke: then the file may have been accepted or not. Put
it again with the --id that is told: that is harmless, because a spool takes each id only once.`

// put is one call of the command of this name.
type put struct {
	*program
	api
	at   places
	name string
	id   job.ID // that the job shall get; zero: a new one
	wait bool

	daemon   *remote // nil: none answers for the spool
	to       inbox   // where files go without it
	toErr    error   // why that is not known
	straight bool    // one has gone there
}

// dropped is what became of one file.
type dropped struct {
	Source string    `json:"source"`
	Name   string    `json:"name,omitempty"` // in the inbox, or of the job
	ID     *job.ID   `json:"id,omitempty"`   // of the job; with an error: to be given when it is put again
	Job    *wire.Job `json:"job,omitempty"`
	Error  string    `json:"error,omitempty"` // empty: it is there, and with --wait: it is done
}

func (p *program) putCommand() *cobra.Command {
	c := &put{program: p, api: p.newAPI()}

	cmd := &cobra.Command{
		Use:   "put SPOOL FILE... | -",
		Short: "Give files to a spool, whole or not at all",
		Long:  aboutPut,
		Example: `  importerd put /srv/importerd/orders orders.csv
  importerd put orders orders.csv --wait
  pg_dump shop | importerd put orders - --name shop.sql`,
		Args: putArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := fromEnvironment(cmd, apiVariables()...); err != nil {
				return err
			}

			return c.run(cmd.Context(), args[0], args[1:])
		},
		ValidArgsFunction: c.at.completeSpoolAndFiles,
	}

	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&c.name, "name", "", "`NAME` of the file in the spool (default its own)")
	cmd.Flags().Var(idOption{&c.id}, "id", "id that the job shall get: a UUID")
	cmd.Flags().BoolVar(&c.wait, "wait", false, "wait for the end of the jobs")
	c.at.configFlag(cmd)
	c.flags(cmd)
	p.outputFlag(cmd)

	return cmd
}

// putArguments refuses a wrong number of them.
func putArguments(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return usage("importerd put SPOOL FILE", "into which spool, and which file?")
	case 1:
		return usage("importerd put "+args[0]+" FILE, or - for standard input", "which file?")
	}

	return nil
}

// run puts all sources, also after one that failed. The exit code is the
// gravest one.
func (c *put) run(ctx context.Context, spool string, sources []string) error {
	if err := c.checkSources(sources); err != nil {
		return err
	}

	if err := c.find(ctx, spool); err != nil {
		return err
	}

	all := make([]dropped, 0, len(sources))

	var errs []error

	for _, source := range sources {
		d := dropped{Source: job.Show(source), Name: c.nameFor(source)}
		if err := c.drop(ctx, source, &d); err != nil {
			d.Name, d.Error = "", err.Error()
			errs = append(errs, err)
		}

		all = append(all, d)
	}

	errs = append(errs, c.waitFor(ctx, all)...)

	if c.output == "json" {
		if err := c.print(all); err != nil {
			return err
		}
	}

	return gravest(errs)
}

// checkSources refuses what cannot be meant.
func (c *put) checkSources(sources []string) error {
	for _, source := range sources {
		switch {
		case source == "-" && len(sources) > 1:
			return usage("give - alone", "standard input is one file, but there are others")
		case source == "-" && c.name == "":
			return usage("add --name NAME", "what shall standard input be called?")
		}

		if err := notPipe(source); err != nil {
			return err
		}
	}

	if c.name != "" && len(sources) > 1 {
		return usage("put them one by one, or leave --name out", "--name is for one file, but there are %d", len(sources))
	}

	if !c.id.IsZero() && len(sources) > 1 {
		return usage("put them one by one, or leave --id out", "--id is for one file, but there are %d", len(sources))
	}

	return nil
}

// find finds the daemon that has the spool, and the inbox for the case that there is
// none.
func (c *put) find(ctx context.Context, spool string) error {
	c.to, c.toErr = c.findInbox(spool)

	daemon, err := c.api.find(ctx, c.at.config, spool)
	c.daemon = daemon

	switch {
	case err == nil:
		return nil
	case !absent(err), c.wait, !c.id.IsZero(), c.toErr != nil && c.listen != "":
		return err
	}

	return c.toErr
}

// nameFor returns the name that source gets in the spool.
func (c *put) nameFor(source string) string {
	if c.name != "" {
		return c.name
	}

	return filepath.Base(source)
}

// drop puts one file into the spool.
func (c *put) drop(ctx context.Context, source string, d *dropped) error {
	if err := c.to.check(d.Name); err != nil {
		return &fault{code: codeData, err: fmt.Errorf("put %s: %w", job.Show(source), err)}
	}

	from, err := c.openUpload(source)
	if err != nil {
		return &fault{code: codeData, err: fmt.Errorf("put: %w", err)}
	}
	defer from.Close() //nolint:errcheck // it was only read

	if c.daemon != nil {
		err := c.send(ctx, from, d)
		if err == nil || !c.mayGoStraight(from, err) {
			return err
		}
	}

	c.straight = true

	return c.intoInbox(from, d.Name)
}

// send gives one file to the daemon.
func (c *put) send(ctx context.Context, from *upload, d *dropped) error {
	id := c.id
	if id.IsZero() { // known before, so that a repeat is possible whatever happens
		id = job.NewID()
	}

	j, err := c.daemon.Put(ctx, c.daemon.spool.Name, d.Name, id, from.body())
	if err != nil {
		d.ID = &id

		return sendFault("put "+job.Show(from.source), id, from, err)
	}

	d.ID, d.Job, d.Name = &j.ID, &j, j.Name

	if c.output != "json" {
		fmt.Fprintln(c.stdout, j.ID)
	}

	return nil
}

// mayGoStraight says whether a file that was not sent may go into the inbox: nothing
// of it was sent, because the daemon is away, about to end or not yet at work, and nobody
// wants an id.
func (c *put) mayGoStraight(from *upload, err error) bool {
	return away(err) && !c.wait && c.id.IsZero() && c.toErr == nil && from.revoke()
}

// intoInbox puts one file straight into the inbox.
func (c *put) intoInbox(from *upload, name string) error {
	_, err := spool.Put(c.to.path, spool.PutOptions{Name: name}, from.from)
	if err == nil {
		return nil
	}

	f := &fault{code: code(err), err: err}

	switch {
	case errors.Is(err, fs.ErrExist):
		f.hint = "a file of this name waits in the inbox: try again later, or give another name with --name"
	case errors.Is(err, fs.ErrNotExist):
		f.hint = "is it a spool? importerd run --spool DIR -- COMMAND makes one of a directory"
	}

	return f
}

// waitFor waits for the ends of all jobs, if that is wanted, and says which of them
// were not done.
func (c *put) waitFor(ctx context.Context, all []dropped) []error {
	if !c.wait {
		return nil
	}

	var errs []error

	for i := range all {
		d := &all[i]
		if d.Job == nil {
			continue
		}

		j, err := outcome(ctx, c.daemon.Client, d.Job.ID)
		if err != nil {
			d.Error = err.Error()
			errs = append(errs, err)
		}

		if !j.ID.IsZero() {
			d.Job = &j
		}
	}

	return errs
}

// print prints what became of all files, for machines.
func (c *put) print(all []dropped) error {
	answer := map[string]any{"files": all}

	if c.daemon != nil {
		answer["spool"] = c.daemon.spool.Name
	}

	if c.daemon == nil || c.straight {
		answer["inbox"] = c.to.path
	}

	return c.printJSON(answer)
}
