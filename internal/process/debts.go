package process

import (
	"fmt"
	"sync"

	"importerd/internal/job"
)

// settleDebt notes that the operator was told of a failed job: its move counts
// as confirmed, and its name is free.
func (p *Pool) settleDebt(rec job.Record) error {
	rec.Moving = nil

	if err := p.debts.settle(rec.ID, func() error { return p.deps.Journal.Note(rec) }); err != nil {
		return fmt.Errorf("note that it was told: %w", err)
	}

	p.deps.Look(rec.Name)

	return nil
}

// debts are the failed jobs of which the operator is still to be told. To tell of
// one notes it as it was when it failed, which must not undo a retry.
type debts struct {
	mu   sync.Mutex
	jobs map[job.ID]struct{} // guarded by mu
}

func (d *debts) owe(id job.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()

	if d.jobs == nil {
		d.jobs = map[job.ID]struct{}{}
	}

	d.jobs[id] = struct{}{}
}

// settle calls note unless the debt was forgiven.
func (d *debts) settle(id job.ID, note func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()

	if _, owed := d.jobs[id]; !owed {
		return nil
	}

	delete(d.jobs, id)

	return note()
}

// forgive makes sure that nothing more is noted of the job.
func (d *debts) forgive(id job.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()

	delete(d.jobs, id)
}
