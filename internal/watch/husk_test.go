package watch

import (
	"testing"
	"time"

	"importerd/internal/job"
)

// TestHusksAreHeld: an empty file from before an unclean boot waits for a
// person; one from after it, and one that is not empty, do not.
func TestHusksAreHeld(t *testing.T) {
	t.Parallel()

	now := time.Now()
	r := rules{settle: time.Second, linger: time.Millisecond, husk: now}

	for _, c := range []struct {
		what string
		size int64
		age  time.Duration
		want reason
	}{
		{"empty, from before", 0, time.Minute, husk},
		{"not empty, from before", 1, time.Minute, ready},
		{"empty, from after", 0, -time.Minute, settling},
	} {
		f := job.File{Name: "a", Size: c.size, Mtime: now.Add(-c.age), Ctime: now.Add(-c.age)}
		if got := r.judge(&sight{}, f, nil, now, now); got.reason != c.want {
			t.Errorf("%s: %v, want %v", c.what, meanings[got.reason], meanings[c.want])
		}
	}
}
