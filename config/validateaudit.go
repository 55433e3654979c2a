package config

import "path/filepath"

// audit needs nothing: rows go to the ledger. Without a key nothing can be
// signed, and what is not signed is no evidence.
func (p *problems) audit(a Audit) {
	if a.ExportFolder == "" {
		return
	}
	if !filepath.IsAbs(a.ExportFolder) {
		p.add("audit.export_folder", "want an absolute path")
	}
	if a.KeyFile == "" {
		p.add("audit.key_file", "missing; audit.export_folder needs it: firstpass ledger keygen FILE makes one")
	}
}
