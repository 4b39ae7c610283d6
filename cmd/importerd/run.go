package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"importerd/internal/app"
	"importerd/internal/config"
	"importerd/internal/job"
)

const aboutRun = `Run takes each file that is dropped into inbox/, runs the command on it, and moves
it to done/ or, when the command has refused it too often, to failed/. It goes on
until it gets SIGTERM or SIGINT; then it lets what runs finish, for --drain at
most, and ends. A second signal cuts that short.

With --spool it runs one spool without a configuration file: the command stands
after --, and {} in it becomes the path of the file; without any {} the path is
appended. Otherwise it runs all spools of the configuration file.

Each option can be set by an environment variable as well: --kill-after by
IMPORTERD_KILL_AFTER. Durations are written as 90s, 10m, 1h30m or 2d.`

// logGrace is how long the end of the daemon waits for the reader of its log.
const logGrace = 2 * time.Second

// daemon is one call of the command run.
type daemon struct {
	*program
	flags   *pflag.FlagSet
	fromEnv map[string]bool // options that were set by their variables

	spool  config.Spool // as the options say; Dir is empty with a file
	api    config.API   // of one spool; Listen is empty if nobody says
	config string
	once   bool
	log    logOptions
}

func (p *program) runCommand() *cobra.Command {
	d := &daemon{program: p, spool: config.Default(), api: config.DefaultAPI()}
	d.api.Listen = ""

	cmd := &cobra.Command{
		Use:   "run [--config FILE | --spool DIR [options] -- COMMAND [ARG...]]",
		Short: "Handle the files that are dropped",
		Long:  aboutRun,
		Example: `  importerd run --spool /srv/importerd/orders -- /usr/local/bin/load-orders {}
  importerd run --spool orders --workers 4 --match '*.csv' -- gzip -k
  importerd run --config /etc/importerd/importerd.toml
  importerd run --spool orders --once -- wc -l`,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return d.run(cmd, args)
		},
	}

	d.addFlags(cmd)

	return cmd
}

// addFlags adds the options: those of one spool come from the table of its settings.
func (d *daemon) addFlags(cmd *cobra.Command) {
	d.flags = cmd.Flags()
	d.flags.SortFlags = false
	d.flags.SetInterspersed(false) // what follows the first argument is the handler's

	d.flags.StringVarP(&d.config, "config", "c", defaultConfig, "configuration `FILE`")
	d.flags.StringVar(&d.spool.Dir, "spool", "", "run one spool, with its directory `DIR`")
	d.flags.BoolVar(&d.once, "once", false,
		"handle what is there now, then exit: 0 all done, 1 some failed, deferred or held")
	d.flags.StringVar(&d.spool.Name, "name", "", "`NAME` of the spool (default that of the directory)")

	for _, setting := range config.Settings() {
		if setting.Flag == "" {
			continue
		}

		var value pflag.Value = setting.Value(&d.spool)
		if setting.Key == "inbox" {
			value = pathOption{value}
		}

		flag := d.flags.VarPF(value, setting.Flag, "", setting.Help)
		if value.Type() == "bool" {
			flag.NoOptDefVal = "true"
		}
	}

	d.flags.VarP(config.APIValue(&d.api, "listen"), "listen", "",
		"where the API listens: unix:/PATH, 127.0.0.1:PORT or none\n"+
			"(default unix:DIR/.importerd/importerd.sock, or what the file says)")
	d.flags.VarP(pathOption{config.APIValue(&d.api, "token_file")}, "token-file", "",
		"file with the bearer token, needed over TCP")
	d.log.flags(cmd)
}

// run runs the daemon until it has drained.
func (d *daemon) run(cmd *cobra.Command, args []string) error {
	signals := listen()
	defer signals.ignore()

	set, err := fromEnvironment(cmd)
	if err != nil {
		return err
	}

	d.fromEnv = set
	d.native = d.log.format == "auto" && d.supervisor.Journal(d.stderr)

	cfg, err := d.settings(args)
	if err != nil {
		return err
	}

	if err := d.checkPrograms(cfg); err != nil {
		return err
	}

	lines := newLogQueue(d.sink())
	go lines.run()

	defer lines.close(logGrace)

	log, to := d.logger(d.log, lines)
	if d.warning != nil {
		log.Warn().Err(d.warning).Msg("from the service manager")
	}

	for _, name := range unknownVariables(d.flags, d.environ) {
		log.Warn().Str("variable", name).Msg("no option has this name")
	}

	if err := keepCapabilities(); err != nil {
		log.Warn().Err(err).Msg("handlers inherit capabilities")
	}

	warnOfFiles(log, cfg)

	a, err := app.New(cmd.Context(), app.Options{
		Config: cfg, Environ: d.environ, Env: d.supervisor, Once: d.once, Log: log, LogTo: to,
		Version: thisBuild().Version, Sockets: d.sockets, Reload: d.again(log), Enters: true,
	})
	if err != nil {
		return &fault{code: codeConfig, err: err}
	}

	beat, end, every := a.Loop("signals")
	defer end()

	return signals.during(cmd.Context(), answers{
		stop: a.Signal, beat: beat, every: every,
		hangUp: func(ctx context.Context) { d.hangUp(ctx, log, a) },
	}, func() error { return d.live(cmd.Context(), a) })
}

// live runs the application.
func (d *daemon) live(ctx context.Context, a *app.App) error {
	return a.Run(ctx) //nolint:wrapcheck // it says that it ran
}

// settings returns what shall be run, from the options or from the file.
func (d *daemon) settings(args []string) (config.Config, error) {
	single, err := d.single()
	if err != nil {
		return config.Config{}, err
	}

	if !single {
		if err := d.checkForFile(args); err != nil {
			return config.Config{}, err
		}

		cfg, err := loadConfig(d.config)
		if err != nil {
			return cfg, err
		}

		return cfg, d.override(&cfg.API)
	}

	if err := d.checkCommand(args); err != nil {
		return config.Config{}, err
	}

	s, err := d.oneSpool(args)
	if err != nil {
		return config.Config{}, err
	}

	if d.api.Listen != "" {
		if err := d.api.Validate(); err != nil {
			return config.Config{}, usage("", "%w", err)
		}
	}

	return config.Config{API: d.api, Spools: []config.Spool{s}}, nil
}

// override puts what the command line and the environment say of the API over
// what the file says. Clients read the same variables.
func (d *daemon) override(api *config.API) error {
	if d.flags.Changed("listen") || d.fromEnv["listen"] {
		api.Listen = d.api.Listen
	}

	if d.flags.Changed("token-file") || d.fromEnv["token-file"] {
		api.TokenFile = d.api.TokenFile
	}

	if err := api.Validate(); err != nil {
		return usage("", "%w", err)
	}

	return nil
}

// single says whether one spool without a file is to be run. What the command
// line says beats the environment.
func (d *daemon) single() (bool, error) {
	spool, file := d.flags.Changed("spool"), d.flags.Changed("config")
	if !spool && !file {
		spool, file = d.fromEnv["spool"], d.fromEnv["config"]
	}

	if spool && file {
		return false, usage("leave one of them out", "--spool runs one spool without a file, --config all spools of a file")
	}

	return spool, nil
}

// checkForFile refuses arguments and options that make no sense with a file.
func (d *daemon) checkForFile(args []string) error {
	switch {
	case len(args) > 0 && isDir(args[0]):
		return usage("importerd run --spool "+args[0]+" -- COMMAND", "run takes the directory of a spool by --spool")
	case len(args) > 0:
		return usage("one spool: importerd run --spool DIR -- "+strings.Join(args, " ")+
			"\nall spools of a file: importerd run --config FILE", "which spool shall %q work for?", args[0])
	}

	for _, setting := range append(config.Settings(), config.Setting{Flag: "name", Key: "name"}) {
		hint := "for a spool of the file write " + setting.Key + " below [spool.NAME] in " + d.config

		switch {
		case d.flags.Changed(setting.Flag):
			return usage(hint, "--%s goes with --spool", setting.Flag)
		case d.fromEnv[setting.Flag] && !d.fromEnv["spool"]: // else it tells of a spool that the command line overrules
			return usage(hint, "%s goes with --spool or IMPORTERD_SPOOL", variable(setting.Flag))
		}
	}

	return nil
}

// checkCommand refuses a command line without -- or without a command.
func (d *daemon) checkCommand(args []string) error {
	begin := "importerd run --spool " + d.spool.Dir + " ... -- "

	switch {
	case len(args) == 0:
		return usage(begin+"/usr/local/bin/load {}", "which command shall be run on the files?")
	case d.flags.ArgsLenAtDash() != 0:
		return usage(begin+strings.Join(args, " "), "-- is missing before the command")
	}

	return nil
}

// oneSpool completes the spool that the options describe.
func (d *daemon) oneSpool(command []string) (config.Spool, error) {
	s := d.spool

	dir, err := filepath.Abs(s.Dir)
	if err != nil || s.Dir == "" {
		return s, usage("importerd run --spool DIR -- COMMAND", "--spool %q is no path of a directory", s.Dir)
	}

	s.Dir = dir
	s.Command = command

	if strings.Contains(command[0], "/") {
		if s.Command[0], err = filepath.Abs(command[0]); err != nil {
			return s, usage("", "command %q: %w", command[0], err)
		}
	}

	if s.Name == "" {
		s.Name = filepath.Base(dir)
	}

	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return s, &fault{
			code: codeConfig, err: fmt.Errorf("there is no directory %s", job.Show(dir)),
			hint: "mkdir -p " + job.Show(dir),
		}
	}

	if err := s.Validate(); err != nil {
		return s, usage("each line begins with the option that it is about", "%w", err)
	}

	return s, nil
}

// loadConfig reads a configuration file.
func loadConfig(path string) (config.Config, error) {
	cfg, err := config.Load(path)
	if err == nil {
		return cfg, nil
	}

	f := &fault{code: codeConfig, err: err}
	if errors.Is(err, fs.ErrNotExist) {
		f.hint = "run one spool without a file: importerd run --spool DIR -- COMMAND\n" +
			"or write " + path + ", for example:\n" + config.Example
	}

	return cfg, f
}

// isDir says whether there is a directory at path.
func isDir(path string) bool {
	info, err := os.Stat(path)

	return err == nil && info.IsDir()
}
