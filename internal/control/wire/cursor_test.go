package wire_test

import (
	"encoding/base64"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"importerd/internal/control/wire"
)

func TestCursorIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) wire.Position {
			return wire.Position{
				Spool: rapid.String().Draw(t, "spool"), Journal: rapid.String().Draw(t, "journal"),
				Number: rapid.Int64Min(0).Draw(t, "number"),
			}
		}), 1, 5).Draw(t, "cursor")

		text := wire.Cursor(c).String()

		got, err := wire.ParseCursor(text)
		if err != nil || !reflect.DeepEqual(got, wire.Cursor(c)) {
			t.Fatalf("%v is read as %v, %v", c, got, err)
		}

		for cut := 1; cut < len(text); cut++ {
			if got, err := wire.ParseCursor(text[:cut]); err == nil && len(got) >= len(c) {
				t.Fatalf("%v is read of the first %d bytes of %v", got, cut, c)
			}
		}
	})
}

func TestNoCursor(t *testing.T) {
	t.Parallel()

	if c, err := wire.ParseCursor(""); c != nil || err != nil || c.String() != "" {
		t.Errorf("no text is read as %v, %v", c, err)
	}

	encode := base64.RawURLEncoding.EncodeToString

	for _, text := range []string{
		"x", "!!!!", "AQ", "AQ==", encode([]byte{2, 0, 0, 0}), encode([]byte{1, 200, 0, 0}),
		encode([]byte{1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}),
		wire.Cursor{{Spool: "s", Number: 1}}.String() + "\n", strings.Repeat("A", 1<<20),
	} {
		if c, err := wire.ParseCursor(text); err == nil {
			t.Errorf("%.40q is read as %v", text, c)
		}
	}
}

// FuzzCursor: what clients send never breaks anything, and what is read can be
// written again.
func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add(wire.Cursor{{Spool: "orders", Journal: "j", Number: 7}, {Spool: "clicks"}}.String())

	f.Fuzz(func(t *testing.T, text string) {
		c, err := wire.ParseCursor(text)
		if err != nil {
			return
		}

		again, err := wire.ParseCursor(c.String())
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("%q is read as %v, and then as %v, %v", text, c, again, err)
		}
	})
}
