package config

import (
	"maps"
	"slices"

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
		"pickup": pickupDefaults(tree["pickup"]),
		"ops":    opsDefaults(tree["ops"]),
		"ledger": map[string]any{"kind": string(LedgerSQLite)},
		"organisation": map[string]any{
			"sign_in_url": "https://mysignins.microsoft.com/security-info",
			"colour":      "#1f4e79",
		},
		"messages":      map[string]any{"locale": "en"},
		"verifications": []any{"in_person", "video", "callback", "manager"},
	})
	each(out, "channels", channelDefaults)
	each(out, "calendars", calendarDefaults)
	profile := fallbackDefault(tree["profiles"])
	each(out, "sources", func(s map[string]any) map[string]any {
		def := sourceDefaults(s)
		def["profile"] = profile
		return def
	})
	eachNamed(out, "proofs", proofDefaults)
	eachNamed(out, "profiles", profileDefaults)
	return out
}

// pickupDefaults gives the pick-up page defaults only where there is one: what
// is set without url, validation can tell to have no effect.
func pickupDefaults(section any) map[string]any {
	p, _ := section.(map[string]any)
	if u := p["url"]; u == nil || u == "" {
		return map[string]any{}
	}
	return map[string]any{"listen": "127.0.0.1:8090", "tries_per_minute": 10}
}

func proofDefaults(p map[string]any) map[string]any {
	if p["kind"] == string(jml.ProofOIDC) {
		return map[string]any{"scopes": []any{"openid"}}
	}
	return nil
}

// channelDefaults gives a channel the defaults of its kind alone.
func channelDefaults(c map[string]any) map[string]any {
	kind, _ := c["kind"].(string)
	if kind == "" {
		kind = string(ChannelSendGrid)
	}
	out := map[string]any{"kind": kind, "at_once": 20}
	switch ChannelKind(kind) {
	case ChannelSendGrid:
		out["endpoint"] = "https://api.sendgrid.com"
	case ChannelTwilio:
		out["endpoint"], out["segments"] = "https://api.twilio.com", 2
	case ChannelLetter:
		out["format"] = []any{string(LetterHTML), string(LetterPDF)}
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
	out := map[string]any{"kind": kind, "contact_guard": "3d"}
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

// fallbackDefault is the profile of a source that names none: the one called
// default. Where there is none, the rules may be all there is.
func fallbackDefault(section any) string {
	profiles, _ := section.(map[string]any)
	if _, ok := profiles["default"]; ok {
		return "default"
	}
	for _, v := range profiles {
		p, _ := v.(map[string]any)
		if when, _ := p["when"].(string); when != "" && isFor(p, jml.KindJoiner) {
			return ""
		}
	}
	return "default"
}

// isFor reports whether the profile p, as it is written, is for journeys of this
// kind.
func isFor(p map[string]any, kind jml.Kind) bool {
	list, ok := p["for"].([]any)
	if !ok {
		return kind == jml.KindJoiner
	}
	return slices.Contains(list, any(string(kind)))
}

func calendarDefaults(map[string]any) map[string]any {
	return map[string]any{"weekend": []any{"saturday", "sunday"}}
}

// profileDefaults gives a profile the defaults of its mode and of the kinds of
// journeys it is for alone: what it holds beyond them, validation can tell to
// have no effect.
func profileDefaults(p map[string]any) map[string]any {
	mode := p["mode"]
	if mode == nil {
		// The passcode in nobody's mailbox is the safer default.
		mode = string(jml.ModePickup)
	}
	out := map[string]any{
		"for": []any{string(jml.KindJoiner)},
		// A tenant's policy allows 1 to 8 hours unless somebody changed it.
		// https://learn.microsoft.com/entra/identity/authentication/howto-authentication-temporary-access-pass
		"lifetime": "8h",
		"one_time": false,
		"mode":     mode,
		"reissues": 2,
		"remove":   "none",
		"devices":  1,
		"settle":   "15m",
		"timeout":  "7d",
		"poll":     []any{"2m", "5m", "10m", "15m"},
		"recheck":  []any{"1m", "2m", "5m", "10m", "15m", "30m", "1h"},
	}
	if mode == string(jml.ModePickup) {
		out["link_valid"], out["window"] = "7d", "15m"
	}
	joiner, mover := isFor(p, jml.KindJoiner), isFor(p, jml.KindMover)
	if joiner {
		out["late"] = "now"
	}
	if joiner || mover {
		out["start_hour"] = "09:00"
		if p["lead_days"] == nil {
			out["lead_time"] = "2d"
		}
	}
	if isFor(p, jml.KindRecovery) {
		out["cap"] = map[string]any{"count": 3, "per": "30d", "rest": "1h"}
	}
	if isFor(p, jml.KindStaging) {
		// Who sets up a device is no part of what the employee registers: the
		// technician says when it is done, and keeps nothing.
		out["remove"], out["complete_on"] = string(jml.RemoveRegistered), []any{}
		// The window, and so the link, is a working day at the longest.
		out["timeout"] = "8h"
		if mode == string(jml.ModePickup) {
			out["link_valid"] = "8h"
		}
		return out
	}
	var strong []any
	for _, k := range jml.StrongMethods() {
		strong = append(strong, string(k))
	}
	out["complete_on"] = strong
	// On the pick-up page an employee can ask for another pass by himself; with
	// mode send only who is named can be told.
	out["unfinished"] = "wait"
	if mode == string(jml.ModePickup) || p["change_to"] != nil {
		out["unfinished"] = string(jml.UnfinishedOffer)
	}
	return out
}

// tellThem names who is told where a profile does not: of a collection, who got
// the code, since whoever had a part in it can say that it was not he; of a start
// that moved and a pass used up, who got what no longer works. It works on a
// valid Config, since what is wrong with a route is to be told once.
func tellThem(c *Config) {
	for name, pr := range c.Profiles {
		if pr.Mode == jml.ModePickup && len(pr.NoticeTo) == 0 {
			pr.NoticeTo = noticeTo(c, pr.CodeTo)
		}
		if len(pr.ChangeTo) == 0 && !pr.isFor(jml.KindStaging) {
			pr.ChangeTo = changeTo(c, append(slices.Clone(pr.LinkTo), pr.PassTo...))
		}
		c.Profiles[name] = pr
	}
}

// noticeTo returns the routes of codeTo that can carry a notice.
func noticeTo(c *Config, codeTo []Route) []Route {
	return slices.DeleteFunc(slices.Clone(codeTo), func(r Route) bool { return c.letter(r) })
}

// changeTo returns the routes to the employee himself, each once.
func changeTo(c *Config, list []Route) []Route {
	var out []Route
	for _, r := range list {
		if r.Recipient.Employee() && !c.letter(r) && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// letter reports whether r goes by post, too slow to tell of anything.
func (c *Config) letter(r Route) bool {
	return slices.ContainsFunc(c.Channels, func(ch Channel) bool { return ch.Name == r.Channel && ch.Kind == ChannelLetter })
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

// eachNamed does the same with the section at name, whose keys are names.
func eachNamed(tree map[string]any, name string, def func(map[string]any) map[string]any) {
	section, ok := tree[name].(map[string]any)
	if !ok {
		return
	}
	section = maps.Clone(section)
	for k, v := range section {
		if v == nil {
			v = map[string]any{}
		}
		if m, ok := v.(map[string]any); ok {
			section[k] = fill(m, def(m))
		}
	}
	tree[name] = section
}
