package journal

import "importerd/internal/job"

// DoneSize returns how many bytes the files of all done jobs have together, as
// they were when they were done: what somebody has taken out of done/ since then
// still counts. It reads the whole history, about three million jobs a second.
func (r *Reader) DoneSize() (int64, error) {
	if err := r.trouble(); err != nil {
		return 0, err
	}

	var n int64

	err := r.db.QueryRow("SELECT coalesce(sum(size), 0) FROM job WHERE state = ? AND file IS NOT NULL",
		string(job.Done)).Scan(&n)

	return n, r.fail(withKind(err))
}
