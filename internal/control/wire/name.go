package wire

import (
	"encoding/base64"
	"unicode/utf8"

	"importerd/internal/job"
)

// Forms returns the name of a file as text and, where it is not UTF-8, in base64.
func Forms(name string) (text, b64 string) {
	if utf8.ValidString(name) {
		return name, ""
	}

	return job.Show(name), base64.StdEncoding.EncodeToString([]byte(name))
}

// NameOf returns the name whose forms these are.
func NameOf(text, b64 string) string {
	if name, err := base64.StdEncoding.DecodeString(b64); err == nil && b64 != "" {
		return string(name)
	}

	return text
}
