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
			"listen":     "127.0.0.1:8080",
			"max_body":   "256KiB",
			"late_limit": "7d",
		},
		"organisation": map[string]any{
			"sign_in_url": "https://mysignins.microsoft.com/security-info",
		},
	})
	each(out, "channels", func(map[string]any) map[string]any {
		return map[string]any{"kind": ChannelSendGrid, "endpoint": "https://api.sendgrid.com"}
	})
	each(out, "sources", func(s map[string]any) map[string]any {
		verify := map[string]any{"tolerance": "5m"}
		if v, ok := s["verify"].(map[string]any); ok && v["kind"] == string(VerifyHMAC) {
			verify["algorithm"], verify["encoding"] = "sha256", "hex"
		}
		return map[string]any{"profile": "default", "verify": verify}
	})
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
