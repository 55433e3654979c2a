package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.temporal.io/sdk/client"
	temporalotel "go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"google.golang.org/protobuf/proto"

	"firstpass.internal/activities"
	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops/board"
	"firstpass.internal/internal/secret"
	"firstpass.internal/workflows"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// canaries are what must never be told. Tests put them wherever a word goes in.
var canaries = []string{"freja.holm@example.org", "Freja Holm", "+4520000001", "CANARY-PASSCODE-7Q", "https://pass.example.org/p#CANARYLINK"}

const address = "freja.holm@example.org"

func newTest(t *testing.T, change ...func(*Config)) *Telemetry {
	t.Helper()
	cfg := Config{Version: "v1.2.3", Role: "work", Now: func() time.Time { return noon }, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&cfg)
	}
	tel, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tel.Close(context.WithoutCancel(t.Context())) })
	return tel
}

func get(t *testing.T, tel *Telemetry, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	tel.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

// value returns the sample of a series; "" if there is none.
func value(t *testing.T, tel *Telemetry, series string) string {
	t.Helper()
	_, text := get(t, tel, "/metrics")
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

type rows []board.Row

func (r rows) Rows(board.Filter) []board.Row { return r }
func (rows) State() board.State              { return board.State{Read: noon.Add(-time.Minute)} }

// full is a world in which everything is told.
func full(t *testing.T) World {
	return World{
		Board:   rows{{Kind: jml.KindJoiner, Stage: jml.StageBlocked, Reason: jml.ReasonUserNotFound, Changed: noon.Add(-time.Hour)}},
		Sources: func(context.Context) ([]Source, error) { return []Source{{Name: "hr", Heard: noon}}, nil },
		Halt:    func(context.Context) (Halt, error) { return Halt{On: true, Since: noon}, nil },
		Chain: func(context.Context) (Chain, error) {
			return Chain{Rows: 7, Verified: noon, Exported: noon}, nil
		},
		Starts:       func(context.Context) ([]Starts, error) { return []Starts{{Source: "hr", Ready: 99}}, nil },
		Certificates: map[string]string{"graph": certificateFile(t)},
	}
}

// sdk tells everything that the Temporal SDK can, by its own list, through the
// handler that clients get.
func sdk(t *testing.T, tel *Telemetry) {
	t.Helper()
	var o client.Options
	if err := tel.Temporal(&o); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "go.temporal.io/sdk/internal/common/metrics").Output()
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "constants.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, m := range regexp.MustCompile(`(?m)^\s+(\w+)\s*= Temporal(?:MetricsPrefix|Request|LongRequest) \+ "(\w+)"`).FindAllStringSubmatch(string(list), -1) {
		name := "temporal_" + strings.TrimPrefix(m[2], "_")
		switch {
		case strings.HasPrefix(m[2], "_") && strings.HasPrefix(m[1], "TemporalLongRequest"):
			name = "temporal_long_request" + m[2]
		case strings.HasPrefix(m[2], "_"):
			name = "temporal_request" + m[2]
		}
		switch {
		case strings.HasSuffix(m[1], "Latency"):
			o.MetricsHandler.Timer(name).Record(time.Second)
		case strings.HasSuffix(m[1], "Counter"), strings.HasSuffix(m[1], "Failure"):
			o.MetricsHandler.Counter(name).Inc(1)
		default:
			o.MetricsHandler.Gauge(name).Update(1)
		}
		found++
	}
	if found < 30 {
		t.Fatalf("only %d metrics found in the SDK: does the pattern still fit?", found)
	}
}

// everything makes tel tell all it can.
func everything(t *testing.T, tel *Telemetry) {
	t.Helper()
	if err := tel.Watch(full(t)); err != nil {
		t.Fatal(err)
	}
	sdk(t, tel)
	tel.Intake("hr", "taken", 3)
	tel.Sent("mail", nil)
	tel.Graph(GraphCall{Op: "find user", Status: 200, Duration: time.Millisecond, Date: noon})
	if err := tel.Trail(sink{}).Append(t.Context(), audit.Entry{Event: audit.EventPassIssued}); err != nil {
		t.Fatal(err)
	}
	w := tel.Work(worker{revoked: []string{"m"}})
	_, _ = w.RevokePass(t.Context(), workflows.RevokeInput{Reason: "registered"})
	_, _ = w.LookForMethod(t.Context(), workflows.LookInput{UsableFrom: noon})
	tel.Health().Need("temporal", func(context.Context) error { return nil })
	tel.Health().Start()
}

// TestNamedMetricsAreTold: what rules and dashboards ask for is there to be
// asked for.
func TestNamedMetricsAreTold(t *testing.T) {
	tel := newTest(t)
	everything(t, tel)
	_, text := get(t, tel, "/metrics")
	told := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z][a-z0-9_]*)[{ ]`).FindAllStringSubmatch(text, -1) {
		told[m[1]] = true
	}
	files, err := filepath.Glob("../../deploy/grafana/*.json")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	used := map[string]bool{}
	for _, f := range append(files, "../../deploy/prometheus/rules.yaml") {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		// A uid of a dashboard has hyphens.
		for _, name := range regexp.MustCompile(`\b(?:firstpass|temporal|process|go)_[a-z0-9_]+\b`).FindAllString(string(raw), -1) {
			named++
			used[name] = true
			if !told[name] {
				t.Errorf("%s names %s, which nobody tells", filepath.Base(f), name)
			}
		}
	}
	if len(files) < 4 || named < 60 {
		t.Errorf("%d dashboards with %d names: do the patterns still fit?", len(files), named)
	}
	for name := range told {
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if strings.HasPrefix(name, "firstpass_") && !used[name] && !used[base] && !used[base+"_bucket"] {
			t.Errorf("%s is told and nobody looks at it", name)
		}
	}
}

// TestNothingPersonalIsTold: whatever words come in where one goes, no canary
// comes out.
func TestNothingPersonalIsTold(t *testing.T) {
	tel := newTest(t)
	everything(t, tel)
	for _, c := range canaries {
		tel.Intake(c, c, 1)
		tel.Sent(c, &jml.Fault{System: c, Op: c, Kind: jml.FaultRefused, Text: c})
		tel.Sent(c, errors.New(c))
		tel.Delivery(c, c)
		tel.Pickup(c)
		for range missesToDegrade {
			tel.Graph(GraphCall{Op: c, Status: 503})
			tel.Sent(c, errors.New(c))
		}
		trail := tel.Trail(sink{})
		for _, e := range []audit.Event{audit.Event(c), audit.EventPassRevoke, audit.Event(workflows.StepRepudiated)} {
			if err := trail.Append(t.Context(), audit.Entry{Event: e, Ref: c, UserID: c, MethodID: c, RequestID: c, Outcome: c, Reason: c, Actor: c, Detail: c}); err != nil {
				t.Fatal(err)
			}
		}
		w := tel.Work(worker{err: errors.New(c), revoked: []string{c}})
		_, _ = w.IssuePass(t.Context(), workflows.IssueInput{Ref: c, Notice: jml.Notice{Recipient: c}})
		_, _ = tel.Work(worker{revoked: []string{c}}).RevokePass(t.Context(), workflows.RevokeInput{Reason: c})
	}
	places := newTally(noon)
	for _, c := range canaries {
		places.add(board.Row{Kind: jml.Kind(c), Stage: jml.Stage(c), Reason: jml.BlockReason(c), Source: c, Ref: c, Site: c, Channel: c})
	}
	told := ""
	for p := range places.journeys {
		for _, l := range p.labels() {
			told += l.Value.AsString() + "\n"
		}
	}
	for _, path := range []string{"/metrics", "/statusz", "/readyz"} {
		_, text := get(t, tel, path)
		told += text
	}
	for _, c := range canaries {
		if strings.Contains(told, c) {
			t.Errorf("%q is told", c)
		}
	}
	if strings.Contains(told, "example.org") || strings.Contains(told, "4520000001") {
		t.Error("part of an address is told")
	}
}

func TestGauges(t *testing.T) {
	at := func(d time.Duration) time.Time { return noon.Add(d) }
	for _, tc := range []struct {
		name string
		row  board.Row
		want map[string]string
	}{
		{"blocked near the start", board.Row{Kind: jml.KindJoiner, Stage: jml.StageBlocked, Reason: jml.ReasonUserNotFound, NeedsAction: true, Starts: at(3 * time.Hour), Changed: at(-time.Hour)},
			map[string]string{
				`firstpass_starts_unready{when="within4h"}`:                                                 "1",
				`firstpass_journeys{kind="joiner",reason="userNotFound",stage="blocked"}`:                   "1",
				`firstpass_journey_oldest_age_seconds{kind="joiner",reason="userNotFound",stage="blocked"}`: "3600",
				`firstpass_journeys_need_action`:                                                            "1",
			}},
		{"blocked long before", board.Row{Kind: jml.KindJoiner, Stage: jml.StageBlocked, Starts: at(5 * time.Hour)},
			map[string]string{`firstpass_starts_unready{when="within4h"}`: "0", `firstpass_starts_unready{when="started"}`: "0"}},
		{"scheduled, and waits as its profile says", board.Row{Kind: jml.KindJoiner, Stage: jml.StageScheduled, Starts: at(time.Hour)},
			map[string]string{`firstpass_starts_unready{when="within4h"}`: "0"}},
		{"scheduled, and has started", board.Row{Kind: jml.KindJoiner, Stage: jml.StageScheduled, Starts: at(-time.Hour)},
			map[string]string{`firstpass_starts_unready{when="started"}`: "1"}},
		{"being issued", board.Row{Kind: jml.KindJoiner, Stage: jml.StagePass, Pass: jml.StageIssuing, Starts: at(time.Hour)},
			map[string]string{`firstpass_starts_unready{when="within4h"}`: "1", `firstpass_journeys{kind="joiner",stage="issuing"}`: "1"}},
		{"invited", board.Row{Kind: jml.KindJoiner, Stage: jml.StagePass, Pass: jml.StageInvited, PassID: "pass/1", Starts: at(time.Hour)},
			map[string]string{`firstpass_starts_unready{when="within4h"}`: "0", `firstpass_passes_live`: "0"}},
		{"handed over", board.Row{Kind: jml.KindJoiner, Stage: jml.StagePass, Pass: jml.StageWaiting, PassID: "pass/1", Expires: at(time.Hour)},
			map[string]string{`firstpass_passes_live`: "1", `firstpass_revoke_pending_age_seconds`: "0"}},
		{"another kind has no start to miss", board.Row{Kind: jml.KindRecovery, Stage: jml.StageBlocked, Starts: at(-time.Hour)},
			map[string]string{`firstpass_starts_unready{when="started"}`: "0"}},
		{"closed, and its pass is not gone", board.Row{Kind: jml.KindJoiner, Stage: jml.StageCancelled, Pass: jml.StageRevoking, PassID: "pass/1", Changed: at(-10 * time.Minute), Closed: at(-10 * time.Minute)},
			map[string]string{`firstpass_revoke_pending_age_seconds`: "600", `firstpass_journeys{kind="joiner",stage="cancelled"}`: "", `firstpass_journeys_need_action`: "0"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tel := newTest(t)
			if err := tel.Watch(World{Board: rows{tc.row}}); err != nil {
				t.Fatal(err)
			}
			for series, want := range tc.want {
				if got := value(t, tel, series); got != want {
					t.Errorf("%s is %q, want %q", series, got, want)
				}
			}
		})
	}
}

// TestGap: a part that does not answer is counted, and hides no other.
func TestGap(t *testing.T) {
	tel := newTest(t)
	w := full(t)
	w.Sources = func(context.Context) ([]Source, error) { return nil, errors.New("database " + address) }
	w.Certificates["pickup"] = filepath.Join(t.TempDir(), "none")
	if err := tel.Watch(w); err != nil {
		t.Fatal(err)
	}
	get(t, tel, "/metrics")
	for series, want := range map[string]string{
		`firstpass_telemetry_gaps_total{part="sources"}`:      "1",
		`firstpass_telemetry_gaps_total{part="certificates"}`: "1",
		`firstpass_telemetry_gaps_total{part="halt"}`:         "0",
		`firstpass_halted`: "1",
		`firstpass_certificate_expiry_timestamp_seconds{certificate="graph"}`: "2.0883312e+09",
		`firstpass_starts_total{result="ready",source="hr"}`:                  "99",
		`firstpass_starts_total{result="late",source="hr"}`:                   "0",
	} {
		// The second scrape has counted the first.
		if got := value(t, tel, series); got != want && !strings.Contains(series, "gaps") || strings.Contains(series, "gaps") && (got == "0") != (want == "0") {
			t.Errorf("%s is %q, want %q", series, got, want)
		}
	}
}

func TestCounters(t *testing.T) {
	tel := newTest(t)
	trail := tel.Trail(sink{})
	for _, e := range []audit.Event{audit.EventPassIssued, audit.EventPassIssued, audit.Event(workflows.StepLocked)} {
		if err := trail.Append(t.Context(), audit.Entry{Event: e}); err != nil {
			t.Fatal(err)
		}
	}
	broken := errors.New("disk full")
	if err := tel.Trail(sink{broken}).Append(t.Context(), audit.Entry{Event: audit.EventPassIssue}); !errors.Is(err, broken) {
		t.Errorf("the ledger's error became %v", err)
	}
	work := tel.Work(worker{revoked: []string{"a", "b"}})
	if _, err := work.RevokePass(t.Context(), workflows.RevokeInput{Reason: string(jml.EndRegistered)}); err != nil {
		t.Fatal(err)
	}
	if _, err := work.LookForMethod(t.Context(), workflows.LookInput{UsableFrom: noon}); err != nil {
		t.Fatal(err)
	}
	if _, err := work.IssuePass(t.Context(), workflows.IssueInput{}); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{temporal.NewNonRetryableApplicationError("no", "blocked", nil), errors.New("away")} {
		if _, got := tel.Work(worker{err: err}).IssuePass(t.Context(), workflows.IssueInput{}); !errors.Is(got, err) {
			t.Errorf("the activity's error became %v", got)
		}
	}
	if _, err := tel.Work(worker{err: broken}).RevokePass(t.Context(), workflows.RevokeInput{}); err == nil {
		t.Error("the activity's error is gone")
	}
	for _, err := range []error{nil, &jml.Fault{Kind: jml.FaultRefused}, &jml.Fault{Kind: jml.FaultThrottled}, broken} {
		_, _ = tel.Sender(post{err: err}).Send(t.Context(), jml.Notice{Channel: "mail"}, secret.Contents{})
	}
	tel.Delivery("mail", string(jml.DeliveryBounced))
	tel.Graph(GraphCall{Op: "create pass", Status: 429, Duration: 2 * time.Second})
	tel.Graph(GraphCall{Op: "create pass"})
	tel.Graph(GraphCall{Op: "create pass", Status: 201, Duration: time.Second, Date: noon.Add(-10 * time.Second)})
	for series, want := range map[string]string{
		`firstpass_ledger_rows_total{event="pass.issued"}`:                            "2",
		`firstpass_ledger_append_failures_total`:                                      "1",
		`firstpass_pickup_attempts_total{result="locked"}`:                            "1",
		`firstpass_pickup_attempts_total{result="repudiated"}`:                        "0",
		`firstpass_passes_revoked_total{reason="registered"}`:                         "2",
		`firstpass_revoke_failures_total`:                                             "1",
		`firstpass_registration_wait_seconds_sum`:                                     "1200",
		`firstpass_passes_issued_total{result="issued"}`:                              "1",
		`firstpass_passes_issued_total{result="blocked"}`:                             "1",
		`firstpass_passes_issued_total{result="failed"}`:                              "1",
		`firstpass_deliveries_total{channel="mail",result="accepted"}`:                "1",
		`firstpass_deliveries_total{channel="mail",result="refused"}`:                 "1",
		`firstpass_deliveries_total{channel="mail",result="unavailable"}`:             "2",
		`firstpass_deliveries_total{channel="mail",result="bounced"}`:                 "1",
		`firstpass_graph_requests_total{code="429",op="create pass"}`:                 "1",
		`firstpass_graph_requests_total{code="none",op="create pass"}`:                "1",
		`firstpass_graph_throttled_total`:                                             "1",
		`firstpass_graph_request_seconds_count{op="create pass"}`:                     "3",
		`firstpass_clock_skew_seconds`:                                                "-9",
		`firstpass_telemetry_gaps_total{part="board"}`:                                "0",
		`firstpass_build_info{go="` + goVersion() + `",role="work",version="v1.2.3"}`: "1",
	} {
		if got := value(t, tel, series); got != want {
			t.Errorf("%s is %q, want %q", series, got, want)
		}
	}
}

// TestWorkKeepsNames: Temporal finds the activities by the names it knows.
func TestWorkKeepsNames(t *testing.T) {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(newTest(t).Work(worker{}))
	for _, name := range []string{"IssuePass", "RevokePass", "LookForMethod", "Preflight"} {
		if _, err := env.ExecuteActivity(name, map[string]any{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSpans: what leaves has no attribute that is not on the list, no event, no
// words of an error, and no canary in any byte.
func TestSpans(t *testing.T) {
	c := newCollector(t)
	tel := newTest(t, func(cfg *Config) { cfg.OTLP = OTLP{Endpoint: c.server.URL, HeadersFile: c.headers(t)} })
	ctx, span := tel.Tracer().Start(t.Context(), "RunActivity:IssuePass", trace.WithAttributes(
		attribute.String("temporalWorkflowID", "joiner/hr/q7k2m9w4"), attribute.String("temporalRunID", address),
		attribute.String("employee", canaries[1]), attribute.String("url.full", canaries[4])))
	span.AddEvent("sent to " + address)
	span.RecordError(errors.New("no such user: " + address))
	span.SetStatus(codes.Error, address)
	_, child := tel.Tracer().Start(ctx, "child")
	child.End()
	span.End()

	// A request from outside, whose path is a secret and whose headers are
	// anybody's words.
	inside := trace.SpanContext{}
	page := tel.Serve("pickup", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { inside = trace.SpanContextFromContext(r.Context()) }))
	r := httptest.NewRequest(http.MethodGet, "/v1/intake/hr/CANARY-PASSCODE-7Q?name=Freja", nil)
	r.Header.Set("User-Agent", "Freja Holm")
	const foreign = "4bf92f3577b34da6a3ce929d0e0e4736"
	r.Header.Set("traceparent", "00-"+foreign+"-00f067aa0ba902b7-01")
	r.Header.Set("tracestate", "vendor=Freja.Holm")
	r.Header.Set("baggage", "person="+address)
	page.ServeHTTP(httptest.NewRecorder(), r)
	if inside.TraceID().String() == foreign || inside.TraceState().Len() > 0 || !inside.IsValid() {
		t.Errorf("the caller's trace goes on in ours: %v", inside)
	}
	if err := tel.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	sent := c.spans(t)
	if len(sent) != 3 {
		t.Fatalf("%d spans left, want 3", len(sent))
	}
	for name, attributes := range sent {
		for _, a := range attributes {
			if !slices.Contains(exported(), attribute.Key(a)) {
				t.Errorf("span %s leaves with %s", name, a)
			}
		}
	}
	if !slices.Contains(sent["RunActivity:IssuePass"], "temporalWorkflowID") || slices.Contains(sent["RunActivity:IssuePass"], "temporalRunID") {
		t.Errorf("attributes of the activity: %v", sent["RunActivity:IssuePass"])
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for path, bodies := range c.got {
		for _, canary := range append(slices.Clone(canaries), "freja", "Freja", "CANARY", "vendor") {
			if bytes.Contains(bytes.Join(bodies, nil), []byte(canary)) {
				t.Errorf("%s holds %q", path, canary)
			}
		}
	}
	if len(c.got["/v1/metrics"]) == 0 {
		t.Error("no metrics were pushed")
	}
	if c.token != "Bearer example" {
		t.Errorf("the header was %q", c.token)
	}
}

// TestTemporalHeaders: what tracing puts into Temporal's headers, which no codec
// encrypts, is one traceparent.
func TestTemporalHeaders(t *testing.T) {
	c := newCollector(t)
	tel := newTest(t, func(cfg *Config) { cfg.OTLP.Endpoint = c.server.URL })
	tracer, err := temporalotel.NewTracer(tel.tracerOptions())
	if err != nil {
		t.Fatal(err)
	}
	span, err := tracer.StartSpan(&interceptor.TracerStartSpanOptions{Operation: "StartWorkflow", Name: "Joiner", Time: noon, ToHeader: true,
		Tags: map[string]string{"temporalWorkflowID": address}})
	if err != nil {
		t.Fatal(err)
	}
	header, err := tracer.MarshalSpan(span)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		if k != "traceparent" || !regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`).MatchString(v) {
			t.Errorf("header %s: %s", k, v)
		}
	}
	if ref, err := tracer.UnmarshalSpan(header); err != nil || ref == nil {
		t.Errorf("the next process reads %v, %v", ref, err)
	}
	var o client.Options
	if err := tel.Temporal(&o); err != nil || len(o.Interceptors) != 1 || o.MetricsHandler == nil {
		t.Errorf("with OTLP: %d interceptors, %v", len(o.Interceptors), err)
	}
	o = client.Options{}
	if err := newTest(t).Temporal(&o); err != nil || len(o.Interceptors) != 0 || o.MetricsHandler == nil {
		t.Errorf("without OTLP: %d interceptors, %v", len(o.Interceptors), err)
	}
}

// TestCollectorAway: it is a degraded part, and nobody waits.
func TestCollectorAway(t *testing.T) {
	away := httptest.NewServer(http.NotFoundHandler())
	defer away.Close()
	tel := newTest(t, func(cfg *Config) { cfg.OTLP.Endpoint = away.URL })
	for range missesToDegrade {
		if err := tel.meters.ForceFlush(t.Context()); err != nil {
			t.Errorf("a push that failed is an error: %v", err)
		}
	}
	if s := tel.Health().Status(); s.State != StateStarting || len(s.Parts) != 1 || s.Parts[0].Part != "otlp" || s.Parts[0].State != StateDegraded {
		t.Errorf("%+v", s)
	}
}

func TestHeaders(t *testing.T) {
	file := filepath.Join(t.TempDir(), "headers")
	for _, tc := range []struct {
		text string
		want map[string]string // nil: refused
	}{
		{"", map[string]string{}},
		{"Authorization: Bearer a:b\n\n X-Scope : 7 \n", map[string]string{"Authorization": "Bearer a:b", "X-Scope": "7"}},
		{"hunter2", nil},
		{"A: b\nhunter2 : x y\nhunter2", nil},
		{": hunter2", nil},
		{"two words: x", nil},
	} {
		if err := os.WriteFile(file, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readHeaders(file)
		if diff := cmp.Diff(tc.want, got); diff != "" || (err != nil) != (tc.want == nil) {
			t.Errorf("%q: %v\n%s", tc.text, err, diff)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error quotes the file: %v", err)
		}
	}
	for _, o := range []OTLP{{HeadersFile: "/nowhere"}, {CAFile: "/nowhere"}, {CAFile: file}} {
		o.Endpoint = "https://collector.example.org"
		if _, err := New(Config{Version: "v", Now: time.Now, Logger: slog.New(slog.DiscardHandler), OTLP: o}); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

// sink is a ledger.
type sink struct{ err error }

func (s sink) Append(context.Context, audit.Entry) error { return s.err }

// worker does nothing for the journeys, or fails.
type worker struct {
	workflows.Activities
	revoked []string
	err     error
}

func (w worker) Preflight(context.Context, workflows.PreflightInput) (jml.Verdict, error) {
	return jml.Verdict{}, w.err
}

func (w worker) IssuePass(context.Context, workflows.IssueInput) (workflows.IssueResult, error) {
	return workflows.IssueResult{}, w.err
}

func (w worker) RevokePass(context.Context, workflows.RevokeInput) (workflows.RevokeResult, error) {
	return workflows.RevokeResult{MethodIDs: w.revoked}, w.err
}

func (w worker) LookForMethod(context.Context, workflows.LookInput) (workflows.LookResult, error) {
	return workflows.LookResult{Method: &jml.Method{Kind: jml.MethodFIDO2, CreatedAt: noon.Add(20 * time.Minute)}}, w.err
}

// post is a sender.
type post struct {
	activities.Sender
	err error
}

func (p post) Send(context.Context, jml.Notice, secret.Contents) (jml.Receipt, error) {
	return jml.Receipt{}, p.err
}

// receiver is a collector of OTLP.
type receiver struct {
	server *httptest.Server
	mu     sync.Mutex
	got    map[string][][]byte
	token  string
}

func newCollector(t *testing.T) *receiver {
	c := &receiver{got: map[string][][]byte{}}
	c.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.got[r.URL.Path] = append(c.got[r.URL.Path], body)
		c.token = r.Header.Get("Authorization")
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(c.server.Close)
	return c
}

func (c *receiver) headers(t *testing.T) string {
	file := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(file, []byte("Authorization: Bearer example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// spans returns the attributes of what came, by the name of the span.
func (c *receiver) spans(t *testing.T) map[string][]string {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string][]string{}
	for _, body := range c.got["/v1/traces"] {
		var r collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &r); err != nil {
			t.Fatal(err)
		}
		for _, rs := range r.GetResourceSpans() {
			for _, ss := range rs.GetScopeSpans() {
				for _, s := range ss.GetSpans() {
					out[s.GetName()] = []string{}
					for _, a := range s.GetAttributes() {
						out[s.GetName()] = append(out[s.GetName()], a.GetKey())
					}
					if len(s.GetEvents()) > 0 || s.GetStatus().GetMessage() != "" || s.GetTraceState() != "" {
						t.Errorf("span %s leaves with words: %v %v", s.GetName(), s.GetEvents(), s.GetStatus())
					}
				}
			}
		}
	}
	return out
}

// statusz reads /statusz.
func statusz(t *testing.T, tel *Telemetry) Status {
	t.Helper()
	_, text := get(t, tel, "/statusz")
	var s Status
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	return s
}
