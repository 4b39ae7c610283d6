// Package config is what the operator wrote. It reads the configuration file,
// says all that is wrong with it at once, each mistake with its file, line and
// column and with what to write instead, and holds the settings of a spool,
// their defaults and their bounds as one table, so that the file and the command
// line cannot drift apart.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// MaxSize is the most that a configuration file may hold, in bytes.
const MaxSize = 1 << 20

// Example is the smallest configuration file that works.
const Example = `[spool.orders]
dir     = "/srv/importerd/orders"
command = ["/usr/local/bin/load-orders", "{}"]
`

// Config is one configuration file. It does not change once it was read.
type Config struct {
	API    API
	Spools []Spool // sorted by name; at least one
}

// Load reads and checks the file at path. The error joins all that is wrong
// with it, as from Parse; it is fs.ErrNotExist if there is no such file.
func Load(path string) (Config, error) {
	data, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{}, fmt.Errorf("no configuration file at %s: %w", path, fs.ErrNotExist)
	}

	if err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w", err)
	}

	return Parse(path, data)
}

// Parse checks the content of a configuration file; name is what the mistakes
// call it. The error joins every mistake, each a *Mistake, in the order of the
// file; a file that is no TOML has only the first.
func Parse(name string, data []byte) (Config, error) {
	l := parse(name, data)
	if err := l.err(); err != nil {
		return Config{}, err
	}

	return Config{API: l.api, Spools: l.spools}, nil
}

// LoadAPI returns what the file at path says of the API, for those who look for the
// daemon: mistakes elsewhere in the file do not keep them from finding it. What cannot
// be read is as in DefaultAPI.
func LoadAPI(path string) API {
	data, err := read(path)
	if err != nil {
		return DefaultAPI()
	}

	return parse(path, data).api
}

// parse reads what a file holds, and gathers the mistakes.
func parse(name string, data []byte) *loader {
	l := &loader{name: name, api: DefaultAPI()}

	doc, mistake := newDocument(data)
	if mistake != nil {
		l.mistakes = append(l.mistakes, mistake)
	} else {
		l.doc = doc
		l.file()
	}

	return l
}

// read returns what the file at path holds, unless that is absurdly much. It does
// not wait for somebody who would write into a pipe.
func read(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err //nolint:wrapcheck // names the operation and the path
	}
	defer file.Close()

	data, err := io.ReadAll(io.LimitReader(file, MaxSize+1))
	if err != nil {
		return nil, err //nolint:wrapcheck // names the operation and the path
	}

	if info, err := file.Stat(); len(data) == 0 && err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		return nil, fmt.Errorf("%s: is a pipe from which nothing comes: give a file", path)
	}

	if len(data) > MaxSize {
		return nil, fmt.Errorf("%s: more than %d bytes: this is no configuration file", path, MaxSize)
	}

	return data, nil
}
