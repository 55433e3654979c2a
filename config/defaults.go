package config

import (
	"maps"

	"firstpass.internal/internal/jml"
)

// withDefaults returns tree with everything filled in that it leaves out. It
// works on the tree, not on the Config, because only there a zero (lead_time: 0)
// and an absent key differ. Keys without a value count as absent. Values of the
// wrong type stay for decode to complain of.
func withDefaults(tree map[string]any) map[string]any {
	out := fill(tree, map[string]any{
		"temporal": map[string]any{
			"address":    "127.0.0.1:7233",
			"namespace":  "default",
			"task_queue": "firstpass",
		},
		"graph": map[string]any{
			"endpoint":  "https://graph.microsoft.com",
			"authority": "https://login.microsoftonline.com",
		},
		"intake": map[string]any{
			"listen":          "127.0.0.1:8080",
			"max_body":        "256KiB",
			"late_limit":      "7d",
			"quarantine_keep": "30d",
			"dedupe_keep":     "14d",
		},
		"ledger": map[string]any{"kind": string(LedgerSQLite)},
		"organisation": map[string]any{
			"sign_in_url": "https://mysignins.microsoft.com/security-info",
		},
	})
	each(out, "channels", func(map[string]any) map[string]any {
		return map[string]any{"kind": ChannelSendGrid, "endpoint": "https://api.sendgrid.com"}
	})
	each(out, "sources", sourceDefaults)
	if profiles, ok := out["profiles"].(map[string]any); ok {
		profiles = maps.Clone(profiles)
		for name, p := range profiles {
			if p == nil {
				p = map[string]any{}
			}
			if m, ok := p.(map[string]any); ok {
				profiles[name] = fill(m, profileDefaults())
			}
		}
		out["profiles"] = profiles
	}
	return out
}

// sourceDefaults gives a source the defaults of its kind alone: what it holds
// beyond them, validation can tell to have no effect.
func sourceDefaults(s map[string]any) map[string]any {
	kind, _ := s["kind"].(string)
	if kind == "" {
		kind = string(SourceWebhook)
	}
	out := map[string]any{"kind": kind, "profile": "default", "contact_guard": "3d"}
	brake := map[string]any{"share": 0.2, "least": 10}
	switch SourceKind(kind) {
	case SourceWebhook, SourceSCIM:
		verify := map[string]any{}
		v, _ := s["verify"].(map[string]any)
		switch v["kind"] {
		case string(VerifyHMAC):
			verify["algorithm"], verify["encoding"], verify["key_encoding"] = "sha256", "hex", "text"
			if v["timestamp_header"] != nil || v["timestamp_field"] != nil || v["timestamp_prefix"] != nil {
				verify["tolerance"] = "5m"
			}
		case string(VerifyStandardWebhooks):
			verify["tolerance"] = "5m"
		}
		out["verify"] = verify
		if s["fetch"] != nil {
			out["fetch"] = map[string]any{"request": requestDefaults()}
		}
	case SourcePoll:
		out["brake"], out["vanished_after"] = brake, 3
		page := map[string]any{"kind": string(PageNone)}
		if p, ok := s["poll"].(map[string]any); ok {
			if p, ok := p["page"].(map[string]any); ok && p["kind"] != nil && p["kind"] != string(PageNone) {
				page["most"] = 1000
			}
		}
		out["poll"] = map[string]any{
			"request": requestDefaults(), "page": page, "every": "15m", "overlap": "15m", "full": true,
		}
	case SourceFile:
		out["brake"], out["vanished_after"] = brake, 3
		out["file"] = map[string]any{
			"every": "5m", "pattern": "*", "format": string(FileCSV), "full": true,
			"max_size": "256MiB", "bad_row": BadRowRefuse, "after": AfterKeep,
		}
		if f, ok := s["file"].(map[string]any); !ok || f["format"] == nil || f["format"] == string(FileCSV) {
			out["file"] = fill(map[string]any{"delimiter": "auto", "encoding": "utf-8"}, out["file"].(map[string]any))
		}
	case SourceEntra:
		out["brake"], out["vanished_after"] = brake, 3
		out["entra"] = map[string]any{"every": "15m", "ahead": "365d", "behind": "7d"}
	}
	return out
}

func requestDefaults() map[string]any {
	return map[string]any{
		"method": "GET", "per_second": 5, "timeout": "30s", "max_reply": "16MiB",
		"auth": map[string]any{"kind": string(AuthNone)},
	}
}

func profileDefaults() map[string]any {
	var strong []any
	for _, k := range jml.StrongMethods() {
		strong = append(strong, string(k))
	}
	return map[string]any{
		"lead_time":  "2d",
		"start_hour": "09:00",
		// A tenant's policy allows 1 to 8 hours unless somebody changed it.
		// https://learn.microsoft.com/entra/identity/authentication/howto-authentication-temporary-access-pass
		"lifetime":    "8h",
		"one_time":    false,
		"mode":        string(jml.ModeSend),
		"recipient":   string(jml.RecipientPersonalMail),
		"complete_on": strong,
		"settle":      "15m",
		"timeout":     "7d",
		"poll":        []any{"2m", "5m", "10m", "15m"},
		"recheck":     []any{"1m", "2m", "5m", "10m", "15m", "30m", "1h"},
	}
}

// fill returns a copy of have with the keys of def that it lacks.
func fill(have, def map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range have {
		if v != nil {
			out[k] = v
		}
	}
	for k, d := range def {
		v, ok := out[k]
		sub, isSection := d.(map[string]any)
		switch {
		case isSection && !ok:
			out[k] = fill(nil, sub)
		case isSection:
			if m, ok := v.(map[string]any); ok {
				out[k] = fill(m, sub)
			}
		case !ok:
			out[k] = d
		}
	}
	return out
}

// each fills every item of the list at name with the defaults def gives it.
func each(tree map[string]any, name string, def func(map[string]any) map[string]any) {
	list, ok := tree[name].([]any)
	if !ok {
		return
	}
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
		if v == nil {
			v = map[string]any{}
		}
		if m, ok := v.(map[string]any); ok {
			out[i] = fill(m, def(m))
		}
	}
	tree[name] = out
}
