// Package rules tries the alerts with Prometheus's own engine. It is a module of
// its own: the product needs none of this.
package rules

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// rules reads what Prometheus will read, as it will.
func rules(t *testing.T) map[string]rulefmt.Rule {
	t.Helper()
	groups, errs := rulefmt.ParseFile("rules.yaml", false, model.UTF8Validation)
	for _, err := range errs {
		t.Error(err)
	}
	if t.Failed() {
		t.FailNow()
	}
	out := map[string]rulefmt.Rule{}
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			if _, twice := out[r.Alert]; twice {
				t.Errorf("%s is there twice", r.Alert)
			}
			out[r.Alert] = r
		}
	}
	return out
}

func TestForm(t *testing.T) {
	for name, r := range rules(t) {
		if !strings.HasPrefix(name, "Firstpass") {
			t.Errorf("%q: want a name that begins with Firstpass", name)
		}
		if s := r.Labels["severity"]; s != "page" && s != "ticket" {
			t.Errorf("%s: severity %q", name, s)
		}
		for _, a := range []string{"summary", "description"} {
			if r.Annotations[a] == "" {
				t.Errorf("%s has no %s", name, a)
			}
		}
		if got, want := r.Annotations["runbook_url"], "docs/operations.md#alert-"+name; got != want {
			t.Errorf("%s: runbook_url %q, want %q", name, got, want)
		}
	}
}

// series are what Prometheus has scraped every minute from its start on, in
// promtool's notation.
type series []string

// The series of a service that is well, of which each case changes some.
// minutes are how many: beyond the longest window, so that nothing fires for
// want of data.
const minutes = 4 * 24 * 60

func well() series {
	steady := func(metric string, v float64) string { return fmt.Sprintf("%s %gx%d", metric, v, minutes) }
	growing := func(metric string, by float64) string { return fmt.Sprintf("%s 0+%gx%d", metric, by, minutes) }
	now := float64(60) // per sample
	return series{
		steady(`firstpass_build_info{version="v1"}`, 1),
		steady(`firstpass_part_up{part="temporal",instance="a"}`, 1), steady(`firstpass_part_up{part="temporal",instance="b"}`, 1),
		steady(`firstpass_part_up{part="ledger"}`, 1), steady(`firstpass_part_up{part="graph"}`, 1),
		steady(`firstpass_part_up{part="channel mail"}`, 1),
		steady(`firstpass_revoke_pending_age_seconds`, 20),
		steady(`firstpass_starts_unready{when="within4h"}`, 0), steady(`firstpass_starts_unready{when="started"}`, 0),
		growing(`firstpass_starts_total{result="ready",source="hr",instance="a"}`, 1), growing(`firstpass_starts_total{result="ready",source="hr",instance="b"}`, 1),
		steady(`firstpass_starts_total{result="late",source="hr",instance="a"}`, 7), steady(`firstpass_starts_total{result="late",source="hr",instance="b"}`, 3),
		steady(`firstpass_halted`, 0),
		steady(`firstpass_intake_silent{source="hr"}`, 0), steady(`firstpass_intake_braked{source="hr"}`, 0),
		steady(`firstpass_intake_quarantine{source="hr"}`, 0),
		steady(`firstpass_pickup_attempts_total{result="repudiated"}`, 2), steady(`firstpass_pickup_attempts_total{result="locked"}`, 4),
		growing(`firstpass_pickup_attempts_total{result="wrong"}`, 0.5), steady(`firstpass_pickup_attempts_total{result="limited"}`, 0),
		growing(`firstpass_graph_requests_total{op="find user",code="200"}`, 50), steady(`firstpass_graph_requests_total{op="find user",code="403"}`, 9),
		steady(`firstpass_clock_skew_seconds`, -0.4),
		steady(`firstpass_certificate_expiry_timestamp_seconds{certificate="graph"}`, 90*86400),
		steady(`temporal_num_pollers{poller_type="workflow_task"}`, 2),
		growing(`temporal_workflow_task_schedule_to_start_latency_seconds_bucket{le="0.1"}`, 99),
		growing(`temporal_workflow_task_schedule_to_start_latency_seconds_bucket{le="10"}`, 100),
		growing(`temporal_workflow_task_schedule_to_start_latency_seconds_bucket{le="+Inf"}`, 100),
		growing(`temporal_activity_schedule_to_start_latency_seconds_bucket{le="0.1"}`, 99),
		growing(`temporal_activity_schedule_to_start_latency_seconds_bucket{le="10"}`, 100),
		growing(`temporal_activity_schedule_to_start_latency_seconds_bucket{le="+Inf"}`, 100),
		steady(`temporal_workflow_task_execution_failed_total{workflow_type="Joiner",failure_reason="WorkflowError"}`, 5),
		growing(`firstpass_board_read_timestamp_seconds`, now), growing(`firstpass_ledger_exported_timestamp_seconds`, now),
		steady(`firstpass_telemetry_gaps_total{part="sources"}`, 1),
		steady(`firstpass_ledger_append_failures_total`, 3), steady(`firstpass_ledger_broken`, 0),
	}
}

// with replaces the series of the same metric and labels, or adds one. A series
// without values is taken away.
func (s series) with(changes ...string) series {
	out := slices.Clone(s)
	for _, c := range changes {
		name, values, _ := strings.Cut(c, " ")
		if strings.Contains(c, "} ") {
			name, values, _ = strings.Cut(c, "} ")
			name += "}"
		}
		out = slices.DeleteFunc(out, func(old string) bool {
			return strings.HasPrefix(old, name+" ") || values == "" && strings.HasPrefix(old, name+"{")
		})
		if values != "" {
			out = append(out, c)
		}
	}
	return out
}

// after is a series that was steady at v and changes at the end: what follows
// are its last values.
func after(metric string, v float64, last ...float64) string {
	parts := []string{fmt.Sprintf("%gx%d", v, minutes-len(last))}
	for _, l := range last {
		parts = append(parts, fmt.Sprint(l))
	}
	return metric + " " + strings.Join(parts, " ")
}

// repeat gives n times v.
func repeat(v float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = v
	}
	return out
}

func TestAlerts(t *testing.T) {
	all := rules(t)
	tried := map[string]bool{}
	for _, tc := range []struct {
		name   string
		change []string
		want   []string // alerts, and labels of theirs
	}{
		{"all is well", nil, nil},
		{"a pass takes its time to go", []string{after(`firstpass_revoke_pending_age_seconds`, 0, 299)}, nil},
		{"a pass does not go", []string{after(`firstpass_revoke_pending_age_seconds`, 0, 301)}, []string{"FirstpassPassNotRevoked"}},
		{"a start comes near", []string{after(`firstpass_starts_unready{when="within4h"}`, 0, repeat(2, 12)...)}, []string{`FirstpassStartUnready when="within4h"`}},
		{"a start came near for a moment", []string{after(`firstpass_starts_unready{when="within4h"}`, 0, 1, 1, 1, 0)}, nil},
		{"forty of four hundred miss", []string{after(`firstpass_starts_total{result="late",source="hr",instance="b"}`, 3, 13, 23, 33, 43)}, []string{"FirstpassStartsBurnFast"}},
		{"one misses", []string{`firstpass_starts_total{result="ready",source="hr",instance="a"}`, `firstpass_starts_total{result="ready",source="hr",instance="b"}`,
			after(`firstpass_starts_total{result="ready",source="hr",instance="a"}`, 100, 101, 102, 103), after(`firstpass_starts_total{result="late",source="hr",instance="b"}`, 3, 4, 4, 4)}, nil},
		{"one of fifty, for days", []string{`firstpass_starts_total{result="late",source="hr",instance="a"} 0+0.02x` + fmt.Sprint(minutes)}, []string{"FirstpassStartsBurnSlow"}},
		{"halted over lunch", []string{after(`firstpass_halted`, 0, repeat(1, 100)...), after(`firstpass_halted_since_timestamp_seconds`, 0, repeat((minutes-100)*60, 100)...)}, nil},
		{"halted for the day", []string{after(`firstpass_halted`, 0, repeat(1, 300)...), after(`firstpass_halted_since_timestamp_seconds`, 0, repeat((minutes-300)*60, 300)...)}, []string{"FirstpassHaltedLong"}},
		{"a source is silent", []string{after(`firstpass_intake_silent{source="hr"}`, 0, repeat(1, 7)...)}, []string{`FirstpassSourceSilent source="hr"`}},
		{"quarantined and mended", []string{after(`firstpass_intake_quarantine{source="hr"}`, 0, repeat(3, 50)...)}, nil},
		{"quarantined", []string{after(`firstpass_intake_quarantine{source="hr"}`, 0, repeat(3, 62)...)}, []string{`FirstpassQuarantine source="hr"`}},
		{"braked", []string{after(`firstpass_intake_braked{source="hr"}`, 0, 1, 1, 1)}, []string{`FirstpassBrakeTripped source="hr"`}},
		{"not me", []string{after(`firstpass_pickup_attempts_total{result="repudiated"}`, 2, 3, 3, 3)}, []string{"FirstpassRepudiated"}},
		{"one locked out", []string{after(`firstpass_pickup_attempts_total{result="locked"}`, 4, 5, 5, 5)}, nil},
		{"several locked out", []string{after(`firstpass_pickup_attempts_total{result="locked"}`, 4, 5, 6, 8, 8)}, []string{"FirstpassPickupLockouts"}},
		{"codes are tried", []string{after(`firstpass_pickup_attempts_total{result="limited"}`, 0, 10, 30, 50)}, []string{"FirstpassWrongCodes"}},
		{"denied once", []string{after(`firstpass_graph_requests_total{op="find user",code="403"}`, 9, 10, 10)}, nil},
		{"denied", []string{after(`firstpass_graph_requests_total{op="find user",code="403"}`, 9, 12, 15, 15)}, []string{`FirstpassGraphDenied op="find user"`}},
		{"denied for the first time", []string{fmt.Sprintf(`firstpass_graph_requests_total{op="create pass",code="401"} _x%d 4 4`, minutes-2)}, []string{`FirstpassGraphDenied op="create pass"`}},
		{"Graph is away", []string{after(`firstpass_part_up{part="graph"}`, 1, repeat(0, 17)...)}, []string{"FirstpassGraphAway"}},
		{"a channel is away", []string{after(`firstpass_part_up{part="channel mail"}`, 1, repeat(0, 17)...)}, []string{`FirstpassChannelAway part="channel mail"`}},
		{"our clock is ahead", []string{after(`firstpass_clock_skew_seconds`, 0, repeat(-45, 7)...)}, []string{"FirstpassClockSkew"}},
		{"a certificate ends", []string{fmt.Sprintf(`firstpass_certificate_expiry_timestamp_seconds{certificate="graph"} %dx%d`, minutes*60+29*86400, minutes)}, []string{`FirstpassCertificateExpiry certificate="graph"`}},
		{"a certificate is good", []string{fmt.Sprintf(`firstpass_certificate_expiry_timestamp_seconds{certificate="graph"} %dx%d`, minutes*60+31*86400, minutes)}, nil},
		{"nothing is scraped", []string{fmt.Sprintf(`firstpass_build_info{version="v1"} 1x%d _x12`, minutes-12)}, []string{"FirstpassDown"}},
		{"Temporal is away for one of two", []string{after(`firstpass_part_up{part="temporal",instance="b"}`, 1, repeat(0, 4)...)}, []string{"FirstpassTemporalAway"}},
		{"nobody polls", []string{after(`temporal_num_pollers{poller_type="workflow_task"}`, 2, repeat(0, 7)...)}, []string{"FirstpassNoPollers"}},
		{"nobody ever polled", []string{`temporal_num_pollers`}, []string{"FirstpassNoPollers"}},
		{"workers are behind", []string{
			fmt.Sprintf(`temporal_activity_schedule_to_start_latency_seconds_bucket{le="0.1"} 0+50x%d`, minutes),
		}, []string{"FirstpassWorkersBehind"}},
		{"a workflow task fails", []string{after(`temporal_workflow_task_execution_failed_total{workflow_type="Joiner",failure_reason="WorkflowError"}`, 5, 6, 6)}, []string{`FirstpassWorkflowTasksFail failure_reason="WorkflowError" workflow_type="Joiner"`}},
		{"a workflow task fails for the first time", []string{fmt.Sprintf(`temporal_workflow_task_execution_failed_total{workflow_type="Pass",failure_reason="NonDeterminismError"} _x%d 1 1`, minutes-2)}, []string{`FirstpassWorkflowTasksFail failure_reason="NonDeterminismError" workflow_type="Pass"`}},
		{"the board is not read", []string{after(`firstpass_board_read_timestamp_seconds`, (minutes-20)*60)}, []string{"FirstpassBoardStale"}},
		{"there is no board", []string{`firstpass_board_read_timestamp_seconds`}, []string{"FirstpassBoardStale"}},
		{"gauges have gaps", []string{after(`firstpass_telemetry_gaps_total{part="sources"}`, 1, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22)}, []string{`FirstpassTelemetryGaps part="sources"`}},
		{"the ledger takes no rows", []string{after(`firstpass_ledger_append_failures_total`, 3, 4, 4)}, []string{"FirstpassLedgerFailing"}},
		{"the ledger is away", []string{after(`firstpass_part_up{part="ledger"}`, 1, 0)}, []string{"FirstpassLedgerFailing"}},
		{"heads don't leave", []string{fmt.Sprintf(`firstpass_ledger_exported_timestamp_seconds %dx%d`, (minutes-27*60)*60, minutes)}, []string{"FirstpassHeadNotExported"}},
		{"the chain is broken", []string{after(`firstpass_ledger_broken`, 0, 1)}, []string{"FirstpassLedgerBroken"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			data := read(t, well().with(tc.change...))
			var got []string
			for name, r := range all {
				got = append(got, data.firing(t, name, r)...)
			}
			slices.Sort(got)
			if !slices.Equal(got, tc.want) {
				t.Errorf("fires %q, want %q", got, tc.want)
			}
		})
		for _, w := range tc.want {
			name, _, _ := strings.Cut(w, " ")
			tried[name] = true
		}
	}
	for name := range all {
		if !tried[name] {
			t.Errorf("no case makes %s fire", name)
		}
	}
}

// data is a store that holds what was scraped.
type data []storage.Series

func read(t *testing.T, list series) data {
	t.Helper()
	var out data
	for _, line := range list {
		of, values, err := parser.ParseSeriesDesc(line)
		if err != nil {
			t.Fatalf("%s: %v", line[:min(len(line), 90)], err)
		}
		var samples []chunks.Sample
		for i, v := range values {
			if !v.Omitted {
				samples = append(samples, sample{int64(i) * time.Minute.Milliseconds(), v.Value})
			}
		}
		out = append(out, storage.NewListSeries(of, samples))
	}
	return out
}

// firing returns the alert with its labels if it fires at the end: its
// expression has had the same labels at every evaluation for as long as it asks.
func (d data) firing(t *testing.T, name string, r rulefmt.Rule) (out []string) {
	t.Helper()
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 5e6, Timeout: time.Minute, LookbackDelta: 5 * time.Minute})
	defer engine.Close()
	end := time.Unix(minutes*60, 0)
	q, err := engine.NewRangeQuery(t.Context(), d, nil, r.Expr, end.Add(-time.Duration(r.For)), end, time.Minute)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	defer q.Close()
	result := q.Exec(t.Context())
	if result.Err != nil {
		t.Fatalf("%s: %v", name, result.Err)
	}
	m, err := result.Matrix()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	steps := int(time.Duration(r.For)/time.Minute) + 1
	for _, s := range m {
		if len(s.Floats) < steps {
			continue
		}
		if v := s.Floats[len(s.Floats)-1].F; math.IsNaN(v) {
			t.Errorf("%s fires on no number", name)
		}
		text := name
		s.Metric.Range(func(l labels.Label) {
			// of the metric that is absent, not of what is wrong
			if l.Name != "poller_type" {
				text += fmt.Sprintf(" %s=%q", l.Name, l.Value)
			}
		})
		out = append(out, text)
	}
	return out
}

func (d data) Querier(int64, int64) (storage.Querier, error) { return d, nil }

func (d data) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	var found []storage.Series
	for _, s := range d {
		if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(s.Labels().Get(m.Name)) }) {
			found = append(found, s)
		}
	}
	return &set{list: found, at: -1}
}

func (data) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (data) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (data) Close() error { return nil }

type set struct {
	list []storage.Series
	at   int
}

func (s *set) Next() bool                      { s.at++; return s.at < len(s.list) }
func (s *set) At() storage.Series              { return s.list[s.at] }
func (*set) Err() error                        { return nil }
func (*set) Warnings() annotations.Annotations { return nil }

type sample struct {
	t int64
	v float64
}

func (s sample) T() int64                    { return s.t }
func (s sample) F() float64                  { return s.v }
func (sample) H() *histogram.Histogram       { return nil }
func (sample) FH() *histogram.FloatHistogram { return nil }
func (sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample         { return s }
