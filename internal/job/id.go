package job

import (
	"fmt"

	"github.com/google/uuid"
)

// ID names a job for good: a UUIDv7, so that IDs sort by the time of the claim.
// Its text form is the usual one of 36 characters. The zero ID names no job.
type ID uuid.UUID

// NewID returns an ID that no other job has.
func NewID() ID {
	u, err := uuid.NewV7()
	if err != nil {
		panic("bug: the kernel gives no random numbers: " + err.Error())
	}

	return ID(u)
}

// ParseID reads the text form of an ID.
func ParseID(s string) (ID, error) {
	u, err := uuid.Parse(s)
	if err != nil || len(s) != len(u.String()) {
		return ID{}, fmt.Errorf("%q is not a job id: want the 36 characters of a UUID", s)
	}

	return ID(u), nil
}

// String returns the text form.
func (id ID) String() string { return uuid.UUID(id).String() }

// IsZero says whether id names no job.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText gives the text form to encoders.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads the text form for decoders.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err != nil {
		return err
	}

	*id = parsed

	return nil
}
