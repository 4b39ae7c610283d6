package app_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"importerd/internal/app"
	"importerd/internal/config"

	"github.com/rs/zerolog"
)

func TestOnceHandlesWhatIsThere(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "inbox"), 0o750); err != nil {
		t.Fatal(err)
	}

	for _, name := range []string{"a.csv", "b.csv", "c.csv"} {
		if err := os.WriteFile(filepath.Join(dir, "inbox", name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	cfg := config.Default()
	cfg.Name, cfg.Dir = "orders", dir
	cfg.Command = []string{"sh", "-c", `test "$(cat "$1")" = "$IMPORTERD_JOB_NAME"`, "sh"}

	a, err := app.New(t.Context(), app.Options{
		Config:  config.Config{Spools: []config.Spool{cfg}},
		Environ: os.Environ(), Once: true,
		Log: zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.DebugLevel),
	})
	if err != nil {
		t.Fatal(err)
	}

	began := time.Now()
	if err := a.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Log(time.Since(began))

	entries, _ := os.ReadDir(filepath.Join(dir, "done"))
	if len(entries) != 3 {
		t.Errorf("done/ holds %v, want 3 files", entries)
	}
}
