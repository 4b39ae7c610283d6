package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
)

// The controllers that limits need.
const (
	memory = "memory"
	cpu    = "cpu"
	pids   = "pids"
)

// controllers returns them.
func controllers() []string { return []string{memory, cpu, pids} }

// period is that of cpu.max, in microseconds; the kernel's default.
const period = 100_000

// Limits is how much all processes of one group together may have.
type Limits struct {
	Memory int64 // bytes; 0: no limit
	CPU    int   // percent of one processor; 0: no limit
	PIDs   int   // processes and threads; 0: no limit
}

// setting is what is to be written for a limit.
type setting struct {
	controller, file, text string
	optional               bool // not every kernel has the file
}

// settings returns what l means. Without swap a limit of memory is one: otherwise
// whoever needs more would only get slow.
func (l Limits) settings() []setting {
	var all []setting

	if l.Memory > 0 {
		all = append(all,
			setting{memory, "memory.oom.group", "1", false}, // half a tree would end in who knows what
			setting{memory, "memory.swap.max", "0", true},
			setting{memory, "memory.max", strconv.FormatInt(l.Memory, 10), false})
	}

	if l.CPU > 0 {
		all = append(all, setting{cpu, "cpu.max", fmt.Sprintf("%d %d", l.CPU*period/100, period), false})
	}

	if l.PIDs > 0 {
		all = append(all, setting{pids, "pids.max", strconv.Itoa(l.PIDs), false})
	}

	return all
}

// Unmet says which of the limits cannot be kept and why; nil: all can.
func (r *Root) Unmet(l Limits) error {
	var errs []error

	told := map[string]bool{}

	for _, s := range l.settings() {
		if err := r.missing[s.controller]; err != nil && !told[s.controller] {
			told[s.controller] = true

			errs = append(errs, fmt.Errorf("%s: %w", s.controller, err))
		}
	}

	return errors.Join(errs...)
}

// limit sets the limits for which there are controllers. A group of which the kernel
// does not take one is removed.
func (g *Group) limit(l Limits) (*Group, error) {
	for _, s := range l.settings() {
		if g.root.missing[s.controller] != nil {
			continue
		}

		err := write(g.fd, s.file, s.text)
		if s.optional && errors.Is(err, fs.ErrNotExist) {
			continue
		}

		if err != nil {
			g.Remove()

			return nil, fmt.Errorf("limit of %s: %w", s.controller, err)
		}
	}

	return g, nil
}

// Size returns bytes as a person would write them: "512M".
func Size(bytes int64) string {
	units := "KMGT"
	unit := ""

	for bytes > 0 && bytes%1024 == 0 && len(units) > 0 {
		bytes, unit, units = bytes/1024, units[:1], units[1:]
	}

	return strconv.FormatInt(bytes, 10) + unit
}
