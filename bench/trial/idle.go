package trial

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Idle lets importerd wait with so many spools and nothing to do. CPU is what it
// took in the time, Memory what it has at the end.
func Idle(ctx context.Context, p Place, spools int, watched time.Duration) (Sample, error) {
	c := Command(1, True)
	c.Command = func(p Place) ([][]string, error) { return idling(p, spools) }
	s := Sample{Contender: "importerd", Missed: -1, Twice: -1}

	if err := prepare(p); err != nil {
		return s, err
	}

	g, err := start(ctx, c, p)
	if err != nil {
		return s, err
	}

	g.await(ctx, func() bool { return !g.log.ready.IsZero() })
	g.rest(ctx, 3*time.Second) // what belongs to the start is over then

	pid := g.members[0].Process.Pid
	before, began := ran(pid), time.Now()

	g.rest(ctx, watched)

	s.CPU, s.Seconds = ran(pid)-before, time.Since(began).Seconds()
	s.Memory = field(pid, "VmRSS:")

	return s, g.finish(c, p, true)
}

// rest lets time pass without a look at anything.
func (g *group) rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-g.ended:
	case <-time.After(d):
	}
}

func idling(p Place, spools int) ([][]string, error) {
	var text strings.Builder

	text.WriteString("listen = \"none\"\n")

	if err := os.MkdirAll(p.Inbox(), 0o755); err != nil { // where all contenders are started
		return nil, fmt.Errorf("make place: %w", err)
	}

	for i := range spools {
		fmt.Fprintf(&text, "\n[spool.s%d]\ndir = %q\ncommand = [\"/bin/true\"]\n", i, filepath.Join(p.Dir, strconv.Itoa(i)))

		if err := os.MkdirAll(filepath.Join(p.Dir, strconv.Itoa(i), "inbox"), 0o755); err != nil {
			return nil, fmt.Errorf("make spool: %w", err)
		}
	}

	file := filepath.Join(p.Logs, "importerd.toml")
	if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}

	return [][]string{{p.Program("importerd"), "run", "--config", file, "--log-format", "json"}}, nil
}
