package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// elementError is a mistake in one element of a list or table.
type elementError struct {
	key   string // the element's number, or its key
	err   error
	atKey bool // the key is the mistake, not its value
}

func (e *elementError) Error() string { return e.err.Error() }
func (e *elementError) Unwrap() error { return e.err }

// list is several strings. As a flag it is given once for each.
type list struct {
	p    *[]string
	of   string // for the help: GLOB
	rule func(i int, element string) error
}

func (l list) show() string { return strings.Join(*l.p, " ") }
func (l list) word() string { return l.of }

func (l list) set(element string) error {
	if err := l.rule(len(*l.p), element); err != nil {
		return err
	}

	*l.p = append(*l.p, element)

	return nil
}

func (l list) load(v any) error {
	array, ok := v.([]any)
	if !ok {
		return errType
	}

	var wrong []error

	elements := make([]string, len(array))

	for i, v := range array {
		if elements[i], ok = v.(string); !ok {
			wrong = append(wrong, notText(strconv.Itoa(i), v))
		}
	}

	if wrong != nil {
		return errors.Join(wrong...)
	}

	return try(l.p, elements, l.check)
}

func (l list) check() error {
	var wrong []error

	for i, element := range *l.p {
		if err := l.rule(i, element); err != nil {
			wrong = append(wrong, &elementError{key: strconv.Itoa(i), err: err})
		}
	}

	return errors.Join(wrong...)
}

// table is strings by name.
type table struct {
	p    *map[string]string
	rule func(key, value string) error
}

func (t table) load(v any) error {
	tree, ok := v.(map[string]any)
	if !ok {
		return errType
	}

	var wrong []error

	elements := make(map[string]string, len(tree))

	for key, v := range tree {
		if elements[key], ok = v.(string); !ok {
			wrong = append(wrong, notText(key, v))
		}
	}

	if wrong != nil {
		return errors.Join(wrong...)
	}

	return try(t.p, elements, t.check)
}

func (t table) check() error {
	var wrong []error

	for _, key := range slices.Sorted(maps.Keys(*t.p)) {
		if err := t.rule(key, (*t.p)[key]); err != nil {
			wrong = append(wrong, &elementError{key: key, err: err})
		}
	}

	return errors.Join(wrong...)
}

// notText says that an element is no string.
func notText(key string, v any) error {
	switch v.(type) {
	case []any, map[string]any:
		return &elementError{key: key, err: errors.New("an element is no string: write one in quotes")}
	}

	return &elementError{key: key, err: fmt.Errorf("%v is no string: write \"%v\"", v, v)}
}
