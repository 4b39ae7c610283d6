package main

import "importerd/internal/job"

// shortID is the end of an id, which tells it from others of its time: all
// ids of an hour begin alike.
func shortID(id job.ID) string {
	const digits = 12

	text := id.String()

	return text[len(text)-digits:]
}
