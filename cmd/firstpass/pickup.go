package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"firstpass.internal/config"
	"firstpass.internal/internal/codec"
	"firstpass.internal/internal/invitation"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/locale"
	"firstpass.internal/internal/outbound"
	"firstpass.internal/internal/pickup"
	"firstpass.internal/internal/pickup/identity"
	"firstpass.internal/internal/telemetry"
)

// newPickup returns the server of the pick-up page. Without tel nobody hears how
// it does.
func newPickup(cfg *config.Config, temporal client.Client, book *invitation.Book, tel *telemetry.Telemetry, log *slog.Logger) (*http.Server, error) {
	ring, err := codec.LoadKeyring(cfg.Temporal.KeyringFile)
	if err != nil {
		return nil, err
	}
	locales, err := locale.Load(overlay(cfg))
	if err != nil {
		return nil, err
	}
	verifier, err := newIdentity(cfg)
	if err != nil {
		return nil, err
	}
	o := cfg.Organisation
	page := pickup.Config{
		Book: book, Passes: pickup.NewPasses(temporal), Identity: verifier, Asks: map[string][]string{},
		Sealer: ring, Locales: locales, Locale: cfg.Messages.Locale, Words: overlay(cfg),
		Organisation:   pickup.Organisation{Name: o.Name, Help: o.Help, SignInURL: o.SignInURL, Colour: o.Colour},
		URL:            cfg.Pickup.URL,
		ClientIPHeader: cfg.Pickup.ClientIPHeader, TriesPerMinute: cfg.Pickup.TriesPerMinute,
		Now: time.Now, Logger: log,
	}
	if tel != nil {
		page.Observe, page.Ready = tel.Pickup, tel.Health().Ready
	}
	for name, p := range cfg.Proofs {
		if p.Kind == jml.ProofFact {
			page.Asks[name] = p.Ask
		}
	}
	if o.LogoFile != "" {
		if page.Organisation.Logo, err = os.ReadFile(o.LogoFile); err != nil {
			return nil, fmt.Errorf("organisation.logo_file: %w", err)
		}
		page.Organisation.LogoType = "image/png"
		if strings.EqualFold(filepath.Ext(o.LogoFile), ".svg") {
			page.Organisation.LogoType = "image/svg+xml"
		}
	}
	handler, err := pickup.NewHandler(page)
	if err != nil {
		return nil, err
	}
	if tel != nil {
		handler = tel.Serve("pickup", handler)
	}
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		// A pass that is being made is waited for.
		WriteTimeout:   45 * time.Second,
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 32 << 10,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}, nil
}

// newIdentity returns what checks the proofs of visitors.
func newIdentity(cfg *config.Config) (*identity.Verifier, error) {
	c := identity.Config{Proofs: map[string]identity.Proof{}, ReturnURL: cfg.Pickup.URL + "/p/eid/return", Now: time.Now}
	var wrong []error
	for name, p := range cfg.Proofs {
		proof := identity.Proof{
			Kind: p.Kind, Ask: p.Ask, Issuer: p.Issuer, ClientID: p.ClientID,
			Scopes: p.Scopes, ACRValues: p.ACRValues, UserInfo: p.UserInfo, Match: p.Match, Subject: p.Subject, CAFile: p.CAFile,
		}
		if p.ClientSecretFile != "" {
			var err error
			if proof.ClientSecret, err = outbound.Secret(p.ClientSecretFile); err != nil {
				wrong = append(wrong, fmt.Errorf("proofs.%s.client_secret_file: %w", name, err))
			}
		}
		c.Proofs[name] = proof
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	v, err := identity.New(c)
	if err != nil {
		return nil, usageError{err}
	}
	return v, nil
}
