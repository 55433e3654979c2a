package local

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"firstpass.internal/internal/simulated"
)

// Certificate returns the throw-away certificate for loopback kept in dir
// under name, and the file a client must trust. It is kept so that a client set
// up once goes on trusting it.
func Certificate(dir, name string) (cert tls.Certificate, trust string, err error) {
	trust, key := filepath.Join(dir, name+".pem"), filepath.Join(dir, name+"-key.pem")
	cert, err = tls.LoadX509KeyPair(trust, key)
	if err == nil && time.Until(cert.Leaf.NotAfter) > 24*time.Hour {
		return cert, trust, nil
	}
	certPEM, keyPEM, err := newCertificate(name)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = simulated.ReplaceFile(key, keyPEM)
	}
	if err == nil {
		err = simulated.ReplaceFile(trust, certPEM)
	}
	if err != nil {
		return cert, "", fmt.Errorf("certificate of %s: %w", name, err)
	}
	cert, err = tls.X509KeyPair(certPEM, keyPEM)
	return cert, trust, err
}

// newCertificate makes a certificate that vouches for itself alone, so that
// trusting it opens nothing else.
func newCertificate(name string) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "firstpass-dev " + name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(2, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1).To4(), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), nil
}
