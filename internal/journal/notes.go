package journal

import "time"

// Notes are what a journal keeps of its spool as a whole.
type Notes struct {
	Husks  time.Time // as Journal.Husks
	Paused bool      // as Journal.Paused
}

// Notes reads what is kept of the spool.
func (r *Reader) Notes() (Notes, error) {
	var n Notes

	if err := r.trouble(); err != nil {
		return n, err
	}

	meta, err := readMeta(r.db)
	if err != nil {
		return n, r.fail(err)
	}

	_ = n.Husks.UnmarshalText([]byte(meta[husksKey])) // missing: there are none
	n.Paused = meta[pausedKey] == "1"

	return n, nil
}
