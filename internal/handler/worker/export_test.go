package worker

import "importerd/internal/handler"

// AppendRequest is appendRequest.
func AppendRequest(b []byte, t *handler.Task) []byte { return appendRequest(b, t) }

// ParseAnswer is parseAnswer, without what it returns.
func ParseAnswer(line []byte) error {
	_, err := parseAnswer(line)

	return err
}
