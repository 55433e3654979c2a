package config

func (p *problems) telemetry(t Telemetry) {
	if t.Listen != "" {
		p.hostPort("telemetry.listen", t.Listen)
	}
	o := t.OTLP
	if o.Endpoint != "" {
		p.bare("telemetry.otlp.endpoint", o.Endpoint, "want the collector's address, such as https://collector.example.org:4318",
			"want the collector's address alone, without path or query: /v1/metrics and /v1/traces are added")
		return
	}
	for _, k := range []struct{ key, value string }{{"ca_file", o.CAFile}, {"headers_file", o.HeadersFile}} {
		if k.value != "" {
			p.addIf("telemetry.otlp.endpoint", "telemetry.otlp."+k.key, "has no effect without telemetry.otlp.endpoint")
		}
	}
}
