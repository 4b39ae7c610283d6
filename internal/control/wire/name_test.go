package wire_test

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"importerd/internal/control/wire"
)

// Names are bytes: whatever they are, they come back.
func TestNamesComeBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string {
			return string(b)
		})).Draw(t, "name")

		var sent, got [2]string

		sent[0], sent[1] = wire.Forms(name)

		text, err := json.Marshal(sent)
		if err != nil {
			t.Fatal(err)
		}

		if err := json.Unmarshal(text, &got); err != nil || wire.NameOf(got[0], got[1]) != name {
			t.Fatalf("%q comes back as %q, %v", name, wire.NameOf(got[0], got[1]), err)
		}
	})

	if got := wire.NameOf("a", "no base64!"); got != "a" {
		t.Errorf("nonsense is read as %q", got)
	}
}
