package main

import (
	"fmt"

	"importerd/internal/sandbox"
)

// checkSandbox prints which restrictions of the unit hold for this process.
func (p *program) checkSandbox(path string) error {
	o := sandbox.Options{Credentials: p.supervisor.Credentials}

	if cfg, err := loadConfig(path); err == nil { // that it is bad is said by check alone
		for _, s := range cfg.Spools {
			o.Spools = append(o.Spools, sandbox.Spool{Dir: s.Dir, Inbox: s.InboxDir()})
		}
	}

	findings := sandbox.Look(o)
	ok := sandbox.All(findings)

	if p.output == "json" {
		if err := p.printJSON(map[string]any{"ok": ok, "restrictions": findings}); err != nil {
			return err
		}
	} else {
		p.printFindings(findings)
	}

	if !ok {
		return &fault{code: codeNotSo, err: errTold}
	}

	return nil
}

// printFindings prints a line for each restriction.
func (p *program) printFindings(findings []sandbox.Finding) {
	directives := 0
	for _, f := range findings {
		directives = max(directives, len(f.Directive))
	}

	for _, f := range findings {
		text := f.Means
		if f.Detail != "" {
			text = f.Detail
		}

		fmt.Fprintf(p.stdout, "%-*s  %-*s  %s\n", len(sandbox.NotInForce), f.State, directives, f.Directive, text)
	}
}
