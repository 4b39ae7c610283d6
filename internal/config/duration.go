package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// errDuration is what is wrong with any text that is no duration.
var errDuration = errors.New("is no duration: write a number and a unit, as 90s, 10m, 1h30m or 2d")

// ParseDuration reads a duration as Go writes them, with whole days before the
// rest: "90s", "1h30m", "30d", "1d12h".
func ParseDuration(text string) (time.Duration, error) {
	days, rest, found := strings.Cut(text, "d")
	if !found {
		days, rest = "0", text
	}

	n, err := strconv.ParseUint(days, 10, 64)
	if err != nil || n > uint64(math.MaxInt64/day) || found && strings.HasPrefix(rest, "-") {
		return 0, fmt.Errorf("%q %w", text, errDuration)
	}

	whole := time.Duration(n) * day
	if found && rest == "" {
		return whole, nil
	}

	part, err := time.ParseDuration(rest)
	if err != nil || part > math.MaxInt64-whole {
		return 0, fmt.Errorf("%q %w", text, errDuration)
	}

	return whole + part, nil
}

// FormatDuration writes d as ParseDuration reads it, without parts that are
// zero: "10m", not "10m0s".
func FormatDuration(d time.Duration) string {
	if d >= day {
		days := strconv.Itoa(int(d/day)) + "d"
		if d %= day; d == 0 {
			return days
		}

		return days + FormatDuration(d)
	}

	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}

	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}

	return text
}

// Backoff is how long a refused job waits for its next attempt: first Min, then
// each time longer, up to Max.
type Backoff struct{ Min, Max time.Duration }

// ParseBackoff reads "MIN..MAX", two durations.
func ParseBackoff(text string) (Backoff, error) {
	low, high, found := strings.Cut(text, "..")
	if !found {
		return Backoff{}, fmt.Errorf("%q is no backoff: write the shortest and the longest wait, as 2s..10m", text)
	}

	shortest, err := ParseDuration(low)
	if err != nil {
		return Backoff{}, err
	}

	longest, err := ParseDuration(high)
	if err != nil {
		return Backoff{}, err
	}

	return Backoff{Min: shortest, Max: longest}, nil
}

// String writes b as ParseBackoff reads it.
func (b Backoff) String() string { return FormatDuration(b.Min) + ".." + FormatDuration(b.Max) }
