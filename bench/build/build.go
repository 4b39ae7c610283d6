// Package build makes the programs that take part in the benchmark, from the
// working tree that it is run in.
package build

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// hook is a source file that writes profiles. It is only laid over the daemon's.
//
//go:embed profile.go.txt
var hook []byte

// Programs builds importerd, bare and handler into the directory bin. With
// profiles importerd writes them where it is told to by BENCH_PROFILE.
func Programs(ctx context.Context, bin string, profiles bool) error {
	root, err := output(ctx, "go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return err
	}

	args := []string{"build", "-trimpath", "-o", bin + "/"}

	if profiles {
		overlay, err := lay(bin, root)
		if err != nil {
			return err
		}

		args = append(args, "-overlay", overlay)
	} else {
		args = append(args, "-ldflags=-s -w")
	}

	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/importerd", "./bench/bare", "./bench/handler")...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")

	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}

	return nil
}

// lay writes the overlay and returns its path.
func lay(bin, root string) (string, error) {
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", fmt.Errorf("build: %w", err)
	}

	source, overlay := filepath.Join(bin, "profile.go"), filepath.Join(bin, "overlay.json")

	text, err := json.Marshal(map[string]map[string]string{
		"Replace": {filepath.Join(root, "cmd/importerd/profile_overlay.go"): source},
	})
	if err != nil {
		return "", fmt.Errorf("build: %w", err)
	}

	for path, content := range map[string][]byte{source: hook, overlay: text} {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return "", fmt.Errorf("build: %w", err)
		}
	}

	return overlay, nil
}

func output(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return "", fmt.Errorf("run %s: %w", name, err)
	}

	return strings.TrimSpace(string(out)), nil
}
