package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Limits is how much one attempt may have, all its processes together. It holds where
// the daemon's cgroup is delegated to it.
type Limits struct {
	Memory int64 // bytes; 0: no limit
	CPU    int   // percent of one processor; 0: no limit
	PIDs   int   // processes and threads; 0: no limit
}

const (
	// minMemory is less than any program needs.
	minMemory = 1 << 20
	maxMemory = 1 << 50
	// minCPU is the least that the kernel takes.
	minCPU  = 1
	maxCPU  = 1_000_000
	maxPIDs = 1 << 22 // the kernel has no more numbers
)

// limiting is a table of limits.
type limiting struct{ p *Limits }

// parts returns the limits by key.
func (t limiting) parts() parts {
	return parts{
		"memory": {memory{&t.p.Memory}, `"512M"`, t.p.Memory != 0},
		"cpu":    {percent{&t.p.CPU}, `"50%"`, t.p.CPU != 0},
		"pids":   {number{&t.p.PIDs, 1, maxPIDs}, "100", t.p.PIDs != 0},
	}
}

func (t limiting) load(v any) error {
	loaded := *t.p // those with a mistake keep their defaults

	err := limiting{&loaded}.parts().load(v)
	*t.p = loaded

	return err
}

func (t limiting) check() error { return t.parts().check() }

// memory is a number of bytes within bounds, written as for systemd's MemoryMax.
type memory struct{ p *int64 }

func (m memory) load(v any) error { return loadText(v, m.set) }

func (m memory) set(text string) error {
	value, err := parseMemory(text)
	if err != nil {
		return err
	}

	return try(m.p, value, m.check)
}

func (m memory) check() error {
	if *m.p < minMemory || *m.p > maxMemory {
		return fmt.Errorf("%d bytes are out of bounds: write a size from 1M to 1024T", *m.p)
	}

	return nil
}

// parseMemory reads a whole number with a unit, each 1024 times the one before. With
// the unit MB it would be open what is meant.
func parseMemory(text string) (int64, error) {
	digits := strings.TrimRight(text, "KMGTiB")

	shift, known := map[string]int{"K": 10, "M": 20, "G": 30, "T": 40}[strings.TrimSuffix(text[len(digits):], "iB")]

	value, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || !known {
		return 0, fmt.Errorf("%q is no size: write a whole number and K, M, G or T, as \"512M\"", text)
	}

	if int64(value) > maxMemory>>shift {
		return 0, fmt.Errorf("%q is out of bounds: write a size from 1M to 1024T", text)
	}

	return int64(value) << shift, nil
}

// percent is a share of one processor within bounds.
type percent struct{ p *int }

func (p percent) load(v any) error { return loadText(v, p.set) }

func (p percent) set(text string) error {
	digits, ok := strings.CutSuffix(text, "%")

	value, err := strconv.ParseUint(digits, 10, 31)
	if err != nil || !ok {
		return fmt.Errorf("%q is no share of a processor: write a whole number with a percent sign, as \"50%%\"", text)
	}

	return try(p.p, int(value), p.check)
}

func (p percent) check() error {
	if *p.p < minCPU || *p.p > maxCPU {
		return fmt.Errorf("%d%% is out of bounds: write %d%% to %d%%, where 100%% is one processor", *p.p, minCPU, maxCPU)
	}

	return nil
}
