package graph

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/outbound"
)

// CredentialKind says how Firstpass proves to Entra who it is.
type CredentialKind string

// The kinds. All but the first need no secret that can be copied and used
// elsewhere unnoticed; prefer them in this order from the bottom.
const (
	ClientSecret     CredentialKind = "client_secret"
	Certificate      CredentialKind = "certificate"
	WorkloadIdentity CredentialKind = "workload_identity"
	ManagedIdentity  CredentialKind = "managed_identity"
)

// Credential is one way to get a token. Which file it needs depends on Kind;
// managed_identity needs none.
type Credential struct {
	Kind CredentialKind
	// SecretFile holds the client secret; one trailing line break is dropped.
	SecretFile string
	// CertificateFile holds certificate and RSA key in PEM, or a PFX without
	// password. azidentity reads no PFX whose MAC is SHA-256, which is what
	// OpenSSL 3 writes unless asked for -legacy; PEM is the safe choice.
	CertificateFile string
	// TokenFile holds the federated token. It is read anew whenever a token is
	// due, since the platform rotates it.
	TokenFile string
}

// Config says which tenant to speak to, and as whom.
type Config struct {
	// Endpoint is the service root, without a version: default
	// https://graph.microsoft.com. The token's scope is Endpoint + "/.default".
	// National clouds: learn.microsoft.com/graph/deployments.
	Endpoint string
	// Authority is where tokens come from: default
	// https://login.microsoftonline.com. Always https: azidentity insists.
	Authority string
	// TenantID and ClientID are the directory and the app registration. With
	// managed_identity TenantID is not needed, and ClientID picks a
	// user-assigned identity.
	TenantID, ClientID string
	// CAFile holds certificate authorities in PEM to trust beside the system's.
	CAFile     string
	Credential Credential
	// Timeout bounds one call, reading the reply included; default 90 s. Less
	// than 60 s makes passes whose code nobody has: Graph's authentication
	// methods give up only after 60 s.
	// learn.microsoft.com/graph/api/resources/authenticationmethods-overview
	Timeout time.Duration
	// UserAgent is what Graph's logs know us by; default "firstpass".
	UserAgent string
	// CacheFor is how long the pass policy is kept; default 5 minutes.
	CacheFor time.Duration
	// Observe, if set, is told of each HTTP exchange with Graph (not of those
	// with Entra). It is called from many goroutines and must be quick.
	Observe func(Call)
}

// Call is one HTTP exchange with Graph. It holds nothing personal and nothing
// secret: no URL, no body, no header but the two ids.
type Call struct {
	Op              string // in our words, as in jml.Fault
	Method          string
	Status          int // 0 if there was no answer
	Duration        time.Duration
	Date            time.Time // what Graph's clock showed, to the second; zero: it did not say
	RequestID       string    // Graph's
	ClientRequestID string    // ours, a new one for each exchange
}

const (
	defaultEndpoint  = "https://graph.microsoft.com"
	defaultAuthority = "https://login.microsoftonline.com"
	defaultTimeout   = 90 * time.Second
	defaultCacheFor  = 5 * time.Minute
	defaultUserAgent = "firstpass"
)

func (c Config) withDefaults() Config {
	c.Endpoint = strings.TrimSuffix(cmp.Or(c.Endpoint, defaultEndpoint), "/")
	c.Authority = strings.TrimSuffix(cmp.Or(c.Authority, defaultAuthority), "/")
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	c.CacheFor = cmp.Or(c.CacheFor, defaultCacheFor)
	c.UserAgent = cmp.Or(c.UserAgent, defaultUserAgent)
	return c
}

// check reports everything that is wrong at once. Values are shown only where
// they are no secret.
func (c Config) check() error {
	var errs []error
	bad := func(field, what string) { errs = append(errs, fmt.Errorf("graph: %s: %s", field, what)) }
	if err := outbound.CheckRoot(c.Endpoint); err != nil {
		bad("endpoint", err.Error())
	}
	if err := outbound.CheckRoot(c.Authority); err != nil {
		bad("authority", err.Error())
	} else if strings.HasPrefix(c.Authority, "http://") {
		bad("authority", "not https") // azidentity insists, on loopback too
	}
	if c.Timeout < 0 {
		bad("timeout", "negative")
	}
	managed := c.Credential.Kind == ManagedIdentity
	if c.TenantID == "" && !managed {
		bad("tenant id", "missing")
	}
	if c.ClientID == "" && !managed {
		bad("client id", "missing")
	}
	switch c.Credential.Kind {
	case ClientSecret:
		if c.Credential.SecretFile == "" {
			bad("credential", "client_secret needs a secret file")
		}
	case Certificate:
		if c.Credential.CertificateFile == "" {
			bad("credential", "certificate needs a certificate file")
		}
	case WorkloadIdentity:
		if c.Credential.TokenFile == "" {
			bad("credential", "workload_identity needs a token file")
		}
	case ManagedIdentity:
	default:
		bad("credential", "kind is not client_secret, certificate, workload_identity or managed_identity")
	}
	return errors.Join(errs...)
}

// microsoftAuthority reports whether host is one of Microsoft's own. For any
// other, instance discovery is switched off: it would first ask
// login.microsoftonline.com about a host that Microsoft doesn't know.
// learn.microsoft.com/entra/identity-platform/authentication-national-cloud
func microsoftAuthority(host string) bool {
	return slices.Contains([]string{
		"login.microsoftonline.com",
		"login.microsoftonline.us",
		"login.partner.microsoftonline.cn",
		"login.chinacloudapi.cn",
	}, host)
}
