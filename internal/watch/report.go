package watch

import (
	"cmp"
	"time"

	"github.com/rs/zerolog"

	"importerd/internal/job"
)

// overflowPause is how long after a line about lost events there is no other.
const overflowPause = time.Minute

// report remembers what was logged, so that it is not logged again.
type report struct {
	told     [reasons]bool
	overflow time.Time
}

// tell logs which files a sweep passed over, when that has changed: at once
// those that are held, the others when two sweeps have found such, because
// under load some are always just being delivered.
func (r *report) tell(log zerolog.Logger, before, now *tally) {
	for i, n := range now.n {
		meaning := meanings[i]

		switch {
		case n == 0:
			r.told[i] = r.told[i] && before.n[i] > 0
		case r.told[i], meaning.Standing != job.Held && before.n[i] == 0:
		default:
			r.told[i] = true

			log.WithLevel(level(reason(i))).Str("why", cmp.Or(now.why[i], meaning.Text)).Int("files", n).
				Str("example", job.Show(now.example[i])).Msg("files passed over")
		}
	}
}

// level is how much a person wants to know of files that are passed over.
func level(r reason) zerolog.Level {
	switch {
	case meanings[r].Standing == job.Held:
		return zerolog.WarnLevel
	case r == notRegular, r == noMatch, r == noMarker:
		return zerolog.InfoLevel
	}

	return zerolog.DebugLevel
}

// mayTellOverflow says whether it is time for another line about lost events.
func (r *report) mayTellOverflow(now time.Time) bool {
	if !r.overflow.IsZero() && now.Sub(r.overflow) < overflowPause {
		return false
	}

	r.overflow = now

	return true
}
