package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"time"

	"importerd/internal/control/reply"
	"importerd/internal/job"

	"golang.org/x/sys/unix"
)

// followTime is how often a log that is followed is looked at.
const followTime = 250 * time.Millisecond

// getLog sends a job's log, as it is or as it grows.
func (s *Server) getLog(w http.ResponseWriter, r *http.Request) error {
	follow, err := readFollow(r)
	if err != nil {
		return err
	}

	id, err := jobID(r)
	if err != nil {
		return err
	}

	sp, rec, err := s.find(id)
	if err != nil {
		return err
	}

	if follow = follow && !rec.State.Ended(); follow {
		if !s.followers.enter() {
			return tooMany("logs are followed")
		}
		defer s.followers.leave()
	}

	t := &tail{path: sp.LogPath(id), to: w, flush: http.NewResponseController(w).Flush}
	if t.path == "" {
		return job.ErrDegraded
	}
	defer t.close()

	if err := t.open(); err != nil {
		return err
	}

	w.Header().Set("Content-Type", plainText)
	w.WriteHeader(http.StatusOK)

	if r.Method == http.MethodHead {
		return nil
	}

	if follow {
		s.follow(r.Context(), sp, id, t)
	} else {
		_ = t.more() // the beginning was answered: only cutting it off is left
	}

	return nil
}

// readFollow reads whether a log is to be followed.
func readFollow(r *http.Request) (bool, error) {
	given, err := reply.Parameters(r, "follow")
	text, ok := given["follow"]

	if err != nil || !ok {
		return false, err
	}

	follow, err := strconv.ParseBool(text)
	if err != nil {
		return false, reply.BadRequest("follow: %q: possible are true and false", text)
	}

	return follow && r.Method != http.MethodHead, nil // a HEAD of what never ends would not either
}

// follow sends what is added to a log until its job has ended.
func (s *Server) follow(ctx context.Context, sp *Spool, id job.ID, t *tail) {
	ctx, over := s.lasting(ctx)
	defer over()

	// Closed when the job has ended, or when nobody can say any more.
	ended := make(chan struct{})
	wait, cancel := context.WithCancel(ctx)

	go func() {
		defer close(ended)

		if sp.Waiter != nil {
			_, _ = sp.Waiter.Wait(wait, id) // either way the log ends here
		}
	}()

	defer func() {
		cancel()
		<-ended
	}()

	if t.flush() != nil { // the client knows at once that it is heard
		return
	}

	tick := time.NewTicker(followTime)
	defer tick.Stop()

	for t.more() == nil {
		select {
		case <-tick.C:
		case <-ended:
			_ = t.more() // what came before the end

			return
		case <-ctx.Done():
			return
		}
	}
}

// tail sends a log on, however long it is, without holding it in memory.
type tail struct {
	path  string
	to    io.Writer
	flush func() error
	file  *os.File // nil: not open, or not there yet
	at    int64    // how much of file was sent, in bytes
}

// open opens the log, if it is there. What a log is, was made by us: no link leads
// out of its directory.
func (t *tail) open() error {
	file, err := os.OpenFile(t.path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err == nil {
		t.file = file
	}

	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("open the log: %w", err)
	}

	return nil
}

// more sends what was added.
func (t *tail) more() error {
	if t.file == nil {
		if err := t.open(); err != nil || t.file == nil {
			return err
		}
	}

	info, err := t.file.Stat()
	if err != nil {
		return err //nolint:wrapcheck // nobody reads it
	}

	if info.Size() < t.at { // shortened, for a new attempt: what is left is told again
		t.at = 0
	}

	n, err := io.Copy(t.to, io.NewSectionReader(t.file, t.at, info.Size()-t.at))
	t.at += n

	if err == nil {
		err = t.flush()
	}

	return err
}

// close closes the log.
func (t *tail) close() {
	if t.file != nil {
		_ = t.file.Close()
	}
}
