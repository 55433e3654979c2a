package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/internal/ops/api"
	"firstpass.internal/internal/outbound"
)

const operatorsApp = "aaaaaaaa-0000-4000-8000-000000000001"

// TestRemoteScripts runs the terminal sessions against a server: firstpass serve
// --role ops over TLS, with the simulated tenant as the identity provider.
func TestRemoteScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/remote",
		Setup: func(e *testscript.Env) error {
			err := newScene(t, e, func(c *entrasim.Config) {
				c.DeviceInterval = 1
				c.Apps = []entrasim.App{{ClientID: operatorsApp, Secret: "console-secret", PublicClient: true}}
				c.Operators = []entrasim.Operator{
					{UPN: "noor@example.com", Roles: []string{"operator"}},
					{UPN: "vera@example.com", Roles: []string{"viewer"}},
				}
			})
			if err != nil {
				return err
			}
			return remoteEnv(t, e)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"token": token, "login": signIn},
	})
}

// TestSignInOver: whose sign-in is over, or never was, is told how to begin one.
func TestSignInOver(t *testing.T) {
	const server = "https://ops.example.org"
	kept := access.TokensIn(t.TempDir())
	for _, save := range []bool{false, true} {
		if save {
			if err := kept.Save(server, access.Token{Access: "an old one", Expires: time.Now().Add(-time.Hour)}); err != nil {
				t.Fatal(err)
			}
		}
		_, err := personal(t.Context(), kept, server)
		var says bytes.Buffer
		if code := report(&says, err); code != exitRefused || !strings.Contains(says.String(), "hint: firstpass login --server "+server) || strings.Contains(says.String(), "an old one") {
			t.Errorf("%d %s", code, &says)
		}
	}
}

// TestProblems: each status ends the program as docs/commands.md says, and what is
// not in our words is not repeated.
func TestProblems(t *testing.T) {
	for _, tt := range []struct {
		status int
		media  string
		body   string
		code   int
		says   string
	}{
		{401, "application/problem+json", `{"title":"The token is not accepted","detail":"The token has expired.","status":401}`, exitRefused, "hint: firstpass login --server https://ops.example.org"},
		{403, "application/problem+json", `{"detail":"this needs the role operator","do":"ask somebody"}`, exitRefused, "refused: this needs the role operator\nhint: ask somebody"},
		{409, "application/problem+json", `{"detail":"it has ended"}`, exitRefused, "refused: it has ended"},
		{412, "application/problem+json", `{"detail":"it has changed"}`, exitRefused, "refused: it has changed"},
		{400, "application/problem+json", `{"detail":"it does not fit","errors":[{"path":"body.reason","what":"it is missing"}]}`, exitUsage, "reason: it is missing"},
		{404, "application/problem+json", `{"detail":"there is no such journey"}`, exitFailed, "there is no such journey"},
		{500, "application/problem+json", `{"detail":"something went wrong","request_id":"r-1"}`, exitFailed, "something went wrong, request r-1"},
		{503, "application/problem+json", `{"detail":"Temporal does not answer"}`, exitAway, "Temporal does not answer"},
		{502, "text/html", "<h1>ada@example.org</h1>", exitAway, "answered 502"},
		{302, "text/html", "<h1>ada@example.org</h1>", exitFailed, "is --server the address of the console?"},
		{200, "application/json", "{", exitFailed, ""},
	} {
		c := caller{server: "https://ops.example.org", http: &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: direct{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.media)
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.body))
			})}}}
		err := call("https://ops.example.org", c, func(c *api.ClientWithResponses) error {
			_, err := c.GetHaltWithResponse(t.Context())
			return err
		})
		var says bytes.Buffer
		if code := report(&says, err); code != tt.code || !strings.Contains(says.String(), tt.says) || strings.Contains(says.String(), "ada@") {
			t.Errorf("%d: exit %d %s", tt.status, code, &says)
		}
	}
}

// remoteEnv says by variables where the server is.
func remoteEnv(t *testing.T, e *testscript.Env) error {
	tenant := e.Values["tenant"].(*entrasim.Tenant)
	certificate, key, err := ownCertificate()
	if err != nil {
		return err
	}
	// What the commands trust: the server and the identity provider.
	for name, text := range map[string][]byte{
		"ops.pem": certificate, "ops.key": key, "console-secret": []byte("console-secret"), "trust.pem": append(certificate, tenant.CAPEM()...),
	} {
		if err := os.WriteFile(filepath.Join(e.WorkDir, name), text, 0o600); err != nil {
			return err
		}
	}
	address := freeAddress(t)
	for name, value := range map[string]string{
		"FIRSTPASS_OPS__LISTEN": address, "FIRSTPASS_OPS__URL": "https://" + address,
		"FIRSTPASS_OPS__TLS__CERTIFICATE_FILE": "ops.pem", "FIRSTPASS_OPS__TLS__KEY_FILE": "ops.key",
		"FIRSTPASS_OPS__SIGN_IN__ISSUER":             tenant.URL() + "/" + tenant.TenantID() + "/v2.0",
		"FIRSTPASS_OPS__SIGN_IN__CLIENT_ID":          operatorsApp,
		"FIRSTPASS_OPS__SIGN_IN__CLIENT_SECRET_FILE": "console-secret",
		"FIRSTPASS_OPS__SIGN_IN__CA_FILE":            "ca.pem",
		"FIRSTPASS_TELEMETRY__LISTEN":                freeAddress(t),
		"SERVER":                                     "https://" + address,
		"XDG_CONFIG_HOME":                            filepath.Join(e.WorkDir, "settings"),
	} {
		e.Setenv(name, value)
	}
	return nil
}

// ownCertificate returns a certificate for this machine, and its key, in PEM.
func ownCertificate() (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ops"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	raw, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw}), nil
}

// token writes the access token of a machine: token FILE good|expired|forged ROLE.
func token(ts *testscript.TestScript, _ bool, args []string) {
	tenant := ts.Value("tenant").(*entrasim.Tenant)
	now := time.Now()
	claims := map[string]any{
		"aud": operatorsApp, "iss": tenant.URL() + "/" + tenant.TenantID() + "/v2.0", "ver": "2.0", "idtyp": "app", "azp": "robot",
		"oid": "dddddddd-0000-4000-8000-000000000001", "sub": "dddddddd-0000-4000-8000-000000000001", "roles": args[2:],
		"iat": now.Add(-2 * time.Hour).Unix(), "nbf": now.Add(-2 * time.Hour).Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	if args[1] == "expired" {
		claims["exp"] = now.Add(-time.Hour).Unix()
	}
	raw, err := tenant.SignToken(maps.Clone(claims))
	ts.Check(err)
	if args[1] == "forged" {
		raw = raw[:len(raw)-6] + strings.Map(func(r rune) rune { return 'A' + (r-'A'+1)%26 }, "QWERTY")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(raw+"\n"), 0o600))
}

// signIn runs firstpass login as somebody who enters the code: login UPN.
func signIn(ts *testscript.TestScript, _ bool, args []string) {
	program, err := exec.LookPath("firstpass")
	ts.Check(err)
	cmd := exec.Command(program, "login", "--server", ts.Getenv("SERVER"), "--server-ca", ts.MkAbs("trust.pem"))
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+ts.Getenv("XDG_CONFIG_HOME"))
	var out bytes.Buffer
	cmd.Stdout = &out
	says, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	for lines := bufio.NewScanner(says); lines.Scan(); {
		ts.Logf("%s", lines.Text())
		if m := regexp.MustCompile(`^open (\S+) in any browser and enter the code (\S+)$`).FindStringSubmatch(lines.Text()); m != nil {
			enter(ts, m[1]+"?code="+m[2]+"&login_hint="+args[0])
		}
	}
	ts.Check(cmd.Wait())
	if !strings.Contains(out.String(), args[0]+", with the roles") {
		ts.Fatalf("%s", out.String())
	}
}

func enter(ts *testscript.TestScript, address string) {
	transport, err := outbound.Transport(ts.MkAbs("trust.pem"))
	ts.Check(err)
	transport.TLSClientConfig.MinVersion = tls.VersionTLS12
	resp, err := outbound.Client(transport, 10*time.Second).Get(address)
	ts.Check(err)
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK {
		ts.Fatalf("the code was answered with %d", resp.StatusCode)
	}
}
