package pages

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// foreign serves a page of somebody else's, and returns its address: on the
// same host, which makes it the same site to browsers, so that cookies go along
// with what it sends here.
func foreign(t *testing.T, body string) string {
	t.Helper()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!doctype html><title>Elsewhere</title><link rel="icon" href="data:,"><style>body{margin:0}iframe{border:0;width:100vw;height:100vh}</style>`+body)
	}))
	t.Cleanup(srv.Close)
	return strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
}

// visitForeign goes to such a page.
func (d *device) visitForeign(body string) *device {
	d.t.Helper()
	address := foreign(d.t, body)
	d.elsewhere = append(d.elsewhere, address+"/")
	d.must(d.Open(d.t.Context(), address+"/"))
	d.must(d.Settle(d.t.Context()))
	return d
}
