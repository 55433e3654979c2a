package graph_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"firstpass.internal/internal/jml"
)

func serveJSON(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, status, body) }
}

func TestPagesThatLeadElsewhere(t *testing.T) {
	for name, tt := range map[string]struct {
		link     func(base string) string
		code     string
		requests int
	}{
		"another host":    {func(string) string { return "https://graph.example.com/v1.0/next" }, "foreignLink", 1},
		"another port":    {func(string) string { return "https://127.0.0.1:1/v1.0/next" }, "foreignLink", 1},
		"plain http":      {func(base string) string { return "http" + base[len("https"):] + "/next" }, "foreignLink", 1},
		"round in circle": {func(base string) string { return base + "/v1.0/next" }, "endlessPages", 100},
	} {
		srv := newServer(t, nil)
		srv.graph = serveJSON(200, fmt.Sprintf(`{"value":[],"@odata.nextLink":%q}`, tt.link(srv.URL)))
		_, err := newClient(t, srv.config(t)).Privilege(t.Context(), userID)
		var f *jml.Fault
		if !errors.As(err, &f) || f.Code != tt.code || f.Kind != jml.FaultUnavailable {
			t.Errorf("%s: %v", name, err)
		}
		if n := len(srv.requests()); n != tt.requests {
			t.Errorf("%s: %d requests", name, n)
		}
	}
}

func TestUntypedMembershipIsNoProof(t *testing.T) {
	srv := newServer(t, serveJSON(200, `{"value":[{"id":"`+groupID+`"}]}`))
	_, err := newClient(t, srv.config(t)).Privilege(t.Context(), userID)
	var f *jml.Fault
	if !errors.As(err, &f) || f.Code != "untypedObject" {
		t.Errorf("%v", err)
	}
}
