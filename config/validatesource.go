package config

import (
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"
)

func (p *problems) sources(c *Config) {
	seen := map[string]bool{}
	for i, s := range c.Sources {
		at := fmt.Sprintf("sources[%d]", i)
		p.name(at+".name", s.Name, seen)
		p.fallback(c, at+".profile", s.Profile)
		p.source(at, s)
		p.owner(c, at, s)
	}
}

// owner checks that the source whose employees s shares is there and is not
// itself such a one.
func (p *problems) owner(c *Config, at string, s Source) {
	if s.EmployeesOf == "" {
		return
	}
	i := slices.IndexFunc(c.Sources, func(o Source) bool { return o.Name == s.EmployeesOf })
	switch {
	case i < 0:
		p.add(at+".employees_of", fmt.Sprintf("there is no source %q", s.EmployeesOf))
	case c.Sources[i].EmployeesOf != "" || s.EmployeesOf == s.Name:
		p.add(at+".employees_of", "name the source that has employees of its own")
	case c.Sources[i].Profile != s.Profile:
		p.add(at+".profile", fmt.Sprintf("must be that of source %s, whose employees these are", s.EmployeesOf))
	}
}

// source checks one source. Expressions are compiled later, by who runs them.
func (p *problems) source(at string, s Source) {
	p.sections(at, s)
	if s.Map != nil && len(s.Map) == 0 {
		p.add(at+".map", "empty; leave it out if items are canonical snapshots")
	}
	for _, name := range sorted(s.Sites) {
		p.required(at+".sites."+name+".zone", s.Sites[name].Zone)
	}
	if s.ContactGuard < 0 {
		p.add(at+".contact_guard", "must not be negative; 0 holds nothing")
	}
	if s.VanishedAfter < 0 || s.VanishedAfter == 1 {
		p.add(at+".vanished_after", "want 2 or more, since one feed alone ends no journey; or 0: absence means nothing")
	}
	switch s.Kind {
	case SourceWebhook:
		p.webhook(at, s)
	case SourceSCIM:
		p.scim(at, s)
	case SourcePoll:
		p.poll(at+".poll", s.Poll)
		p.brake(at+".brake", s.Brake)
	case SourceFile:
		p.file(at+".file", s.File)
		p.brake(at+".brake", s.Brake)
	case SourceEntra:
		p.between(at+".entra.every", s.Entra.Every, time.Minute, 24*time.Hour)
		p.between(at+".entra.ahead", s.Entra.Ahead, 24*time.Hour, 366*24*time.Hour)
		p.between(at+".entra.behind", s.Entra.Behind, 0, 366*24*time.Hour)
		if s.Map == nil {
			p.add(at+".map", "missing; use: entra brings one")
		}
		p.brake(at+".brake", s.Brake)
	default:
		p.oneOf(at+".kind", string(s.Kind), "webhook", "poll", "file", "scim", "entra")
	}
}

// sections complains of keys that the kind of s does nothing with.
func (p *problems) sections(at string, s Source) {
	feed := []SourceKind{SourcePoll, SourceFile, SourceEntra}
	for _, k := range []struct {
		key   string
		value any
		kinds []SourceKind
	}{
		{"verify", s.Verify, []SourceKind{SourceWebhook, SourceSCIM}},
		{"handshake", s.Handshake, []SourceKind{SourceWebhook}},
		{"dedupe", s.Dedupe, []SourceKind{SourceWebhook}},
		{"split", s.Split, []SourceKind{SourceWebhook, SourcePoll, SourceFile}},
		{"fetch", s.Fetch, []SourceKind{SourceWebhook}},
		{"poll", s.Poll, []SourceKind{SourcePoll}},
		{"file", s.File, []SourceKind{SourceFile}},
		{"entra", s.Entra, []SourceKind{SourceEntra}},
		{"brake", s.Brake, feed},
		{"vanished_after", s.VanishedAfter, feed},
	} {
		if !slices.Contains(k.kinds, s.Kind) && !reflect.ValueOf(k.value).IsZero() {
			p.addIf(at+".kind", at+"."+k.key, fmt.Sprintf("has no effect with kind %s", s.Kind))
		}
	}
}

func (p *problems) webhook(at string, s Source) {
	p.verify(at+".verify", s.Verify, s.Handshake.Unsigned)
	if s.Map == nil && s.Verify.Kind == VerifyHMAC {
		p.add(at+".map", "missing; only standard_webhooks, bearer, basic and jwt sources may send canonical snapshots without a mapping")
	}
	if s.Handshake.When == "" {
		for _, k := range []struct {
			key string
			set bool
		}{{"unsigned", s.Handshake.Unsigned}, {"show", s.Handshake.Show != ""}, {"answer", s.Handshake.Answer != ""}} {
			if k.set {
				p.add(at+".handshake."+k.key, "has no effect without handshake.when")
			}
		}
	}
	hint := s.Verify.Kind == VerifyURLSecret || s.Verify.Kind == VerifyHMAC && s.Verify.Message != "" && !strings.Contains(s.Verify.Message, "{body}")
	if reflect.ValueOf(s.Fetch).IsZero() {
		if hint {
			p.add(at+".fetch", "missing; nothing signs the body, so it is a hint only and the HR system must be asked")
		}
		return
	}
	if hint && s.Fetch.When != "" {
		p.add(at+".fetch.when", "nothing signs the body, so it can't decide whether the HR system is asked; leave it out")
	}
	p.request(at+".fetch.request", s.Fetch.Request)
	if s.Map == nil {
		p.addIf(at+".map", at+".map", "missing; what is fetched has to be mapped")
	}
}

func (p *problems) scim(at string, s Source) {
	p.verify(at+".verify", s.Verify, false)
	if !slices.Contains([]VerifyKind{VerifyBearer, VerifyBasic, VerifyJWT, ""}, s.Verify.Kind) {
		p.add(at+".verify.kind", "SCIM clients send bearer, basic or jwt")
	}
	if s.Map == nil {
		p.add(at+".map", "missing; use: scim brings one for the core and enterprise schema")
	}
}

// verifyKeys are the keys of Verify and the kinds they belong to.
func verifyKeys(v Verify) []verifyKey {
	return []verifyKey{
		{"algorithm", v.Algorithm, VerifyHMAC}, {"encoding", v.Encoding, VerifyHMAC}, {"message", v.Message, VerifyHMAC},
		{"signature_header", v.SignatureHeader, VerifyHMAC}, {"signature_field", v.SignatureField, VerifyHMAC},
		{"signature_prefix", v.SignaturePrefix, VerifyHMAC}, {"signature_list", v.SignatureList, VerifyHMAC},
		{"key_encoding", v.KeyEncoding, VerifyHMAC},
		{"timestamp_header", v.TimestampHeader, VerifyHMAC}, {"timestamp_field", v.TimestampField, VerifyHMAC},
		{"timestamp_prefix", v.TimestampPrefix, VerifyHMAC},
		{"user", v.User, VerifyBasic},
		{"issuer", v.Issuer, VerifyJWT}, {"audience", v.Audience, VerifyJWT}, {"ca_file", v.CAFile, VerifyJWT},
	}
}

type verifyKey struct {
	key, value string
	kind       VerifyKind
}

// verify checks how requests prove their origin. pending allows that there is
// no key yet, because a handshake brings it.
func (p *problems) verify(at string, v Verify, pending bool) {
	kinds := []VerifyKind{VerifyHMAC, VerifyStandardWebhooks, VerifyBearer, VerifyBasic, VerifyJWT, VerifyURLSecret}
	if !slices.Contains(kinds, v.Kind) {
		p.oneOf(at+".kind", string(v.Kind), words(kinds)...)
		return
	}
	for _, k := range verifyKeys(v) {
		if k.value != "" && k.kind != v.Kind {
			p.add(at+"."+k.key, fmt.Sprintf("has no effect with kind %s", v.Kind))
		}
	}
	if len(v.Claims) > 0 && v.Kind != VerifyJWT {
		p.add(at+".claims", fmt.Sprintf("has no effect with kind %s", v.Kind))
	}
	timed := v.Kind == VerifyStandardWebhooks || v.TimestampHeader != "" || v.TimestampField != "" || v.TimestampPrefix != ""
	switch {
	case timed && (v.Tolerance <= 0 || v.Tolerance > 24*time.Hour):
		p.add(at+".tolerance", "want more than 0 and at most 24h")
	case !timed && v.Tolerance != 0:
		p.add(at+".tolerance", "has no effect without a timestamp")
	}
	if v.Kind == VerifyJWT {
		p.required(at+".issuer", v.Issuer)
		p.required(at+".audience", v.Audience)
		if v.Issuer != "" {
			p.https(at+".issuer", v.Issuer)
		}
		if len(v.KeyFiles) > 0 {
			p.add(at+".key_files", "has no effect with kind jwt: the issuer publishes its keys")
		}
		return
	}
	if len(v.KeyFiles) == 0 && !pending {
		p.add(at+".key_files", "missing; without a key anybody could send")
	}
	for i, f := range v.KeyFiles {
		p.required(fmt.Sprintf("%s.key_files[%d]", at, i), f)
	}
	switch v.Kind {
	case VerifyBasic:
		p.required(at+".user", v.User)
	case VerifyHMAC:
		p.hmac(at, v)
	}
}

func (p *problems) hmac(at string, v Verify) {
	p.oneOf(at+".algorithm", v.Algorithm, "sha256", "sha512")
	p.oneOf(at+".encoding", v.Encoding, "hex", "base64")
	p.oneOf(at+".key_encoding", v.KeyEncoding, "text", "hex", "base64")
	p.required(at+".message", v.Message)
	if (v.SignatureHeader == "") == (v.SignatureField == "") {
		p.add(at+".signature_header", "want either signature_header or signature_field")
	}
	if v.SignatureList != "" && v.SignatureList != "," && v.SignatureList != " " {
		p.add(at+".signature_list", `want "," or " "`)
	}
	stamps := 0
	for _, k := range []struct{ key, value, part string }{
		{"timestamp_header", v.TimestampHeader, "{header:" + v.TimestampHeader + "}"},
		{"timestamp_field", v.TimestampField, "{json:" + v.TimestampField + "}"},
		{"timestamp_prefix", v.TimestampPrefix, "{timestamp}"},
	} {
		if k.value == "" {
			continue
		}
		stamps++
		message := strings.ToLower(v.Message)
		covered := strings.Contains(message, strings.ToLower(k.part)) || k.key == "timestamp_field" && strings.Contains(message, "{body}")
		if v.Message != "" && !covered {
			p.add(at+"."+k.key, "is not part of message, so the signature does not cover it and anybody could set it")
		}
	}
	if stamps > 1 {
		p.add(at+".timestamp_header", "want at most one of timestamp_header, timestamp_field and timestamp_prefix")
	}
	if v.TimestampPrefix != "" && v.SignatureList == "" {
		p.add(at+".timestamp_prefix", "needs signature_list: the timestamp stands in the signature's header")
	}
}

func (p *problems) request(at string, r Request) {
	p.required(at+".url", r.URL)
	p.oneOf(at+".method", r.Method, "GET", "POST")
	if r.Body != "" && r.Method != "POST" {
		p.addIf(at+".method", at+".body", "has no effect with method GET")
	}
	if len(r.AllowHosts) == 0 {
		p.add(at+".allow_hosts", "missing; name the hosts that may be called, such as api.example.com")
	}
	for i, h := range r.AllowHosts {
		if u, err := url.Parse("https://" + h); err != nil || u.Host != h || u.Hostname() == "" {
			p.add(fmt.Sprintf("%s.allow_hosts[%d]", at, i), "want a host, or host:port")
		}
	}
	for _, name := range sorted(r.Headers) {
		if strings.EqualFold(name, "Authorization") || strings.EqualFold(name, "Host") {
			p.add(at+".headers."+name, "is set by auth and url; secrets never stand in this file")
		}
	}
	if r.PerSecond < 1 || r.PerSecond > 1000 {
		p.add(at+".per_second", "want 1 to 1000")
	}
	p.between(at+".timeout", r.Timeout, time.Second, 10*time.Minute)
	if r.MaxReply < 1<<10 || r.MaxReply > 256<<20 {
		p.add(at+".max_reply", "want 1KiB to 256MiB")
	}
	p.auth(at+".auth", r.Auth)
}

func (p *problems) auth(at string, a Auth) {
	needs := map[AuthKind][]string{
		AuthNone: {}, AuthBasic: {"user", "secret_file"}, AuthBearer: {"secret_file"}, AuthHeader: {"header", "secret_file"},
		AuthOAuth2: {"user", "secret_file", "token_url"},
	}
	need, ok := needs[a.Kind]
	if !ok {
		p.oneOf(at+".kind", string(a.Kind), "none", "basic", "bearer", "header", "oauth2")
		return
	}
	for _, k := range []struct{ key, value string }{
		{"user", a.User}, {"header", a.Header}, {"secret_file", a.SecretFile}, {"token_url", a.TokenURL}, {"scope", a.Scope},
	} {
		needed := slices.Contains(need, k.key)
		switch {
		case needed && k.value == "":
			p.add(at+"."+k.key, fmt.Sprintf("missing; kind %s needs it", a.Kind))
		case !needed && k.value != "" && (k.key != "scope" || a.Kind != AuthOAuth2):
			p.add(at+"."+k.key, fmt.Sprintf("has no effect with kind %s", a.Kind))
		}
	}
	if a.TokenURL != "" {
		p.https(at+".token_url", a.TokenURL)
	}
	p.pair(at, a.CertificateFile, a.KeyFile)
}

func (p *problems) poll(at string, l Poll) {
	p.request(at+".request", l.Request)
	p.between(at+".every", l.Every, time.Minute, 7*24*time.Hour)
	p.between(at+".overlap", l.Overlap, 0, 7*24*time.Hour)
	if l.FullEvery != 0 && l.FullEvery < l.Every {
		p.add(at+".full_every", "want 0 or no less than every")
	}
	g := l.Page
	p.oneOf(at+".page.kind", string(g.Kind), "none", "next_link", "offset", "page", "odata_skip")
	counted := g.Kind == PageOffset || g.Kind == PageNumber || g.Kind == PageOData
	switch {
	case g.Kind == PageNextLink:
		p.required(at+".page.next", g.Next)
	case g.Next != "":
		p.add(at+".page.next", fmt.Sprintf("has no effect with page kind %s", g.Kind))
	}
	switch {
	case (g.Kind == PageOffset || g.Kind == PageNumber) && g.Parameter == "":
		p.required(at+".page.parameter", g.Parameter)
	case !counted && (g.Parameter != "" || g.SizeParameter != "" || g.Size != 0 || g.First != 0):
		p.add(at+".page.parameter", fmt.Sprintf("parameter, size_parameter, size and first have no effect with page kind %s", g.Kind))
	}
	if (g.Kind == PageOffset || g.Kind == PageOData) && g.Size < 1 {
		p.add(at+".page.size", "missing; an offset is counted in pages of this size")
	}
	if g.Size < 0 || g.First < 0 || g.Most < 0 || g.Kind != PageNone && g.Most == 0 {
		p.add(at+".page.most", "size and first must not be negative, and most must be 1 or more")
	}
}

func (p *problems) file(at string, f File) {
	p.between(at+".every", f.Every, time.Minute, 7*24*time.Hour)
	p.required(at+".directory", f.Directory)
	for _, k := range []struct{ key, value string }{{"directory", f.Directory}, {"archive", f.Archive}} {
		if k.value != "" && f.SFTP == (SFTP{}) && !filepath.IsAbs(k.value) {
			p.add(at+"."+k.key, "want an absolute path")
		}
	}
	if _, err := path.Match(f.Pattern, "x"); err != nil || strings.Contains(f.Pattern, "/") {
		p.add(at+".pattern", `want a pattern such as "*.csv", without a folder`)
	}
	p.oneOf(at+".format", string(f.Format), "csv", "json")
	if f.Format == FileCSV {
		if f.Delimiter != "auto" && len([]rune(f.Delimiter)) != 1 {
			p.add(at+".delimiter", "want one character, or auto")
		}
		p.oneOf(at+".encoding", f.Encoding, "utf-8", "latin-1", "windows-1252")
	}
	p.oneOf(at+".bad_row", f.BadRow, BadRowRefuse, BadRowQuarantine)
	p.oneOf(at+".after", f.After, AfterKeep, AfterDelete, AfterArchive)
	if (f.After == AfterArchive) != (f.Archive != "") {
		p.add(at+".archive", "wanted with after: archive, and only then")
	}
	if f.MaxSize < 1<<10 || f.MaxSize > 1<<30 {
		p.add(at+".max_size", "want 1KiB to 1GiB")
	}
	s := f.SFTP
	if s == (SFTP{}) {
		return
	}
	p.hostPort(at+".sftp.address", s.Address)
	p.required(at+".sftp.user", s.User)
	p.required(at+".sftp.host_key_file", s.HostKeyFile)
	if (s.KeyFile == "") == (s.PasswordFile == "") {
		p.add(at+".sftp.key_file", "want either key_file or password_file")
	}
}

func (p *problems) brake(at string, b Brake) {
	if b.Share <= 0 || b.Share > 1 {
		p.add(at+".share", "want more than 0 and at most 1, such as 0.2")
	}
	if b.Least < 0 {
		p.add(at+".least", "must not be negative")
	}
}

func (p *problems) between(at string, d, least, most time.Duration) {
	if d < least || d > most {
		p.add(at, fmt.Sprintf("want %s to %s", Short(least), Short(most)))
	}
}

func (p *problems) unused(at, value, problem string) {
	if value != "" {
		p.add(at, problem)
	}
}

// https checks an address that may have a path.
func (p *problems) https(at, value string) {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "":
		p.add(at, "want an https address")
	case u.Scheme == "http" && !loopback(u.Hostname()), u.Scheme != "https" && u.Scheme != "http":
		p.add(at, "want https")
	}
}
