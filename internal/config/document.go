package config

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// document is a TOML file taken apart: its values, and where each of them
// stands. The decoder of the library stops at the first value of a wrong type;
// the operator shall see all mistakes at once, so types are checked here.
type document struct {
	tree   map[string]any
	places map[string]place // by path, see pathKey
	lines  []int            // offset of the first byte of each line
}

// place is where a key stands, and where its value does. They are the same for
// tables and arrays.
type place struct{ key, value position }

// newDocument reads data, or returns the first thing that makes it no TOML.
func newDocument(data []byte) (*document, *Mistake) {
	text, mistake := plain(data)
	if mistake != nil {
		return nil, mistake
	}

	doc := &document{tree: map[string]any{}, places: map[string]place{}}

	if err := toml.Unmarshal(text, &doc.tree); err != nil {
		return nil, syntaxMistake(err)
	}

	doc.locate(text)

	return doc, nil
}

// plain returns data as UTF-8 without a byte-order mark, which some editors
// put there. UTF-16 would give an error on a character that nobody sees.
func plain(data []byte) ([]byte, *Mistake) {
	start := position{1, 1}

	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		return nil, mistakeAt(start, errors.New("the file is in UTF-16: save it as UTF-8"))
	case bytes.IndexByte(data, 0) >= 0:
		return nil, mistakeAt(start, errors.New("the file has zero bytes, so it is no text: save it as UTF-8"))
	}

	// A copy: the parser tells offsets by the capacity of the slice.
	return bytes.Clone(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))), nil
}

// syntaxMistake turns the library's error into one of ours.
func syntaxMistake(err error) *Mistake {
	text := strings.TrimPrefix(err.Error(), "toml: ")
	at := position{1, 1}

	if decode, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := decode.Position()
		at = position{max(line, 1), max(column, 1)}
	}

	if strings.ContainsFunc(text, unicode.IsControl) { // a key with an escape in it
		text = strconv.QuoteToGraphic(text)
	}

	return mistakeAt(at, fmt.Errorf("this is no TOML: %s", text))
}

// locate notes the place of each key, value and element of text.
func (d *document) locate(text []byte) {
	parser := &unstable.Parser{}
	parser.Reset(text)

	d.lines = []int{0}

	for i, c := range text {
		if c == '\n' {
			d.lines = append(d.lines, i+1)
		}
	}

	var table []string

	for parser.NextExpression() {
		node := parser.Expression()

		switch node.Kind { //nolint:exhaustive // an expression is nothing else; comments are dropped
		case unstable.Table, unstable.ArrayTable:
			table = d.key(nil, node)
		case unstable.KeyValue:
			d.keyValue(table, node)
		}
	}
}

// key notes where the parts of node's key stand, and returns its whole path.
func (d *document) key(path []string, node *unstable.Node) []string {
	path = slices.Clip(path)

	for parts := node.Key(); parts.Next(); {
		part := parts.Node()
		path = append(path, string(part.Data))
		at := d.start(part)
		d.note(path, place{key: at, value: at})
	}

	return path
}

// keyValue notes the places in KEY = VALUE.
func (d *document) keyValue(table []string, node *unstable.Node) {
	d.value(d.key(table, node), node.Value())
}

// value notes where a value, its elements and its keys stand.
func (d *document) value(path []string, node *unstable.Node) {
	switch node.Kind {
	case unstable.InlineTable:
		for children := node.Children(); children.Next(); {
			d.keyValue(path, children.Node())
		}
	case unstable.Array:
		children := node.Children()
		for i := 0; children.Next(); i++ {
			d.value(append(slices.Clip(path), strconv.Itoa(i)), children.Node())
		}
	default:
		at := d.start(node)
		known := d.places[pathKey(path)]

		if known.key.line == 0 { // an element has no key
			known.key = at
		}

		known.value = at
		d.places[pathKey(path)] = known
	}
}

// note keeps the first place of a path: that of a table is its first mention.
func (d *document) note(path []string, p place) {
	if _, known := d.places[pathKey(path)]; !known {
		d.places[pathKey(path)] = p
	}
}

// at returns the place of path, or of the nearest table around it: a key that
// is missing has none.
func (d *document) at(path ...string) place {
	for ; len(path) > 0; path = path[:len(path)-1] {
		if p, ok := d.places[pathKey(path)]; ok {
			return p
		}
	}

	return place{key: position{1, 1}, value: position{1, 1}}
}

// start returns where a node begins. Arrays may not be asked: the parser does
// not say where they begin.
func (d *document) start(node *unstable.Node) position {
	offset := int(node.Raw.Offset)
	line := sort.SearchInts(d.lines, offset+1) // of the lines up to there, from 1

	return position{line: line, column: offset - d.lines[line-1] + 1}
}

// pathKey makes one string of a path. A part that holds a zero byte, by an
// escape, can only make two paths share a place.
func pathKey(path []string) string { return strings.Join(path, "\x00") }
