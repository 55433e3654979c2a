package graph_test

import (
	"fmt"
	"strings"
	"testing"

	"firstpass.internal/internal/graph"
)

func TestConfigIsChecked(t *testing.T) {
	good := func() graph.Config {
		return graph.Config{TenantID: "t", ClientID: "c", Credential: graph.Credential{
			Kind: graph.ClientSecret, SecretFile: file(t, "secret", "s3cret-canary\n")}}
	}
	for _, tt := range []struct {
		name   string
		change func(*graph.Config)
		want   string // part of the error; empty: none
	}{
		{"defaults", func(*graph.Config) {}, ""},
		{"slash behind", func(c *graph.Config) {
			c.Endpoint, c.Authority = "https://graph.microsoft.us/", "https://login.microsoftonline.us/"
		}, ""},
		{"http on loopback", func(c *graph.Config) { c.Endpoint = "http://127.0.0.1:8080" }, ""},
		{"http on localhost", func(c *graph.Config) { c.Endpoint = "http://localhost" }, ""},
		{"http elsewhere", func(c *graph.Config) { c.Endpoint = "http://graph.example.com" }, "endpoint"},
		{"http that looks local", func(c *graph.Config) { c.Endpoint = "http://localhost.example.com" }, "endpoint"},
		{"version in endpoint", func(c *graph.Config) { c.Endpoint = "https://graph.microsoft.com/v1.0" }, "endpoint"},
		{"password in endpoint", func(c *graph.Config) { c.Endpoint = "https://s3cret-canary@graph.microsoft.com" }, "endpoint"},
		{"no scheme", func(c *graph.Config) { c.Endpoint = "graph.microsoft.com" }, "endpoint"},
		{"http authority", func(c *graph.Config) { c.Authority = "http://127.0.0.1" }, "authority"},
		{"no tenant", func(c *graph.Config) { c.TenantID = "" }, "tenant id"},
		{"no client", func(c *graph.Config) { c.ClientID = "" }, "client id"},
		{"no kind", func(c *graph.Config) { c.Credential.Kind = "" }, "credential"},
		{"no secret file", func(c *graph.Config) { c.Credential.SecretFile = "" }, "secret file"},
		{"secret file missing", func(c *graph.Config) { c.Credential.SecretFile += "x" }, "no such file"},
		{"empty secret", func(c *graph.Config) { c.Credential.SecretFile = file(t, "e", "\r\n") }, "empty"},
		{"no certificate file", func(c *graph.Config) { c.Credential.Kind = graph.Certificate }, "certificate file"},
		{"no certificate in it", func(c *graph.Config) {
			c.Credential = graph.Credential{Kind: graph.Certificate, CertificateFile: file(t, "c", "s3cret-canary")}
		}, "certificate file"},
		{"no token file", func(c *graph.Config) { c.Credential.Kind = graph.WorkloadIdentity }, "token file"},
		{"token file missing", func(c *graph.Config) {
			c.Credential = graph.Credential{Kind: graph.WorkloadIdentity, TokenFile: "/nowhere"}
		}, "/nowhere"},
		{"managed identity needs nothing", func(c *graph.Config) { *c = graph.Config{Credential: graph.Credential{Kind: graph.ManagedIdentity}} }, ""},
		{"CA file missing", func(c *graph.Config) { c.CAFile = "/nowhere" }, "CA file"},
		{"no CA in it", func(c *graph.Config) { c.CAFile = file(t, "ca", "s3cret-canary") }, "CA file"},
		{"negative timeout", func(c *graph.Config) { c.Timeout = -1 }, "timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := good()
			tt.change(&cfg)
			c, err := graph.New(cfg)
			switch {
			case tt.want == "" && err != nil:
				t.Fatal(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Fatalf("%v does not speak of %q", err, tt.want)
			}
			if all := fmt.Sprintf("%v %+v %#v %+v", c, c, c, err); strings.Contains(all, "canary") {
				t.Error("a secret shows: " + all)
			}
		})
	}
	_, err := graph.New(graph.Config{Endpoint: "x", Authority: "y"})
	if n := strings.Count(err.Error(), "graph: "); n != 5 {
		t.Errorf("%d problems are told at once, want 5: %v", n, err)
	}
}
