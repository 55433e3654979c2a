package telemetry

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"go.temporal.io/sdk/client"
	temporalotel "go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
)

func (t *Telemetry) tracers() trace.TracerProvider {
	if t.spans == nil {
		return noop.NewTracerProvider()
	}
	return t.spans
}

// Temporal has the client, and every worker made with it, tell what it does.
// What traces add to Temporal's headers, which no codec encrypts, is one
// traceparent: random numbers.
func (t *Telemetry) Temporal(o *client.Options) error {
	o.MetricsHandler = temporalotel.NewMetricsHandler(temporalotel.MetricsHandlerOptions{
		Meter:                t.meters.Meter("temporal"),
		UseMonotonicCounters: true,
		// The default is to panic.
		OnError: func(err error) { t.cfg.Logger.Warn("a metric of the Temporal SDK can't be made", "error", err) },
	})
	if t.spans == nil {
		return nil
	}
	tracing, err := temporalotel.NewTracingInterceptor(t.tracerOptions())
	if err != nil {
		return err
	}
	o.Interceptors = append(o.Interceptors, interceptor.ClientInterceptor(tracing))
	return nil
}

func (t *Telemetry) tracerOptions() temporalotel.TracerOptions {
	return temporalotel.TracerOptions{
		Tracer:            t.Tracer(),
		TextMapPropagator: parent{},
		DisableBaggage:    true,
		// A journey may have begun under another version.
		AllowInvalidParentSpans: true,
	}
}

// Serve makes a span of each request to next. Callers from outside begin a trace
// of their own: whoever could name ours could fill it.
func (t *Telemetry) Serve(name string, next http.Handler) http.Handler {
	if t.spans == nil {
		return next
	}
	return otelhttp.NewHandler(next, name,
		otelhttp.WithTracerProvider(t.spans),
		otelhttp.WithPropagators(parent{}),
		otelhttp.WithMeterProvider(sdkmetric.NewMeterProvider()), // without a reader: our own metrics say enough
		otelhttp.WithPublicEndpointFn(func(*http.Request) bool { return true }),
		// A path may hold a key or a link.
		otelhttp.WithSpanNameFormatter(func(name string, r *http.Request) string {
			if !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}, r.Method) {
				return name
			}
			return r.Method + " " + name
		}),
	)
}

// parent carries W3C's traceparent and nothing else: tracestate is anybody's
// text. https://www.w3.org/TR/trace-context/
type parent struct{}

const traceparent = "traceparent"

func (parent) Fields() []string { return []string{traceparent} }

func (parent) Inject(ctx context.Context, to propagation.TextMapCarrier) {
	carried := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carried)
	if v := carried[traceparent]; v != "" {
		to.Set(traceparent, v)
	}
}

func (parent) Extract(ctx context.Context, from propagation.TextMapCarrier) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{traceparent: from.Get(traceparent)})
}

// clean is a span as it may leave: with what is on the list, and without events
// and words of errors, which quote whatever was at hand.
type clean struct{ sdktrace.ReadOnlySpan }

// exported are the attributes that leave. Workflow IDs and update IDs are
// opaque: keyed hashes, object ids, random numbers.
func exported() []attribute.Key {
	return []attribute.Key{
		"temporalWorkflowID", "temporalRunID", "temporalActivityID", "temporalUpdateID",
		"http.request.method", "http.response.status_code", "network.protocol.version",
		"rpc.system", "firstpass.op", "error.type",
	}
}

// Attributes implements sdktrace.ReadOnlySpan.
func (c clean) Attributes() []attribute.KeyValue {
	allowed := exported()
	var out []attribute.KeyValue
	for _, a := range c.ReadOnlySpan.Attributes() {
		if slices.Contains(allowed, a.Key) && opaque(a.Value) {
			out = append(out, a)
		}
	}
	return out
}

// opaque is the last look at what is on the list.
func opaque(v attribute.Value) bool {
	return v.Type() != attribute.STRING || !strings.ContainsAny(v.AsString(), "@ ?#")
}

// Events implements sdktrace.ReadOnlySpan: an error's text is an event.
func (c clean) Events() []sdktrace.Event { return nil }

// Links implements sdktrace.ReadOnlySpan. Of what a caller from outside calls
// its trace only the number is kept.
func (c clean) Links() []sdktrace.Link {
	var out []sdktrace.Link
	for _, l := range c.ReadOnlySpan.Links() {
		out = append(out, sdktrace.Link{SpanContext: l.SpanContext.WithTraceState(trace.TraceState{})})
	}
	return out
}

// Status implements sdktrace.ReadOnlySpan.
func (c clean) Status() sdktrace.Status {
	return sdktrace.Status{Code: c.ReadOnlySpan.Status().Code}
}
