package wire

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
)

const (
	cursorVersion = 1
	maxCursor     = 64 << 10 // bytes of text
)

// errCursor says that a text is no cursor of ours.
var errCursor = errors.New("the cursor makes no sense: send one as it came, or none")

// Position is how far a client has come among the ends that a journal tells.
type Position struct {
	Spool   string
	Journal string // its id; empty: the spool was watched, but which journal it has was not known yet
	Number  int64  // of the last end that the client has had; 0: none
}

// Cursor is where a client stands in all the spools that it watches. Clients get
// it as text that means nothing to them: base64url, without padding, of the byte 1
// and, for each position, the lengths and bytes of spool and journal and the number;
// lengths and number are unsigned varints.
type Cursor []Position

// String returns the text; empty: there are no positions.
func (c Cursor) String() string {
	if len(c) == 0 {
		return ""
	}

	data := append(make([]byte, 0, len(c)*64), cursorVersion)

	for _, p := range c {
		for _, text := range []string{p.Spool, p.Journal} {
			data = binary.AppendUvarint(data, uint64(len(text)))
			data = append(data, text...)
		}

		data = binary.AppendUvarint(data, uint64(p.Number))
	}

	return base64.RawURLEncoding.EncodeToString(data)
}

// ParseCursor reads the text of a cursor; an empty text is one without positions.
func ParseCursor(text string) (Cursor, error) {
	if text == "" {
		return nil, nil
	}

	if len(text) > maxCursor {
		return nil, fmt.Errorf("%w: it has %d bytes", errCursor, len(text))
	}

	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(data) == 0 || data[0] != cursorVersion || strings.ContainsAny(text, "\r\n") { // it skips these
		return nil, errCursor
	}

	var c Cursor

	for data = data[1:]; len(data) > 0; {
		var p Position

		if p, data = cutPosition(data); data == nil {
			return nil, errCursor
		}

		c = append(c, p)
	}

	if len(c) == 0 {
		return nil, errCursor
	}

	return c, nil
}

// cutPosition returns the position with which data begins, and what follows it;
// nil: it is none.
func cutPosition(data []byte) (Position, []byte) {
	var p Position

	for _, text := range []*string{&p.Spool, &p.Journal} {
		length, n := binary.Uvarint(data)
		if n <= 0 || length > uint64(len(data)-n) {
			return p, nil
		}

		*text = string(data[n : n+int(length)])
		data = data[n+int(length):]
	}

	number, n := binary.Uvarint(data)
	if n <= 0 || number > math.MaxInt64 {
		return p, nil
	}

	p.Number = int64(number)

	return p, data[n:]
}
