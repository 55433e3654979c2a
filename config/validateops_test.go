package config

import (
	"slices"
	"testing"
	"time"

	"firstpass.internal/internal/ops/access"
)

func TestOperatorRoles(t *testing.T) {
	var want []string
	for _, r := range access.Roles() {
		want = append(want, string(r))
	}
	if got := operatorRoles(); !slices.Equal(got, want) {
		t.Errorf("%v, and internal/ops/access has %v", got, want)
	}
}

func TestOps(t *testing.T) {
	const tenant = "00000000-0000-0000-0000-000000000000"
	good := func() Ops {
		return Ops{Listen: "127.0.0.1:8070", URL: "https://ops.example.org", SignIn: SignIn{Issuer: "https://login.microsoftonline.com/" + tenant + "/v2.0",
			ClientID: "c", ClientSecretFile: "f", Audience: "c", Idle: 30 * time.Minute, Longest: 12 * time.Hour}}
	}
	for _, tc := range []struct {
		name   string
		change func(*Ops)
		want   string // path of the one problem; empty: none
	}{
		{"as it should be", func(*Ops) {}, ""},
		{"nothing", func(o *Ops) { *o = Ops{} }, ""},
		{"no url", func(o *Ops) { *o = Ops{TemporalUI: "https://t.example.org"} }, "ops.temporal_ui"},
		{"groups without url", func(o *Ops) { *o = Ops{SignIn: SignIn{Groups: map[string][]string{"desk": nil}}} }, "ops.sign_in.groups"},
		{"url with a path", func(o *Ops) { o.URL += "/console" }, "ops.url"},
		{"in clear", func(o *Ops) { o.URL = "http://ops.example.org" }, "ops.url"},
		{"in clear on loopback", func(o *Ops) { o.URL = "http://127.0.0.1:8070" }, ""},
		{"open to all", func(o *Ops) { o.Listen = "0.0.0.0:8070" }, "ops.listen"},
		{"open without a host", func(o *Ops) { o.Listen = ":8070" }, "ops.listen"},
		{"open with TLS", func(o *Ops) { o.Listen = ":443"; o.TLS = ServerTLS{"a", "b"} }, ""},
		{"half a pair", func(o *Ops) { o.TLS.CertificateFile = "a" }, "ops.tls.key_file"},
		{"no port", func(o *Ops) { o.Listen = "127.0.0.1" }, "ops.listen"},
		{"no issuer", func(o *Ops) { o.SignIn.Issuer = "" }, "ops.sign_in.issuer"},
		{"many tenants", func(o *Ops) { o.SignIn.Issuer = "https://login.microsoftonline.com/common/v2.0" }, "ops.sign_in.issuer"},
		{"organizations", func(o *Ops) { o.SignIn.Issuer = "https://login.microsoftonline.com/Organizations/v2.0" }, "ops.sign_in.issuer"},
		{"placeholder", func(o *Ops) { o.SignIn.Issuer = "https://login.microsoftonline.com/{tenantid}/v2.0" }, "ops.sign_in.issuer"},
		{"version 1", func(o *Ops) { o.SignIn.Issuer = "https://login.microsoftonline.com/" + tenant + "/" }, "ops.sign_in.issuer"},
		{"another provider", func(o *Ops) { o.SignIn.Issuer = "https://id.example.org/realms/common-room" }, ""},
		{"provider in clear", func(o *Ops) { o.SignIn.Issuer = "http://id.example.org" }, "ops.sign_in.issuer"},
		{"no client", func(o *Ops) { o.SignIn.ClientID = "" }, "ops.sign_in.client_id"},
		{"no secret", func(o *Ops) { o.SignIn.ClientSecretFile = "" }, "ops.sign_in.client_secret_file"},
		{"audience by URI", func(o *Ops) { o.SignIn.Audience = "api://c" }, "ops.sign_in.audience"},
		{"groups", func(o *Ops) { o.SignIn.Groups = map[string][]string{"operator": {tenant}} }, ""},
		{"no such role", func(o *Ops) { o.SignIn.Groups = map[string][]string{"admin": {tenant}} }, "ops.sign_in.groups.admin"},
		{"group by name", func(o *Ops) { o.SignIn.Groups = map[string][]string{"operator": {tenant, "IT Ops"}} }, "ops.sign_in.groups.operator[1]"},
		{"idle too short", func(o *Ops) { o.SignIn.Idle = time.Minute }, "ops.sign_in.idle"},
		{"idle beyond longest", func(o *Ops) { o.SignIn.Idle = 13 * time.Hour }, "ops.sign_in.longest"},
		{"too long", func(o *Ops) { o.SignIn.Longest = 25 * time.Hour }, "ops.sign_in.longest"},
		{"the Temporal UI with a path", func(o *Ops) { o.TemporalUI = "https://x.example.org/temporal" }, ""},
		{"the Temporal UI with a script", func(o *Ops) { o.TemporalUI = "javascript:alert(1)" }, "ops.temporal_ui"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := good()
			tc.change(&o)
			var p problems
			p.ops(o)
			switch {
			case tc.want == "" && len(p) > 0:
				t.Errorf("found %s: %s", p[0].Path, p[0].Problem)
			case tc.want != "" && (len(p) != 1 || p[0].Path != tc.want):
				t.Errorf("found %v, want one problem of %s", p.join(), tc.want)
			}
		})
	}
}

func TestOpsDefaults(t *testing.T) {
	c, err := Load("example.yaml", noenv)
	if err != nil {
		t.Fatal(err)
	}
	s := c.Ops.SignIn
	if c.Ops.URL == "" || s.Idle != 30*time.Minute || s.Longest != 12*time.Hour || s.Audience == "" || len(s.Groups["operator"]) == 0 {
		t.Errorf("%+v", c.Ops)
	}
	got := opsDefaults(map[string]any{"url": "https://ops.example.org", "sign_in": map[string]any{"client_id": "c"}})
	if got["listen"] != "127.0.0.1:8070" || got["sign_in"].(map[string]any)["audience"] != "c" {
		t.Errorf("%v", got)
	}
	if got := opsDefaults(nil); len(got) != 0 {
		t.Errorf("%v", got)
	}
}
