package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"importerd/internal/app"
	"importerd/internal/config"
	"importerd/internal/control/client"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

const aboutReload = `Reload has the daemon read its configuration file again, and waits until it holds.
If anything is wrong with the file nothing changes: all mistakes are printed, and
exit code 78 says so. importerd check looks for them beforehand.

A new spool is begun. One that is removed takes nothing more; what runs may finish
within its drain, what waits stays in its directory. In one that has changed what
runs goes on as it was begun, and the next attempt is made by the new settings.
listen, token_file, tls_cert, tls_key, hosts and max_upload need a restart.

SIGHUP does the same, and says in the log how it went.`

// reload is one call of the command of this name.
type reload struct {
	*program
	api
	config string
}

func (p *program) reloadCommand() *cobra.Command {
	c := &reload{program: p, config: defaultConfig}

	cmd := &cobra.Command{
		Use:     "reload",
		Short:   "Have the configuration read again",
		Long:    aboutReload,
		Example: "  importerd check && importerd reload",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := fromEnvironment(cmd, apiVariables()...); err != nil {
				return err
			}

			return c.run(cmd.Context())
		},
	}

	cmd.Flags().SortFlags = false
	cmd.Flags().StringVarP(&c.config, "config", "c", c.config, "configuration `FILE`, which says where the daemon listens")
	c.flags(cmd)
	p.outputFlag(cmd)

	return cmd
}

// run asks for a reload and prints what it has changed.
func (c *reload) run(ctx context.Context) error {
	daemon, err := c.connect(c.config)
	if err != nil {
		return err
	}
	defer daemon.Close()

	done, err := daemon.Reload(ctx)
	if err != nil {
		return c.refused(err)
	}

	if c.output == "json" {
		return c.printJSON(done)
	}

	c.print(done)

	return nil
}

// refused adds what is wrong with the file if the daemon could not be asked: where it
// listens may stand there.
func (c *reload) refused(err error) error {
	if !errors.Is(err, client.ErrUnreachable) {
		return err
	}

	if _, wrong := loadConfig(c.config); wrong != nil {
		return gravest([]error{err, wrong})
	}

	return err
}

// print prints a line for each spool that is another one now, and one for each
// setting that needs a restart.
func (c *reload) print(done wire.Reloaded) {
	for _, group := range []struct {
		names []string
		what  string
	}{
		{done.Added, "added"}, {done.Removed, "removed, it drains"}, {done.Changed, "changed"},
	} {
		for _, name := range group.names {
			fmt.Fprintf(c.stdout, "%s: %s\n", name, group.what)
		}
	}

	if len(done.Added)+len(done.Removed)+len(done.Changed) == 0 {
		fmt.Fprintln(c.stdout, "no spool has changed")
	}

	for _, key := range done.Restart {
		fmt.Fprintf(c.stdout, "warning: %s has changed: that holds from the next restart of the daemon on\n", key)
	}
}

// again returns what reads the configuration file again; nil: there is none, or the
// daemon ends by itself.
func (d *daemon) again(log zerolog.Logger) func() (config.Config, error) {
	if d.spool.Dir != "" || d.once {
		return nil
	}

	return func() (config.Config, error) {
		cfg, err := config.Load(d.config)
		if err == nil {
			warnOfFiles(log, cfg)
		}

		return cfg, err //nolint:wrapcheck // it says what is wrong, and where
	}
}

// hangUp answers SIGHUP. The application tells the log what came of it.
func (d *daemon) hangUp(ctx context.Context, log zerolog.Logger, a *app.App) {
	if d.once {
		log.Warn().Msg("no reload: --once reads the configuration once")

		return
	}

	if _, err := a.Reload(ctx); errors.Is(err, job.ErrDraining) {
		log.Info().Msg("no reload: the daemon drains")
	}
}
