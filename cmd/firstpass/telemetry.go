package main

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"firstpass.internal/config"
	"firstpass.internal/internal/graph"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/telemetry"
)

// newTelemetry returns what everybody in this process tells how it does.
func newTelemetry(cfg *config.Config, roles []role, log *slog.Logger) (*telemetry.Telemetry, error) {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	o := cfg.Telemetry.OTLP
	return telemetry.New(telemetry.Config{
		Version: version, Role: strings.Join(names, ","),
		OTLP: telemetry.OTLP{Endpoint: o.Endpoint, CAFile: o.CAFile, HeadersFile: o.HeadersFile},
		Now:  time.Now, Logger: log,
	})
}

// newTelemetryPage returns the listener for monitoring; nil if nobody wants one.
func newTelemetryPage(cfg *config.Config, tel *telemetry.Telemetry, log *slog.Logger) *page {
	if cfg.Telemetry.Listen == "" {
		return nil
	}
	return &page{name: "telemetry", listen: cfg.Telemetry.Listen, server: &http.Server{
		Handler:           tel.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}}
}

// graphCalls passes on how Graph does.
func graphCalls(tel *telemetry.Telemetry) func(graph.Call) {
	return func(c graph.Call) {
		tel.Graph(telemetry.GraphCall{Op: c.Op, Status: c.Status, Duration: c.Duration, Date: c.Date})
	}
}

// ready asks Temporal whether it answers.
func ready(temporal client.Client) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := temporal.CheckHealth(ctx, &client.CheckHealthRequest{})
		return err
	}
}

// watched is what gauges are read from.
func watched(cfg *config.Config, desk *intake.Desk, book *ledger.Ledger, ledgers *chainWatch) telemetry.World {
	return telemetry.World{
		Chain:   ledgers.tell,
		Sources: func(ctx context.Context) ([]telemetry.Source, error) { return feeds(ctx, desk, book) },
		Halt: func(ctx context.Context) (telemetry.Halt, error) {
			h, err := book.Halt(ctx)
			return telemetry.Halt{On: h.On, Since: h.Since}, err
		},
		Certificates: certificates(cfg),
	}
}

// feeds tells how each source does.
func feeds(ctx context.Context, desk *intake.Desk, book *ledger.Ledger) ([]telemetry.Source, error) {
	list, err := desk.Status(ctx)
	if err != nil {
		return nil, err
	}
	pauses, err := book.Pauses(ctx)
	if err != nil {
		return nil, err
	}
	held, err := book.HeldList(ctx, "")
	if err != nil {
		return nil, err
	}
	paused, waiting := map[string]bool{}, map[string]int{}
	for _, p := range pauses {
		paused[p.Source] = p.On
	}
	for _, h := range held {
		waiting[h.Source]++
	}
	out := make([]telemetry.Source, 0, len(list))
	for _, s := range list {
		heard := s.LastSeen
		if s.LastGood.After(heard) {
			heard = s.LastGood
		}
		out = append(out, telemetry.Source{
			Name: s.Source, Heard: heard, Silent: s.Silent, Braked: s.Braked != "", Paused: paused[s.Source],
			Quarantined: s.Waiting, Held: waiting[s.Source],
		})
	}
	return out, nil
}

// starts tells how starts went, of every source: one without a start yet, too.
func starts(cfg *config.Config, service *ops.Service) func(context.Context) ([]telemetry.Starts, error) {
	return func(context.Context) ([]telemetry.Starts, error) {
		by := map[string]telemetry.Starts{}
		for _, s := range cfg.Sources {
			by[s.Name] = telemetry.Starts{Source: s.Name}
		}
		for _, r := range service.Readiness() {
			by[r.Source] = telemetry.Starts{Source: r.Source, Ready: r.Ready, Late: r.Late}
		}
		return slices.Collect(maps.Values(by)), nil
	}
}

// certificates are those that end one day, by what they are for.
func certificates(cfg *config.Config) map[string]string {
	out := map[string]string{}
	for use, file := range map[string]string{
		"intake": cfg.Intake.TLS.CertificateFile, "pickup": cfg.Pickup.TLS.CertificateFile, "ops": cfg.Ops.TLS.CertificateFile,
		"temporal": cfg.Temporal.TLS.CertificateFile,
	} {
		if file != "" {
			out[use] = file
		}
	}
	if c := cfg.Graph.Credential; c.Kind == config.CredentialCertificate {
		out["graph"] = c.CertificateFile
	}
	return out
}
