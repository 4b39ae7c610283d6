package config

import (
	"fmt"

	"github.com/bmatcuk/doublestar/v4"
)

const (
	// maxPattern is how long a pattern may be, in bytes.
	maxPattern = 256

	// maxEffort bounds the length of a pattern times the ways to choose from all its {},
	// each of which may have to be tried: to match the longest name then takes few ms.
	maxEffort = 4096
)

// CheckPattern returns what is wrong with a pattern for names: it is none, or matching with
// it could take very long.
func CheckPattern(pattern string) error {
	switch {
	case len(pattern) > maxPattern:
		return fmt.Errorf("the pattern has %d bytes: at most %d are possible", len(pattern), maxPattern)
	case !doublestar.ValidatePattern(pattern):
		return fmt.Errorf("%q is no pattern: close each [ and {, and end with no \\", pattern)
	case ways(pattern)*len(pattern) > maxEffort:
		return fmt.Errorf("%q has too many alternatives: use fewer {}, or * and ? in their place", pattern)
	}

	return nil
}

// ways returns in how many ways one can choose from all {} of a pattern, at least; more
// than maxEffort are not counted.
func ways(pattern string) int {
	all, open := 1, []int(nil) // alternatives of the groups that are not closed yet

	for i := 0; i < len(pattern); i++ {
		last := len(open) - 1

		switch c := pattern[i]; {
		case c == '\\':
			i++
		case c == '{':
			open = append(open, 1)
		case c == ',' && last >= 0:
			open[last]++
		case c == '}' && last >= 0:
			all = min(all*open[last], maxEffort+1)
			open = open[:last]
		}
	}

	return all
}
