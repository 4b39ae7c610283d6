package trial

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// profile asks the daemon, which was built for it, to write its profiles, and
// waits for that for a while.
func (g *group) profile(ctx context.Context, dir string) {
	written := filepath.Join(dir, "written")
	_ = os.Remove(written) // of the trial before

	_ = g.members[0].Process.Signal(syscall.SIGUSR2) // it may have ended

	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()

	_ = g.await(ctx, func() bool {
		_, err := os.Stat(written)

		return err == nil
	})
}
