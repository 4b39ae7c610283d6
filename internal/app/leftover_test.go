package app_test

import (
	"strings"
	"testing"
	"time"

	"importerd/internal/app"
	"importerd/internal/config"
)

// TestProcessOfASessionOfItsOwn: a handler leaves one behind that is not of its group
// and holds its lock. It must not hold up the next attempt.
func TestProcessOfASessionOfItsOwn(t *testing.T) {
	t.Parallel()

	s := newSpool(t, "sh", "-c", "setsid sleep 1000 & exit 1")
	s.cfg.Attempts, s.cfg.Backoff = 3, config.Backoff{Min: 10 * time.Millisecond, Max: 20 * time.Millisecond}
	s.drop("a.csv", "a")

	d := start(t, app.Options{}, s)
	s.await("failed", "a.csv")
	d.stops()

	if strings.Contains(d.log.String(), "left a process behind") {
		t.Error(d.log)
	}
}
