package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

type probeCmd struct {
	What   string        `arg:"" help:"livez, startupz or readyz." enum:"livez,startupz,readyz" default:"readyz"`
	Within time.Duration `help:"Keep asking for so long until the answer is yes." default:"0s"`
}

// Run implements the command: it asks the serve of this machine how it does, for
// images that have no shell and no curl.
func (p *probeCmd) Run(ctx context.Context, env *environment) error {
	cfg, err := env.load()
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(cfg.Telemetry.Listen)
	if err != nil {
		return usageError{hinted{errors.New("there is nothing to ask: telemetry.listen is empty"), "config/example.yaml describes the section telemetry"}}
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	end := time.Now().Add(p.Within)
	for {
		err := probe(ctx, "http://"+net.JoinHostPort(host, port)+"/"+p.What)
		if err == nil || ctx.Err() != nil || !time.Now().Before(end) {
			return err
		}
		pause(ctx, 500*time.Millisecond)
	}
}

func probe(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	// Through no proxy: it asks this machine.
	answer, err := (&http.Client{Transport: &http.Transport{}}).Do(r)
	if err != nil {
		return errors.New("serve does not answer at telemetry.listen")
	}
	defer answer.Body.Close()                               //nolint:errcheck // read only
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 200)) // the status says enough
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("not yet: %s", strings.TrimSpace(string(text)))
	}
	return nil
}
