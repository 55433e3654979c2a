package graph_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"firstpass.internal/internal/graph"
)

// TestCertificate verifies the signed assertion itself rather than by the
// simulated tenant: MSAL writes the thumbprint in padded standard base64.
func TestCertificate(t *testing.T) {
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "firstpass"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	cert := block("CERTIFICATE", der)
	for name, content := range map[string]string{
		"key first": block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key))) + cert,
		"PKCS1":     cert + block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)),
	} {
		t.Run(name, func(t *testing.T) {
			srv := newServer(t, serveJSON(200, `{"value":[]}`))
			good := srv.token
			asked := 0
			srv.token = func(w http.ResponseWriter, r *http.Request) {
				asked++
				checkAssertion(t, r.FormValue("client_assertion"), key, der)
				if r.Form.Has("client_secret") {
					t.Error("a client secret is sent")
				}
				good(w, r)
			}
			cfg := srv.config(t)
			cfg.Credential = graph.Credential{Kind: graph.Certificate, CertificateFile: file(t, "cert", content)}
			if _, err := newClient(t, cfg).FindUsers(t.Context(), match); err != nil || asked != 1 {
				t.Errorf("%v, %d tokens asked for", err, asked)
			}
		})
	}
}

func checkAssertion(t *testing.T, assertion string, key *rsa.PrivateKey, der []byte) {
	t.Helper()
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		t.Errorf("no JWT: %q", assertion)
		return
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	sig, _ := base64.RawURLEncoding.DecodeString(parts[2])
	if err := rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, digest[:], sig, nil); err != nil {
		t.Error(err)
	}
	raw, _ := base64.RawURLEncoding.DecodeString(parts[0])
	var head map[string]string
	if err := json.Unmarshal(raw, &head); err != nil {
		t.Error(err)
	}
	sum := sha256.Sum256(der)
	if head["alg"] != "PS256" || head["x5t#S256"] != base64.StdEncoding.EncodeToString(sum[:]) {
		t.Errorf("header %v", head)
	}
}
