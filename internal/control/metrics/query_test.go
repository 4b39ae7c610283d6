package metrics_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// use is one metric in a query.
type use struct {
	name  string
	equal map[string]string // labels with what they are compared with
}

// tokens of Prometheus's queries, as far as names and labels need them.
var (
	token = regexp.MustCompile(`^(?:` +
		`(\s+|#[^\n]*)` + // 1: nothing
		`|("(?:[^"\\]|\\.)*")` + // 2: text
		`|(\[[^\]]*\]|(?:\d|\$)[\w.]*|0x[0-9a-f]+)` + // 3: a range, number, duration or variable
		`|([a-zA-Z_:][a-zA-Z0-9_:]*)` + // 4: a word
		`|([=!<>~]+|.)` + // 5: anything else
		`)`)
	binaries = regexp.MustCompile(`^(and|or|unless|bool|offset|atan2|inf|nan|start|end)$`)
	lists    = regexp.MustCompile(`^(by|without|on|ignoring|group_left|group_right)$`)
)

// scanned is a query cut into tokens.
type scanned struct {
	kind []int // the number of the group of token
	text []string
}

func scan(t *testing.T, query string) scanned {
	t.Helper()

	var s scanned

	for query != "" {
		match := token.FindStringSubmatch(query)
		if match == nil || match[0] == "" {
			t.Fatalf("what is %q?", query)
		}

		for kind := 2; kind < len(match); kind++ {
			if match[kind] != "" {
				s.kind, s.text = append(s.kind, kind), append(s.text, match[kind])
			}
		}

		query = query[len(match[0]):]
	}

	return s
}

// next returns the text of token i; empty: there is none.
func (s scanned) next(i int) string {
	if i < len(s.text) {
		return s.text[i]
	}

	return ""
}

// parseQuery returns the metrics in a query, and the labels in lists such as by (…).
func parseQuery(t *testing.T, query string) ([]use, []string) {
	t.Helper()

	const word = 4

	var (
		used   []use
		labels []string
		s      = scan(t, query)
	)

	for i := 0; i < len(s.text); i++ {
		text := s.text[i]

		switch {
		case text == "{": // without a name: nothing that we look at
			i = s.matchers(t, i, nil)
		case s.kind[i] != word || binaries.MatchString(text):
		case lists.MatchString(text):
			if s.next(i+1) == "(" {
				end := i + 1 + slices.Index(s.text[i+1:], ")")
				labels = append(labels, slices.DeleteFunc(slices.Clone(s.text[i+2:max(end, i+2)]),
					func(text string) bool { return text == "," })...)
				i = end
			}
		case s.next(i+1) == "(", lists.MatchString(s.next(i + 1)): // a function
		default:
			u := use{text, map[string]string{}}
			if s.next(i+1) == "{" {
				i = s.matchers(t, i+1, u.equal)
			}

			used = append(used, u)
		}
	}

	return used, labels
}

// matchers reads {label="value", …} from token i on and returns the last one.
func (s scanned) matchers(t *testing.T, i int, equal map[string]string) int {
	t.Helper()

	for i++; s.next(i) != "}"; i++ {
		if i+2 >= len(s.text) {
			t.Fatalf("a brace is not closed in %v", s.text)
		}

		if strings.ContainsAny(s.next(i+1), "=~") {
			if equal != nil {
				equal[s.text[i]] = strings.Trim(s.text[i+2], `"`)
			}

			i += 2
		}
	}

	return i
}
