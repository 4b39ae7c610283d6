// Package reply knows how the API answers: with JSON, and with faults whose codes
// and texts say what was wrong without saying what is none of the client's business.
package reply

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// JSON answers with v.
func JSON(w http.ResponseWriter, status int, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}

	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)

	_, _ = w.Write(append(text, '\n')) // who went away hears nothing

	return nil
}

// Text answers with text of a media type.
func Text(w http.ResponseWriter, kind, text string) error {
	w.Header().Set("Content-Type", kind)

	_, _ = w.Write([]byte(text)) // as in JSON

	return nil
}
