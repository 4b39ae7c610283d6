package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"importerd/internal/job"
	"importerd/internal/spool"
)

// put is one call of the command of this name.
type put struct {
	*program
	config string
	name   string
}

// dropped is what became of one file.
type dropped struct {
	Source string `json:"source"`
	Name   string `json:"name,omitempty"`  // in the inbox
	Error  string `json:"error,omitempty"` // empty: it is there
}

func (p *program) putCommand() *cobra.Command {
	c := &put{program: p}

	cmd := &cobra.Command{
		Use:   "put SPOOL FILE... | -",
		Short: "Drop files into a spool, whole or not at all",
		Long: `Put copies files into the inbox of a spool so that no half-written file is ever
seen there, and ends when they are safe from a power cut. It never overwrites.
SPOOL is the spool's directory, or its name in the configuration file. With - the
content comes from standard input, and --name says what the file is called.`,
		Example: `  importerd put /srv/importerd/orders orders.csv
  pg_dump shop | importerd put orders - --name shop.sql`,
		Args: putArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := fromEnvironment(cmd, "config", "output"); err != nil {
				return err
			}

			return c.run(args[0], args[1:])
		},
	}

	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&c.name, "name", "", "`NAME` of the file in the inbox (default its own)")
	cmd.Flags().StringVarP(&c.config, "config", "c", defaultConfig, "configuration `FILE`")
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

// run drops all sources, also after one that failed. The exit code is the
// gravest one.
func (c *put) run(name string, sources []string) error {
	if err := c.checkSources(sources); err != nil {
		return err
	}

	to, err := c.findInbox(name)
	if err != nil {
		return err
	}

	all := make([]dropped, 0, len(sources))

	var errs []error

	for _, source := range sources {
		d := dropped{Source: job.Show(source), Name: c.nameFor(source)}
		if err := c.drop(to, source, d.Name); err != nil {
			d.Name, d.Error = "", err.Error()
			errs = append(errs, err)
		}

		all = append(all, d)
	}

	if c.output == "json" {
		if err := c.printJSON(map[string]any{"inbox": to.path, "files": all}); err != nil {
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

	return nil
}

// nameFor returns the name that source gets in the inbox.
func (c *put) nameFor(source string) string {
	if c.name != "" {
		return c.name
	}

	return filepath.Base(source)
}

// drop puts one file into the inbox.
func (c *put) drop(to inbox, source, name string) error {
	if err := to.check(name); err != nil {
		return &fault{code: codeData, err: fmt.Errorf("put %s: %w", job.Show(source), err)}
	}

	from, err := c.open(source)
	if err != nil {
		return &fault{code: codeData, err: fmt.Errorf("put: %w", err)}
	}
	defer from.Close()

	_, err = spool.Put(to.path, spool.PutOptions{Name: name}, from)
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

// open opens what shall be dropped.
func (c *put) open(source string) (io.ReadCloser, error) {
	if source == "-" {
		return io.NopCloser(c.stdin), nil
	}

	file, err := os.Open(source)
	if err != nil {
		return nil, err //nolint:wrapcheck // names the operation and the path
	}

	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory: give the files in it", job.Show(source))
	}

	if err != nil {
		return nil, errors.Join(err, file.Close())
	}

	return file, nil
}

// gravest joins errs into one that ends with the highest of their codes.
func gravest(errs []error) error {
	if len(errs) == 0 {
		return nil
	}

	worst := &fault{err: errors.Join(errs...)}

	for _, err := range errs {
		worst.code = max(worst.code, code(err))

		if f, ok := errors.AsType[*fault](err); ok && worst.hint == "" {
			worst.hint = f.hint
		}
	}

	return worst
}
