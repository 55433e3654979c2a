package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"firstpass.internal/config"
	"firstpass.internal/internal/codec"
	"firstpass.internal/internal/graph"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/telemetry"
)

// This file turns the configuration into the parts of the program.

// connect returns a Temporal client that encrypts payloads and failures. It
// makes the first call, so that a wrong address shows here.
func connect(ctx context.Context, cfg *config.Config) (client.Client, error) {
	options, err := clientOptions(cfg)
	if err != nil {
		return nil, err
	}
	dialing, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := client.DialContext(dialing, options)
	if err != nil {
		return nil, temporalError("connect to Temporal at "+cfg.Temporal.Address, err)
	}
	return c, nil
}

// connect reads the configuration and connects as it says.
func (e *environment) connect(ctx context.Context) (*config.Config, client.Client, error) {
	cfg, err := e.load()
	if err != nil {
		return nil, nil, err
	}
	c, err := connect(ctx, cfg)
	return cfg, c, err
}

// connectLazily is connect without the first call, for what must start while
// Temporal is away.
func connectLazily(cfg *config.Config, log *slog.Logger) (client.Client, error) {
	return connectObserved(cfg, nil, log)
}

// connectObserved is connectLazily with a client that tells how it does.
func connectObserved(cfg *config.Config, tel *telemetry.Telemetry, log *slog.Logger) (client.Client, error) {
	options, err := clientOptions(cfg)
	if err != nil {
		return nil, err
	}
	options.Logger = sdklog.NewStructuredLogger(log)
	if tel != nil {
		if err := tel.Temporal(&options); err != nil {
			return nil, err
		}
	}
	return client.NewLazyClient(options)
}

func clientOptions(cfg *config.Config) (client.Options, error) {
	t := cfg.Temporal
	options := client.Options{
		HostPort:  t.Address,
		Namespace: t.Namespace,
		Logger:    sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	}
	ring, err := codec.LoadKeyring(t.KeyringFile)
	if err != nil {
		return options, hinted{err, "firstpass keyring new " + t.KeyringFile + " makes one"}
	}
	payloads, err := codec.New(codec.Config{Keyring: ring, Namespace: t.Namespace})
	if err != nil {
		return options, err
	}
	codec.ClientOptions(&options, payloads)
	if options.ConnectionOptions.TLS, err = temporalTLS(t.TLS); err != nil {
		return options, err
	}
	if t.APIKeyFile != "" {
		key, err := os.ReadFile(t.APIKeyFile)
		if err != nil {
			return options, fmt.Errorf("temporal.api_key_file: %w", err)
		}
		options.Credentials = client.NewAPIKeyStaticCredentials(strings.TrimSpace(string(key)))
	}
	return options, nil
}

// temporalTLS returns nil where TLS is off.
func temporalTLS(t config.TemporalTLS) (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	out := &tls.Config{ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("temporal.tls.ca_file: %w", err)
		}
		if out.RootCAs = x509.NewCertPool(); !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("temporal.tls.ca_file: %s holds no certificate in PEM", t.CAFile)
		}
	}
	if t.CertificateFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertificateFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("temporal.tls.certificate_file: %w", err)
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}

func newGraph(cfg *config.Config) (*graph.Client, error) { return newObservedGraph(cfg, nil) }

// newObservedGraph is newGraph with a client that tells of each exchange.
func newObservedGraph(cfg *config.Config, observe func(graph.Call)) (*graph.Client, error) {
	g := cfg.Graph
	return graph.New(graph.Config{
		Endpoint: g.Endpoint, Authority: g.Authority, TenantID: g.TenantID, ClientID: g.ClientID, CAFile: g.CAFile,
		Credential: graph.Credential{
			Kind:            graph.CredentialKind(g.Credential.Kind),
			SecretFile:      g.Credential.SecretFile,
			CertificateFile: g.Credential.CertificateFile,
			TokenFile:       g.Credential.TokenFile,
		},
		UserAgent: "firstpass/" + version,
		Observe:   observe,
	})
}

func newRefs(cfg *config.Config) (intake.Refs, error) { return intake.LoadRefs(cfg.Refs.KeyFile) }

// temporalError names what we wanted of Temporal and what to do about the usual
// faults.
func temporalError(what string, err error) error {
	var (
		unavailable *serviceerror.Unavailable
		namespace   *serviceerror.NamespaceNotFound
		denied      *serviceerror.PermissionDenied
		invalid     *serviceerror.InvalidArgument
	)
	err = fmt.Errorf("%s: %w", what, err)
	switch {
	case errors.As(err, &unavailable), errors.Is(err, context.DeadlineExceeded):
		return awayError{hinted{err, "is Temporal running at temporal.address, and reachable from here?"}}
	case errors.As(err, &namespace):
		return hinted{err, "temporal operator namespace create --retention 2160h NAMESPACE"}
	case errors.As(err, &denied):
		return hinted{err, "see temporal.tls and temporal.api_key_file"}
	case errors.As(err, &invalid):
		return hinted{err, "firstpass check tells which search attributes are missing"}
	}
	return err
}
