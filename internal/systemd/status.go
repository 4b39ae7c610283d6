package systemd

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxStatus bounds the text of a status, in bytes. The supervisor drops
// datagrams above 4,096, and nobody reads that much in one line.
const maxStatus = 1024

// clean makes text fit for STATUS=: one line, UTF-8, bounded. A line break in it
// would begin another field, and bytes that are no UTF-8 make the supervisor
// drop it all.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}

		return r // utf8.RuneError, where it is no UTF-8
	}, text)

	if len(text) <= maxStatus {
		return text
	}

	end := maxStatus
	for !utf8.RuneStart(text[end]) {
		end--
	}

	return text[:end]
}
