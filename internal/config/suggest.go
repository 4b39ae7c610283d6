package config

import (
	"fmt"
	"strings"
)

// meant says which of the known words the unknown one was meant to be, or lists
// them all.
func meant(unknown string, known []string) string {
	best, least := "", len(unknown)

	for _, word := range known {
		if d, near := distance(normal(unknown), word); near && d < least {
			best, least = word, d
		}
	}

	if best == "" {
		return "remove it; possible here: " + strings.Join(known, ", ")
	}

	return fmt.Sprintf("did you mean %q?", best)
}

// distance says how far an unknown word is from a known one, and whether that
// is near enough for a slip of the hand. A word that begins with the known one
// is near: environment, timeout_seconds.
func distance(unknown, word string) (int, bool) {
	if strings.HasPrefix(unknown, word) {
		return 0, true
	}

	if len(unknown) > 2*len(word) { // also spares the work for absurd keys
		return 0, false
	}

	d := edits(unknown, word)

	return d, d <= min(2, len(unknown)/3)
}

// normal writes a key as this file's keys are written.
func normal(key string) string {
	return strings.ReplaceAll(strings.ToLower(key), "-", "_")
}

// edits is how many bytes must be put in, left out or changed to make b of a.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}

	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1

		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}

			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}

	return row[len(b)]
}
