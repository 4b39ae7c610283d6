package main

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"importerd/internal/config"
	"importerd/internal/control/client"
	"importerd/internal/control/wire"
)

// The configuration of a daemon on TCP says all that a client needs: the token and which
// certificate to trust.
func TestConfiguredTLS(t *testing.T) {
	t.Parallel()

	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/spools/orders/pause" {
			_, _ = fmt.Fprint(w, `{"spools":[{"name":"orders","dir":"/nowhere"}]}`)
		}

		if r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("the token is %q", r.Header.Get("Authorization"))
		}
	}))
	t.Cleanup(s.Close)

	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		mustDo(t, os.WriteFile(path, []byte(text), 0o600))

		return path
	}

	cert := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	path := file("c.toml", fmt.Sprintf("listen = %q\ntls_cert = %q\ntls_key = %q\ntoken_file = %q\n%s", s.Listener.Addr(),
		file("cert.pem", cert), file("key.pem", ""), file("token", "secret\n"), config.Example))

	callProgram(t, "", "pause", "--spool", "orders", "--config", path).want(t, codeOK, "spool orders: paused\n", "")
	callProgram(t, "", "pause", "--spool", "orders", "--listen", s.URL, "--token-file", filepath.Join(dir, "token")).
		want(t, codeUnavailable, "", "certificate")
}

func TestTokens(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{"a": "a", " a\r\n": "a", "": "", "a b": "", "a\nb": "", " \n": ""} {
		got, err := readToken(fileWith(t, "token", text))
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q is the token %q, %v", text, got, err)
		}
	}
}

// Each of the daemon's errors ends with the exit code that is promised.
func TestCodesOfTheDaemon(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		want  int
		codes []wire.Code
	}{
		{codeNotSo, []wire.Code{
			wire.CodeNotFound, wire.CodeConflict, wire.CodeBusy, wire.CodePaused, wire.CodeDraining, wire.CodeDegraded,
			wire.CodeUnsupported,
		}},
		{codeData, []wire.Code{wire.CodeBadRequest, wire.CodeBadName, wire.CodeTooLarge}},
		{codeUnavailable, []wire.Code{
			wire.CodeUnauthorized, wire.CodeForbidden, wire.CodeMethod, wire.CodeTooMany, wire.CodeInternal, "",
		}},
		{codeUntrusted, []wire.Code{wire.CodeDisk}},
		{codeConfig, []wire.Code{wire.CodeBadConfig}},
	} {
		for _, one := range c.codes {
			if got := code(fmt.Errorf("start: %w", &client.Error{Code: one})); got != c.want {
				t.Errorf("%q ends with %d, want %d", one, got, c.want)
			}
		}
	}

	for _, err := range []error{client.ErrUnreachable, client.ErrLost} {
		if got := code(gravest([]error{fmt.Errorf("x: %w", err)})); got != codeUnavailable {
			t.Errorf("%v ends with %d", err, got)
		}
	}
}
