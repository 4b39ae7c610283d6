package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

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

// parts returns the durations by key.
func (k keeping) parts() map[string]span {
	return map[string]span{
		"done":   {p: &k.p.Done, low: minKeep, high: maxKeep},
		"failed": {p: &k.p.Failed, low: minKeep, high: maxKeep},
		"logs":   {p: &k.p.Logs, low: minKeep, high: maxKeep},
	}
}

func (k keeping) load(v any) error {
	tree, ok := v.(map[string]any)
	if !ok {
		return errType
	}

	var wrong []error

	loaded := *k.p // those with a mistake keep their defaults
	parts := keeping{&loaded}.parts()

	for _, key := range slices.Sorted(maps.Keys(tree)) {
		part, known := parts[key]
		if !known {
			wrong = append(wrong, &elementError{key: key, err: unknownPart(key, parts), atKey: true})

			continue
		}

		if err := part.load(tree[key]); err == errType { //nolint:errorlint // returned as it is
			wrong = append(wrong, &elementError{
				key: key, err: fmt.Errorf("%s is %s: write it as %s = \"30d\"", key, kind(tree[key]), key),
			})
		} else if err != nil {
			wrong = append(wrong, inPart(key, err))
		}
	}

	*k.p = loaded

	return errors.Join(wrong...)
}

func (k keeping) check() error {
	var wrong []error

	parts := k.parts()

	for _, key := range slices.Sorted(maps.Keys(parts)) {
		if *parts[key].p == 0 && key != "logs" {
			continue
		}

		if err := parts[key].check(); err != nil {
			wrong = append(wrong, inPart(key, err))
		}
	}

	return errors.Join(wrong...)
}

// inPart says which of the durations a mistake is about.
func inPart(key string, err error) error {
	return &elementError{key: key, err: fmt.Errorf("%s: %w", key, err)}
}

// unknownPart says what could be meant by a key.
func unknownPart(key string, parts map[string]span) error {
	return fmt.Errorf("unknown key %q: %s", key, meant(key, slices.Sorted(maps.Keys(parts))))
}
