package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"firstpass.internal/config"
	"firstpass.internal/internal/codec"
	"firstpass.internal/internal/graph"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/intake/mapping"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/outbound"
	"firstpass.internal/internal/profile"
	"firstpass.internal/internal/telemetry"
)

// newSources reads the keys and compiles the expressions of all sources. Its
// error names everything that is wrong.
func newSources(cfg *config.Config, rules *profile.Rules) ([]*intake.Source, error) {
	x, err := newCompiler(cfg)
	if err != nil {
		return nil, err
	}
	var (
		out   []*intake.Source
		wrong []error
	)
	for i, c := range cfg.Sources {
		s, err := intake.NewSource(intake.SourceConfig{
			At: fmt.Sprintf("sources[%d]", i), Source: c, Profile: cfg.Profile(c.Profile), Profiles: rules, LateLimit: cfg.Intake.LateLimit, Compiler: x,
		})
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		out = append(out, s)
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, usageError{err}
	}
	return out, nil
}

// newRules compiles the rules by which profiles are chosen, and reads the
// calendars.
func newRules(cfg *config.Config) (*profile.Rules, error) {
	rules, err := profile.New(cfg, time.Now)
	return rules, configError(err)
}

func openLedger(ctx context.Context, cfg *config.Config) (*ledger.Ledger, error) {
	ring, err := codec.LoadKeyring(cfg.Temporal.KeyringFile)
	if err != nil {
		return nil, err
	}
	c := ledger.Config{Driver: string(cfg.Ledger.Kind), File: cfg.Ledger.File, Sealer: ring, Now: time.Now}
	if cfg.Ledger.URLFile != "" {
		if c.URL, err = outbound.Secret(cfg.Ledger.URLFile); err != nil {
			return nil, fmt.Errorf("ledger.url_file: %w", err)
		}
		c.URL = strings.TrimSpace(c.URL)
	}
	opening, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	book, err := ledger.Open(opening, c)
	if err != nil {
		return nil, awayError{err}
	}
	return book, nil
}

// deskParts are what a desk is made of.
type deskParts struct {
	cfg      *config.Config
	temporal client.Client
	ledger   *ledger.Ledger
	sources  []*intake.Source
	hires    *graph.Client
	tel      *telemetry.Telemetry // nil: nobody hears how it does
	log      *slog.Logger
}

func newDesk(p deskParts) (*intake.Desk, error) {
	refs, err := newRefs(p.cfg)
	if err != nil {
		return nil, err
	}
	starter, err := intake.NewStarter(intake.StarterConfig{
		Client: p.temporal, Refs: refs, TaskQueue: p.cfg.Temporal.TaskQueue, LateLimit: p.cfg.Intake.LateLimit, Now: time.Now,
		Shows: intake.NewShown(intake.ShownConfig{
			Lister: p.temporal.OperatorService(), Namespace: p.cfg.Temporal.Namespace, Now: time.Now, Logger: p.log,
		}).Shows,
	})
	if err != nil {
		return nil, err
	}
	c := intake.DeskConfig{
		Sources: p.sources, Ledger: p.ledger, Starter: starter, Notices: starter, Refs: refs,
		Audit: p.ledger, Hires: p.hires, Now: time.Now, Logger: p.log,
	}
	if p.tel != nil {
		c.Audit, c.Observe = p.tel.Trail(p.ledger), p.tel.Intake
	}
	return intake.NewDesk(c)
}

// desk does something with the ledger; Temporal is not asked.
func (e *environment) desk(ctx context.Context, do func(*intake.Desk) error) error {
	cfg, err := e.load()
	if err != nil {
		return err
	}
	temporal, err := connectLazily(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer temporal.Close()
	return e.withDesk(ctx, cfg, temporal, do)
}

// connectedDesk is desk with a Temporal that answers.
func (e *environment) connectedDesk(ctx context.Context, do func(*intake.Desk) error) error {
	cfg, temporal, err := e.connect(ctx)
	if err != nil {
		return err
	}
	defer temporal.Close()
	return e.withDesk(ctx, cfg, temporal, do)
}

func (e *environment) withDesk(ctx context.Context, cfg *config.Config, temporal client.Client, do func(*intake.Desk) error) error {
	return e.withParts(ctx, cfg, temporal, func(p operationsParts) error { return do(p.desk) })
}

// withParts opens what commands of this process share with serve.
func (e *environment) withParts(ctx context.Context, cfg *config.Config, temporal client.Client, do func(operationsParts) error) error {
	rules, err := newRules(cfg)
	if err != nil {
		return err
	}
	sources, err := newSources(cfg, rules)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	book, err := openLedger(ctx, cfg)
	if err != nil {
		return err
	}
	defer closing(book, log)
	directory, err := newGraph(cfg)
	if err != nil {
		return err
	}
	d, err := newDesk(deskParts{cfg: cfg, temporal: temporal, ledger: book, sources: sources, hires: directory, log: log})
	if err != nil {
		return err
	}
	if err := do(operationsParts{cfg: cfg, temporal: temporal, ledger: book, desk: d, directory: directory, rules: rules, log: log}); err != nil {
		return err
	}
	return d.FlushCounts(ctx)
}

func (e *environment) compiler() (*mapping.Compiler, error) {
	cfg, err := e.load()
	if err != nil {
		return nil, err
	}
	return newCompiler(cfg)
}

// newCompiler returns one whose limits leave room for the largest body, reply
// or file that any source may bring.
func newCompiler(cfg *config.Config) (*mapping.Compiler, error) {
	most := cfg.Intake.MaxBody
	for _, s := range cfg.Sources {
		most = max(most, s.Fetch.Request.MaxReply, s.Poll.Request.MaxReply)
		if s.File.Format == config.FileJSON {
			most = max(most, s.File.MaxSize)
		}
	}
	return mapping.NewCompiler(int64(most))
}
