package trial

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Command is importerd with a command per file.
func Command(workers int, command func(Place) []string) Contender {
	title := fmt.Sprintf("importerd, a command per file, %d workers", workers)

	return importerd("importerd-command", title, func(p Place) []string {
		return []string{"command = " + list(command(p)), fmt.Sprintf("workers = %d", workers)}
	})
}

// Worker is importerd with long-lived workers.
func Worker(workers, inflight int) Contender {
	title := fmt.Sprintf("importerd, %d worker, %d in flight", workers, inflight)

	c := importerd("importerd-worker", title, func(p Place) []string {
		return []string{
			"worker = " + list(worker(p)), fmt.Sprintf("workers = %d", workers), fmt.Sprintf("inflight = %d", inflight),
		}
	})
	c.Stamps = true

	return c
}

// importerd returns the daemon with its configuration in a file.
func importerd(name, title string, settings func(Place) []string) Contender {
	return Contender{
		Name: name, Title: title, Tells: true, Moves: true,
		Command: func(p Place) ([][]string, error) {
			file := filepath.Join(p.Logs, "importerd.toml")
			lines := append([]string{`listen = "none"`, "", "[spool.bench]", fmt.Sprintf("dir = %q", p.Dir)}, settings(p)...)

			if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
				return nil, fmt.Errorf("write configuration: %w", err)
			}

			if err := journal(p); err != nil {
				return nil, err
			}

			return [][]string{{p.Program("importerd"), "run", "--config", file, "--log-format", "json"}}, nil
		},
	}
}

// list writes arguments as a list of TOML.
func list(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = fmt.Sprintf("%q", arg)
	}

	return "[" + strings.Join(quoted, ", ") + "]"
}

// journal puts the journal where the daemon looks for it.
func journal(p Place) error {
	if p.Journal == "" {
		return nil
	}

	ours := filepath.Join(p.Dir, ".importerd")
	if err := os.Mkdir(ours, 0o700); err != nil {
		return fmt.Errorf("lend journal: %w", err)
	}

	if err := os.Rename(p.Journal, filepath.Join(ours, "journal.db")); err != nil {
		return fmt.Errorf("lend journal: %w", err)
	}

	return nil
}
