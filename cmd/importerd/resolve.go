package main

import (
	"context"
	"fmt"
	"strings"

	"importerd/internal/control/client"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// pageSize is how many jobs the daemon is asked for at a time; it gives no more.
const pageSize = 1000

// resolve returns the id of the one job that the begin or end of an id, in lower case, may
// mean. A whole id is taken as it is. The journal finds it fast, if we may read it
// and it is certain to be the daemon's; otherwise the daemon lists all its jobs.
func (a *asking) resolve(ctx context.Context, daemon *remote, text string) (job.ID, error) {
	if len(text) == wholeID {
		return job.ParseID(text)
	}

	if a.listen == "" {
		f, err := a.findJob(text)
		if err == nil || code(err) == codeNotSo {
			return f.rec.ID, err
		}
	}

	return listed(ctx, daemon, text)
}

// listed returns the id of the one job of a daemon, or of its spool, that begins or ends
// with text.
func listed(ctx context.Context, daemon *remote, text string) (job.ID, error) {
	var all []found

	for j, err := range daemon.AllJobs(ctx, client.Query{Spool: daemon.spool.Name, Limit: pageSize}) {
		if err != nil {
			return job.ID{}, fmt.Errorf("look for job %s: %w", text, err)
		}

		if id := j.ID.String(); strings.HasPrefix(id, text) || strings.HasSuffix(id, text) {
			all = append(all, found{
				place{name: j.Spool}, job.Record{ID: j.ID, State: j.State, Name: wire.NameOf(j.Name, j.NameB64)},
			})
		}

		if len(all) > maxListed {
			break
		}
	}

	return theOne(text, all)
}

// theOne returns the id of the only job that was found.
func theOne(text string, all []found) (job.ID, error) {
	switch len(all) {
	case 0:
		return job.ID{}, noJob(text)
	case 1:
		return all[0].rec.ID, nil
	}

	return job.ID{}, ambiguous(text, all)
}
