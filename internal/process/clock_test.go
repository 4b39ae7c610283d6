package process

import (
	"testing"
	"time"
)

func TestStrays(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		wall, real time.Duration
		want       bool
	}{
		{10 * time.Second, 10 * time.Second, false},
		{10*time.Second + 5*time.Millisecond, 10 * time.Second, false}, // slewed
		{-time.Hour, 10 * time.Second, true},
		{time.Hour, 10 * time.Second, true},
	} {
		if got := strays(c.wall, c.real); got != c.want {
			t.Errorf("%v on the wall, %v in truth: %t", c.wall, c.real, got)
		}
	}
}
