package command

import (
	"context"
	"os"
	"time"

	"importerd/internal/handler/cgroup"
	"importerd/internal/job"
)

// MaxRetryAfter is the longest wait that a handler may ask for.
const MaxRetryAfter = maxRetryAfter

// Service is a command that runs for long and has many jobs: descriptor 3 is for
// answers, standard input for what is asked.
type Service struct {
	base base
}

// Engagement is one process of a Service.
type Engagement struct {
	ID      job.ID              // of the process: names its cgroup
	Stdin   func() (int, error) // opens what becomes standard input; closed after the start; nil: nothing is read
	Lock    *os.File            // inherited as descriptor 4, and closed when the process has it
	Kill    <-chan struct{}     // closed by the caller: kill at once, without any grace
	Started func(pid int)       // called once with the pid, which is the process group too
	// Output gets what the process writes on standard output and error, Answer what it
	// writes on descriptor 3. Both keep nothing of the slice, and are called from two
	// goroutines.
	Output, Answer func(b []byte)
	// Mute is called when nobody can write on descriptor 3 any more, perhaps while the
	// process lives.
	Mute func()
}

// NewService returns a service for c. Its command is run as it is written: a {} in an
// argument means nothing, and no path is appended.
func NewService(c Config) (*Service, error) {
	b, err := newBase(c)
	if err != nil {
		return nil, err
	}

	return &Service{base: b}, nil
}

// Run starts a process and waits for its end, as for that of a command. When it
// returns nothing of its tree is left, as far as it can be found, and all that it
// wrote was given to Output and Answer. When ctx is done the process is asked to end.
func (s *Service) Run(ctx context.Context, e Engagement) job.Exit {
	r := run{
		base:    s.base,
		argv:    s.base.command,
		env:     s.base.environ([]string{jobPrefix + "SPOOL=" + s.base.spool}),
		stdin:   e.Stdin,
		output:  &passing{to: e.Output, recent: ring{size: tailSize}},
		reports: answers{e},
		lock:    e.Lock,
		kill:    e.Kill,
		name:    cgroup.JobPrefix + e.ID.String(),
		started: e.Started,
	}

	return r.do(ctx)
}

// Printable returns text of a handler as it may be shown, cut to its last 4 KiB.
func Printable(b []byte) []byte { return text(b, false) }

// passing passes output on and keeps the last of it.
type passing struct {
	to     func([]byte)
	recent ring
}

func (p *passing) take(b []byte) time.Time {
	if len(b) > 0 {
		p.recent.put(b)
		p.to(b)
	}

	return time.Time{}
}

func (p *passing) finish() []byte { return text(p.recent.bytes(), p.recent.lost > 0) }

// answers passes on what comes on descriptor 3.
type answers struct{ Engagement }

func (a answers) take(b []byte) time.Time {
	if len(b) > 0 {
		a.Answer(b)
	}

	return time.Time{}
}

func (a answers) over()                 { a.Mute() }
func (a answers) finish() time.Duration { return 0 }
