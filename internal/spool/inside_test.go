package spool_test

import (
	"errors"
	"testing"

	"importerd/internal/job"
	"importerd/internal/spool"
)

func TestInboxIsNoFolderOfAnotherSpool(t *testing.T) {
	t.Parallel()

	other := open(t)

	for folder, want := range map[job.Folder]bool{
		job.InboxFolder: true, job.DoneFolder: true, job.FailedFolder: true,
		job.ProcessingFolder: false, job.DeferredFolder: false, job.ErrorsFolder: false, job.ResultsFolder: false,
		job.OwnFolder: false, job.OwnFolder + "/logs": false,
	} {
		s, err := spool.Open(t.TempDir(), spool.Options{Name: "orders", Inbox: other.Path(folder, "")})
		if err == nil {
			shut(t, s)
		}

		if _, unfit := errors.AsType[*spool.UnfitError](err); unfit == want {
			t.Errorf("%s as the inbox: %v", folder, err)
		}
	}
}
