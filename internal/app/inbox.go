package app

import (
	"os"

	"importerd/internal/job"
	"importerd/internal/journal"
	"importerd/internal/process"
	"importerd/internal/spool"
)

// inbox is a spool's inbox for the watcher, which counts as alive while it
// waits for the disk.
type inbox struct {
	spool   *spool.Spool
	journal *journal.Journal
	pulse   process.Pulse
}

// OpenInbox passes the call on.
func (i inbox) OpenInbox() (*os.File, error) {
	i.pulse.Waiting()
	defer i.pulse.Back()

	return i.spool.OpenInbox() //nolint:wrapcheck // passed on
}

// Probe passes the call on.
func (i inbox) Probe(folder job.Folder, name string) (job.File, error) {
	i.pulse.Waiting()
	defer i.pulse.Back()

	return i.spool.Probe(folder, name) //nolint:wrapcheck // passed on
}

// Stat passes the call on.
func (i inbox) Stat(folder job.Folder, name string) (job.File, error) {
	i.pulse.Waiting()
	defer i.pulse.Back()

	return i.spool.Stat(folder, name) //nolint:wrapcheck // passed on
}

// CheckInbox looks besides whether the journal is still the one that is open: what
// is recorded in one that was removed is lost.
func (i inbox) CheckInbox() error {
	i.pulse.Waiting()
	defer i.pulse.Back()

	if err := i.spool.CheckInbox(); err != nil {
		return err //nolint:wrapcheck // passed on
	}

	return i.journal.Check() //nolint:wrapcheck // passed on
}

// ReopenInbox passes the call on.
func (i inbox) ReopenInbox() error {
	i.pulse.Waiting()
	defer i.pulse.Back()

	return i.spool.ReopenInbox() //nolint:wrapcheck // passed on
}
