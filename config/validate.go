package config

import (
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of a pass's lifetime in Graph: 10 minutes to 30 days.
// https://learn.microsoft.com/graph/api/resources/temporaryaccesspassauthenticationmethod
const (
	minLifetime = 10 * time.Minute
	maxLifetime = 30 * 24 * time.Hour
)

// validate reports what is wrong with a complete configuration. It is pure: no
// file is looked at.
func validate(c *Config) problems {
	var p problems
	p.temporal(c.Temporal)
	p.graph(c.Graph)
	p.intake(c.Intake)
	p.pickup(c)
	p.organisation(c.Organisation)
	p.messages(c.Messages)
	p.desks(c.Desks)
	p.channels(c.Channels)
	p.proofs(c)
	p.sources(c)
	p.profiles(c)
	p.fallbacks(c)
	p.calendars(c.Calendars)
	p.verifications(c.Verifications)
	p.required("refs.key_file", c.Refs.KeyFile)
	p.ledger(c.Ledger)
	p.telemetry(c.Telemetry)
	p.audit(c.Audit)
	p.ops(c.Ops)
	return p
}

func (p *problems) temporal(t Temporal) {
	p.hostPort("temporal.address", t.Address)
	p.required("temporal.namespace", t.Namespace)
	p.required("temporal.task_queue", t.TaskQueue)
	p.required("temporal.keyring_file", t.KeyringFile)
	if !t.TLS.Enabled {
		for _, k := range []struct{ key, value string }{
			{"ca_file", t.TLS.CAFile}, {"certificate_file", t.TLS.CertificateFile},
			{"key_file", t.TLS.KeyFile}, {"server_name", t.TLS.ServerName},
		} {
			if k.value != "" {
				p.addIf("temporal.tls.enabled", "temporal.tls."+k.key, "has no effect while temporal.tls.enabled is false")
			}
		}
		if t.APIKeyFile != "" {
			p.addIf("temporal.tls.enabled", "temporal.api_key_file", "an API key must not travel in clear; set temporal.tls.enabled to true")
		}
	}
	p.pair("temporal.tls", t.TLS.CertificateFile, t.TLS.KeyFile)
}

func (p *problems) graph(g Graph) {
	p.root("graph.endpoint", g.Endpoint)
	p.root("graph.authority", g.Authority)
	p.required("graph.tenant_id", g.TenantID)
	if strings.ContainsAny(g.TenantID, "/?# ") {
		p.add("graph.tenant_id", "want the tenant's id or one of its domains, nothing else")
	}
	if g.Credential.Kind != CredentialManagedIdentity {
		p.required("graph.client_id", g.ClientID)
	}
	p.credential("graph.credential", g.Credential)
}

func (p *problems) credential(path string, c Credential) {
	kinds := []CredentialKind{CredentialSecret, CredentialCertificate, CredentialWorkloadIdentity, CredentialManagedIdentity}
	if !slices.Contains(kinds, c.Kind) {
		p.oneOf(path+".kind", string(c.Kind), "client_secret", "certificate", "workload_identity", "managed_identity")
		return
	}
	for _, f := range []struct {
		key, value string
		kind       CredentialKind
	}{
		{"secret_file", c.SecretFile, CredentialSecret},
		{"certificate_file", c.CertificateFile, CredentialCertificate},
		{"token_file", c.TokenFile, CredentialWorkloadIdentity},
	} {
		switch {
		case f.kind == c.Kind && f.value == "":
			p.add(path+"."+f.key, fmt.Sprintf("missing; kind %s needs it", c.Kind))
		case f.kind != c.Kind && f.value != "":
			p.add(path+"."+f.key, fmt.Sprintf("belongs to kind %s, not to %s", f.kind, c.Kind))
		}
	}
}

func (p *problems) intake(i Intake) {
	p.hostPort("intake.listen", i.Listen)
	p.pair("intake.tls", i.TLS.CertificateFile, i.TLS.KeyFile)
	if i.URL != "" {
		p.site("intake.url", i.URL)
	}
	// Temporal takes payloads of up to 2 MiB; a body holds several employees.
	if i.MaxBody < 1<<10 || i.MaxBody > 16<<20 {
		p.add("intake.max_body", "want 1KiB to 16MiB")
	}
	if i.LateLimit < 0 {
		p.add("intake.late_limit", "must not be negative")
	}
	p.between("intake.quarantine_keep", i.QuarantineKeep, 24*time.Hour, 366*24*time.Hour)
	p.between("intake.dedupe_keep", i.DedupeKeep, time.Hour, 366*24*time.Hour)
}

func (p *problems) ledger(l Ledger) {
	switch l.Kind {
	case LedgerSQLite:
		p.required("ledger.file", l.File)
		p.unused("ledger.url_file", l.URLFile, "has no effect with kind sqlite")
	case LedgerPostgres:
		p.required("ledger.url_file", l.URLFile)
		p.unused("ledger.file", l.File, "has no effect with kind postgres")
	default:
		p.oneOf("ledger.kind", string(l.Kind), "sqlite", "postgres")
	}
}

func (p *problems) profiles(c *Config) {
	if len(c.Profiles) == 0 {
		p.add("profiles", "missing; write at least profiles.default")
	}
	for _, name := range sorted(c.Profiles) {
		path, pr := "profiles."+name, c.Profiles[name]
		p.name(path, name, nil)
		p.journeys(c, path, pr)
		if pr.Lifetime%time.Minute != 0 {
			p.add(path+".lifetime", "want whole minutes")
		}
		if pr.Lifetime < minLifetime || pr.Lifetime > maxLifetime {
			p.add(path+".lifetime", "Entra allows 10m to 720h (30 days)")
		}
		p.delivery(c, path, pr)
		p.requirement(path, pr)
		if pr.Settle < 0 {
			p.add(path+".settle", "must not be negative")
		}
		if pr.Timeout <= 0 {
			p.add(path+".timeout", "want more than 0")
		}
		p.waits(path+".poll", pr.Poll)
		p.waits(path+".recheck", pr.Recheck)
	}
}

func (p *problems) waits(path string, list []time.Duration) {
	if len(list) == 0 {
		p.add(path, "empty; want at least one wait")
	}
	for i, d := range list {
		// Temporal's timers are coarse: below a second they spin.
		if d < time.Second {
			p.add(fmt.Sprintf("%s[%d]", path, i), "want 1s or more")
		}
	}
}

func (p *problems) required(path, value string) {
	if value == "" {
		p.add(path, "missing")
	}
}

func (p *problems) oneOf(path, value string, allowed ...string) {
	switch {
	case value == "":
		p.add(path, "missing; want "+strings.Join(allowed, " or "))
	case !slices.Contains(allowed, value):
		p.add(path, "want "+strings.Join(allowed, " or "))
	}
}

// pair checks a certificate and its key.
func (p *problems) pair(path, certificate, key string) {
	if certificate != "" && key == "" {
		p.add(path+".key_file", "missing; certificate_file needs it")
	}
	if certificate == "" && key != "" {
		p.add(path+".certificate_file", "missing; key_file needs it")
	}
}

// nameForm is that of a DNS label: names become part of workflow IDs and URLs.
var nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (p *problems) name(path, name string, seen map[string]bool) {
	switch {
	case name == "":
		p.add(path, "missing")
	case !nameForm.MatchString(name):
		p.add(path, "want lower-case letters, digits and inner hyphens, at most 63")
	case seen[name]:
		p.add(path, fmt.Sprintf("%q is taken already", name))
	}
	if seen != nil {
		seen[name] = true
	}
}

func (p *problems) hostPort(path, value string) {
	_, port, err := net.SplitHostPort(value)
	if n, e := strconv.Atoi(port); err != nil || e != nil || n < 0 || n > 65535 {
		p.add(path, "want host:port")
	}
}

func (p *problems) address(path, value string) {
	if value == "" {
		return
	}
	if a, err := mail.ParseAddress(value); err != nil || a.Address != value {
		p.add(path, "want a mail address and nothing else")
	}
}

// root checks a service root. The adapters add versions and paths themselves,
// so one given here would end up in the URL twice.
func (p *problems) root(path, value string) {
	p.bare(path, value, "want a service root such as https://graph.microsoft.com", "want the service root alone, without version, path or query")
}

// site checks what the world calls one of our listeners.
func (p *problems) site(path, value string) {
	const alone = "want https://host alone, without path, query or slash at the end"
	if strings.HasSuffix(value, "/") {
		p.add(path, alone)
		return
	}
	p.bare(path, value, "want an address such as https://pass.example.org", alone)
}

// bare checks an address without anything behind the host: want is what to say
// of what is no address at all, alone of what has more.
func (p *problems) bare(path, value, want, alone string) {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Hostname() == "":
		p.add(path, want)
	case u.User != nil:
		p.add(path, "must not hold a user name or password")
	case u.Path != "" && u.Path != "/", u.RawQuery != "" || u.ForceQuery, u.Fragment != "":
		p.add(path, alone)
	case u.Scheme == "http" && !loopback(u.Hostname()), u.Scheme != "https" && u.Scheme != "http":
		p.add(path, "want https")
	}
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

func names(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(list))), ", ")
}

func words[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}
