package systemd

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/coreos/go-systemd/v22/journal"
)

// The fields of a message, made of those of a line:
//
//	MESSAGE            the line's message, and behind it what people want to see: key=value
//	MESSAGE_ID         of what events lists
//	PRIORITY           3 error, 4 warn, 6 info, 7 debug
//	SYSLOG_IDENTIFIER  importerd
//	IMPORTERD_KEY      the value of the line's key, whichever: job is IMPORTERD_JOB. Each element
//	                   of a list is one value of the field
//
// The line's time is left out: the journal has its own.

const (
	// fieldPrefix begins the name of each field that is ours.
	fieldPrefix = "IMPORTERD_"
	// maxFieldName is how long a field's name may be; the journal drops others.
	maxFieldName = 64
)

// errNoObject says that a line is not what zerolog writes.
var errNoObject = errors.New("the line is no JSON object")

// entry is a field of a line; a list has several values, or none.
type entry struct {
	key    string
	values []string
}

// message makes a message of the native protocol from a line of the log.
func message(line []byte) ([]byte, error) {
	entries, err := parse(line)
	if err != nil {
		return nil, err
	}

	var what, level, details string

	var fields []byte

	for _, e := range entries {
		switch e.key {
		case "message":
			what = strings.Join(e.values, "")
		case "level":
			level = strings.Join(e.values, "")
		case "time":
		default:
			details += detail(e)

			for _, value := range e.values {
				fields = appendField(fields, fieldName(e.key), value)
			}
		}
	}

	fields = appendField(fields, "MESSAGE", what+details)
	fields = appendField(fields, "PRIORITY", strconv.Itoa(int(priority(level))))
	fields = appendField(fields, "SYSLOG_IDENTIFIER", identifier)

	if id := eventID(what); id != "" {
		fields = appendField(fields, "MESSAGE_ID", id)
	}

	return fields, nil
}

// parse reads a line, whose fields keep their order.
func parse(line []byte) ([]entry, error) {
	decoder := json.NewDecoder(bytes.NewReader(line))

	if begin, err := decoder.Token(); err != nil || begin != json.Delim('{') {
		return nil, errors.Join(errNoObject, err)
	}

	var entries []entry

	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNoObject, err)
		}

		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, fmt.Errorf("%w: %w", errNoObject, err)
		}

		name, _ := key.(string) // the keys of an object are nothing else
		entries = append(entries, entry{name, values(value)})
	}

	return entries, nil
}

// values returns what a JSON value has to say: strings without their quotes, the
// elements of a list, anything else as it is written.
func values(raw json.RawMessage) []string {
	var (
		text string
		list []json.RawMessage
	)

	switch {
	case raw[0] == '"' && json.Unmarshal(raw, &text) == nil:
		return []string{text}
	case raw[0] == '[' && json.Unmarshal(raw, &list) == nil:
		var all []string
		for _, element := range list {
			all = append(all, values(element)...)
		}

		return all
	case string(raw) == "null":
		return nil
	}

	return []string{string(raw)}
}

// detail is a field as people see it, or empty: what the message says anyway is a
// field for machines only.
func detail(e entry) string {
	if len(e.values) == 0 || slices.Contains([]string{"state", "verdict", "exit", "signal"}, e.key) {
		return ""
	}

	return " " + e.key + "=" + quoted(strings.Join(e.values, ","))
}

// quoted puts quotes around a value that could be mistaken for more than one. A name
// has its backslashes already; they are not doubled.
func quoted(value string) string {
	strange := func(r rune) bool { return r == '"' || !unicode.IsPrint(r) }

	switch {
	case strings.ContainsFunc(value, strange):
		return strconv.Quote(value)
	case value == "", strings.ContainsAny(value, " ="):
		return `"` + value + `"`
	}

	return value
}

// fieldName makes the name of a field from a key: capitals, digits and underscores
// are all that the journal takes.
func fieldName(key string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}

		return '_'
	}, key)

	return fieldPrefix + name[:min(len(name), maxFieldName-len(fieldPrefix))]
}

// appendField appends a field. A value with a line break, or anything else of its
// kind, comes with its length, so that it cannot be taken for a field.
func appendField(to []byte, name, value string) []byte {
	to = append(to, name...)

	if strings.ContainsFunc(value, unicode.IsControl) {
		to = append(to, '\n')
		to = binary.LittleEndian.AppendUint64(to, uint64(len(value)))
	} else {
		to = append(to, '=')
	}

	return append(append(to, value...), '\n')
}

// priority returns what the journal calls a level.
func priority(level string) journal.Priority {
	switch level {
	case "trace", "debug":
		return journal.PriDebug
	case "warn":
		return journal.PriWarning
	case "error":
		return journal.PriErr
	case "fatal", "panic":
		return journal.PriCrit
	}

	return journal.PriInfo
}
