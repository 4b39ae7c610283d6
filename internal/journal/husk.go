package journal

import (
	"fmt"
	"time"
)

// husksKey is the row of table meta that keeps what Husks returns.
const husksKey = "husks"

// Husks returns the time of the last boot of the machine that followed an
// unclean end: empty files in the inbox that are older may be what was left of
// uploads that were never flushed. Zero: there was none.
func (j *Journal) Husks() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()

	return j.husks
}

// HoldHusks records, durably, what Husks returns from now on.
func (j *Journal) HoldHusks(before time.Time) error {
	text, err := before.UTC().MarshalText()
	if err != nil {
		return fmt.Errorf("time of the boot: %w", err)
	}

	err = j.submit(&request{durable: true, do: func(w *writer, _ *stage) error {
		return w.setMeta(husksKey, string(text))
	}})
	if err != nil {
		return err
	}

	j.mu.Lock()
	defer j.mu.Unlock()

	j.husks = before

	return nil
}
