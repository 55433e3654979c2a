package identity_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"firstpass.internal/internal/eidsim"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/pickup/identity"
)

const (
	returnURL = "https://pickup.example.org/p/eid/return"
	proofName = "eid"
	rule      = `claims.birthdate == employee.birth_date && sameName(claims.given_name, employee.given_name) && sameName(claims.family_name, employee.family_name)`
)

// clock is one that a test turns.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Now()} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) turn(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// world is a provider and a verifier that knows it, on one clock.
type world struct {
	testing.TB
	clock    *clock
	broker   *eidsim.Provider
	verifier *identity.Verifier
	browser  *http.Client
	proof    identity.Proof
}

// newWorld signs everybody in as astrid, and applies change to the proof.
func newWorld(t testing.TB, change func(*identity.Proof)) *world {
	t.Helper()
	w := &world{TB: t, clock: newClock()}
	w.broker, w.browser = newBroker(t, w.clock)
	w.proof = proofAt(t, w.broker)
	if change != nil {
		change(&w.proof)
	}
	w.verifier = newVerifier(t, w.clock, map[string]identity.Proof{proofName: w.proof})
	return w
}

func newBroker(t testing.TB, c *clock) (*eidsim.Provider, *http.Client) {
	t.Helper()
	broker, err := eidsim.Start(eidsim.Config{RedirectURL: returnURL, Now: c.now, Seed: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Close() })
	broker.SetAnswer(eidsim.Answer{Persona: "astrid"})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(broker.CAPEM())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return broker, &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func proofAt(t testing.TB, broker *eidsim.Provider) identity.Proof {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, broker.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return identity.Proof{
		Kind: jml.ProofOIDC, Issuer: broker.URL(), ClientID: eidsim.DefaultClientID, ClientSecret: eidsim.DefaultClientSecret,
		Match: rule, CAFile: ca,
	}
}

func newVerifier(t testing.TB, c *clock, proofs map[string]identity.Proof) *identity.Verifier {
	t.Helper()
	v, err := identity.New(identity.Config{Proofs: proofs, ReturnURL: returnURL, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// begin starts a sign-in and follows it to the answer that the browser gets.
func (w *world) begin() (identity.Flow, url.Values) {
	w.Helper()
	return w.beginAt(w.verifier, w.browser, proofName)
}

func (w *world) beginAt(v *identity.Verifier, browser *http.Client, name string) (identity.Flow, url.Values) {
	w.Helper()
	to, flow, err := v.Begin(w.Context(), name, "nb")
	if err != nil {
		w.Fatal(err)
	}
	resp, err := browser.Get(to)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		w.Fatalf("the broker answered %s", resp.Status)
	}
	return flow, back.Query()
}

// signIn goes all the way.
func (w *world) signIn(e jml.Snapshot) (identity.Result, error) {
	w.Helper()
	flow, query := w.begin()
	return w.verifier.Finish(w.Context(), proofName, flow, query, e)
}

func astrid() jml.Snapshot {
	return jml.Snapshot{
		EmployeeID: "00417", GivenName: "Astrid Marie", FamilyName: "Solbakken",
		BirthDate: jml.Date{Year: 1994, Month: 3, Day: 17}, UPN: "astrid.solbakken@example.org", Country: "NO",
	}
}
