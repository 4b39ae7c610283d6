package guard

import (
	"errors"
	"net"
	"testing"
	"time"
)

// A body must make progress, and in the long run more than a byte now and then; but
// what is long may take long.
func TestDue(t *testing.T) {
	t.Parallel()

	const stall = 30 * time.Second

	began := time.Unix(1000, 0)

	for _, c := range []struct {
		name string
		now  time.Duration // since it began
		got  int64
		want time.Duration // since it began
	}{
		{"at once", 0, 0, stall},
		{"nothing came", 50 * time.Second, 0, 2 * stall},
		{"a byte a second", 2 * time.Minute, 120, 2*stall + time.Second},
		{"fast enough", 2 * time.Minute, 64 * 120, 2*time.Minute + stall},
		{"a day of a lot", 24 * time.Hour, 1 << 40, 24*time.Hour + stall},
		{"all that there is", 24 * time.Hour, 1<<63 - 1, 24*time.Hour + stall},
	} {
		if got := due(began.Add(c.now), began, c.got, stall).Sub(began); got != c.want {
			t.Errorf("%s: due at %v, not at %v", c.name, got, c.want)
		}
	}
}

func TestHostOf(t *testing.T) {
	t.Parallel()

	for given, want := range map[string]string{
		"localhost": "localhost", "LOCALHOST:80": "localhost", "[::1]": "::1", "[::1]:80": "::1", "127.0.0.1:80": "127.0.0.1",
		"": "", ":80": "", "a:b:c": "a:b:c",
	} {
		if got := hostOf(given); got != want {
			t.Errorf("%q: %q", given, got)
		}
	}
}

// A listener that waits for a slot can be closed, and slots come back.
func TestLimit(t *testing.T) {
	t.Parallel()

	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	l := Limit(inner, 1)

	for range 3 {
		out, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}

		in, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}

		for range 2 { // twice is once
			_ = in.Close()
		}

		_ = out.Close()
	}

	out, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close() })

	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() })

	ended := make(chan error) // the goroutine sends once

	go func() {
		_, err := l.Accept()
		ended <- err
	}()

	for range 2 {
		_ = l.Close()
	}

	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("it ended with %v", err)
	}
}
