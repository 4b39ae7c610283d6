//go:build hang

package systemd

import (
	"os"
	"path/filepath"
)

// hang is the switch of a test build (`-tags hang`): in the directory that
// IMPORTERD_HANG names each loop makes an empty file with its name when it comes
// round. A loop whose file has got a content empties it and hangs for ever.
func hang(loop string) {
	dir := os.Getenv("IMPORTERD_HANG")
	if dir == "" {
		return
	}

	path := filepath.Join(dir, loop)

	info, err := os.Stat(path)
	if err == nil && info.Size() == 0 {
		return
	}

	if err := os.WriteFile(path, nil, 0o600); err != nil {
		panic("bug: " + err.Error())
	}

	if info != nil {
		select {}
	}
}
