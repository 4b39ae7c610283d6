package trial

// Sample is what one trial has measured. A figure that could not be had is 0,
// a count that could not be had is -1.
type Sample struct {
	Contender string  `json:"contender"`
	Round     int     `json:"round"`
	Files     int     `json:"files"`
	Seconds   float64 `json:"seconds"`           // from the start of the process, or the first delivery, to the last file
	Working   float64 `json:"working,omitempty"` // the same from the moment at which the daemon said that it is ready
	First     float64 `json:"first,omitempty"`   // from the start of the process to the first handler's start
	CPU       float64 `json:"cpu"`               // seconds of user and system time, with all that was run
	Memory    float64 `json:"memory"`            // MiB, at the highest, of the contender itself without what it runs
	Missed    int     `json:"missed"`            // files that were not handled
	Twice     int     `json:"twice"`             // times that a file was handled again
	Half      int     `json:"half,omitempty"`    // files that were handled before they were whole
	Waits     []int64 `json:"waits,omitempty"`   // from rename to the handler's start, in µs, at the ranks of Ranks
}

// Rate is files per second.
func (s Sample) Rate() float64 {
	if s.Seconds == 0 {
		return 0
	}

	return float64(s.Files) / s.Seconds
}
