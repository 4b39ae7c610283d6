package control_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"

	"importerd/internal/control/wire"
)

// form is a form's body and its header; each part is field, file name and content.
func form(t *testing.T, parts ...[3]string) (string, header) {
	t.Helper()

	var b bytes.Buffer

	w := multipart.NewWriter(&b)

	for _, part := range parts {
		says := fmt.Sprintf(`form-data; name="%s"`, part[0])
		if part[1] != "" {
			says += fmt.Sprintf(`; filename="%s"`, part[1])
		}

		p, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {says}})
		must(t, err)
		_, err = io.WriteString(p, part[2])
		must(t, err)
	}

	must(t, w.Close())

	return b.String(), header{"Content-Type", w.FormDataContentType()}
}

func TestPutForm(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()

	put := func(query string, parts ...[3]string) reply {
		t.Helper()
		body, kind := form(t, parts...)

		return r.post("/v1/spools/orders/files"+query, body, kind)
	}

	j := read[wire.Job](t, put("", [3]string{"file", "a.csv", "1,2\n"}).want(t, http.StatusCreated, ""))
	if j.Name != "a.csv" || r.spools[0].body(j.ID) != "1,2\n" {
		t.Errorf("%+v with %q", j, r.spools[0].body(j.ID))
	}

	// What the query says counts more.
	j = read[wire.Job](t, put("?name=b.csv", [3]string{"file", "../a.csv", ""}).want(t, http.StatusCreated, ""))
	if j.Name != "b.csv" {
		t.Errorf("%+v", j)
	}

	put("?name=c.csv", [3]string{"file", "", "x"}).want(t, http.StatusCreated, "")

	before := r.spools[0].count()

	for what, parts := range map[string][][3]string{
		"no parts":        {},
		"no name":         {{"file", "", "x"}},
		"another field":   {{"upload", "a.csv", "x"}},
		"a field before":  {{"comment", "", "x"}, {"file", "a.csv", "x"}},
		"a field behind":  {{"file", "a.csv", "x"}, {"comment", "", "x"}},
		"two files":       {{"file", "a.csv", "x"}, {"file", "b.csv", "x"}},
		"a thousand more": slices.Repeat([][3]string{{"file", "a.csv", "x"}}, 1000),
	} {
		t.Log(what)
		put("", parts...).want(t, http.StatusBadRequest, wire.CodeBadRequest)
	}

	body, kind := form(t, [3]string{"file", "a.csv", "whole"})
	for _, cut := range []int{1, len(body) / 2, len(body) - 5} {
		r.post("/v1/spools/orders/files", body[:cut], kind).want(t, http.StatusBadRequest, wire.CodeBadRequest)
	}

	r.post("/v1/spools/orders/files", "x", header{"Content-Type", "multipart/form-data"}).
		want(t, http.StatusBadRequest, wire.CodeBadRequest)

	if n := r.spools[0].count(); n != before {
		t.Errorf("%d jobs were made of what was refused", n-before)
	}

	if n := r.spools[0].drafts.Load(); n != 0 {
		t.Errorf("%d drafts are open", n)
	}
}

// No name leads out of a directory, or to a file that nothing would take.
func TestBadNames(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()

	for _, name := range []string{
		"../a", "a/b", "/etc/passwd", "..", ".", ".hidden", "a\x00b", "a\nb", "a\x1bb", "a\x7f", "a.tmp", "a.part", "a~",
		"a.crdownload", "\xff\xfe", strings.Repeat("a", 256), `..\a`, "",
	} {
		for _, verb := range []string{"files", "start"} {
			a := r.post("/v1/spools/orders/"+verb+"?name="+url.QueryEscape(name), "x").
				want(t, http.StatusBadRequest, wire.CodeBadName)
			if strings.ContainsAny(a.text, "\x00\x1b") {
				t.Errorf("%q is sent back: %q", name, a.text)
			}
		}

		if name == "" || strings.ContainsAny(name, "\x00\n\x1b\x7f\\") {
			continue // cannot be written so in a form
		}

		body, kind := form(t, [3]string{"file", name, "x"})
		r.post("/v1/spools/orders/files", body, kind).want(t, http.StatusBadRequest, wire.CodeBadName)
	}

	if r.spools[0].count() != 0 || r.spools[0].drafts.Load() != 0 {
		t.Error("something was kept")
	}

	r.post("/v1/spools/orders/files?name="+strings.Repeat("a", 255), "x").want(t, http.StatusCreated, "")
}

func TestMaxUpload(t *testing.T) {
	t.Parallel()

	r := prepare(t)
	r.options.MaxUpload = 1000
	r.unix()

	fits, over := strings.Repeat("x", 1000), strings.Repeat("x", 1001)
	r.post("/v1/spools/orders/files?name=a", fits).want(t, http.StatusCreated, "")
	r.post("/v1/spools/orders/files?name=a", over).want(t, http.StatusRequestEntityTooLarge, wire.CodeTooLarge)

	// Of unknown length.
	r.do(http.MethodPost, "/v1/spools/orders/files?name=a", io.MultiReader(strings.NewReader(over))).
		want(t, http.StatusRequestEntityTooLarge, wire.CodeTooLarge)
	r.do(http.MethodPost, "/v1/spools/orders/files?name=b", io.MultiReader(strings.NewReader(fits))).
		want(t, http.StatusCreated, "")

	body, kind := form(t, [3]string{"file", "c", fits})
	r.post("/v1/spools/orders/files", body, kind).want(t, http.StatusCreated, "")

	body, kind = form(t, [3]string{"file", "d", over})
	r.post("/v1/spools/orders/files", body, kind).want(t, http.StatusRequestEntityTooLarge, wire.CodeTooLarge)

	// Not the file is long, but what is around it.
	r.post("/v1/spools/orders/files", strings.Repeat("x", 2<<20), kind).
		want(t, http.StatusRequestEntityTooLarge, wire.CodeTooLarge)

	if r.spools[0].count() != 3 || r.spools[0].drafts.Load() != 0 {
		t.Errorf("%d jobs, %d drafts open", r.spools[0].count(), r.spools[0].drafts.Load())
	}
}
