// Package telemetry tells how Firstpass does: metrics for Prometheus, metrics
// and traces by OTLP for who wants them pushed, and health.
//
// Nothing personal and nothing secret leaves by it. Labels of metrics come from
// closed lists or the configuration and go through one gate (see label); spans
// lose every attribute that is not on a list (see traces.go). There are no
// globals: two Telemetry in one process don't meet.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	promexporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Config is what a Telemetry needs.
type Config struct {
	Version string
	// Role says what this process does, such as "intake,work".
	Role   string
	OTLP   OTLP
	Now    func() time.Time
	Logger *slog.Logger
}

// Telemetry is where everybody tells what happened. It is safe for concurrent
// use; one a process.
type Telemetry struct {
	cfg      Config
	registry *prometheus.Registry
	meters   *sdkmetric.MeterProvider
	spans    *sdktrace.TracerProvider // nil: nobody wants traces
	counters counters
	health   *Health
}

// New returns a Telemetry. It makes no network call: a collector that is away is
// a degraded part, not an error. Its errors say which file can't be read.
func New(cfg Config) (*Telemetry, error) {
	if cfg.Now == nil || cfg.Logger == nil || cfg.Version == "" {
		return nil, errors.New("telemetry: version, clock and logger are required")
	}
	t := &Telemetry{cfg: cfg, registry: prometheus.NewRegistry(), health: newHealth(cfg)}
	t.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	// The scope would be one more label on everything, and says nothing.
	reader, err := promexporter.New(promexporter.WithRegisterer(t.registry), promexporter.WithoutScopeInfo(), promexporter.WithoutTargetInfo())
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	about := resource.NewSchemaless(
		attribute.String("service.name", "firstpass"),
		attribute.String("service.version", cfg.Version),
		attribute.String("firstpass.role", cfg.Role),
	)
	options := []sdkmetric.Option{sdkmetric.WithResource(about), sdkmetric.WithReader(reader), sdkmetric.WithView(inSeconds())}
	if cfg.OTLP.Endpoint != "" {
		push, err := t.pushed()
		if err != nil {
			return nil, err
		}
		options = append(options, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(push.metrics, sdkmetric.WithInterval(pushEvery))))
		t.spans = sdktrace.NewTracerProvider(sdktrace.WithResource(about), sdktrace.WithBatcher(push.spans))
	}
	t.meters = sdkmetric.NewMeterProvider(options...)
	if t.counters, err = newCounters(t.meter()); err != nil {
		return nil, err
	}
	t.counters.zero()
	return t, t.own()
}

// pushEvery is how often metrics are pushed.
const pushEvery = 30 * time.Second

func (t *Telemetry) meter() metric.Meter { return t.meters.Meter("firstpass") }

// inSeconds gives histograms bounds for what Firstpass waits for: the default
// ones are milliseconds.
func inSeconds() sdkmetric.View {
	return sdkmetric.NewView(
		sdkmetric.Instrument{Kind: sdkmetric.InstrumentKindHistogram, Unit: "s"},
		sdkmetric.Stream{Aggregation: sdkmetric.AggregationExplicitBucketHistogram{
			Boundaries: []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 1800, 3600, 4 * 3600, 86400},
		}},
	)
}

// own tells of this process.
func (t *Telemetry) own() error {
	build := metric.WithAttributes(attribute.String("version", t.cfg.Version), attribute.String("go", runtime.Version()), attribute.String("role", t.cfg.Role))
	_, err1 := t.meter().Int64ObservableGauge("firstpass_build_info", metric.WithDescription("1; the labels tell what runs."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error { o.Observe(1, build); return nil }))
	_, err2 := t.meter().Int64ObservableGauge("firstpass_part_up", metric.WithDescription("Whether a part that Firstpass leans on answers: 1 or 0."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			for _, p := range t.health.parts() {
				up := int64(1)
				if p.State != StateOK {
					up = 0
				}
				o.Observe(up, metric.WithAttributes(label("part", p.Part), attribute.Bool("needed", p.Needed)))
			}
			return nil
		}))
	return errors.Join(err1, err2)
}

// Health is how this process does.
func (t *Telemetry) Health() *Health { return t.health }

// Tracer makes spans; they go nowhere without OTLP.
func (t *Telemetry) Tracer() trace.Tracer { return t.tracers().Tracer("firstpass") }

// Handler serves /metrics, /livez, /startupz, /readyz and /statusz.
func (t *Telemetry) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{
		// What can be told is told: one part that does not answer must not
		// hide the others.
		ErrorHandling: promhttp.ContinueOnError,
	}))
	t.health.routes(mux)
	return mux
}

// Close pushes what there is and ends pushing.
func (t *Telemetry) Close(ctx context.Context) error {
	errs := []error{t.meters.Shutdown(ctx)}
	if t.spans != nil {
		errs = append(errs, t.spans.Shutdown(ctx))
	}
	return errors.Join(errs...)
}
