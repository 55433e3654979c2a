package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/jml"
)

// sections are a valid configuration with a channel of each kind, by section.
func sections() map[string]string {
	return map[string]string{
		"temporal":     `{keyring_file: keyring.json}`,
		"graph":        `{tenant_id: example.org, client_id: app, credential: {kind: managed_identity}}`,
		"ledger":       `{file: l.db}`,
		"refs":         `{key_file: refs}`,
		"audit":        `{file: audit.jsonl}`,
		"organisation": `{name: Example, help: the service desk}`,
		"pickup":       `{url: "https://pass.example.org", key_file: pickup}`,
		"channels": `
  - {name: mail, api_key_file: k, from: it@example.org}
  - {name: relay, kind: smtp, server: "smtp.example.org:587", from: it@example.org}
  - {name: tenant, kind: graph, from: it@example.org}
  - {name: sms, kind: twilio, account_sid: AC0123456789abcdef0123456789abcdef, auth_token_file: k, from: "+493055501001"}
  - {name: hook, kind: webhook, url: "https://itsm.example.org/hook", key_file: k}
  - {name: teams, kind: teams, url_file: k}
  - {name: slack, kind: slack, url_file: k}
  - {name: letter, kind: letter, folder: /letters}`,
		"desks": `
  - {name: it, mail: desk@example.org, phone: "+493055501000"}
  - {name: gate, mail: gate@example.org}
  - {name: night, phone: "+493055501002"}`,
		"proofs": `
  facts: {kind: fact, ask: [birth_date]}
  eid: {kind: oidc, issuer: "https://eid.example.com", client_id: c, client_secret_file: s, match: "true"}
  boss: {kind: manager, to: [{channel: mail, recipient: manager}]}
  officer: {kind: desk}`,
		"profiles": `{default: {link_to: [{channel: mail, recipient: personal_mail}], code_to: [{channel: sms, recipient: personal_phone}]}}`,
	}
}

func parse(edit map[string]string) (*Config, error) {
	all := sections()
	maps.Copy(all, edit)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if all[name] != "" {
			fmt.Fprintf(&text, "%s: %s\n", name, all[name])
		}
	}
	return load([]byte(text.String()), "/etc/firstpass", noenv)
}

// complaints are what is wrong with the valid configuration once it is edited.
func complaints(t *testing.T, edit map[string]string) []string {
	t.Helper()
	_, err := parse(edit)
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestChannels(t *testing.T) {
	const (
		account = "account_sid: AC0123456789abcdef0123456789abcdef, auth_token_file: k"
		ids     = "d-0123456789abcdef0123456789abcdef"
	)
	for _, tc := range []struct {
		name, channel string
		want          []string
	}{
		{"all of sendgrid", `{name: x, kind: sendgrid, endpoint: "https://api.eu.sendgrid.com", api_key_file: k, from: a@example.org, from_name: A, reply_to: b@example.org, ca_file: c, sandbox: true, at_once: 1, event_key_file: e, templates: {pass: ` + ids + `, attest: ` + ids + `}}`, nil},
		{"all of smtp", `{name: x, kind: smtp, server: "s.example.org:465", implicit_tls: true, username: u, password_file: p, from: a@example.org, from_name: A, reply_to: b@example.org, ca_file: c, at_once: 1000}`, nil},
		{"all of graph", `{name: x, kind: graph, from: a@example.org, reply_to: b@example.org}`, nil},
		{"all of twilio", `{name: x, kind: twilio, endpoint: "https://api.twilio.com", ` + account + `, messaging_service: MG0123456789abcdef0123456789abcdef, segments: 10, ca_file: c}`, nil},
		{"all of webhook", `{name: x, kind: webhook, url: "https://h.example.org/a?b=c", key_file: k, ca_file: c}`, nil},
		{"a webhook on this machine", `{name: x, kind: webhook, url: "http://127.0.0.1:9/", key_file: k}`, nil},
		{"all of teams", `{name: x, kind: teams, url_file: k, ca_file: c}`, nil},
		{"all of slack", `{name: x, kind: slack, url_file: k, ca_file: c}`, nil},
		{"all of letter", `{name: x, kind: letter, folder: /f, format: [pdf], return_address: here}`, nil},

		{"nothing of sendgrid", `{name: x}`, []string{"api_key_file: missing; kind sendgrid needs it", "from: missing; kind sendgrid needs it"}},
		{"nothing of smtp", `{name: x, kind: smtp}`, []string{"from: missing; kind smtp needs it", "server: missing; kind smtp needs it"}},
		{"nothing of graph", `{name: x, kind: graph}`, []string{"from: missing; kind graph needs it"}},
		{"nothing of twilio", `{name: x, kind: twilio}`, []string{"account_sid: missing; kind twilio needs it", "auth_token_file: missing; kind twilio needs it", "from: want either from or messaging_service"}},
		{"nothing of webhook", `{name: x, kind: webhook}`, []string{"key_file: missing; kind webhook needs it", "url: missing; kind webhook needs it"}},
		{"nothing of teams", `{name: x, kind: teams}`, []string{"url_file: missing; kind teams needs it"}},
		{"nothing of slack", `{name: x, kind: slack}`, []string{"url_file: missing; kind slack needs it"}},
		{"nothing of letter", `{name: x, kind: letter, format: []}`, []string{"folder: missing; kind letter needs it", "format: missing; kind letter needs it"}},

		{"keys of others, of smtp", `{name: x, kind: smtp, server: "s:1", from: a@example.org, endpoint: "https://x", api_key_file: k, sandbox: true, templates: {}, event_key_file: e, segments: 1, url: u, key_file: k, url_file: u, folder: /f, format: [pdf], return_address: r, messaging_service: m, auth_token_file: a, account_sid: a}`, []string{
			"account_sid: belongs to kind twilio, not to smtp", "api_key_file: belongs to kind sendgrid, not to smtp", "auth_token_file: belongs to kind twilio, not to smtp",
			"endpoint: belongs to kind sendgrid or twilio, not to smtp", "event_key_file: belongs to kind sendgrid, not to smtp", "folder: belongs to kind letter, not to smtp",
			"format: belongs to kind letter, not to smtp", "key_file: belongs to kind webhook, not to smtp", "messaging_service: belongs to kind twilio, not to smtp",
			"return_address: belongs to kind letter, not to smtp", "sandbox: belongs to kind sendgrid, not to smtp", "segments: belongs to kind twilio, not to smtp",
			"templates: belongs to kind sendgrid, not to smtp", "url: belongs to kind webhook, not to smtp", "url_file: belongs to kind teams or slack, not to smtp",
		}},
		{"keys of others, of letter", `{name: x, kind: letter, folder: /f, from: a@example.org, from_name: A, reply_to: b@example.org, ca_file: c, server: "s:1", implicit_tls: true, username: u, password_file: p}`, []string{
			"ca_file: belongs to kind sendgrid or smtp or twilio or webhook or teams or slack, not to letter", "from: belongs to kind sendgrid or smtp or graph or twilio, not to letter",
			"from_name: belongs to kind sendgrid or smtp, not to letter", "implicit_tls: belongs to kind smtp, not to letter", "password_file: belongs to kind smtp, not to letter",
			"reply_to: belongs to kind sendgrid or smtp or graph, not to letter", "server: belongs to kind smtp, not to letter", "username: belongs to kind smtp, not to letter",
		}},
		{"a mailbox has its name", `{name: x, kind: graph, from: a@example.org, from_name: A, ca_file: c}`, []string{
			"ca_file: belongs to kind sendgrid or smtp or twilio or webhook or teams or slack, not to graph", "from_name: belongs to kind sendgrid or smtp, not to graph"}},

		{"no kind we know", `{name: x, kind: pigeon, wings: 2}`, []string{"kind: want sendgrid or smtp or graph or twilio or webhook or teams or slack or letter", "wings: unknown key; config/example.yaml has all there are"}},
		{"no name", `{kind: graph, from: a@example.org}`, []string{"name: missing"}},
		{"no good name", `{name: My Mail, kind: graph, from: a@example.org}`, []string{"name: want lower-case letters, digits and inner hyphens, at most 63"}},
		{"at once", `{name: x, kind: graph, from: a@example.org, at_once: 1001}`, []string{"at_once: want 1 to 1000"}},
		{"none at once", `{name: x, kind: graph, from: a@example.org, at_once: 0}`, []string{"at_once: want 1 to 1000"}},
		{"values of sendgrid", `{name: x, api_key_file: k, endpoint: "http://example.org", from: nobody, reply_to: "A <a@example.org>", templates: {pass: 7c4f, hello: ` + ids + `}}`, []string{
			"endpoint: want https", "from: want a mail address and nothing else", "reply_to: want a mail address and nothing else",
			"templates.hello: there is no such message; messages: pass, link, code, issued, collected, reminder, escalation, attest, alert, approval, moved, unfinished, missed",
			"templates.pass: want the id of a dynamic template, d-…"}},
		{"no port", `{name: x, kind: smtp, server: s.example.org, from: a@example.org}`, []string{"server: want host:port"}},
		{"no host", `{name: x, kind: smtp, server: ":25", from: a@example.org}`, []string{"server: want host:port"}},
		{"a user without a password", `{name: x, kind: smtp, server: "s:1", from: a@example.org, username: u}`, []string{"password_file: missing; username needs it"}},
		{"a password without a user", `{name: x, kind: smtp, server: "s:1", from: a@example.org, password_file: p}`, []string{"username: missing; password_file needs it"}},
		{"values of twilio", `{name: x, kind: twilio, account_sid: AC1, auth_token_file: k, from: "030 5550", segments: 11}`, []string{
			"account_sid: want AC and 32 hexadecimal digits in lower case", "from: want a number in E.164, + and digits alone, such as +493055501000", "segments: want 1 to 10"}},
		{"two senders", `{name: x, kind: twilio, ` + account + `, from: "+493055501001", messaging_service: MG1}`, []string{"from: want either from or messaging_service"}},
		{"no service", `{name: x, kind: twilio, ` + account + `, messaging_service: MG1, segments: 0}`, []string{"messaging_service: want MG and 32 hexadecimal digits in lower case", "segments: want 1 to 10"}},
		{"a webhook in clear", `{name: x, kind: webhook, url: "http://itsm.example.org", key_file: k}`, []string{"url: want https"}},
		{"a webhook with a password", `{name: x, kind: webhook, url: "https://u:p@itsm.example.org", key_file: k}`, []string{"url: want an https address"}},
		{"values of letter", `{name: x, kind: letter, folder: letters, format: [pdf, docx, pdf]}`, []string{"folder: want an absolute path", "format[1]: want html or pdf", "format[2]: is there twice"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for i, w := range tc.want {
				tc.want[i] = "channels[8]." + w
			}
			same(t, complaints(t, map[string]string{"channels": sections()["channels"] + "\n  - " + tc.channel}), tc.want)
		})
	}
	same(t, complaints(t, map[string]string{"channels": sections()["channels"] + "\n  - {name: mail, kind: graph, from: a@example.org}"}),
		[]string{`channels[8].name: "mail" is taken already`})
}

// TestChannelKeysAreComplete: a key that the table forgets would be taken by
// every kind and do nothing.
func TestChannelKeysAreComplete(t *testing.T) {
	var inTable []string
	for _, k := range channelKeys(Channel{}) {
		inTable = append(inTable, k.key)
	}
	for f := range fields(reflect.TypeFor[Channel]()) {
		if k := key(f); !slices.Contains(inTable, k) && k != "name" && k != "kind" && k != "at_once" {
			t.Errorf("channels: %s is in no table", k)
		}
	}
	inTable = nil
	for _, k := range proofKeys(Proof{}) {
		inTable = append(inTable, k.key)
	}
	for f := range fields(reflect.TypeFor[Proof]()) {
		if k := key(f); !slices.Contains(inTable, k) && k != "kind" {
			t.Errorf("proofs: %s is in no table", k)
		}
	}
}

func TestDesks(t *testing.T) {
	same(t, complaints(t, map[string]string{"desks": `
  - {name: it, mail: desk@example.org, phone: "+493055501000", locale: de-AT, zone: Europe/Vienna}
  - {name: it, mail: desk}
  - {name: none}
  - {mail: a@example.org, phone: "0049", locale: klingon, zone: CEST}`}), []string{
		"desks[1].mail: want a mail address and nothing else",
		`desks[1].name: "it" is taken already`,
		"desks[2].mail: missing; a desk needs mail or phone",
		"desks[3].locale: want a BCP 47 tag such as en or de-AT",
		"desks[3].name: missing",
		"desks[3].phone: want a number in E.164, + and digits alone, such as +493055501000",
		"desks[3].zone: want an IANA time zone such as Europe/Berlin",
	})
}

func TestProofs(t *testing.T) {
	const oidc = `issuer: "https://eid.example.com/realm", client_id: c, client_secret_file: s, match: "true"`
	for _, tc := range []struct {
		name, proof string
		want        []string
	}{
		{"all of fact", `{kind: fact, ask: [employee_id, birth_date]}`, nil},
		{"all of oidc", `{kind: oidc, ` + oidc + `, scopes: [profile, openid], acr_values: [high], subject: claims.sub, ca_file: c}`, nil},
		{"a provider on this machine", `{kind: oidc, issuer: "http://127.0.0.1:9", client_id: c, client_secret_file: s, match: "true"}`, nil},
		{"all of manager", `{kind: manager, to: [{channel: sms, recipient: manager}, {channel: relay, recipient: sponsor}]}`, nil},
		{"all of desk", `{kind: desk}`, nil},

		{"nothing of fact", `{kind: fact}`, []string{".ask: missing; kind fact needs it"}},
		{"nothing asked", `{kind: fact, ask: []}`, []string{".ask: missing; kind fact needs it"}},
		{"nothing of oidc", `{kind: oidc}`, []string{".client_id: missing; kind oidc needs it", ".client_secret_file: missing; kind oidc needs it", ".issuer: missing; kind oidc needs it", ".match: missing; kind oidc needs it"}},
		{"nothing of manager", `{kind: manager}`, []string{".to: missing; kind manager needs it"}},
		{"no kind", `{ask: [birth_date]}`, []string{".kind: missing; want fact or oidc or manager or desk"}},
		{"no kind we know", `{kind: oath}`, []string{".kind: want fact or oidc or manager or desk"}},

		{"asked twice, and for what is no secret", `{kind: fact, ask: [birth_date, shoe_size, birth_date]}`, []string{".ask[1]: want birth_date or employee_id", ".ask[2]: is there twice"}},
		{"in clear", `{kind: oidc, issuer: "http://eid.example.com", client_id: c, client_secret_file: s, match: "true"}`, []string{".issuer: want https"}},
		{"no openid", `{kind: oidc, ` + oidc + `, scopes: [profile]}`, []string{".scopes: want openid among them: without it the provider says nothing of who signed in"}},
		{"keys of others", `{kind: desk, ask: [birth_date], ` + oidc + `, scopes: [openid], acr_values: [a], subject: s, ca_file: c, to: [{channel: mail, recipient: manager}]}`, []string{
			".acr_values: belongs to kind oidc, not to desk", ".ask: belongs to kind fact, not to desk", ".ca_file: belongs to kind oidc, not to desk",
			".client_id: belongs to kind oidc, not to desk", ".client_secret_file: belongs to kind oidc, not to desk", ".issuer: belongs to kind oidc, not to desk",
			".match: belongs to kind oidc, not to desk", ".scopes: belongs to kind oidc, not to desk", ".subject: belongs to kind oidc, not to desk", ".to: belongs to kind manager, not to desk"}},

		// Whoever waits at the page must not be who is asked about him.
		{"vouching for oneself", `{kind: manager, to: [{channel: mail, recipient: work_mail}]}`, []string{".to[0].recipient: want manager or sponsor: nobody vouches for himself, and a desk has a proof of its own"}},
		{"vouching by a desk", `{kind: manager, to: [{channel: mail, recipient: desk, desk: it}]}`, []string{".to[0].recipient: want manager or sponsor: nobody vouches for himself, and a desk has a proof of its own"}},
		{"vouching in a chat room", `{kind: manager, to: [{channel: teams, recipient: manager}]}`, []string{".to[0].channel: kind teams is read by a whole room; it takes alerts, requests for approval and reminders to a desk only"}},
		{"vouching by letter", `{kind: manager, to: [{channel: letter, recipient: manager}]}`, []string{".to[0].channel: kind letter takes link_to and code_to only"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for i, w := range tc.want {
				tc.want[i] = "proofs.x" + w
			}
			same(t, complaints(t, map[string]string{"proofs": sections()["proofs"] + "\n  x: " + tc.proof}), tc.want)
		})
	}
	same(t, complaints(t, map[string]string{"proofs": "{Eid: {kind: desk}}"}), []string{"proofs.Eid: want lower-case letters, digits and inner hyphens, at most 63"})
	c, err := parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Proofs["eid"].Scopes; !slices.Equal(got, []string{"openid"}) {
		t.Errorf("scopes by default: %v", got)
	}
}

// TestRecipients tries every channel with every recipient and desk.
func TestRecipients(t *testing.T) {
	mails, phones := []string{"mail", "relay", "tenant"}, []string{"sms"}
	fit := map[string][]string{
		"personal_mail":         append(slices.Clone(mails), "hook", "letter"),
		"work_mail":             append(slices.Clone(mails), "hook", "letter"),
		"personal_phone":        append(slices.Clone(phones), "hook", "letter"),
		"manager":               append(slices.Clone(mails), phones...),
		"sponsor":               append(slices.Clone(mails), phones...),
		"desk":                  {"hook", "letter"},
		"desk, desk: it":        append(slices.Clone(mails), phones...),
		"desk, desk: gate":      mails,
		"desk, desk: night":     phones,
		"desk, desk: nobody":    nil,
		"manager, desk: it":     nil,
		"personal_mail, desk: ": append(slices.Clone(mails), "hook", "letter"),
		"pigeon":                nil,
		"":                      nil,
	}
	for recipient, channels := range fit {
		for _, ch := range []string{"mail", "relay", "tenant", "sms", "hook", "teams", "slack", "letter"} {
			got := complaints(t, map[string]string{
				"profiles": fmt.Sprintf(`{default: {link_to: [{channel: %s, recipient: %s}], code_to: [{channel: hook, recipient: desk}], notice_to: [{channel: hook, recipient: desk}]}}`, ch, recipient),
			})
			// A recipient may be in one of the lists only; that is not tried here.
			got = slices.DeleteFunc(got, func(s string) bool { return strings.Contains(s, ".code_to[0]") })
			if want := slices.Contains(channels, ch); want != (len(got) == 0) {
				t.Errorf("%s to %q: %v", ch, recipient, got)
			}
		}
	}
	for route, want := range map[string]string{
		"{recipient: personal_mail}":                    "channel: missing",
		"{channel: pigeon, recipient: personal_mail}":   `channel: there is no channel "pigeon"; channels: hook, letter, mail, relay, slack, sms, teams, tenant`,
		"{channel: mail}":                               "recipient: missing; want personal_mail or personal_phone or work_mail or manager or sponsor or desk or technician",
		"{channel: mail, recipient: boss}":              "recipient: want personal_mail or personal_phone or work_mail or manager or sponsor or desk or technician",
		"{channel: mail, recipient: personal_phone}":    `recipient: personal_phone needs a channel of kind twilio, webhook or letter; "mail" is of kind sendgrid`,
		"{channel: sms, recipient: work_mail}":          `recipient: work_mail needs a channel of kind sendgrid, smtp, graph, webhook or letter; "sms" is of kind twilio`,
		"{channel: hook, recipient: manager}":           `recipient: manager needs a channel of kind sendgrid, smtp, graph or twilio; "hook" is of kind webhook`,
		"{channel: mail, recipient: manager, desk: it}": "desk: belongs to recipient desk, and to no other",
		"{channel: mail, recipient: desk}":              "desk: missing; name one of the desks: gate, it, night",
		"{channel: mail, recipient: desk, desk: night}": `desk: desk "night" has no mail, which channel "mail" sends to`,
		"{channel: sms, recipient: desk, desk: gate}":   `desk: desk "gate" has no phone, which channel "sms" sends to`,
		"{channel: mail, recipient: desk, desk: x}":     `desk: there is no desk "x"; desks: gate, it, night`,
		"{channel: hook, recipient: desk, desk: it}":    `desk: has no effect: channel "hook" is of kind webhook and so a desk itself`,
		"{channel: teams, recipient: desk}":             "channel: kind teams is read by a whole room; it takes alerts, requests for approval and reminders to a desk only",
	} {
		got := complaints(t, map[string]string{"profiles": `{default: {link_to: [` + route + `], code_to: [{channel: sms, recipient: personal_phone}]}}`})
		got = slices.DeleteFunc(got, func(s string) bool { return strings.Contains(s, ".code_to[0]") })
		if len(got) != 1 || got[0] != "profiles.default.link_to[0]."+want {
			t.Errorf("%s: %q, want %q", route, got, want)
		}
	}
}

func TestProfileDelivery(t *testing.T) {
	const (
		link   = "link_to: [{channel: mail, recipient: personal_mail}]"
		code   = "code_to: [{channel: sms, recipient: personal_phone}]"
		pickup = link + ", " + code
		send   = "mode: send, pass_to: [{channel: mail, recipient: personal_mail}]"
		rule   = "who holds both, or gets at that one mailbox, has the pass; link and code must go to different recipients"
		split  = "who gets both halves has the whole passcode, which a split is to prevent"
		one    = "who holds a part and vouches is one person where there should be two"
		room   = "is read by a whole room; it takes alerts, requests for approval and reminders to a desk only"
		print  = "kind letter takes link_to and code_to only"
	)
	for _, tc := range []struct {
		name, profile string
		want          []string
	}{
		{"pickup", pickup, nil},
		{"all of pickup", "mode: pickup, " + pickup + ", link_valid: 60d, window: 1h, proofs: [facts, eid, boss, officer], notice_to: [{channel: tenant, recipient: manager}], alert_to: [{channel: slack, recipient: desk}], reissues: 10", nil},
		{"send", send, nil},
		{"all of send", send + ", rest_to: [{channel: sms, recipient: personal_phone}], notice_to: [{channel: mail, recipient: work_mail}], alert_to: [{channel: mail, recipient: manager}], reissues: 0", nil},
		{"halves to two mailboxes", send + ", rest_to: [{channel: mail, recipient: work_mail}]", nil},
		{"two desks are two", "link_to: [{channel: letter, recipient: desk}], code_to: [{channel: mail, recipient: desk, desk: gate}, {channel: hook, recipient: desk}]", nil},

		{"no mode we know", "mode: pigeon, " + pickup, []string{".mode: want pickup or send"}},
		{"nothing of pickup", "", []string{".code_to: missing; mode pickup needs it", ".link_to: missing; mode pickup needs it"}},
		{"nothing of send", "mode: send", []string{".pass_to: missing; mode send needs it"}},
		{"keys of pickup", send + ", " + pickup + ", link_valid: 1d, window: 1m, proofs: [facts]", []string{
			".code_to: belongs to mode pickup, not to send", ".link_to: belongs to mode pickup, not to send", ".link_valid: belongs to mode pickup, not to send",
			".proofs: belongs to mode pickup, not to send", ".window: belongs to mode pickup, not to send"}},
		{"keys of send", pickup + ", pass_to: [{channel: mail, recipient: personal_mail}], rest_to: [{channel: sms, recipient: personal_phone}]", []string{
			".pass_to: belongs to mode send, not to pickup", ".rest_to: belongs to mode send, not to pickup"}},
		{"times too short", pickup + ", link_valid: 9m, window: 59s, reissues: -1", []string{".link_valid: want 10m to 60d", ".reissues: want 0 to 10", ".window: want 1m to 1h"}},
		{"times too long", pickup + ", link_valid: 61d, window: 61m, reissues: 11", []string{".link_valid: want 10m to 60d", ".reissues: want 0 to 10", ".window: want 1m to 1h"}},
		{"no times", pickup + ", link_valid: 0s, window: 0s", []string{".link_valid: missing; mode pickup needs it", ".window: missing; mode pickup needs it"}},

		// Split knowledge that is none.
		{"link and code to one mailbox", link + ", code_to: [{channel: relay, recipient: personal_mail}]", []string{".code_to[0]: personal_mail is in link_to[0] too; " + rule}},
		{"among the alternatives", "link_to: [{channel: hook, recipient: work_mail}, {channel: mail, recipient: manager}], code_to: [{channel: sms, recipient: personal_phone}, {channel: sms, recipient: manager}]",
			[]string{".code_to[1]: manager is in link_to[1] too; " + rule}},
		{"link and code to one desk", "link_to: [{channel: mail, recipient: desk, desk: it}], code_to: [{channel: sms, recipient: desk, desk: it}]", []string{".code_to[0]: desk it is in link_to[0] too; " + rule}},
		{"link and code to one program", "link_to: [{channel: hook, recipient: desk}], code_to: [{channel: hook, recipient: desk}]", []string{".code_to[0]: channel hook is in link_to[0] too; " + rule}},
		{"both halves to one mailbox", send + ", rest_to: [{channel: sms, recipient: manager}, {channel: relay, recipient: personal_mail}]", []string{".rest_to[1]: personal_mail is in pass_to[0] too; " + split}},
		{"a voucher with the code", link + ", code_to: [{channel: sms, recipient: personal_phone}, {channel: sms, recipient: manager}], proofs: [officer, boss]", []string{".proofs[1]: manager is in code_to[1] too; " + one}},
		{"a voucher with the link", "link_to: [{channel: tenant, recipient: manager}], " + code + ", proofs: [boss]", []string{".proofs[0]: manager is in link_to[0] too; " + one}},
		{"another voucher", link + ", code_to: [{channel: sms, recipient: sponsor}], proofs: [boss]", nil},
		{"a desk with the code that looks at a document", link + ", code_to: [{channel: mail, recipient: desk, desk: gate}], proofs: [officer]", nil},

		{"proofs", pickup + ", proofs: [facts, oath, facts]", []string{`.proofs[1]: there is no proof "oath"; proofs: boss, eid, facts, officer`, ".proofs[2]: is there twice"}},

		// What a channel can't carry.
		{"secrets in chat rooms", "link_to: [{channel: teams, recipient: desk}], code_to: [{channel: slack, recipient: desk}], notice_to: [{channel: teams, recipient: desk}]", []string{
			".code_to[0].channel: kind slack " + room, ".link_to[0].channel: kind teams " + room, ".notice_to[0].channel: kind teams " + room}},
		{"the passcode in chat rooms", "mode: send, pass_to: [{channel: teams, recipient: desk}], rest_to: [{channel: slack, recipient: desk}], notice_to: [{channel: slack, recipient: desk}]", []string{
			".notice_to[0].channel: kind slack " + room, ".pass_to[0].channel: kind teams " + room, ".rest_to[0].channel: kind slack " + room}},
		{"the passcode on paper", "mode: send, pass_to: [{channel: letter, recipient: desk}], rest_to: [{channel: letter, recipient: personal_mail}], notice_to: [{channel: letter, recipient: personal_mail}]", []string{
			".notice_to[0].channel: " + print, ".pass_to[0].channel: " + print, ".rest_to[0].channel: " + print}},
		{"link and code on paper", "link_to: [{channel: letter, recipient: personal_mail}], code_to: [{channel: letter, recipient: desk}], notice_to: [{channel: hook, recipient: desk}]", nil},
		{"nobody hears in time", link + ", code_to: [{channel: letter, recipient: desk}]", []string{".notice_to: missing; a letter is too slow to tell of a collection, so name somebody else"}},
		{"alerts", pickup + ", alert_to: [{channel: teams, recipient: desk}, {channel: letter, recipient: desk}, {channel: mail, recipient: personal_mail}]", []string{
			".alert_to[1].channel: " + print,
			".alert_to[2].recipient: want desk, manager or sponsor: an alert is for who can act, and the employee's own address may be what is wrong"}},

		{"reminders", send + ", reminders: [{before: 60d, of: start, to: [{channel: mail, recipient: personal_mail}]}, {after: 1s, of: expiry, to: [{channel: teams, recipient: desk}, {channel: mail, recipient: manager}]}]", nil},
		{"reminders when?", send + ", reminders: [{of: start, to: [{channel: mail, recipient: manager}]}, {before: 1h, after: 1h, of: start, to: [{channel: mail, recipient: manager}]}, {before: 61d, of: start, to: [{channel: mail, recipient: manager}]}, {after: -1h, of: start, to: [{channel: mail, recipient: manager}]}, {after: 0s, of: start, to: [{channel: mail, recipient: manager}]}]", []string{
			".reminders[0].before: want either before or after, such as after: 4h", ".reminders[1].before: want either before or after",
			".reminders[2].before: want more than 0 and at most 60d", ".reminders[3].after: want more than 0 and at most 60d",
			".reminders[4].before: want either before or after, such as after: 4h"}},
		{"reminders of what, to whom?", send + ", reminders: [{before: 1h, of: lunch, to: []}, {before: 1h}]", []string{
			".reminders[0].of: want start or expiry", ".reminders[0].to: missing; nobody would be reminded",
			".reminders[1].of: missing; want start or expiry", ".reminders[1].to: missing; nobody would be reminded"}},
		{"reminders by what can't", send + ", reminders: [{before: 1h, of: start, to: [{channel: letter, recipient: desk}, {channel: letter, recipient: personal_mail}, {channel: teams, recipient: personal_mail}, {channel: pigeon, recipient: manager}]}]", []string{
			".reminders[0].to[0].channel: " + print, ".reminders[0].to[1].channel: " + print,
			".reminders[0].to[2].channel: kind teams is read by a whole room; it takes alerts, requests for approval and reminders to a desk only",
			`.reminders[0].to[3].channel: there is no channel "pigeon"; channels: hook, letter, mail, relay, slack, sms, teams, tenant`}},

		{"quiet hours", send + `, quiet_hours: {from: "20:00", until: "07:00"}`, nil},
		{"quiet from midnight", send + `, quiet_hours: {from: "00:00", until: "07:00"}`, nil},
		{"quiet hours without an end", send + `, quiet_hours: {from: "20:00"}`, []string{".quiet_hours.until: missing; quiet hours need from and until"}},
		{"quiet hours without a beginning", send + `, quiet_hours: {until: "07:00"}`, []string{".quiet_hours.from: missing; quiet hours need from and until"}},
		{"quiet hours of no length", send + `, quiet_hours: {from: "07:00", until: "07:00"}`, []string{".quiet_hours.until: want another time than from; leave quiet_hours out if there are none"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for i, w := range tc.want {
				tc.want[i] = "profiles.x" + w
			}
			profiles := "\n  default: {" + pickup + "}\n  x: {" + tc.profile + "}"
			same(t, complaints(t, map[string]string{"profiles": profiles}), tc.want)
		})
	}
}

func TestNoticeByDefault(t *testing.T) {
	c, err := parse(map[string]string{"profiles": `
  plain: {link_to: [{channel: mail, recipient: personal_mail}], code_to: [{channel: letter, recipient: desk}, {channel: sms, recipient: personal_phone}]}
  said: {link_to: [{channel: mail, recipient: personal_mail}], code_to: [{channel: sms, recipient: personal_phone}], notice_to: [{channel: tenant, recipient: manager}]}
  send: {mode: send, pass_to: [{channel: mail, recipient: personal_mail}]}`})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]jml.Route{
		"plain": {{Channel: "sms", Recipient: jml.RecipientPersonalPhone}},
		"said":  {{Channel: "tenant", Recipient: jml.RecipientManager}},
		"send":  nil,
	} {
		if d := cmp.Diff(want, c.Profile(name).NoticeTo); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if p := c.Profile("plain"); p.Mode != jml.ModePickup || p.LinkValid != 7*24*time.Hour || p.Window != 15*time.Minute || p.Quiet != nil {
		t.Errorf("defaults: %+v", p)
	}
}

func TestPickup(t *testing.T) {
	send := `{default: {mode: send, pass_to: [{channel: mail, recipient: personal_mail}]}}`
	for _, tc := range []struct {
		name, pickup, profiles string
		want                   []string
	}{
		{"all", `{url: "https://pass.example.org:8443", key_file: k, listen: ":8090", tls: {certificate_file: c, key_file: k}, client_ip_header: X-Forwarded-For, tries_per_minute: 1000}`, "", nil},
		{"on this machine", `{url: "http://127.0.0.1:8090", key_file: k}`, "", nil},
		{"none, and none needed", "", send, nil},
		{"an empty one", "{}", send, nil},
		{"one that nobody needs", `{url: "https://pass.example.org", key_file: k}`, send, nil},

		{"none", "", "", []string{
			"pickup.key_file: missing",
			"pickup.url: missing; there people with these profiles collect their pass: default (a profile that names no mode has mode pickup)"}},
		{"no key", `{url: "https://pass.example.org"}`, "", []string{"pickup.key_file: missing"}},
		{"in clear", `{url: "http://pass.example.org", key_file: k}`, "", []string{"pickup.url: want https"}},
		{"with a path", `{url: "https://example.org/pass", key_file: k}`, "", []string{"pickup.url: want https://host alone, without path, query or slash at the end"}},
		{"with a slash", `{url: "https://example.org/", key_file: k}`, "", []string{"pickup.url: want https://host alone, without path, query or slash at the end"}},
		{"with a query", `{url: "https://example.org?x", key_file: k}`, "", []string{"pickup.url: want https://host alone, without path, query or slash at the end"}},
		{"with a user", `{url: "https://a@example.org", key_file: k}`, "", []string{"pickup.url: must not hold a user name or password"}},
		{"no URL at all", `{url: pass.example.org, key_file: k}`, "", []string{"pickup.url: want an address such as https://pass.example.org"}},
		{"values", `{url: "https://pass.example.org", key_file: k, listen: "8090", tls: {key_file: k}, client_ip_header: "X-IP: 1", tries_per_minute: 1001}`, "", []string{
			"pickup.client_ip_header: want the name of a header, such as X-Forwarded-For", "pickup.listen: want host:port",
			"pickup.tls.certificate_file: missing; key_file needs it", "pickup.tries_per_minute: want 1 to 1000"}},
		{"no tries", `{url: "https://pass.example.org", key_file: k, tries_per_minute: 0}`, "", []string{"pickup.tries_per_minute: want 1 to 1000"}},
		{"keys of nothing", `{key_file: k, listen: ":1", tls: {certificate_file: c, key_file: k}, client_ip_header: X, tries_per_minute: 1}`, send, []string{
			"pickup.client_ip_header: has no effect without pickup.url", "pickup.key_file: has no effect without pickup.url", "pickup.listen: has no effect without pickup.url",
			"pickup.tls.certificate_file: has no effect without pickup.url", "pickup.tls.key_file: has no effect without pickup.url", "pickup.tries_per_minute: has no effect without pickup.url"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			edit := map[string]string{"pickup": tc.pickup}
			if tc.profiles != "" {
				edit["profiles"] = tc.profiles
			}
			same(t, complaints(t, edit), tc.want)
		})
	}
	c, err := parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Pickup.Listen != "127.0.0.1:8090" || c.Pickup.TriesPerMinute != 10 {
		t.Errorf("defaults: %+v", c.Pickup)
	}
}

func TestOrganisationAndMessages(t *testing.T) {
	for _, tc := range []struct {
		section, text string
		want          []string
	}{
		{"organisation", `{name: A, help: b, colour: "#A0b1C2", logo_file: logo.SVG}`, nil},
		{"organisation", `{name: A, help: b, colour: "#fff", logo_file: logo}`, []string{"organisation.colour: want #rrggbb, such as #1f4e79", "organisation.logo_file: want a .svg or .png file"}},
		{"organisation", `{name: A, help: b, colour: "#1f4e79; background: url(x)"}`, []string{"organisation.colour: want #rrggbb, such as #1f4e79"}},
		{"organisation", `{name: A, help: b, sign_in_url: "http://127.0.0.1"}`, []string{"organisation.sign_in_url: want an https address"}},
		{"messages", `{locale: ar-EG, folder: /templates}`, nil},
		{"messages", `{locale: "", folder: templates}`, []string{"messages.folder: want an absolute path", "messages.locale: missing"}},
		{"messages", `{locale: "../en"}`, []string{"messages.locale: want a BCP 47 tag such as en or de-AT"}},
		{"intake", `{url: "https://intake.example.org"}`, nil},
		{"intake", `{url: "http://intake.example.org"}`, []string{"intake.url: want https"}},
	} {
		same(t, complaints(t, map[string]string{tc.section: tc.text}), tc.want)
	}
}

// TestOneMistakeOneComplaint: what hangs on a value of the wrong type is not
// held against people as well.
func TestOneMistakeOneComplaint(t *testing.T) {
	for _, tc := range []struct{ section, text, want string }{
		{"channels", "{name: mail}", "channels: want a list"},
		{"proofs", "yes", "proofs: want a section with keys of its own"},
		{"pickup", `{url: 1, key_file: k}`, "pickup.url: want a text; put it in quotes"},
		{"profiles", `{default: {mode: 1, link_to: [{channel: mail, recipient: personal_mail}]}}`, "profiles.default.mode: want a text; put it in quotes"},
		{"profiles", `{default: {link_to: [{channel: mail, recipient: personal_mail}], code_to: sms}}`, "profiles.default.code_to: want a list"},
		{"profiles", `{default: {link_to: [{channel: mail, recipient: personal_mail}], code_to: [{channel: 5, recipient: personal_phone}]}}`, "profiles.default.code_to[0].channel: want a text; put it in quotes"},
		{"profiles", `{default: {link_to: [{channel: mail, recipient: personal_mail}], code_to: [{channel: sms, recipient: [x]}]}}`, "profiles.default.code_to[0].recipient: want a text; put it in quotes"},
	} {
		same(t, complaints(t, map[string]string{tc.section: tc.text}), []string{tc.want})
	}
}
