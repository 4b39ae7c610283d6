package client_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"importerd/internal/control/client"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

func TestPut(t *testing.T) {
	t.Parallel()

	key := job.NewID()
	c := double(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}

		want := map[string]int64{"known": 4, "unknown": -1, "empty": 0}[r.FormValue("name")]
		if r.URL.Path != "/v1/spools/orders/files" || r.ContentLength != want ||
			r.Header.Get("Idempotency-Key") != key.String() {
			t.Errorf("%s comes with %d bytes and key %q", r.URL, r.ContentLength, r.Header.Get("Idempotency-Key"))
		}

		answer(t, w, http.StatusCreated, wire.Job{ID: key, Name: string(body)})
	})

	for name, b := range map[string]client.Body{
		"known": {strings.NewReader("1234"), 4}, "unknown": {strings.NewReader("1234"), -1},
		"empty": {strings.NewReader(""), 0},
	} {
		want := "1234"
		if name == "empty" {
			want = ""
		}

		if j, err := c.Put(t.Context(), "orders", name, key, b); err != nil || j.ID != key || j.Name != want {
			t.Errorf("%s: %+v, %v", name, j, err)
		}
	}
}

// counter counts the calls of Read.
type counter struct {
	io.Reader
	reads atomic.Int32
}

func (c *counter) Read(p []byte) (int, error) {
	c.reads.Add(1)

	return c.Reader.Read(p)
}

// Who is refused has not read the file, and need not wonder what became of it.
func TestPutRefused(t *testing.T) {
	t.Parallel()

	c := double(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(t, w, http.StatusServiceUnavailable, wire.Error{Error: wire.Fault{Code: wire.CodeDraining, Message: "ends"}})
	})
	body := &counter{Reader: strings.NewReader("1234")}

	_, err := c.Put(t.Context(), "orders", "a.csv", job.ID{}, client.Body{Reader: body, Size: 4})
	if !client.IsCode(err, wire.CodeDraining) || body.reads.Load() > 0 {
		t.Errorf("%v, after %d reads", err, body.reads.Load())
	}
}

// What is not read whole is not accepted: the daemon must be able to tell.
func TestPutCut(t *testing.T) {
	t.Parallel()

	broken := errors.New("the disk is broken")
	whole := make(chan bool, 1) // the server sends once for each request
	c := double(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		whole <- err == nil

		answer(t, w, http.StatusCreated, wire.Job{})
	})

	for name, b := range map[string]client.Body{
		"known": {io.MultiReader(strings.NewReader("12"), iotest.ErrReader(broken)), 4},
		"chunk": {io.MultiReader(strings.NewReader("12"), iotest.ErrReader(broken)), -1},
		"short": {strings.NewReader("12"), 4},
	} {
		if _, err := c.Put(t.Context(), "orders", "a.csv", job.ID{}, b); err == nil {
			t.Errorf("%s: it is accepted", name)
		}

		if <-whole {
			t.Errorf("%s: for the daemon it was whole", name)
		}
	}
}

// closer complains when it is closed.
type closer struct {
	io.Reader
	t *testing.T
}

func (c closer) Close() error {
	c.t.Error("it is closed")

	return nil
}

// What is sent belongs to who sends it.
func TestPutClosesNothing(t *testing.T) {
	t.Parallel()

	c := double(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("name") == "refused" {
			answer(t, w, http.StatusServiceUnavailable, wire.Error{Error: wire.Fault{Code: wire.CodeDraining}})

			return
		}

		_, err := io.Copy(io.Discard, r.Body)
		must(t, err)
		answer(t, w, http.StatusCreated, wire.Job{})
	})

	for name, taken := range map[string]bool{"refused": false, "taken": true} {
		body := client.Body{Reader: closer{strings.NewReader("1234"), t}, Size: 4}

		if _, err := c.Put(t.Context(), "orders", name, job.ID{}, body); taken != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
