package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Mistake is one thing that is wrong with a configuration file.
type Mistake struct {
	File   string // as it was given to Load or Parse
	Line   int    // from 1
	Column int    // from 1, in bytes
	Err    error  // what is wrong, and what to write instead: one line
}

// Error returns FILE:LINE:COLUMN: and what is wrong.
func (m *Mistake) Error() string {
	return fmt.Sprintf("%s:%d:%d: %v", m.File, m.Line, m.Column, m.Err)
}

// Unwrap returns what is wrong, without the place.
func (m *Mistake) Unwrap() error { return m.Err }

// position is a place in a file: line and column, from 1.
type position struct{ line, column int }

// mistakeAt returns a mistake of a file that is named later.
func mistakeAt(at position, err error) *Mistake {
	return &Mistake{Line: at.line, Column: at.column, Err: err}
}

// err joins the mistakes in the order of the file; nil if there are none.
func (l *loader) err() error {
	slices.SortStableFunc(l.mistakes, func(a, b *Mistake) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Err.Error(), b.Err.Error()))
	})

	all := make([]error, 0, len(l.mistakes))

	for _, m := range l.mistakes {
		m.File = l.name
		all = append(all, m)
	}

	return errors.Join(all...)
}
