package app

import (
	"context"
	"fmt"
	"time"

	"importerd/internal/keep"
)

// logSpace is how much of the disk the logs of done jobs may take, in bytes.
const logSpace = 1 << 30

// newKeeper returns what removes things that were kept long enough.
func (l *line) newKeeper(s *session) (*keep.Keeper, error) {
	dog := l.app.notifier.Watchdog()

	keeper, err := keep.New(keep.Config{
		Done: l.cfg.Keep.Done, Failed: l.cfg.Keep.Failed, Logs: l.cfg.Keep.Logs,
		Space: logSpace, BeatEvery: dog.Interval(),
	}, keep.Deps{
		Folders: l.spool, Logs: logs{l.spool}, History: history{l.journal},
		Wall:  func() time.Time { return time.Now().Round(0) },
		Pulse: s.pulse(dog, l.cfg.Name+" keeper"), Log: l.log,
	})
	if err != nil {
		return nil, fmt.Errorf("keep: %w", err)
	}

	return keeper, nil
}

// keep removes what was kept long enough until ctx is done. If the disk cannot
// be trusted any more it calls stop.
func (s *session) keep(ctx context.Context, stop func()) error {
	err := s.keeper.Run(ctx)
	if err != nil {
		stop()

		return fmt.Errorf("keep: %w", err)
	}

	return nil
}
