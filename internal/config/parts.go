package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// parts are the values of a table whose keys are known.
type parts map[string]part

// part is one of them.
type part struct {
	field

	example string // as one would write it
	given   bool   // the present value is one that has to be checked
}

// load takes a table of the file.
func (p parts) load(v any) error {
	tree, ok := v.(map[string]any)
	if !ok {
		return errType
	}

	var wrong []error

	for _, key := range slices.Sorted(maps.Keys(tree)) {
		part, known := p[key]
		if !known {
			err := fmt.Errorf("unknown key %q: %s", key, meant(key, slices.Sorted(maps.Keys(p))))
			wrong = append(wrong, &elementError{key: key, err: err, atKey: true})

			continue
		}

		if err := part.load(tree[key]); err == errType { //nolint:errorlint // returned as it is
			wrong = append(wrong, &elementError{
				key: key, err: fmt.Errorf("%s is %s: write it as %s = %s", key, kind(tree[key]), key, part.example),
			})
		} else if err != nil {
			wrong = append(wrong, inPart(key, err))
		}
	}

	return errors.Join(wrong...)
}

// check says what is impossible about the present values.
func (p parts) check() error {
	var wrong []error

	for _, key := range slices.Sorted(maps.Keys(p)) {
		if !p[key].given {
			continue
		}

		if err := p[key].check(); err != nil {
			wrong = append(wrong, inPart(key, err))
		}
	}

	return errors.Join(wrong...)
}

// inPart says which of the values a mistake is about.
func inPart(key string, err error) error {
	return &elementError{key: key, err: fmt.Errorf("%s: %w", key, err)}
}
