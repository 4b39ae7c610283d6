package listing

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"

	"importerd/internal/control/reply"
	"importerd/internal/job"
)

// errNoCursor says what is wrong with a text.
var errNoCursor = errors.New("this is no cursor")

// cursor is where a list stands. It is for us alone: clients give it back as it is.
type cursor struct {
	Key   string `json:"k"`           // of the choice
	Since int64  `json:"n,omitempty"` // of the first page, in ns since 1970: later pages choose the same
	Marks []mark `json:"m"`           // of feeds that have more
	// Missing are the spools that could not be asked when the list began.
	Missing []string `json:"x,omitempty"`
}

// mark is where a list stands in one feed.
type mark struct {
	Spool  string    `json:"s"`
	State  job.State `json:"t,omitempty"`
	Before int64     `json:"b"` // only jobs with a lower place come
}

// format writes a cursor as text.
func (c cursor) format() (string, error) {
	text, err := json.Marshal(c)

	return base64.RawURLEncoding.EncodeToString(text), err
}

// parse reads a cursor that belongs to the choice of a key.
func parse(text, key string) (cursor, error) {
	var c cursor

	plain, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(plain, &c)
	}

	for _, m := range c.Marks {
		if m.Before < 1 { // zero would begin anew
			err = errNoCursor
		}
	}

	if err != nil || len(c.Marks) == 0 {
		return c, reply.BadRequest("after: %s: give back the one of the answer before, as it is", errNoCursor)
	}

	if c.Key != key {
		return c, reply.BadRequest("after: this cursor belongs to another question: ask as before")
	}

	return c, nil
}

// keyOf returns a short text that differs for different parts.
func keyOf(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))

	return hex.EncodeToString(sum[:6])
}
