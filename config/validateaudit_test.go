package config

import "testing"

func TestAudit(t *testing.T) {
	for name, tc := range map[string]struct {
		audit Audit
		want  string
	}{
		"nothing":    {Audit{}, ""},
		"stream":     {Audit{File: "audit.jsonl"}, ""},
		"key alone":  {Audit{KeyFile: "key.pem"}, ""},
		"both":       {Audit{KeyFile: "key.pem", ExportFolder: "/srv/export"}, ""},
		"no key":     {Audit{ExportFolder: "/srv/export"}, "audit.key_file: missing; audit.export_folder needs it: firstpass ledger keygen FILE makes one"},
		"not from /": {Audit{KeyFile: "key.pem", ExportFolder: "export"}, "audit.export_folder: want an absolute path"},
	} {
		var p problems
		p.audit(tc.audit)
		got := ""
		if err := p.join(); err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
