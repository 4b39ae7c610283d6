package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"importerd/internal/config"
)

func TestValidate(t *testing.T) {
	t.Parallel()

	s := config.Default()
	s.Name, s.Dir, s.Command = "a", "/srv/a", []string{"true"}

	if err := s.Validate(); err != nil {
		t.Errorf("sound: %v", err)
	}

	s.Name, s.Dir, s.Workers, s.Inbox = "", "a", 0, "/srv/a"

	want := `name: "" is no name for a spool: write 1 to 64 letters, digits, dots, - or _, and not only dots
dir: "a" is not absolute: begin it with a slash
workers: 0 is out of bounds: write a number from 1 to 1024`
	if err := s.Validate(); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%v", err, want)
	}

	s.Name, s.Dir, s.Workers = "a", "/srv/a", 1
	if err := s.Validate(); err == nil || !strings.HasPrefix(err.Error(), "inbox: ") {
		t.Errorf("inbox is dir: %v", err)
	}
}

func TestInboxDir(t *testing.T) {
	t.Parallel()

	s := config.Spool{Dir: "/srv/a"}
	if got := s.InboxDir(); got != "/srv/a/inbox" {
		t.Error(got)
	}

	s.Inbox = "/srv/drop"
	if got := s.InboxDir(); got != "/srv/drop" {
		t.Error(got)
	}
}

// TestOverlapByInode gives two spools one directory under two names.
func TestOverlapByInode(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "real", "inbox"), 0o700); err != nil {
		t.Fatal(err)
	}

	if err := os.Mkdir(filepath.Join(dir, "far"), 0o700); err != nil {
		t.Fatal(err)
	}

	for name, target := range map[string]string{"link": "real", "far/link": "../real/inbox"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}

	for _, test := range []struct{ path, want string }{
		{"link", "is also the dir of spool a"},
		{"link/inbox", "lies in the dir of spool a"},
		{"link/not/there", "lies in the dir of spool a"},
		{"", "lies around the dir of spool a"},
		{"far/link/x", "lies in the dir of spool a"},
		{"link2", ""},
	} {
		text := fmt.Sprintf("[spool.a]\ndir = %q\ncommand = ['x']\n[spool.b]\ndir = %q\ncommand = ['x']\n",
			filepath.Join(dir, "real"), filepath.Join(dir, test.path))

		_, err := config.Parse("f", []byte(text))
		if test.want == "" && err != nil ||
			test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: got %v, want %s", test.path, err, test.want)
		}
	}
}

// TestOverlapByMount shows one directory at two places, without any link.
func TestOverlapByMount(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")

	for _, name := range []string{a, b} {
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}

	if err := syscall.Mount(a, b, "", syscall.MS_BIND, ""); err != nil {
		t.Skipf("needs the right to mount: %v", err)
	}

	defer func() {
		if err := syscall.Unmount(b, 0); err != nil {
			t.Error(err)
		}
	}()

	text := fmt.Sprintf("[spool.a]\ndir = %q\ncommand = ['x']\n[spool.b]\ndir = %q\ncommand = ['x']\n", a, b)
	if _, err := config.Parse("f", []byte(text)); err == nil || !strings.Contains(err.Error(), "is also the dir") {
		t.Errorf("got %v", err)
	}
}

// TestLongPath checks that a path that no kernel takes is refused, and not looked for.
func TestLongPath(t *testing.T) {
	t.Parallel()

	s := config.Default()
	s.Name, s.Command = "a", []string{"true"}

	for length, sound := range map[int]bool{4095: true, 4096: false} {
		s.Dir = strings.Repeat("/d", length/2) + strings.Repeat("x", length%2)
		if err := s.Validate(); (err == nil) != sound {
			t.Errorf("%d bytes: %v", length, err)
		}
	}
}

// TestInboxPlaces checks where the spool's own inbox may be.
func TestInboxPlaces(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	for _, name := range []string{"s/done", "s/drop"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}

	if err := os.Symlink("done", filepath.Join(dir, "s", "alias")); err != nil {
		t.Fatal(err)
	}

	for inbox, sound := range map[string]bool{
		"s/inbox": true, "s/drop": true, "beside": true,
		"s": false, "": false, "s/done": false, "s/alias": false, "s/failed/x": false, "s/.importerd": false,
	} {
		s := config.Default()
		s.Name, s.Dir, s.Command = "s", filepath.Join(dir, "s"), []string{"true"}
		s.Inbox = filepath.Join(dir, inbox)

		if err := s.Validate(); (err == nil) != sound {
			t.Errorf("%q: %v", inbox, err)
		}
	}
}

// TestSettings checks the table: what a flag shows as its default must be
// readable, must be within bounds and must mean the same.
func TestSettings(t *testing.T) {
	t.Parallel()

	flags := 0

	for _, setting := range config.Settings() {
		if setting.Flag == "" {
			continue
		}

		flags++

		s := config.Default()
		value := setting.Value(&s)

		if value.Type() == "" || setting.Help == "" {
			t.Errorf("%s has no help", setting.Key)
		}

		if before := value.String(); before != "" {
			if err := value.Set(before); err != nil || value.String() != before {
				t.Errorf("%s: default %s: %v, then %s", setting.Key, before, err, value)
			}
		}
	}

	if flags != 15 {
		t.Errorf("%d flags", flags)
	}
}

// TestSetKeepsOnError checks that a flag that is refused changes nothing.
func TestSetKeepsOnError(t *testing.T) {
	t.Parallel()

	for _, setting := range config.Settings() {
		if setting.Flag == "" {
			continue
		}

		s := config.Default()
		value := setting.Value(&s)
		before := value.String()

		if err := value.Set("\x00/["); err == nil || value.String() != before {
			t.Errorf("%s: %v, then %s", setting.Key, err, value)
		}
	}
}
