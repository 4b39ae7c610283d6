package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// loader makes spools of a document and gathers the mistakes in it.
type loader struct {
	name     string
	doc      *document
	api      API
	spools   []Spool
	mistakes []*Mistake
}

// file reads the whole document.
func (l *loader) file() {
	for key, v := range l.doc.tree {
		switch key {
		case "spool":
			l.table(v)
		default:
			l.top(key, v)
		}
	}

	l.together()

	if len(l.spools) == 0 && len(l.mistakes) == 0 {
		l.add(position{1, 1}, fmt.Errorf("there is no spool: write [spool.NAME] and below it dir and command"))
	}

	l.overlaps()
}

// top reads a key of the API.
func (l *loader) top(key string, v any) {
	keys := apiKeys(&l.api)

	i := slices.IndexFunc(keys, func(k apiKey) bool { return k.key == key })
	if i < 0 {
		l.unknown(key)

		return
	}

	at := l.doc.at(key).value

	err := keys[i].field.load(v)
	if err == errType { //nolint:errorlint // returned as it is
		l.add(at, fmt.Errorf("%s is %s: write it as %s = %s", key, kind(v), key, keys[i].example))

		return
	}

	for _, p := range split(key, err) {
		l.add(at, fmt.Errorf("%s: %w", key, p.err))
	}
}

// together notes what does not go together in the keys of the API.
func (l *loader) together() {
	if len(l.mistakes) > 0 {
		return
	}

	for _, err := range l.api.conflicts() {
		key, _, _ := strings.Cut(err.Error(), ":")
		l.add(l.doc.at(key).value, err)
	}
}

// unknown notes a key that means nothing at the top of the file.
func (l *loader) unknown(key string) {
	at := l.doc.at(key).key

	if slices.Contains(spoolKeys(), key) {
		l.add(at, fmt.Errorf("%s belongs to a spool: write it below [spool.NAME]", key))

		return
	}

	l.add(at, fmt.Errorf("unknown key %q: %s", key, meant(key, topKeys())))
}

// table reads all spools, sorted by name.
func (l *loader) table(v any) {
	tree, ok := v.(map[string]any)
	if !ok {
		l.add(l.doc.at("spool").key, fmt.Errorf("spool is no table: write [spool.NAME] for each spool"))

		return
	}

	for _, name := range slices.Sorted(maps.Keys(tree)) {
		at := l.doc.at("spool", name).key

		keys, ok := tree[name].(map[string]any)
		if !ok {
			l.add(at, fmt.Errorf("%q is no spool: write [spool.NAME] and its keys below", name))

			continue
		}

		if err := checkName(name); err != nil {
			l.add(at, err)
		}

		l.spools = append(l.spools, l.spool(name, keys))
	}
}

// spool reads one spool. Keys with a mistake keep their defaults; dir and inbox
// are empty then.
func (l *loader) spool(name string, tree map[string]any) Spool {
	s := Default()
	s.Name = name
	wrong := map[string]bool{}

	for key := range tree {
		if slices.ContainsFunc(Settings(), func(t Setting) bool { return t.Key == key }) {
			wrong[key] = l.load(&s, key, tree[key])
		} else {
			l.add(l.doc.at("spool", name, key).key,
				fmt.Errorf("spool %s: unknown key %q: %s", label(name), key, meant(key, spoolKeys())))
		}
	}

	wrong["command"] = wrong["command"] || wrong["worker"]

	for _, p := range s.problems() {
		if !wrong[p.key] {
			l.problem(name, p)
		}
	}

	return s
}

// load reads the value of one key and says whether there is a mistake in it.
func (l *loader) load(s *Spool, key string, v any) bool {
	settings := Settings()
	setting := settings[slices.IndexFunc(settings, func(t Setting) bool { return t.Key == key })]

	err := setting.bind(s).load(v)
	if err == errType { //nolint:errorlint // returned as it is
		l.add(l.doc.at("spool", s.Name, key).value,
			fmt.Errorf("spool %s: %s is %s: write it as %s = %s", label(s.Name), key, kind(v), key, setting.example))

		return true
	}

	problems := split(key, err)
	for _, p := range problems {
		l.problem(s.Name, p)
	}

	return len(problems) > 0
}

// problem notes a problem of a spool at the place of its value.
func (l *loader) problem(name string, p problem) {
	path := []string{"spool", name, p.key}
	if p.element != "" {
		path = append(path, p.element)
	}

	at := l.doc.at(path...)
	if p.atKey {
		at.value = at.key
	}

	l.add(at.value, fmt.Errorf("spool %s: %s: %w", label(name), p.key, p.err))
}

func (l *loader) add(at position, err error) {
	l.mistakes = append(l.mistakes, mistakeAt(at, err))
}

// spoolKeys returns the keys of a spool that may be used, sorted.
func spoolKeys() []string {
	var keys []string
	for _, t := range Settings() {
		keys = append(keys, t.Key)
	}

	slices.Sort(keys)

	return keys
}

// kind names the type of a value as the operator sees it.
func kind(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case int64:
		return "a whole number"
	case float64:
		return "a number with a point"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	}

	return "a date or time"
}

// label returns a spool's name for a message: in quotes if it is an odd one.
func label(name string) string {
	if checkName(name) != nil {
		return strconv.Quote(name)
	}

	return name
}
