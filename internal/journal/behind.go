package journal

import "importerd/internal/job"

// Behind says whether a job that was recorded before this one has its name, as
// dropped, and has not ended. It costs no look at the database. In theory another
// name can be mistaken for it, as by UnderWay; then the job waits for a while.
func (j *Journal) Behind(id job.ID) bool {
	k := j.known

	k.mu.RLock()
	defer k.mu.RUnlock()

	mine, open := k.slots[id]
	if !open || !mine.open || k.names[mine.name] < 2 {
		return false
	}

	for _, other := range k.slots { // seldom: most names are there once
		if other.open && other.name == mine.name && other.seq < mine.seq && !other.state.Ended() {
			return true
		}
	}

	return false
}
