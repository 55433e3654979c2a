package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"firstpass.internal/config"
	"firstpass.internal/docs"
	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/graph"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/internal/ops/api"
	"firstpass.internal/internal/ops/board"
	"firstpass.internal/internal/ops/console"
	"firstpass.internal/internal/outbound"
	"firstpass.internal/internal/profile"
	"firstpass.internal/internal/telemetry"
)

// operationsParts are what the service for operators is made of.
type operationsParts struct {
	cfg       *config.Config
	temporal  client.Client
	ledger    *ledger.Ledger
	desk      *intake.Desk
	directory *graph.Client
	rules     *profile.Rules
	tel       *telemetry.Telemetry // nil: nobody hears how it does
	log       *slog.Logger
	// sight is how the service sees the board; nil: as it is.
	sight func(*board.Board) ops.Board
}

// operations is the service for operators, and what it reads.
type operations struct {
	board   *board.Board
	service *ops.Service
}

func newOperations(p operationsParts) (*operations, error) {
	b, err := board.New(board.Config{Client: p.temporal, Now: time.Now, Log: p.log})
	if err != nil {
		return nil, err
	}
	seen := ops.Board(b)
	if p.sight != nil {
		seen = p.sight(b)
	}
	book := ops.Ledger(p.ledger)
	if p.tel != nil {
		book = observedLedger{p.ledger, p.tel.Trail(p.ledger)}
	}
	s, err := ops.New(ops.Config{
		Temporal: p.temporal, Ledger: book, Board: seen, Desk: p.desk, Directory: p.directory, Profiles: p.rules,
		Profile: func(name string) (jml.Profile, bool) {
			_, there := p.cfg.Profiles[name]
			return p.cfg.Profile(name), there
		},
		Verifications: p.cfg.Verifications, Now: time.Now, Log: p.log,
	})
	if err != nil {
		return nil, err
	}
	return &operations{b, s}, nil
}

// observedLedger is a ledger whose appends are counted.
type observedLedger struct {
	*ledger.Ledger
	trail telemetry.Auditor
}

// Append implements ops.Ledger.
func (l observedLedger) Append(ctx context.Context, e audit.Entry) error {
	return l.trail.Append(ctx, e)
}

// newOps returns the server of the console and the API.
func newOps(cfg *config.Config, o *operations, book *ledger.Ledger, tel *telemetry.Telemetry, log *slog.Logger) (*http.Server, error) {
	gate, err := newGate(cfg, book, log)
	if err != nil {
		return nil, err
	}
	programs, err := api.New(api.Config{Service: o.service, Logger: log})
	if err != nil {
		return nil, err
	}
	pages, err := console.New(console.Config{
		Service: o.service, Organisation: cfg.Organisation.Name,
		TemporalUI: cfg.Ops.TemporalUI, Namespace: cfg.Temporal.Namespace,
		Runbooks: docs.Operations(), Verifications: cfg.Verifications, Channels: func(name string) []string { return channelsOf(cfg.Profile(name)) },
		Version: version, Now: time.Now, Logger: log,
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/", programs)
	mux.Handle("/", pages)
	return &http.Server{
		Handler:           tel.Serve("ops", gate.Handler(mux)),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		// Longer than an act waits for a pass to be proved gone, and than a
		// watcher waits for news.
		WriteTimeout:   90 * time.Second,
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 32 << 10,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}, nil
}

func newGate(cfg *config.Config, book *ledger.Ledger, log *slog.Logger) (*access.Gate, error) {
	s := cfg.Ops.SignIn
	var secret string
	if s.ClientSecretFile != "" {
		var err error
		if secret, err = outbound.Secret(s.ClientSecretFile); err != nil {
			return nil, fmt.Errorf("ops.sign_in.client_secret_file: %w", err)
		}
	}
	return access.New(access.Config{
		URL: cfg.Ops.URL, Issuer: s.Issuer, ClientID: s.ClientID, ClientSecret: strings.TrimSpace(secret), Audience: s.Audience, CAFile: s.CAFile,
		Groups: s.Groups, Idle: s.Idle, Longest: s.Longest,
		Organisation: cfg.Organisation.Name, Help: cfg.Organisation.Help,
		Sessions: book, Audit: book, Now: time.Now, Log: log,
	})
}

// channelsOf lists by which channels a pass, or the link to it, can go.
func channelsOf(p jml.Profile) []string {
	var out []string
	for _, r := range slices.Concat(p.PassRoutes(), p.LinkTo) {
		if !slices.Contains(out, r.Channel) {
			out = append(out, r.Channel)
		}
	}
	return out
}
