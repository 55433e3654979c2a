package intake

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

func TestRefs(t *testing.T) {
	r := refs(t)
	// Fixed for ever: a changed reference starts every journey anew. Computed
	// outside this program, with openssl dgst -hmac and base32.
	if got, want := r.Ref("hr", "E-1042"), "quhwdcokgap5btvu4ynf"; got != want {
		t.Errorf("ref = %s, want %s", got, want)
	}
	if !regexp.MustCompile(`^[a-z2-7]{20}$`).MatchString(r.Ref("", "")) {
		t.Error("not 20 letters and digits")
	}
	seen := map[string]bool{}
	for _, p := range [][2]string{{"hr", "1"}, {"hr", "2"}, {"other", "1"}, {"h", "r1"}} {
		seen[r.Ref(p[0], p[1])] = true
	}
	if len(seen) != 4 {
		t.Error("two employees share a reference")
	}
	if s := fmt.Sprintf("%v %+v %#v", r, r, r); strings.Contains(s, "7") {
		t.Errorf("prints its key: %s", s)
	}
	if _, err := NewRefs(make([]byte, 31)); err == nil {
		t.Error("takes a short key")
	}
}

func TestLoadRefs(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	for name, text := range map[string]string{
		"base64": base64.StdEncoding.EncodeToString(key) + "\n",
		"raw":    string(key),
	} {
		r, err := LoadRefs(file(t, text))
		if err != nil || r.Ref("a", "b") != refs(t).Ref("a", "b") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := LoadRefs(file(t, base64.StdEncoding.EncodeToString(key[:12]))); err == nil {
		t.Error("takes a short key")
	}
	if _, err := LoadRefs("none"); err == nil {
		t.Error("takes a file that is not there")
	}
}
