package telemetry

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"firstpass.internal/internal/jml"
)

// counters are what is told when it happens, by this process alone: the sum over
// all processes is the truth.
type counters struct {
	intake, issued, revoked, revokeFailed, deliveries, pickup metric.Int64Counter
	graph, throttled, rows, appendFailed, gaps                metric.Int64Counter
	graphTime, registration                                   metric.Float64Histogram
	skew                                                      metric.Float64Gauge
}

func newCounters(m metric.Meter) (counters, error) {
	var c counters
	var errs []error
	count := func(to *metric.Int64Counter, name, about string) {
		var err error
		*to, err = m.Int64Counter(name, metric.WithDescription(about))
		errs = append(errs, err)
	}
	seconds := func(to *metric.Float64Histogram, name, about string) {
		var err error
		*to, err = m.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(about))
		errs = append(errs, err)
	}
	count(&c.intake, "firstpass_intake_events", "What came of what HR systems said, by source and result.")
	count(&c.issued, "firstpass_passes_issued", "Tries to make a pass, by result: issued, blocked, failed.")
	count(&c.revoked, "firstpass_passes_revoked", "Passes that are proved gone, by reason.")
	count(&c.revokeFailed, "firstpass_revoke_failures", "Tries to revoke that failed; each is followed by another.")
	count(&c.deliveries, "firstpass_deliveries", "Messages, by channel and by what became of them.")
	count(&c.pickup, "firstpass_pickup_attempts", "What visitors of the pick-up page tried, by result.")
	count(&c.graph, "firstpass_graph_requests", "Exchanges with Microsoft Graph, by operation and HTTP status.")
	count(&c.throttled, "firstpass_graph_throttled", "Exchanges that Graph answered with 429.")
	count(&c.rows, "firstpass_ledger_rows", "Rows that this process wrote to the ledger, by event.")
	count(&c.appendFailed, "firstpass_ledger_append_failures", "Rows that the ledger did not take; nothing was done without them.")
	count(&c.gaps, "firstpass_telemetry_gaps", "Parts that did not answer when their gauges were due.")
	seconds(&c.graphTime, "firstpass_graph_request", "How long Graph took to answer, by operation.")
	seconds(&c.registration, "firstpass_registration_wait", "From the moment a pass could be used until a method was registered.")
	var err error
	c.skew, err = m.Float64Gauge("firstpass_clock_skew", metric.WithUnit("s"), metric.WithDescription("Graph's clock less ours; good to a second."))
	return c, errors.Join(append(errs, err)...)
}

// zero makes the series that alerts wait for. Prometheus sees no increase where a
// series begins, so the first of a rare event would go unnoticed.
func (c *counters) zero() {
	for _, n := range []metric.Int64Counter{c.revokeFailed, c.appendFailed, c.throttled} {
		add(n, 0)
	}
	for _, result := range []string{"right", "wrong", "limited", "away", "opened", "proofRefused", "locked", "repudiated"} {
		add(c.pickup, 0, attribute.String("result", result))
	}
	for _, result := range []string{"issued", "blocked", "failed"} {
		add(c.issued, 0, attribute.String("result", result))
	}
	for _, part := range gaugeParts() {
		add(c.gaps, 0, attribute.String("part", part))
	}
}

// plain is the form of a label's value: a word of ours, or a name from the
// configuration. It admits no address, no name of a person, no number to call.
var (
	plain  = regexp.MustCompile(`^[a-z0-9][A-Za-z0-9 ._-]{0,62}$`)
	number = regexp.MustCompile(`[0-9]{6}`)
)

// gate returns value if it may be told.
func gate(value string) string {
	if !plain.MatchString(value) || number.MatchString(value) {
		return "other"
	}
	return value
}

// label is what every label goes through whose value this package does not spell
// itself.
func label(key, value string) attribute.KeyValue { return attribute.String(key, gate(value)) }

// among is label for values of a closed list.
func among[T ~string](key string, value T, list ...T) attribute.KeyValue {
	if !slices.Contains(list, value) {
		return attribute.String(key, "other")
	}
	return attribute.String(key, string(value))
}

func add(c metric.Int64Counter, n int, labels ...attribute.KeyValue) {
	c.Add(context.Background(), int64(n), metric.WithAttributes(labels...))
}

// Intake counts n things that came of what source said. Results are
// intake's own words: taken, known, quarantined and so on.
func (t *Telemetry) Intake(source, result string, n int) {
	add(t.counters.intake, n, label("source", source), label("result", result))
}

// Delivery counts a message: accepted, refused or unavailable when it was sent,
// a jml.DeliveryStatus when the provider reports.
func (t *Telemetry) Delivery(channel, result string) {
	add(t.counters.deliveries, 1, label("channel", channel), label("result", result))
	switch result {
	case DeliveryUnavailable:
		t.health.heard("channel "+gate(channel), "does not answer")
	case string(jml.DeliveryAccepted), DeliveryRefused:
		// Whoever refuses answers: that is between it and one address.
		t.health.heard("channel "+gate(channel), "")
	}
}

// What becomes of a message that no channel took.
const (
	DeliveryRefused     = "refused"
	DeliveryUnavailable = "unavailable"
)

// Sent counts what Send of a channel came to.
func (t *Telemetry) Sent(channel string, err error) {
	result := string(jml.DeliveryAccepted)
	if err != nil {
		result = DeliveryUnavailable
	}
	if f := new(jml.Fault); errors.As(err, &f) && (f.Kind == jml.FaultRefused || f.Kind == jml.FaultDenied || f.Kind == jml.FaultNotFound) {
		result = DeliveryRefused
	}
	t.Delivery(channel, result)
}

// Pickup counts what a visitor tried: opened, wrong, limited, away and so on.
func (t *Telemetry) Pickup(result string) { add(t.counters.pickup, 1, label("result", result)) }

// GraphCall is one exchange with Graph.
type GraphCall struct {
	Op       string
	Status   int // 0: no answer
	Duration time.Duration
	Date     time.Time // what Graph's clock showed; zero: it did not say
}

// Graph counts an exchange.
func (t *Telemetry) Graph(c GraphCall) {
	op := label("op", c.Op)
	code := "none"
	if c.Status > 0 {
		code = strconv.Itoa(c.Status)
	}
	add(t.counters.graph, 1, op, attribute.String("code", code))
	t.counters.graphTime.Record(context.Background(), c.Duration.Seconds(), metric.WithAttributes(op))
	if c.Status == 429 {
		add(t.counters.throttled, 1)
	}
	if !c.Date.IsZero() {
		// The header has no fractions, so the truth is half a second later on
		// average; the answer was on its way for half of the exchange.
		skew := c.Date.Add(500 * time.Millisecond).Sub(t.cfg.Now().Add(-c.Duration / 2))
		t.counters.skew.Record(context.Background(), skew.Seconds())
	}
	switch {
	case c.Status == 0:
		t.health.heard("graph", "does not answer")
	case c.Status >= 500:
		t.health.heard("graph", "answers "+code)
	case c.Status == 429:
		t.health.heard("graph", "throttles us")
	case c.Status == 401 || c.Status == 403:
		t.health.heard("graph", "denies us: consent or credential")
	default:
		t.health.heard("graph", "")
	}
}
