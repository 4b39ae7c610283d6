package journal

// pausedKey is the row of table meta that keeps what Paused returns.
const pausedKey = "paused"

// Paused says whether a person has paused the spool. It costs no look at the
// database.
func (j *Journal) Paused() bool {
	j.known.mu.RLock()
	defer j.known.mu.RUnlock()

	return j.known.paused
}

// SetPaused records, durably, what Paused returns from now on.
func (j *Journal) SetPaused(paused bool) error {
	value := "0"
	if paused {
		value = "1"
	}

	return j.submit(&request{durable: true, do: func(w *writer, s *stage) error {
		s.paused = paused

		return w.setMeta(pausedKey, value)
	}})
}
