// Package entrasimtest starts a simulated tenant for the length of a test. It
// is apart from entrasim so that a demo binary does not link package testing.
//
//	func TestIssue(t *testing.T) {
//		clock := time.Date(2026, 3, 2, 7, 0, 0, 0, time.UTC)
//		tenant := entrasimtest.Start(t, func(c *entrasim.Config) {
//			c.Now = func() time.Time { return clock }
//		})
//		joiner := entrasimtest.User(t, tenant, entrasim.User{EmployeeID: "1001", UPN: "joiner@firstpass.example"})
//		client := entrasimtest.Client(tenant) // trusts the tenant's CA
//		...
//		entrasimtest.NoViolations(t, tenant)
//	}
package entrasimtest

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"testing"

	"firstpass.internal/internal/entrasim"
)

// Start runs a strict tenant with seed 1 until the test ends. Options change
// the configuration before it starts.
func Start(t testing.TB, options ...func(*entrasim.Config)) *entrasim.Tenant {
	t.Helper()
	cfg := entrasim.Config{Strict: true, Seed: 1}
	for _, o := range options {
		o(&cfg)
	}
	tenant, err := entrasim.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tenant.Close(); err != nil {
			t.Errorf("close the simulated tenant: %v", err)
		}
		if t.Failed() {
			t.Logf("simulated tenant: seed %d, faults played: %v", tenant.Seed(), tenant.PlayedFaults()[:min(10, len(tenant.PlayedFaults()))])
		}
	})
	return tenant
}

// User adds a user or fails the test.
func User(t testing.TB, tenant *entrasim.Tenant, u entrasim.User) entrasim.User {
	t.Helper()
	u, err := tenant.AddUser(u)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Client returns an HTTP client that trusts the tenant and nothing else. It
// follows no redirect and keeps no connection, so nothing of it outlives a test.
func Client(tenant *entrasim.Tenant) *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(tenant.CAPEM())
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
			DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// NoViolations fails the test when a request or reply broke the Graph contract.
func NoViolations(t testing.TB, tenant *entrasim.Tenant) {
	t.Helper()
	for _, v := range tenant.ContractViolations() {
		t.Errorf("contract violation by the %s of %s %s: %s", v.Side, v.Method, v.Path, v.Problem)
	}
}
