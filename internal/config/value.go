package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Value is one setting of one spool, bound to its field, as a flag. It fits
// what flag libraries ask for.
type Value struct{ scalar scalar }

// String returns the present value as Set reads it.
func (v Value) String() string {
	if v.scalar == nil { // flag libraries ask a zero Value
		return ""
	}

	return v.scalar.show()
}

// Set reads and checks text; the error says what to write instead, and the
// field is as it was then. What may be repeated is added to.
func (v Value) Set(text string) error { return v.scalar.set(text) }

// Type returns a word for the help: D, N, GLOB; "bool" for what needs no value.
func (v Value) Type() string { return v.scalar.word() }

// field is one setting of one spool, bound to its field, as a key of the file.
type field interface {
	// load takes a value of the file. errType says that it is of a wrong type. If
	// it fails the field is as it was.
	load(v any) error

	// check says what is impossible about the present value.
	check() error
}

// scalar is a field that can be a flag as well; see Value.
type scalar interface {
	field
	show() string
	set(text string) error
	word() string
}

// errType says that a value of the file is of another type than its key wants.
var errType = errors.New("wrong type")

// number is a whole number within bounds.
type number struct {
	p         *int
	low, high int
}

func (n number) show() string { return strconv.Itoa(*n.p) }
func (n number) word() string { return "N" }

func (n number) set(text string) error {
	value, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("%q is no whole number: write one from %d to %d", text, n.low, n.high)
	}

	return try(n.p, value, n.check)
}

func (n number) load(v any) error {
	value, ok := v.(int64)
	if !ok {
		return errType
	}

	return n.set(strconv.FormatInt(value, 10))
}

func (n number) check() error {
	if *n.p < n.low || *n.p > n.high {
		return fmt.Errorf("%d is out of bounds: write a number from %d to %d", *n.p, n.low, n.high)
	}

	return nil
}

// span is a duration within bounds.
type span struct {
	p         *time.Duration
	low, high time.Duration
	none      bool // zero means that there is none, whatever low says
}

func (s span) word() string { return "D" }

func (s span) show() string {
	if s.none && *s.p == 0 {
		return "none"
	}

	return FormatDuration(*s.p)
}

func (s span) set(text string) error {
	if s.none && text == "none" {
		text = "0"
	}

	value, err := ParseDuration(text)
	if err != nil {
		return err
	}

	return try(s.p, value, s.check)
}

func (s span) load(v any) error { return loadText(v, s.set) }

func (s span) check() error {
	if s.none && *s.p == 0 {
		return nil
	}

	if *s.p >= s.low && *s.p <= s.high {
		return nil
	}

	or := ""
	if s.none {
		or = `, or "none"`
	}

	return fmt.Errorf("%s is out of bounds: write a duration from %s to %s%s",
		FormatDuration(*s.p), FormatDuration(s.low), FormatDuration(s.high), or)
}

// waits is a Backoff within bounds.
type waits struct {
	p         *Backoff
	low, high time.Duration
}

func (w waits) show() string { return w.p.String() }
func (w waits) word() string { return "MIN..MAX" }

func (w waits) set(text string) error {
	value, err := ParseBackoff(text)
	if err != nil {
		return err
	}

	return try(w.p, value, w.check)
}

func (w waits) load(v any) error { return loadText(v, w.set) }

func (w waits) check() error {
	switch {
	case w.p.Min > w.p.Max:
		return fmt.Errorf("%s begins with the longer wait: write %s", w.p, Backoff{Min: w.p.Max, Max: w.p.Min})
	case w.p.Min < w.low || w.p.Max > w.high:
		return fmt.Errorf("%s is out of bounds: write two durations from %s to %s",
			w.p, FormatDuration(w.low), FormatDuration(w.high))
	}

	return nil
}

// choice is one of a few words.
type choice[T ~string] struct {
	p  *T
	of []T
}

func (c choice[T]) show() string          { return string(*c.p) }
func (c choice[T]) set(text string) error { return try(c.p, T(text), c.check) }
func (c choice[T]) load(v any) error      { return loadText(v, c.set) }

func (c choice[T]) word() string {
	words := make([]string, len(c.of))
	for i, word := range c.of {
		words[i] = string(word)
	}

	return strings.Join(words, "|")
}

func (c choice[T]) check() error {
	if slices.Contains(c.of, *c.p) {
		return nil
	}

	return fmt.Errorf("%q is not possible: write one of %s", string(*c.p), strings.ReplaceAll(c.word(), "|", ", "))
}

// truth is yes or no.
type truth struct{ p *bool }

func (t truth) show() string { return strconv.FormatBool(*t.p) }
func (t truth) word() string { return "bool" }
func (t truth) check() error { return nil }

func (t truth) set(text string) error {
	value, err := strconv.ParseBool(text)
	if err != nil {
		return fmt.Errorf("%q is neither yes nor no: write true or false", text)
	}

	*t.p = value

	return nil
}

func (t truth) load(v any) error {
	value, ok := v.(bool)
	if !ok {
		return errType
	}

	*t.p = value

	return nil
}

// text is a string that one must know something of.
type text struct {
	p    *string
	of   string // for the help: DIR, SUFFIX
	rule func(string) error
}

func (t text) show() string           { return *t.p }
func (t text) word() string           { return t.of }
func (t text) set(value string) error { return try(t.p, value, t.check) }
func (t text) load(v any) error       { return loadText(v, t.set) }
func (t text) check() error           { return t.rule(*t.p) }

// try sets *p to value; if check does not like that, *p is as it was.
func try[T any](p *T, value T, check func() error) error {
	before := *p
	*p = value

	err := check()
	if err != nil {
		*p = before
	}

	return err
}

// loadText passes v on if it is a string.
func loadText(v any, set func(string) error) error {
	value, ok := v.(string)
	if !ok {
		return errType
	}

	return set(value)
}
