package config

import "testing"

func TestTelemetry(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   Telemetry
		want string // path of the one problem; empty: none
	}{
		{"nothing", Telemetry{}, ""},
		{"a port of this machine", Telemetry{Listen: "127.0.0.1:9464"}, ""},
		{"no port", Telemetry{Listen: "127.0.0.1"}, "telemetry.listen"},
		{"a collector", Telemetry{OTLP: OTLP{Endpoint: "https://collector.example.org:4318", CAFile: "a", HeadersFile: "b"}}, ""},
		{"a collector on this machine", Telemetry{OTLP: OTLP{Endpoint: "http://127.0.0.1:4318"}}, ""},
		{"in clear over the network", Telemetry{OTLP: OTLP{Endpoint: "http://collector.example.org:4318"}}, "telemetry.otlp.endpoint"},
		{"with a path", Telemetry{OTLP: OTLP{Endpoint: "https://collector.example.org/v1/traces"}}, "telemetry.otlp.endpoint"},
		{"with a password", Telemetry{OTLP: OTLP{Endpoint: "https://robin:hunter2@collector.example.org"}}, "telemetry.otlp.endpoint"},
		{"headers for nobody", Telemetry{OTLP: OTLP{HeadersFile: "b"}}, "telemetry.otlp.headers_file"},
		{"trust in nobody", Telemetry{OTLP: OTLP{CAFile: "b"}}, "telemetry.otlp.ca_file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var p problems
			p.telemetry(tc.in)
			switch {
			case tc.want == "" && len(p) > 0:
				t.Errorf("found %s: %s", p[0].Path, p[0].Problem)
			case tc.want != "" && (len(p) != 1 || p[0].Path != tc.want):
				t.Errorf("found %v, want one problem of %s", p.join(), tc.want)
			}
		})
	}
}
