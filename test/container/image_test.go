package container_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// image makes the root of an image that holds the program, perhaps a configuration,
// and nothing else.
func image(t *testing.T, config string) string {
	t.Helper()
	isolated(t)

	root := t.TempDir()

	for _, dir := range []string{"proc", "dev", "srv", "etc/importerd"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}

	program, err := os.ReadFile(os.Getenv(programVar))
	if err != nil {
		t.Fatal(err)
	}

	for name, file := range map[string]struct {
		content []byte
		mode    os.FileMode
	}{"importerd": {program, 0o755}, "etc/importerd/importerd.toml": {[]byte(config), 0o644}} {
		if err := os.WriteFile(filepath.Join(root, name), file.content, file.mode); err != nil {
			t.Fatal(err)
		}
	}

	// A user that is not root looks through the directory.
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}

	return root
}

// volume makes a volume with a spool that belongs to a user.
func volume(t *testing.T, uid int) string {
	t.Helper()

	dir := t.TempDir()

	if err := os.MkdirAll(filepath.Join(dir, "orders/inbox"), 0o755); err != nil {
		t.Fatal(err)
	}

	for _, path := range []string{"", "orders", "orders/inbox"} {
		if err := os.Chown(filepath.Join(dir, path), uid, uid); err != nil {
			t.Fatal(err)
		}
	}

	return dir
}

// contain returns a command that runs another one as process 1 of an image.
func contain(root, volume, user string, args ...string) *exec.Cmd {
	cmd := exec.Command("./contain", append([]string{root, volume, user}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}

	return cmd
}

// inside runs the program in a container that is there, and returns what it prints.
func (c *container) inside(code int, args ...string) string {
	c.Helper()

	cmd := exec.Command("nsenter", append([]string{
		"-t", strconv.Itoa(c.first), "--pid", "--mount", "--root", "--wd", "--", "/importerd",
	}, args...)...)
	cmd.Env = append([]string{}, c.env...)

	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code {
		c.Errorf("%q has ended with %d, want %d: %s", args, got, code, out)
	}

	return string(out)
}

// instructions are those of packaging/container/Dockerfile that say how to run the image.
type instructions struct {
	user                   string
	env                    []string
	entry, command, health []string
}

// dockerfile reads them.
func dockerfile(t *testing.T) instructions {
	t.Helper()

	text, err := os.ReadFile("../../packaging/container/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}

	one := func(pattern string) string {
		found := regexp.MustCompile(`(?m)^`+pattern+`$`).FindAllSubmatch(text, -1)
		if len(found) != 1 {
			t.Fatalf("the Dockerfile has %s %d times", pattern, len(found))
		}

		return string(found[0][1])
	}
	list := func(pattern string) []string {
		var words []string
		if err := json.Unmarshal([]byte(one(pattern)), &words); err != nil {
			t.Fatal(err)
		}

		return words
	}

	return instructions{
		user: one(`USER (.*)`), env: []string{one(`ENV (.*)`)},
		entry: list(`ENTRYPOINT (.*)`), command: list(`CMD (.*)`), health: list(`HEALTHCHECK .* CMD (.*)`),
	}
}

// contain is contain with the user and the environment of the image.
func (i instructions) contain(root, volume string, args ...string) *exec.Cmd {
	cmd := contain(root, volume, i.user, args...)
	cmd.Env = append(cmd.Env, i.env...)

	return cmd
}

const config = `
[spool.orders]
dir      = "/srv/orders"
command  = ["/importerd", "explain", "{}"]
workers  = 4
backoff  = "10ms..100ms"
linger   = "10ms"
results  = true
keep     = { done = "30d", logs = "1d" }
`

// TestEmptyImage: in an image with nothing but the program, on a root that cannot be
// written to, as a user that nobody knows, all works: API, uploads, journal, reload.
func TestEmptyImage(t *testing.T) {
	t.Parallel()

	const user, files = 65532, 300

	root := image(t, config)
	vol := volume(t, user)
	file := dockerfile(t)

	c := start(t, file.contain(root, vol, append(file.entry, file.command...)...))
	c.logged(`"message":"ready"`)

	for i := range files {
		deliver(t, filepath.Join(vol, "orders/inbox"), fmt.Sprintf("f%d", i), user)
	}

	c.await("all files", func() bool { return count(vol, "done") == files })
	c.env = file.env
	c.inside(0, file.health[1:]...)
	c.inside(0, "reload")

	if out := c.inside(0, "jobs", "--limit", "10000"); strings.Count(out, "\n") < files {
		t.Errorf("jobs prints %d lines", strings.Count(out, "\n"))
	}

	c.inside(0, "check")
	c.inside(0, "put", "/srv/orders", "/etc/importerd/importerd.toml", "--wait")

	for line := range strings.Lines(c.log.String()) {
		if strings.Contains(line, `"level":"error"`) || strings.Contains(line, "/tmp") {
			t.Errorf("the log has %s", line)
		}
	}

	c.send(unix.SIGTERM)
	c.wants(0)

	again := file.contain(root, vol, "/importerd", "fsck", "/srv/orders")
	if out, err := again.CombinedOutput(); err != nil {
		t.Errorf("fsck: %v: %s", err, out)
	}

	down := file.contain(root, vol, file.health...)
	if out, _ := down.CombinedOutput(); down.ProcessState.ExitCode() != 69 {
		t.Errorf("status --alive without a daemon: %v: %s", down.ProcessState, out)
	}
}

// TestLease: without the capability files of others are taken after a quiet time, and
// the log says so; with it, be it the only one, they need not wait.
func TestLease(t *testing.T) {
	t.Parallel()

	// What chroot needs is not the daemon's.
	for capabilities, missing := range map[string]bool{"-lease": true, "-all,+lease,+sys_chroot": false} {
		t.Run(capabilities, func(t *testing.T) {
			t.Parallel()

			root, vol := image(t, ""), volume(t, 0)

			// Others may write there: else there is nothing to say.
			if err := os.Chmod(filepath.Join(vol, "orders/inbox"), 0o777); err != nil {
				t.Fatal(err)
			}

			c := start(t, contain(root, vol, "0:0", capabilities,
				"/importerd", "run", "--spool", "/srv/orders", "--log-format", "json", "--", "/importerd", "explain"))
			c.logged(`"message":"ready"`)
			deliver(t, filepath.Join(vol, "orders/inbox"), "a", 12345)
			c.await("the file", func() bool { return count(vol, "done") == 1 })

			if got := strings.Contains(c.log.String(), "CAP_LEASE is missing"); got != missing {
				t.Errorf("the log says that it is missing: %v, want %v\n%s", got, missing, c.log.String())
			}

			c.send(unix.SIGTERM)
			c.wants(0)
		})
	}
}

// deliver puts a file of some user into a directory, whole.
func deliver(t *testing.T, dir, name string, uid int) {
	t.Helper()

	hidden := filepath.Join(dir, "."+name)

	if err := os.WriteFile(hidden, []byte(name), 0o644); err != nil {
		t.Fatal(err)
	}

	if err := os.Chown(hidden, uid, uid); err != nil {
		t.Fatal(err)
	}

	if err := os.Rename(hidden, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// count returns how many files a folder of the spool holds.
func count(volume, folder string) int {
	entries, _ := os.ReadDir(filepath.Join(volume, "orders", folder)) // made by the daemon

	return len(entries)
}
