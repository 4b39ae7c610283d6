package config

import "time"

// Keep is how long what has ended is kept.
type Keep struct {
	Done   time.Duration // files of done jobs and what is known of them; 0: for ever
	Failed time.Duration // the same of failed and terminated jobs; 0: for ever
	Logs   time.Duration // logs of done jobs
}

const (
	// minKeep is the shortest time for which anything is kept. Zero is not
	// possible: one could take it for nothing as well as for ever.
	minKeep = time.Hour
	maxKeep = 36500 * day
)

// keeping is a table of durations.
type keeping struct{ p *Keep }

// parts returns the durations by key. Zero is for ever, but for logs.
func (k keeping) parts() parts {
	const example = `"30d"`

	return parts{
		"done":   {span{p: &k.p.Done, low: minKeep, high: maxKeep}, example, k.p.Done != 0},
		"failed": {span{p: &k.p.Failed, low: minKeep, high: maxKeep}, example, k.p.Failed != 0},
		"logs":   {span{p: &k.p.Logs, low: minKeep, high: maxKeep}, example, true},
	}
}

func (k keeping) load(v any) error {
	loaded := *k.p // those with a mistake keep their defaults

	err := keeping{&loaded}.parts().load(v)
	*k.p = loaded

	return err
}

func (k keeping) check() error { return k.parts().check() }
