package access

import (
	"encoding/json"
	"net/http"
	"strings"
)

// problem answers a program by RFC 9457.
func problem(w http.ResponseWriter, status int, title, detail string) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct { // the program may be gone
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail,omitempty"`
	}{title, status, detail})
}

// problemFor answers a token that is not taken: 401, or 403 where it is in order
// and gives no role.
func (g *Gate) problemFor(w http.ResponseWriter, no *denial) {
	detail := sentence(no.do)
	if no.reason == "noRole" {
		problem(w, http.StatusForbidden, "No role", detail+" "+g.ask())
		return
	}
	// The sentence is ours and holds neither quotes nor backslashes (RFC 6750, 3).
	w.Header().Set("WWW-Authenticate", `Bearer realm="firstpass", error="invalid_token", error_description="`+no.do+`"`)
	problem(w, http.StatusUnauthorized, "The token is not accepted", detail)
}

func sentence(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
