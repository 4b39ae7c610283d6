package job_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"importerd/internal/job"
)

func TestTemporary(t *testing.T) {
	t.Parallel()

	for name, want := range map[string]bool{
		"a.csv": false, ".a.csv": true, "a.tmp": true, "a.part": true, "a.filepart": true, "a.crdownload": true,
		"a~": true, "a.tmp.csv": false, "tmp": false, "part": false, "a.TMP": false,
	} {
		if got := job.Temporary(name); got != want {
			t.Errorf("%q: %t, want %t", name, got, want)
		}
	}
}

func TestCheckName(t *testing.T) {
	t.Parallel()

	for _, name := range []string{"a", "-rf", "größe 42.csv", strings.Repeat("a", 255), "a b'\"$(x).csv"} {
		if err := job.CheckName(name); err != nil {
			t.Errorf("%q is refused: %v", name, err)
		}
	}

	for _, name := range []string{
		"", ".", "..", ".hidden", "a/b", "../a", "a\nb", "a\x00b", "a\x7f", "a\xff", "a.part", strings.Repeat("a", 256),
	} {
		if job.CheckName(name) == nil {
			t.Errorf("%q is taken", name)
		}
	}
}

func TestWithID(t *testing.T) {
	t.Parallel()

	id, err := job.ParseID("01890a5d-ac96-774b-bcce-b302099a8057")
	if err != nil {
		t.Fatal(err)
	}

	for name, want := range map[string]string{
		"a.csv":    "a." + id.String() + ".csv",
		"a.csv.gz": "a." + id.String() + ".csv.gz",
		"a":        "a." + id.String(),
		".a":       ".a." + id.String(),
		".a.csv":   ".a." + id.String() + ".csv",
	} {
		if got := job.WithID(name, id); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}

// TestWithIDFits: whatever the name, the result is a possible name that holds the
// id, and does not tear UTF-8 apart.
func TestWithIDFits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := job.NewID()
		name := rapid.StringN(1, 255, 255).Draw(t, "name")

		got := job.WithID(name, id)
		if len(got) > job.MaxName || !strings.Contains(got, id.String()) {
			t.Fatalf("%q becomes %q of %d bytes", name, got, len(got))
		}

		if utf8.ValidString(name) && !utf8.ValidString(got) {
			t.Fatalf("%q becomes %q, which is not UTF-8", name, got)
		}
	})
}

func TestShow(t *testing.T) {
	t.Parallel()

	for name, want := range map[string]string{
		"a.csv": "a.csv", "größe": "größe", "a\nb": `a\nb`, "\x1b[31m": `\x1b[31m`, "a\xff\xfe": `a\xff\xfe`,
		"a\u202eb": `a\u202eb`, "it's \"so\"": `it's "so"`,
	} {
		if got := job.Show(name); got != want {
			t.Errorf("%q is shown as %s, want %s", name, got, want)
		}
	}
}
