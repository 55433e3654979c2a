package intake

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"

	"firstpass.internal/internal/intake/mapping"
	"firstpass.internal/internal/intake/scim"
	"firstpass.internal/internal/jml"
)

// serveSCIM adds the endpoint of a source that is provisioned to.
func (h *Handler) serveSCIM(s *Source) error {
	root := "/v1/scim/" + s.name
	endpoint, err := scim.New(scim.Config{
		Source: s.name,
		Store:  h.desk.cfg.Ledger,
		Sink:   sink{h.desk, s, h.cfg.Patience},
		Key: func(kind, value string) string {
			return h.desk.cfg.Refs.derive("scim", s.name, kind, value)
		},
		Now:     h.cfg.Now,
		MaxBody: h.cfg.MaxBody,
		BaseURL: func(r *http.Request) string { return base(r) + root },
		Logger:  h.cfg.Logger,
	})
	if err != nil {
		return err
	}
	h.mux.Handle(root+"/", http.StripPrefix(root, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		log := h.cfg.Logger.With("source", s.name)
		body, ok := h.body(w, r, log)
		if !ok {
			return
		}
		now := h.cfg.Now()
		if _, ok := h.proves(r.Context(), w, r, log, s, body, now); !ok {
			return
		}
		h.desk.counts.saw(s.name, now)
		ctx, cancel := context.WithTimeout(r.Context(), h.cfg.Patience)
		defer cancel()
		done, ok := h.mayWait(ctx)
		if !ok {
			h.later(w, log, s, errBusy)
			return
		}
		defer done()
		r.Body = io.NopCloser(bytes.NewReader(body))
		endpoint.ServeHTTP(w, r)
	})))
	return nil
}

// base is the address by which the client called.
func base(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// sink takes what a resource says.
type sink struct {
	desk     *Desk
	source   *Source
	patience time.Duration
}

// Take implements scim.Sink.
func (k sink) Take(ctx context.Context, resource map[string]any, deleted bool) error {
	d, s := k.desk, k.source
	ctx, cancel := context.WithTimeout(ctx, k.patience)
	defer cancel()
	now := d.cfg.Now()
	off, err := d.paused(ctx, s)
	if err != nil {
		return err
	}
	if !off {
		return k.take(ctx, resource, deleted, now)
	}
	raw, err := marshalTree(resource)
	if err != nil {
		return err
	}
	return d.putOff(ctx, s, parcel{Row: &row{Where: "resource", Item: raw, ObservedAt: now, Deleted: deleted}})
}

// take brings to the joiner what a resource said at a time.
func (k sink) take(ctx context.Context, resource map[string]any, deleted bool, at time.Time) error {
	d, s := k.desk, k.source
	now := d.cfg.Now()
	if deleted {
		resource = maps.Clone(resource)
		resource["active"] = false // what maps know it by
	}
	r := s.record(ctx, mapping.Vars{Source: s.name, Settings: s.cfg.Settings, Body: resource, Item: resource}, nil, at, now)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch {
	case r.PassedOver:
		d.counts.add(s.name, countPassedOver, 1)
		return nil
	case r.Err != nil && deleted:
		return nil // what could never be read was never told to a joiner
	case r.Err != nil:
		raw, err := marshalTree(resource)
		if err != nil {
			return err
		}
		if err := d.keep(ctx, s, r.Err.Error(), 1, parcel{Row: &row{Where: "resource", Item: raw, ObservedAt: at}}); err != nil {
			return err
		}
		return fmt.Errorf("%w: %w", scim.ErrUnprocessable, r.Err)
	}
	snap := r.Snapshot
	if deleted && snap.Status != jml.StatusCancelled {
		// SCIM does not say why a resource goes.
		snap.Status = jml.StatusLeft
		if s.rulesFor(snap).Ahead(snap, now) {
			snap.Status = jml.StatusCancelled
		}
	}
	_, err := d.take(ctx, s, snap)
	return err
}
