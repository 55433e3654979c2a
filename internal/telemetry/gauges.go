package telemetry

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops/board"
)

// Source is how an HR source does.
type Source struct {
	Name        string
	Heard       time.Time // when it last said something, or was read with success; zero: never
	Silent      bool      // read without success for twice its interval
	Braked      bool
	Paused      bool
	Quarantined int
	Held        int
}

// Halt is the kill switch.
type Halt struct {
	On    bool
	Since time.Time
}

// Chain is what is known of the ledger's chain. Zero times are never.
type Chain struct {
	Rows     uint64
	Verified time.Time // when the chain last proved whole
	Broken   bool      // the last look found that it is not
	Exported time.Time // when a signed head last left
}

// Starts counts the starts of one source that have come while somebody watched,
// by whether the employee could sign in by then. It only grows, or begins at
// zero with the process.
type Starts struct {
	Source string
	Ready  uint64 // by the start
	Late   uint64 // later, or never
}

// Board knows where the journeys stand; board.Board is one.
type Board interface {
	Rows(board.Filter) []board.Row
	State() board.State
}

// World is what gauges are read from, when somebody asks for them. Every process
// that has a part tells the same of it, so rules take the largest, not the sum.
// Whatever is nil is not told.
type World struct {
	Board   Board
	Sources func(context.Context) ([]Source, error)
	Halt    func(context.Context) (Halt, error)
	Chain   func(context.Context) (Chain, error)
	// Starts has every source, those without a start too: Prometheus sees no
	// increase where a series begins.
	Starts func(context.Context) ([]Starts, error)
	// Certificates are files in PEM, by what they are for.
	Certificates map[string]string
}

// gaugePatience bounds what one part may take: Prometheus hangs up after ten
// seconds.
const gaugePatience = 3 * time.Second

// Watch tells of w from now on. Call it once.
func (t *Telemetry) Watch(w World) error {
	g := &gauges{t: t, w: w}
	m := t.meter()
	var errs []error
	var all []metric.Observable
	whole := func(name, about string) metric.Int64ObservableGauge {
		i, err := m.Int64ObservableGauge(name, metric.WithDescription(about))
		errs, all = append(errs, err), append(all, i)
		return i
	}
	seconds := func(name, about string) metric.Float64ObservableGauge {
		i, err := m.Float64ObservableGauge(name, metric.WithUnit("s"), metric.WithDescription(about))
		errs, all = append(errs, err), append(all, i)
		return i
	}
	g.journeys = whole("firstpass_journeys", "Open journeys, by kind, stage and what they are blocked by.")
	g.needs = whole("firstpass_journeys_need_action", "Open journeys that wait for somebody.")
	g.oldest = seconds("firstpass_journey_oldest_age", "How long the journey that has not moved for longest is in its stage.")
	g.live = whole("firstpass_passes_live", "Passes that somebody may hold.")
	g.revoking = seconds("firstpass_revoke_pending_age", "How long the oldest pass that is to be gone is not.")
	g.unready = whole("firstpass_starts_unready", "Joiners who start within four hours, or have, with neither pass nor invitation.")
	g.read = seconds("firstpass_board_read_timestamp", "When the board last heard from Temporal, since 1970.")
	g.heard = seconds("firstpass_intake_last_success_timestamp", "When a source was last heard of or read, since 1970.")
	g.silent = whole("firstpass_intake_silent", "1: a source was not read for twice its interval.")
	g.braked = whole("firstpass_intake_braked", "1: a source would change more than its brake allows.")
	g.paused = whole("firstpass_sources_paused", "1: an operator paused the source.")
	g.quarantined = whole("firstpass_intake_quarantine", "Records that could not be read.")
	g.held = whole("firstpass_intake_held", "Changes that wait for somebody's approval.")
	g.halted = whole("firstpass_halted", "1: the kill switch is on, nobody gets a pass.")
	g.haltedSince = seconds("firstpass_halted_since_timestamp", "Since when the kill switch is on, since 1970.")
	g.head = whole("firstpass_ledger_head", "Sequence number of the ledger's last row.")
	g.verified = seconds("firstpass_ledger_verified_timestamp", "When the chain last proved whole, since 1970.")
	g.broken = whole("firstpass_ledger_broken", "1: the chain did not verify.")
	g.exported = seconds("firstpass_ledger_exported_timestamp", "When a signed head last left, since 1970.")
	g.expiry = seconds("firstpass_certificate_expiry_timestamp", "When a certificate ends, since 1970.")
	starts, err := m.Int64ObservableCounter("firstpass_starts",
		metric.WithDescription("Starts that have come, by source and whether the employee could sign in: ready or late."))
	g.starts = starts
	errs, all = append(errs, err), append(all, starts)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_, err = m.RegisterCallback(g.observe, all...)
	return err
}

type gauges struct {
	t *Telemetry
	w World

	journeys, needs, live, unready, silent, braked, paused metric.Int64ObservableGauge
	quarantined, held, halted, head, broken                metric.Int64ObservableGauge
	oldest, revoking, read, heard, haltedSince             metric.Float64ObservableGauge
	verified, exported, expiry                             metric.Float64ObservableGauge
	starts                                                 metric.Int64ObservableCounter
}

// observe reads each part by itself: one that does not answer leaves a gap in
// its own gauges and is counted.
func (g *gauges) observe(ctx context.Context, o metric.Observer) error {
	ctx, cancel := context.WithTimeout(ctx, 2*gaugePatience)
	defer cancel()
	read := map[string]func(context.Context, metric.Observer) error{
		"board": g.onBoard, "sources": g.onSources, "halt": g.onHalt, "chain": g.onChain,
		"starts": g.onStarts, "certificates": g.onCertificates,
	}
	for _, part := range gaugeParts() {
		reading, cancel := context.WithTimeout(ctx, gaugePatience)
		err := read[part](reading, o)
		cancel()
		if err != nil {
			add(g.t.counters.gaps, 1, attribute.String("part", part))
		}
	}
	return nil
}

// gaugeParts are the parts of World, by name.
func gaugeParts() []string {
	return []string{"board", "sources", "halt", "chain", "starts", "certificates"}
}

// soon is how long before a start a missing pass is worth an alarm.
const soon = 4 * time.Hour

func (g *gauges) onBoard(_ context.Context, o metric.Observer) error {
	if g.w.Board == nil {
		return nil
	}
	state := g.w.Board.State()
	if !state.Read.IsZero() {
		o.ObserveFloat64(g.read, unix(state.Read))
	}
	now := g.t.cfg.Now()
	tally := newTally(now)
	// Closed ones too: a journey that was terminated may leave a pass that is
	// still being revoked.
	for _, r := range g.w.Board.Rows(board.Filter{Closed: true}) {
		tally.add(r)
	}
	for k, n := range tally.journeys {
		o.ObserveInt64(g.journeys, n, metric.WithAttributes(k.labels()...))
	}
	for k, age := range tally.oldest {
		o.ObserveFloat64(g.oldest, age.Seconds(), metric.WithAttributes(k.labels()...))
	}
	o.ObserveInt64(g.needs, tally.needs)
	o.ObserveInt64(g.live, tally.live)
	o.ObserveFloat64(g.revoking, tally.revoking.Seconds())
	for when, n := range tally.unready {
		o.ObserveInt64(g.unready, n, metric.WithAttributes(attribute.String("when", when)))
	}
	return nil
}

// place is where a journey stands.
type place struct {
	kind   jml.Kind
	stage  jml.Stage
	reason jml.BlockReason
}

func (p place) labels() []attribute.KeyValue {
	out := []attribute.KeyValue{
		among("kind", p.kind, jml.Kinds()...),
		among("stage", p.stage, stages()...),
	}
	if p.reason != "" {
		out = append(out, among("reason", p.reason, jml.Reasons()...))
	}
	return out
}

func stages() []jml.Stage {
	return append(jml.Outcomes(), jml.StageScheduled, jml.StageApproval, jml.StageBlocked, jml.StagePass,
		jml.StageIssuing, jml.StageInvited, jml.StageWaiting, jml.StageSettling, jml.StageRevoking, jml.StageGone)
}

// tally counts rows.
type tally struct {
	now         time.Time
	journeys    map[place]int64
	oldest      map[place]time.Duration
	needs, live int64
	revoking    time.Duration
	unready     map[string]int64
}

func newTally(now time.Time) *tally {
	// Zeros are told: an alert on what is not there can't tell all is well from
	// nobody looks.
	return &tally{now: now, journeys: map[place]int64{}, oldest: map[place]time.Duration{},
		unready: map[string]int64{"within4h": 0, "started": 0}}
}

func (t *tally) add(r board.Row) {
	if r.Pass == jml.StageRevoking {
		t.revoking = max(t.revoking, t.now.Sub(r.Changed))
	}
	if r.Live() {
		t.live++
	}
	if !r.Closed.IsZero() {
		return
	}
	p := place{kind: r.Kind, stage: r.Stage, reason: r.Reason}
	if r.Stage == jml.StagePass && r.Pass != "" {
		p.stage = r.Pass
	}
	if p.kind == "" {
		p.kind = jml.KindJoiner // one that began before kinds were told
	}
	t.journeys[p]++
	if !r.Changed.IsZero() {
		t.oldest[p] = max(t.oldest[p], t.now.Sub(r.Changed))
	}
	if r.NeedsAction {
		t.needs++
	}
	if p.kind == jml.KindJoiner && !r.Starts.IsZero() {
		t.start(p.stage, r.Starts)
	}
}

// start counts a joiner without pass and invitation whose start is near. One
// that is scheduled and whose start is ahead waits as its profile says: a lead
// time may be short.
func (t *tally) start(stage jml.Stage, at time.Time) {
	switch stage {
	case jml.StageBlocked, jml.StageApproval, jml.StageIssuing, jml.StagePass:
	case jml.StageScheduled:
		if at.After(t.now) {
			return
		}
	default:
		return
	}
	switch {
	case !at.After(t.now):
		t.unready["started"]++
	case at.Sub(t.now) <= soon:
		t.unready["within4h"]++
	}
}

func (g *gauges) onSources(ctx context.Context, o metric.Observer) error {
	if g.w.Sources == nil {
		return nil
	}
	list, err := g.w.Sources(ctx)
	for _, s := range list {
		of := metric.WithAttributes(label("source", s.Name))
		if !s.Heard.IsZero() {
			o.ObserveFloat64(g.heard, unix(s.Heard), of)
		}
		o.ObserveInt64(g.silent, one(s.Silent), of)
		o.ObserveInt64(g.braked, one(s.Braked), of)
		o.ObserveInt64(g.paused, one(s.Paused), of)
		o.ObserveInt64(g.quarantined, int64(s.Quarantined), of)
		o.ObserveInt64(g.held, int64(s.Held), of)
	}
	return err
}

func (g *gauges) onHalt(ctx context.Context, o metric.Observer) error {
	if g.w.Halt == nil {
		return nil
	}
	h, err := g.w.Halt(ctx)
	if err != nil {
		return err
	}
	o.ObserveInt64(g.halted, one(h.On))
	if h.On {
		o.ObserveFloat64(g.haltedSince, unix(h.Since))
	}
	return nil
}

func (g *gauges) onChain(ctx context.Context, o metric.Observer) error {
	if g.w.Chain == nil {
		return nil
	}
	c, err := g.w.Chain(ctx)
	if err != nil {
		return err
	}
	o.ObserveInt64(g.head, int64(c.Rows))
	o.ObserveInt64(g.broken, one(c.Broken))
	if !c.Verified.IsZero() {
		o.ObserveFloat64(g.verified, unix(c.Verified))
	}
	if !c.Exported.IsZero() {
		o.ObserveFloat64(g.exported, unix(c.Exported))
	}
	return nil
}

func (g *gauges) onStarts(ctx context.Context, o metric.Observer) error {
	if g.w.Starts == nil {
		return nil
	}
	list, err := g.w.Starts(ctx)
	for _, s := range list {
		source := label("source", s.Source)
		o.ObserveInt64(g.starts, int64(s.Ready), metric.WithAttributes(source, attribute.String("result", "ready")))
		o.ObserveInt64(g.starts, int64(s.Late), metric.WithAttributes(source, attribute.String("result", "late")))
	}
	return err
}

// onCertificates reads the files each time: they are replaced while we run.
func (g *gauges) onCertificates(_ context.Context, o metric.Observer) error {
	var errs []error
	for use, file := range g.w.Certificates {
		end, err := expiry(file)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		o.ObserveFloat64(g.expiry, unix(end), metric.WithAttributes(label("certificate", use)))
	}
	return errors.Join(errs...)
}

// expiry returns the end of the first certificate in a file: the leaf.
func expiry(file string) (time.Time, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return time.Time{}, err
	}
	for {
		var block *pem.Block
		if block, raw = pem.Decode(raw); block == nil {
			return time.Time{}, errors.New("no certificate in PEM")
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return time.Time{}, err
		}
		return c.NotAfter, nil
	}
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func one(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
