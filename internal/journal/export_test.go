package journal

// Waiting says how many requests stand in line.
func (j *Journal) Waiting() int {
	j.mu.Lock()
	defer j.mu.Unlock()

	return len(j.queue)
}

// Transactions says how many were begun. Nobody must be writing.
func (j *Journal) Transactions() int { return j.writer.transactions }
