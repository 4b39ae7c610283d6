package config_test

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"importerd/internal/config"
)

var update = flag.Bool("update", false, "write the golden files anew") //nolint:gochecknoglobals // a flag

func TestSampleLoads(t *testing.T) {
	t.Parallel()

	got, err := config.Load("testdata/sample.toml")
	if err != nil {
		t.Fatal(err)
	}

	orders := config.Default()
	orders.Name, orders.Dir = "orders", "/srv/importerd/orders"
	orders.Match = []string{"*.csv", "*.csv.gz"}
	orders.Command = []string{"/usr/local/bin/load-orders", "{}"}
	orders.Workers, orders.Timeout = 4, 10*time.Minute
	orders.Env = map[string]string{"PGHOST": "db1"}
	orders.OnFailed = []string{"/usr/local/bin/tell-someone"}

	orders.Keep = config.Keep{Done: 30 * 24 * time.Hour, Failed: 90 * 24 * time.Hour, Logs: 36 * time.Hour}
	orders.Limits = config.Limits{Memory: 512 << 20, CPU: 150}

	clicks := config.Default()
	clicks.Name, clicks.Dir, clicks.Inbox = "clicks.v2", "/srv/importerd/clicks", "/srv/sftp/clicks"
	clicks.Worker, clicks.Inflight = []string{"python3", "/usr/local/lib/clicks.py"}, 16
	clicks.Cwd, clicks.Ready, clicks.Marker, clicks.Order = "/var/tmp", config.ReadyMarker, ".ok", config.OrderAge
	clicks.Settle, clicks.Linger, clicks.Drain = 0, 1500*time.Millisecond, 36*time.Hour
	clicks.KillAfter, clicks.Results = time.Minute, true
	clicks.Env = map[string]string{"LANG": "C.UTF-8"}
	clicks.Keep = config.Keep{Failed: 24 * time.Hour, Logs: 7 * 24 * time.Hour}
	clicks.Limits = config.Limits{Memory: 2 << 30, PIDs: 64}

	api := config.API{
		Listen: "127.0.0.1:8080", TokenFile: "/etc/importerd/token",
		Hosts: []string{"importer.example.org"}, MaxUpload: 500 << 20,
	}

	want := config.Config{API: api, Spools: []config.Spool{clicks, orders}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestExampleLoads(t *testing.T) {
	t.Parallel()

	if _, err := config.Parse("example", []byte(config.Example)); err != nil {
		t.Error(err)
	}
}

// TestMistakes compares what is said of each testdata/bad/*.toml with the file
// of the same name that ends in .txt.
func TestMistakes(t *testing.T) {
	t.Parallel()

	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}

	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()

			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}

			got := ""
			if _, err := config.Parse("f.toml", data); err != nil {
				got = err.Error() + "\n"
			}

			compare(t, strings.TrimSuffix(file, ".toml")+".txt", got)
		})
	}
}

// compare checks got against a golden file, or writes it.
func compare(t *testing.T, golden, got string) {
	t.Helper()

	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}

	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestEditorsHabits(t *testing.T) {
	t.Parallel()

	wide := func(s string) string { return "\xff\xfe" + strings.Join(strings.Split(s, ""), "\x00") + "\x00" }

	for name, test := range map[string]struct{ text, want string }{
		"crlf":             {strings.ReplaceAll(config.Example, "\n", "\r\n"), ""},
		"byte-order mark":  {"\xef\xbb\xbf" + config.Example, ""},
		"mark and mistake": {"\xef\xbb\xbfx = 1\n" + config.Example, `f:1:1: unknown key "x"`},
		"utf-16":           {wide(config.Example), "f:1:1: the file is in UTF-16: save it as UTF-8"},
		"utf-16, no mark":  {wide(config.Example)[2:], "f:1:1: the file has zero bytes"},
		"latin-1":          {config.Example + "# caf\xe9\n", "f:4:6: this is no TOML"},
		"empty":            {"", "f:1:1: there is no spool: write [spool.NAME]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, err := config.Parse("f", []byte(test.text))
			if test.want == "" && err != nil {
				t.Error(err)
			}

			if test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestLoadErrors(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()

	if _, err := config.Load(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}

	if _, err := config.Load(dir); err == nil {
		t.Error("a directory was read")
	}

	if _, err := config.Load("/dev/zero"); err == nil || !strings.Contains(err.Error(), "no configuration file") {
		t.Errorf("endless file: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.toml")
	if err != nil {
		f.Fatal(err)
	}

	for _, file := range append(files, "testdata/sample.toml") {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}

		f.Add(data)
	}

	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse("f", data)
		if err == nil {
			for _, s := range c.Spools {
				if err := s.Validate(); err != nil {
					t.Errorf("loads, but: %v", err)
				}
			}

			return
		}

		joined, ok := err.(interface{ Unwrap() []error })
		if !ok {
			t.Fatalf("not joined: %v", err)
		}

		for _, err := range joined.Unwrap() {
			var m *config.Mistake
			if !errors.As(err, &m) || m.Line < 1 || m.Column < 1 || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q", err)
			}

			if m.Line > strings.Count(string(data), "\n")+1 {
				t.Errorf("no such line: %v", err)
			}
		}
	})
}

// TestLoadAPI: whoever looks for the daemon finds it, whatever else is wrong with the file.
func TestLoadAPI(t *testing.T) {
	t.Parallel()

	path := filepath.Join(t.TempDir(), "importerd.toml")

	for text, want := range map[string]string{
		"listen = \"unix:/run/a\"\n[spool.orders]\nworkers = 0\n": "unix:/run/a",
		"listen = 3\nunknown = 4\n":                               config.DefaultListen,
		"listen = \"unix:/run/a\n":                                config.DefaultListen,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}

		if got := config.LoadAPI(path); got.Listen != want {
			t.Errorf("%q: it listens at %q, want %q", text, got.Listen, want)
		}
	}

	if got := config.LoadAPI(path + ".none"); got.Listen != config.DefaultListen {
		t.Errorf("without a file it listens at %q", got.Listen)
	}
}

// TestDifferences finds each key that differs.
func TestDifferences(t *testing.T) {
	t.Parallel()

	all := config.API{
		Listen: "127.0.0.1:1", TokenFile: "/t", TLSCert: "/c", TLSKey: "/k", Hosts: []string{"h"}, MaxUpload: 1,
	}

	for i := range reflect.TypeFor[config.API]().NumField() {
		var one config.API

		reflect.ValueOf(&one).Elem().Field(i).Set(reflect.ValueOf(all).Field(i))

		if got := one.Differences(config.API{}); len(got) != 1 {
			t.Errorf("field %d alone: %q", i, got)
		}
	}

	if got := all.Differences(config.API{}); len(got) != reflect.TypeFor[config.API]().NumField() {
		t.Errorf("all: %q", got)
	}

	if got := all.Differences(all); got != nil {
		t.Errorf("none: %q", got)
	}
}
