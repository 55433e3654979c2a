package access

import (
	"net/url"
	"path"
	"strings"
)

// maxPath bounds a page's address, in bytes.
const maxPath = 2048

// ownPath returns raw if it is a page of ours, and "/" if it could lead anywhere
// else: browsers take //host and /\host for other hosts, drop tabs and line
// breaks, and a proxy may decode what we did not.
func ownPath(raw string) string {
	if raw == "" || len(raw) > maxPath || raw[0] != '/' || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' || r > 0x7e }) {
		return "/"
	}
	u, err := url.Parse(raw)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || u.Opaque != "" || u.Fragment != "" || !ownPathIn(u.Path) {
		return "/"
	}
	return u.RequestURI()
}

// ownPathIn looks at a path decoded, and decoded once more.
func ownPathIn(p string) bool {
	for range 3 {
		clean := path.Clean(p)
		if p != clean && p != clean+"/" || strings.HasPrefix(p, "//") || strings.ContainsAny(p, "\\\r\n\t\x00") ||
			under(p, "/sign-in") || under(p, "/sign-out") {
			return false
		}
		more, err := url.PathUnescape(p)
		if err != nil || more == p {
			return err == nil
		}
		p = more
	}
	return false
}

func under(p, folder string) bool { return p == folder || strings.HasPrefix(p, folder+"/") }
