package config

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// opsDefaults gives the console defaults only where there is one: what is set
// without url, validation can tell to have no effect.
func opsDefaults(section any) map[string]any {
	o, _ := section.(map[string]any)
	if u := o["url"]; u == nil || u == "" {
		return map[string]any{}
	}
	signIn := map[string]any{"idle": "30m", "longest": "12h"}
	if given, ok := o["sign_in"].(map[string]any); ok && given["client_id"] != nil {
		signIn["audience"] = given["client_id"]
	}
	return map[string]any{"listen": "127.0.0.1:8070", "sign_in": signIn}
}

// operatorRoles are the app roles, as internal/ops/access has them.
func operatorRoles() []string { return []string{"viewer", "operator", "approver", "auditor", "desk"} }

// objectID is the form of Entra's ids.
var objectID = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// Bounds of sessions. Below five minutes people sign in all the time; beyond a
// day nobody is at their desk any more.
const (
	leastIdle   = 5 * time.Minute
	mostLongest = 24 * time.Hour
)

func (p *problems) ops(o Ops) {
	s := o.SignIn
	if o.URL == "" {
		for _, k := range []struct {
			key string
			set bool
		}{
			{"listen", o.Listen != ""}, {"tls.certificate_file", o.TLS.CertificateFile != ""}, {"tls.key_file", o.TLS.KeyFile != ""},
			{"temporal_ui", o.TemporalUI != ""}, {"sign_in.issuer", s.Issuer != ""}, {"sign_in.client_id", s.ClientID != ""},
			{"sign_in.client_secret_file", s.ClientSecretFile != ""}, {"sign_in.audience", s.Audience != ""}, {"sign_in.ca_file", s.CAFile != ""},
			{"sign_in.groups", len(s.Groups) > 0}, {"sign_in.idle", s.Idle != 0}, {"sign_in.longest", s.Longest != 0},
		} {
			if k.set {
				p.addIf("ops.url", "ops."+k.key, "has no effect without ops.url")
			}
		}
		return
	}
	p.site("ops.url", o.URL)
	p.hostPort("ops.listen", o.Listen)
	p.pair("ops.tls", o.TLS.CertificateFile, o.TLS.KeyFile)
	p.openNowhere(o)
	if o.TemporalUI != "" {
		p.page("ops.temporal_ui", o.TemporalUI)
	}
	p.issuer("ops.sign_in.issuer", s.Issuer)
	p.required("ops.sign_in.client_id", s.ClientID)
	p.required("ops.sign_in.client_secret_file", s.ClientSecretFile)
	if strings.Contains(s.Audience, "://") {
		p.add("ops.sign_in.audience", "want the application's client id: tokens of version 2 name it, and no App ID URI")
	}
	for _, role := range sorted(s.Groups) {
		path := "ops.sign_in.groups." + role
		if !slices.Contains(operatorRoles(), role) {
			p.add(path, "there is no such role; want "+strings.Join(operatorRoles(), " or "))
		}
		for i, id := range s.Groups[role] {
			if !objectID.MatchString(id) {
				p.add(fmt.Sprintf("%s[%d]", path, i), "want the object id of a group, as in 11111111-2222-3333-4444-555555555555: its name may change hands")
			}
		}
	}
	if s.Idle < leastIdle || s.Idle > mostLongest {
		p.add("ops.sign_in.idle", "want 5m to 24h")
	}
	if s.Longest < s.Idle || s.Longest > mostLongest {
		p.addIf("ops.sign_in.idle", "ops.sign_in.longest", "want ops.sign_in.idle to 24h")
	}
}

// openNowhere keeps the console from being served in clear to a network: cookies
// and tokens would travel with it. Behind a TLS proxy on the same machine it
// listens on loopback.
func (p *problems) openNowhere(o Ops) {
	host, _, err := net.SplitHostPort(o.Listen)
	if err == nil && o.TLS.CertificateFile == "" && o.TLS.KeyFile == "" && !loopback(host) {
		p.add("ops.listen", "reachable from other machines without ops.tls; set it, or listen on 127.0.0.1 behind a proxy with TLS")
	}
}

// issuer checks that of an identity provider, which must be one tenant's: with
// another, anybody's employees could sign in.
func (p *problems) issuer(path, value string) {
	u, err := url.Parse(value)
	switch {
	case value == "":
		p.add(path, "missing; of Entra it is https://login.microsoftonline.com/TENANT/v2.0 with your tenant's id")
	case err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		// A placeholder in braces is no URL to some, and is told apart here.
		p.add(path, "want an address such as https://login.microsoftonline.com/TENANT/v2.0")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		p.add(path, "want https")
	default:
		for part := range strings.SplitSeq(strings.ToLower(u.Path), "/") {
			if part == "common" || part == "organizations" || part == "consumers" || strings.ContainsAny(part, "{}") {
				p.add(path, "stands for many tenants; write your own tenant's id into it")
				return
			}
		}
		if strings.HasPrefix(u.Host, "login.microsoftonline.") && !strings.HasSuffix(u.Path, "/v2.0") {
			p.add(path, "want the issuer of version 2, which ends in /v2.0")
		}
	}
}

// page checks an address that may have a path.
func (p *problems) page(path, value string) {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		p.add(path, "want an address such as https://temporal.example.org, without query")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		p.add(path, "want https")
	}
}
