package config_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"importerd/internal/config"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]time.Duration{
		"0":       0,
		"90s":     90 * time.Second,
		"1h30m":   90 * time.Minute,
		"30d":     30 * 24 * time.Hour,
		"1d12h":   36 * time.Hour,
		"1d0.5s":  24*time.Hour + 500*time.Millisecond,
		"-5s":     -5 * time.Second,
		"106751d": 106751 * 24 * time.Hour,
	} {
		if got, err := config.ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}

	for _, text := range []string{
		"", "d", "5", "1.5d", "-1d", "+1d", "1d-1h", "1h2d", "2 d", "1d1d", "106752d", "106751d24h",
		"99999999999999999999d", "soon",
	} {
		if got, err := config.ParseDuration(text); err == nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	t.Parallel()

	for d, want := range map[time.Duration]string{
		0:                                  "0s",
		10 * time.Minute:                   "10m",
		time.Hour:                          "1h",
		24 * time.Hour:                     "1d",
		36*time.Hour + 5*time.Second:       "1d12h0m5s",
		100 * time.Second:                  "1m40s",
		250 * time.Millisecond:             "250ms",
		30*24*time.Hour + time.Millisecond: "30d1ms",
	} {
		if got := config.FormatDuration(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}

func TestDurationRoundTrip(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Min(0).Draw(t, "d"))

		got, err := config.ParseDuration(config.FormatDuration(d))
		if err != nil || got != d {
			t.Fatalf("%v became %s, then %v, %v", d, config.FormatDuration(d), got, err)
		}
	})
}
