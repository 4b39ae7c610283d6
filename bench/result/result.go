// Package result is what a run of the benchmark has found: all that the report is
// made of.
package result

import (
	"encoding/json"
	"fmt"
	"os"

	"importerd/bench/machine"
	"importerd/bench/trial"
)

// Run is one run of the benchmark.
type Run struct {
	Made    string          `json:"made"` // when it began, RFC 3339
	Command string          `json:"command"`
	Quick   bool            `json:"quick"` // the form with few rounds and small counts
	Machine machine.Machine `json:"machine"`
	Rows    []Row           `json:"rows"`
}

// Row is one comparison: contenders that did the same in turn.
type Row struct {
	Name       string         `json:"name"`
	Contenders []Contender    `json:"contenders"` // in the order of their turns
	Skipped    []Contender    `json:"skipped,omitempty"`
	Samples    []trial.Sample `json:"samples"` // in the order in which they were taken
}

// Contender is who took part, or why it did not.
type Contender struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Why   string `json:"why,omitempty"`
}

// Row returns the row of a name.
func (r Run) Row(name string) (Row, bool) {
	for _, row := range r.Rows {
		if row.Name == name {
			return row, true
		}
	}

	return Row{}, false
}

// Of returns the samples of one contender in the order of the rounds.
func (r Row) Of(contender string) []trial.Sample {
	var of []trial.Sample

	for _, s := range r.Samples {
		if s.Contender == contender {
			of = append(of, s)
		}
	}

	return of
}

// Values returns one figure of each of a contender's samples.
func (r Row) Values(contender string, figure func(trial.Sample) float64) []float64 {
	var values []float64
	for _, s := range r.Of(contender) {
		values = append(values, figure(s))
	}

	return values
}

// Load reads a run from a file.
func Load(path string) (Run, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Run{}, fmt.Errorf("read results: %w", err)
	}

	var r Run
	if err := json.Unmarshal(text, &r); err != nil {
		return Run{}, fmt.Errorf("read results: %w", err)
	}

	return r, nil
}

// Save writes a run to a file.
func (r Run) Save(path string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}

	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write results: %w", err)
	}

	return nil
}
