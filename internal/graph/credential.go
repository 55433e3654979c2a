package graph

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"firstpass.internal/internal/outbound"
)

// newCredential reads the files that cfg.Credential names. Errors name the
// file, never what is in it.
func newCredential(cfg Config, hc *http.Client) (azcore.TokenCredential, error) {
	authority, err := url.Parse(cfg.Authority)
	if err != nil {
		return nil, fmt.Errorf("graph: authority: %w", err)
	}
	opts := policy.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: cfg.Authority},
		Transport: hc,
		// -1 is none; 0 would mean the default of three.
		Retry: policy.RetryOptions{MaxRetries: -1},
	}
	strange := !microsoftAuthority(authority.Hostname())
	var cred azcore.TokenCredential
	switch cfg.Credential.Kind {
	case ClientSecret:
		var secret string
		if secret, err = outbound.Secret(cfg.Credential.SecretFile); err == nil {
			cred, err = azidentity.NewClientSecretCredential(cfg.TenantID, cfg.ClientID, secret,
				&azidentity.ClientSecretCredentialOptions{ClientOptions: opts, DisableInstanceDiscovery: strange})
		}
	case Certificate:
		cred, err = certificateCredential(cfg, opts, strange)
	case WorkloadIdentity:
		// Read once now, so that a wrong path is found at the start and not
		// with the first joiner.
		if _, err = outbound.Secret(cfg.Credential.TokenFile); err == nil {
			cred, err = azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
				ClientOptions: opts, DisableInstanceDiscovery: strange,
				TenantID: cfg.TenantID, ClientID: cfg.ClientID, TokenFilePath: cfg.Credential.TokenFile})
		}
	case ManagedIdentity:
		mi := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: opts}
		if cfg.ClientID != "" {
			mi.ID = azidentity.ClientID(cfg.ClientID)
		}
		cred, err = azidentity.NewManagedIdentityCredential(mi)
	}
	if err != nil {
		return nil, fmt.Errorf("graph: credential: %w", err)
	}
	return cred, nil
}

func certificateCredential(cfg Config, opts policy.ClientOptions, strange bool) (azcore.TokenCredential, error) {
	raw, err := os.ReadFile(cfg.Credential.CertificateFile)
	if err != nil {
		return nil, err
	}
	certs, key, err := azidentity.ParseCertificates(raw, nil)
	if err != nil {
		return nil, errors.New("certificate file: neither PEM with certificate and RSA key nor a PFX without password that can be read")
	}
	return azidentity.NewClientCertificateCredential(cfg.TenantID, cfg.ClientID, certs, key,
		&azidentity.ClientCertificateCredentialOptions{ClientOptions: opts, DisableInstanceDiscovery: strange})
}
