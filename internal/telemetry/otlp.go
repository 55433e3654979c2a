package telemetry

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// OTLP says where metrics and traces are pushed, by OTLP over HTTP with
// protobuf (opentelemetry.io/docs/specs/otlp).
type OTLP struct {
	Endpoint    string // https://host:port, or http on loopback; empty: nowhere
	CAFile      string // PEM, to trust besides the system's
	HeadersFile string // a header per line, Name: value; a secret
}

// pushed are the exporters.
type pushed struct {
	metrics sdkmetric.Exporter
	spans   sdktrace.SpanExporter
}

func (t *Telemetry) pushed() (pushed, error) {
	var out pushed
	o := t.cfg.OTLP
	headers, err := readHeaders(o.HeadersFile)
	if err != nil {
		return out, err
	}
	roots, err := readRoots(o.CAFile)
	if err != nil {
		return out, err
	}
	root := strings.TrimSuffix(o.Endpoint, "/")
	metrics := []otlpmetrichttp.Option{otlpmetrichttp.WithEndpointURL(root + "/v1/metrics"), otlpmetrichttp.WithHeaders(headers)}
	spans := []otlptracehttp.Option{otlptracehttp.WithEndpointURL(root + "/v1/traces"), otlptracehttp.WithHeaders(headers)}
	if strings.HasPrefix(root, "https:") {
		trust := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
		metrics = append(metrics, otlpmetrichttp.WithTLSClientConfig(trust))
		spans = append(spans, otlptracehttp.WithTLSClientConfig(trust))
	}
	m, err := otlpmetrichttp.New(context.Background(), metrics...)
	if err != nil {
		return out, fmt.Errorf("telemetry: otlp: %w", err)
	}
	s, err := otlptracehttp.New(context.Background(), spans...)
	if err != nil {
		return out, fmt.Errorf("telemetry: otlp: %w", err)
	}
	return pushed{metrics: metricPush{m, t}, spans: spanPush{s, t}}, nil
}

// readHeaders reads a header per line.
func readHeaders(file string) (map[string]string, error) {
	out := map[string]string{}
	if file == "" {
		return out, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("telemetry: otlp.headers_file: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("telemetry: otlp.headers_file: line %d of %s is not Name: value", n, file)
		}
		out[name] = strings.TrimSpace(value)
	}
	return out, nil
}

// readRoots returns nil, the system's, without a file.
func readRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("telemetry: otlp.ca_file: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("telemetry: otlp.ca_file: %s holds no certificate in PEM", file)
	}
	return roots, nil
}

// metricPush notes how pushing goes. It keeps the error: the SDK would print it
// by a global.
type metricPush struct {
	sdkmetric.Exporter
	t *Telemetry
}

func (p metricPush) Export(ctx context.Context, m *metricdata.ResourceMetrics) error {
	p.t.pushWent(p.Exporter.Export(ctx, m))
	return nil
}

// spanPush takes away from spans what may be personal, and notes how pushing
// goes.
type spanPush struct {
	sdktrace.SpanExporter
	t *Telemetry
}

func (p spanPush) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	cleaned := make([]sdktrace.ReadOnlySpan, len(spans))
	for i, s := range spans {
		cleaned[i] = clean{s}
	}
	p.t.pushWent(p.SpanExporter.ExportSpans(ctx, cleaned))
	return nil
}

func (t *Telemetry) pushWent(err error) {
	if err != nil {
		t.cfg.Logger.Debug("telemetry could not be pushed", "error", err)
		t.health.heard("otlp", "the collector does not take what is pushed")
		return
	}
	t.health.heard("otlp", "")
}
