package job

import "fmt"

// UnreadableError is ErrUnreadable of a file that is known.
type UnreadableError struct {
	Mode  uint32 // permissions
	Owner string // name, or number where there is no name
}

// Error says it for people.
func (e *UnreadableError) Error() string {
	return fmt.Sprintf("%v: mode %04o, owner %s", ErrUnreadable, e.Mode, e.Owner)
}

// Unwrap returns ErrUnreadable.
func (e *UnreadableError) Unwrap() error { return ErrUnreadable }
