package faults_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
)

// work is what this binary does as a worker: with each job what a handler does, all at
// a time. Each other one does not go when its input ends: it has to be ended.
func work() int {
	life, _ := strconv.Atoi(os.Getenv(lifeVar))
	answers := os.NewFile(3, "answers")

	var jobs sync.WaitGroup

	for in := bufio.NewReader(os.Stdin); ; {
		line, err := in.ReadBytes('\n')
		if err != nil {
			break
		}

		var request struct {
			Job, File, Name, Results string
			Attempt                  int
		}

		if err := json.Unmarshal(line, &request); err != nil {
			fmt.Fprintln(os.Stderr, err)

			return 78
		}

		r := &run{side: os.Getenv(sideVar), path: request.File, results: request.Results}
		r.event = event{
			Job: request.Job, File: request.Name, Attempt: request.Attempt, Life: life, PID: os.Getpid(),
		}

		jobs.Go(func() {
			code := r.handle("model")
			_, _ = fmt.Fprintf(answers, "{\"job\":%q,\"exit\":%d}\n", request.Job, code)
		})
	}

	if life%2 == 1 {
		select {}
	}

	jobs.Wait()

	return 0
}

// configure writes a configuration with a worker, and returns the options with which it
// is run.
func (r *rig) configure() []string {
	r.Helper()

	const text = `
listen = "none"
[spool.orders]
dir = %q
worker = [%q]
workers = 2
inflight = 4
backoff = "20ms..200ms"
sweep = "200ms"
linger = "20ms"
settle = "100ms"
kill_after = "300ms"
results = true
`

	path := r.side + "/importerd.toml"
	if err := os.WriteFile(path, fmt.Appendf(nil, strings.TrimSpace(text)+"\n", r.spool, os.Args[0]), 0o600); err != nil {
		r.Fatal(err)
	}

	return []string{"--config", path, "--log-format", "json", "--log-level", "debug"}
}
