package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/jml"
)

func TestProfileJourneys(t *testing.T) {
	const (
		pickup   = "link_to: [{channel: mail, recipient: personal_mail}], code_to: [{channel: sms, recipient: personal_phone}]"
		mover    = "when: 'true', for: [mover], " + pickup
		recovery = "for: [recovery], " + pickup
		tech     = "link_to: [{channel: mail, recipient: technician}], code_to: [{channel: sms, recipient: technician}]"
		staging  = "for: [staging], approval: {within: 1d}, " + tech
		guid     = "01234567-89ab-cdef-0123-456789abcdef"
		window   = "want 8h or more, the longest window (timeout): Autopilot asks again after a restart"
		both     = "who holds both, or gets at that one mailbox, has the pass; link and code must go to different recipients"
	)
	for _, tc := range []struct {
		name, profile string
		want          []string
	}{
		// Kinds.
		{"joiner", "for: [joiner], " + pickup, nil},
		{"joiner and mover", "for: [joiner, mover], late: block, remove: older, " + pickup, nil},
		{"joiner and recovery", "for: [joiner, recovery], late: block, " + pickup, nil},
		{"none", "for: [], " + pickup, []string{".for: empty; want some of joiner, mover, recovery, staging"}},
		{"no kind we know", "for: [leaver, joiner, joiner], " + pickup, []string{".for[0]: want joiner or mover or recovery or staging", ".for[2]: is there twice"}},

		// What only some kinds do anything with.
		{"late of a mover", mover + ", late: now", []string{".late: has no effect unless the profile is for joiner"}},
		{"lead of a recovery", recovery + `, lead_time: 2d, start_hour: "08:00"`, []string{
			".lead_time: has no effect unless the profile is for joiner or mover", ".start_hour: has no effect unless the profile is for joiner or mover"}},
		{"cap of a joiner", pickup + ", cap: {count: 1, per: 1d, rest: 1h}", []string{".cap: has no effect unless the profile is for recovery or staging"}},
		{"an employee to tell of a staging", staging + ", unfinished: offer, change_to: [{channel: mail, recipient: work_mail}]", []string{
			".change_to: has no effect unless the profile is for joiner or mover or recovery",
			".unfinished: has no effect unless the profile is for joiner or mover or recovery"}},

		// Words.
		{"words", pickup + ", late: never, unfinished: beg, remove: all", []string{
			".late: want now or ask or block", ".remove: want none or older or lost or registered", ".unfinished: want wait or offer or reissue"}},
		{"a reissue that is none", pickup + ", unfinished: reissue, reissues: 0", []string{".unfinished: reissue counts as one of reissues, which is 0"}},
		{"reissue", pickup + ", unfinished: reissue", nil},

		// Working days.
		{"working days", pickup + ", lead_days: 20", nil},
		{"both leads", pickup + ", lead_days: 3, lead_time: 2d", []string{".lead_days: want either lead_days or lead_time"}},
		{"too many working days", pickup + ", lead_days: 21", []string{".lead_days: want 0 to 20 working days"}},
		{"fewer than none", pickup + ", lead_days: -1", []string{".lead_days: want 0 to 20 working days"}},

		// Approval.
		{"approval", pickup + ", late: ask, approve: true, privileged: true, approval: {within: 30d, to: [{channel: teams, recipient: desk}, {channel: mail, recipient: desk, desk: it}]}", nil},
		{"approval that is missing", pickup + ", late: ask, privileged: true", []string{".approval.within: privileged: true and late: ask needs it: how long somebody has to approve, such as 2d"}},
		{"approval of a staging", "for: [staging], " + tech, []string{".approval.within: for: [staging] needs it: how long somebody has to approve, such as 2d"}},
		{"approval of nothing", pickup + ", approval: {within: 1d}", []string{".approval: has no effect: nothing in this profile asks for approval; set approve, privileged or late: ask"}},
		{"minutes to approve", pickup + ", approve: true, approval: {within: 59m}", []string{".approval.within: want 1h to 30d"}},
		{"months to approve", pickup + ", approve: true, approval: {within: 31d}", []string{".approval.within: want 1h to 30d"}},
		{"who approves", pickup + ", approve: true, approval: {within: 1d, to: [{channel: mail, recipient: manager}, {channel: mail, recipient: personal_mail}]}", []string{
			".approval.to[0].recipient: want desk: a second person approves, not who stands near the employee",
			".approval.to[1].recipient: want desk: a second person approves, not who stands near the employee"}},

		// Removing.
		{"older of a joiner", pickup + ", remove: older", nil},
		{"lost of a recovery", recovery + ", remove: lost", nil},
		{"lost of a joiner", pickup + ", remove: lost", []string{".remove: lost is for recovery, not for joiner"}},
		{"older of a recovery", recovery + ", remove: older", []string{".remove: older is for joiner or mover, not for recovery"}},
		{"older of two kinds, one of which has none", "for: [joiner, recovery], remove: older, " + pickup, []string{".remove: older is for joiner or mover, not for recovery"}},
		{"registered of a mover", mover + ", remove: registered", []string{".remove: registered is for staging, not for mover"}},
		{"a technician who keeps it", staging + ", remove: none", []string{".remove: want registered: the technician must not keep what he registered in the employee's name"}},

		// Caps.
		{"cap", recovery + ", cap: {count: 100, per: 366d, rest: 366d}", nil},
		{"a part of a cap", recovery + ", cap: {count: 1}", nil},
		{"no cap", recovery + ", cap: {count: 0, per: 0s, rest: 0s}", []string{".cap.count: want 1 to 100", ".cap.per: want 1h to 366d", ".cap.rest: want more than 0, and no more than per"}},
		{"half a cap of a staging", staging + ", cap: {count: 2}", []string{".cap.per: want 1h to 366d", ".cap.rest: want more than 0, and no more than per"}},

		// What completes it.
		{"makes of two keys", pickup + ", complete_on: [fido2], aaguids: [" + guid + "], devices: 5", nil},
		{"makes of no passkey", pickup + ", complete_on: [microsoftAuthenticator], aaguids: [" + guid + "]", []string{".aaguids: has no effect without fido2 in complete_on: only passkeys have an AAGUID"}},
		{"no makes", pickup + ", aaguids: [" + strings.ToUpper(guid) + ", " + guid + ", " + guid + ", yubikey]", []string{
			".aaguids[0]: want an AAGUID in lower case, 00000000-0000-0000-0000-000000000000", ".aaguids[2]: is there twice",
			".aaguids[3]: want an AAGUID in lower case, 00000000-0000-0000-0000-000000000000"}},
		{"no device", pickup + ", devices: 0", []string{".devices: want 1 to 5"}},
		{"a bag of devices", pickup + ", devices: 6", []string{".devices: want 1 to 5"}},
		{"nothing completes it", pickup + ", complete_on: []", []string{".complete_on: missing; nothing could ever complete a journey"}},
		{"nothing completes a staging", staging + ", complete_on: []", nil},
		{"something completes a staging", staging + ", complete_on: [windowsHelloForBusiness]", nil},

		// Who is told.
		{"told", pickup + ", change_to: [{channel: mail, recipient: work_mail}], missed_to: [{channel: mail, recipient: manager}, {channel: mail, recipient: sponsor}, {channel: slack, recipient: desk}]", nil},
		{"wrongly told", pickup + ", change_to: [{channel: mail, recipient: manager}, {channel: teams, recipient: personal_mail}], missed_to: [{channel: mail, recipient: personal_mail}]", []string{
			".change_to[0].recipient: want personal_mail, personal_phone or work_mail: it speaks to the employee",
			".change_to[1].channel: kind teams is read by a whole room; it takes alerts, requests for approval and reminders to a desk only",
			".missed_to[0].recipient: want manager, sponsor or desk: the employee was reminded already"}},

		// Staging.
		{"staging", staging, nil},
		{"staging by a desk", "for: [staging], approval: {within: 1d}, link_to: [{channel: mail, recipient: technician}], code_to: [{channel: mail, recipient: desk, desk: gate}], proofs: [officer]", nil},
		{"staging by send", "for: [staging], approval: {within: 1d}, mode: send, pass_to: [{channel: mail, recipient: technician}], rest_to: [{channel: sms, recipient: technician}]", nil},
		{"staging to one mailbox", "for: [staging], approval: {within: 1d}, link_to: [{channel: mail, recipient: technician}], code_to: [{channel: relay, recipient: technician}]",
			[]string{".code_to[0]: technician by mail is in link_to[0] too; " + both}},
		{"staging to the employee", "for: [staging], approval: {within: 1d}, " + pickup, []string{
			".code_to[0].recipient: want technician, by another way than the first part, or desk",
			".link_to[0].recipient: want technician: the pass is for who sets up the device"}},
		{"staging for once", staging + ", one_time: true", []string{".one_time: want false: Autopilot restarts the device and asks again, and a one-time pass is used up by then"}},
		{"staging for an hour", staging + ", lifetime: 1h", []string{".lifetime: " + window}},
		{"a short staging", staging + ", lifetime: 1h, timeout: 1h", nil},
		{"staging with the employee's proofs", staging + ", proofs: [facts, eid, boss, officer]", []string{
			".proofs[0]: kind fact is about the employee, and a technician is at the page; want none, or kind desk",
			".proofs[1]: kind oidc is about the employee, and a technician is at the page; want none, or kind desk",
			".proofs[2]: kind manager is about the employee, and a technician is at the page; want none, or kind desk"}},
		{"staging and more", "for: [staging, recovery], approval: {within: 1d}, " + tech, []string{
			".complete_on: missing; nothing could ever complete a journey",
			".for: staging wants a profile of its own: its pass goes to a technician, not to the employee",
			".remove: registered is for staging, not for recovery"}},
		{"a technician by a program", "for: [staging], approval: {within: 1d}, link_to: [{channel: hook, recipient: technician}], code_to: [{channel: sms, recipient: technician}]", []string{
			`.link_to[0].recipient: technician needs a channel of kind sendgrid, smtp, graph or twilio; "hook" is of kind webhook`}},
		{"a technician where there is none", tech + ", notice_to: [{channel: mail, recipient: technician}], reminders: [{after: 1h, of: start, to: [{channel: mail, recipient: technician}]}]", []string{
			".code_to[0].recipient: only a profile for staging has a technician", ".link_to[0].recipient: only a profile for staging has a technician",
			".notice_to[0].recipient: only a profile for staging has a technician", ".reminders[0].to[0].recipient: only a profile for staging has a technician"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var want []string
			for _, w := range tc.want {
				want = append(want, "profiles.x"+w)
			}
			same(t, complaints(t, map[string]string{
				"profiles":  "\n  default: {" + pickup + "}\n  x: {" + tc.profile + "}",
				"calendars": "[{name: de, countries: [DE]}]",
			}), want)
		})
	}
}

func TestLeadDaysWantCalendars(t *testing.T) {
	same(t, complaints(t, map[string]string{"profiles": "{default: {lead_days: 2, mode: send, pass_to: [{channel: mail, recipient: personal_mail}]}}"}),
		[]string{"profiles.default.lead_days: needs calendars: without one every day is a working day, and lead_time says the same"})
}

func TestFallbacks(t *testing.T) {
	const (
		send = "mode: send, pass_to: [{channel: mail, recipient: personal_mail}]"
		hr   = "use: canonical, verify: {key_files: [k]}"
	)
	for _, tc := range []struct {
		name, profiles, sources string
		want                    []string
	}{
		{"default by itself", "{default: {" + send + "}}", "[{name: hr, " + hr + "}]", nil},
		{"another one", "{office: {" + send + "}}", "[{name: hr, profile: office, " + hr + "}]", nil},
		{"rules alone", "{office: {when: 'true', " + send + "}}", "[{name: hr, " + hr + "}]", nil},
		{"rules, and no fallback though there is one", "{default: {" + send + "}, office: {when: 'true', " + send + "}}", `[{name: hr, profile: "", ` + hr + "}]", nil},
		{"neither", "{default: {" + send + "}, lost: {for: [recovery], when: 'true', " + send + "}}", `[{name: hr, profile: "", ` + hr + "}]",
			[]string{"sources[0].profile: missing; no profile for joiners has a rule (when), so nobody would get one"}},
		{"no default", "{office: {" + send + "}}", "[{name: hr, " + hr + "}]", []string{`sources[0].profile: there is no profile "default"; profiles: office`}},
		{"of another kind", "{default: {" + send + "}, lost: {for: [recovery], " + send + "}}", "[{name: hr, profile: lost, " + hr + "}]",
			[]string{`sources[0].profile: profile "lost" is not for joiners, which is what a source begins`}},
		{"two for everybody", "{default: {" + send + "}, a: {for: [recovery, mover], " + send + "}, b: {for: [recovery], " + send + "}, c: {for: [mover], when: 'true', " + send + "}}", "[]",
			[]string{"profiles.b.when: missing; a, b are all for recovery without a rule, and only one may be"}},
		{"three joiners without a rule", "{default: {" + send + "}, a: {" + send + "}, b: {" + send + "}}", "[{name: hr, profile: a, " + hr + "}]", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			same(t, complaints(t, map[string]string{"profiles": tc.profiles, "sources": tc.sources}), tc.want)
		})
	}
}

func TestCalendars(t *testing.T) {
	for _, tc := range []struct {
		name, calendars string
		want            []string
	}{
		{"dates bare and in quotes", `[{name: de, countries: [DE], holidays: [2026-12-25, "2026-12-26"], weekend: []}]`, nil},
		{"for nobody", "[{name: de}]", []string{"[0].sites: missing; a calendar needs sites or countries, or nobody works by it"}},
		{"names", "[{name: Alpha, countries: [DE]}, {name: x, sites: [A]}, {name: x, sites: [B]}]", []string{
			"[0].name: want lower-case letters, digits and inner hyphens, at most 63", `[2].name: "x" is taken already`}},
		{"a site twice", `[{name: a, sites: [Berlin, ""], countries: [DE]}, {name: b, sites: [Berlin], countries: [DE, germany]}]`, []string{
			"[0].sites[1]: missing", `[1].countries[0]: is in calendar "a" already`, "[1].countries[1]: want a code of ISO 3166-1 in capitals, such as DE",
			`[1].sites[0]: is in calendar "a" already`}},
		{"days", "[{name: a, sites: [x], weekend: [Sunday, friday, friday]}]", []string{
			"[0].weekend[0]: want the English name of a day in lower case, such as friday", "[0].weekend[2]: is there twice"}},
		{"no working day", "[{name: a, sites: [x], weekend: [monday, tuesday, wednesday, thursday, friday, saturday, sunday]}]", []string{"[0].weekend: leaves no working day"}},
		{"holidays", `[{name: a, sites: [x], holidays: [2026-12-25, "2026-12-25", "25.12.2026", 20261225, ""]}]`, []string{
			"[0].holidays[1]: is there twice", "[0].holidays[2]: not a calendar date of the form YYYY-MM-DD",
			"[0].holidays[3]: want a text in quotes", "[0].holidays[4]: missing"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var want []string
			for _, w := range tc.want {
				want = append(want, "calendars"+w)
			}
			same(t, complaints(t, map[string]string{"calendars": tc.calendars}), want)
		})
	}
	c, err := parse(map[string]string{"calendars": `[{name: de, countries: [DE], holidays: [2026-12-25, "2026-12-26"], ical_file: h.ics}]`})
	if err != nil {
		t.Fatal(err)
	}
	want := Calendar{Name: "de", Countries: []string{"DE"}, Weekend: []string{"saturday", "sunday"}, ICalFile: c.Calendars[0].ICalFile,
		Holidays: []jml.Date{{Year: 2026, Month: time.December, Day: 25}, {Year: 2026, Month: time.December, Day: 26}}}
	if d := cmp.Diff(want, c.Calendars[0]); d != "" || !strings.HasSuffix(c.Calendars[0].ICalFile, "/h.ics") {
		t.Errorf("%s %s", c.Calendars[0].ICalFile, d)
	}
}

func TestVerifications(t *testing.T) {
	same(t, complaints(t, map[string]string{"verifications": "[in_person, In_Person, in_person]"}), []string{
		"verifications[1]: want a short word in lower case, such as in_person", "verifications[2]: is there twice"})
	same(t, complaints(t, map[string]string{"verifications": "[]"}), []string{"verifications: empty; without one nobody could ask for a recovery"})
	c, err := parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"in_person", "video", "callback", "manager"}, c.Verifications); d != "" {
		t.Error(d)
	}
}

// TestDefaultsByKind: what a profile has that says nothing but whom it is for and
// where its pass goes.
func TestDefaultsByKind(t *testing.T) {
	const (
		pickup = "link_to: [{channel: mail, recipient: personal_mail}, {channel: letter, recipient: personal_mail}, {channel: mail, recipient: personal_mail}], code_to: [{channel: sms, recipient: personal_phone}]"
		send   = "mode: send, pass_to: [{channel: mail, recipient: manager}, {channel: mail, recipient: work_mail}]"
	)
	c, err := parse(map[string]string{"calendars": "[{name: de, countries: [DE]}]", "profiles": `
  joiner: {` + pickup + `}
  days: {lead_days: 3, ` + send + `}
  told: {change_to: [{channel: sms, recipient: personal_phone}], ` + send + `}
  mover: {for: [mover], ` + send + `}
  recovery: {for: [recovery], cap: {count: 1}, ` + pickup + `}
  staging: {for: [staging], approval: {within: 1d}, link_to: [{channel: mail, recipient: technician}], code_to: [{channel: sms, recipient: technician}]}`})
	if err != nil {
		t.Fatal(err)
	}
	type some struct {
		Lead       time.Duration
		Hour       int
		Late       jml.LateRule
		Unfinished jml.UnfinishedRule
		Remove     jml.RemoveRule
		Cap        *jml.Cap
		Kinds      int
		LinkValid  time.Duration
		Timeout    time.Duration
		ChangeTo   string
	}
	const day = 24 * time.Hour
	for name, want := range map[string]some{
		"joiner":   {Lead: 2 * day, Hour: 9, Unfinished: jml.UnfinishedOffer, Kinds: 4, LinkValid: 7 * day, Timeout: 7 * day, ChangeTo: "mail personal_mail"},
		"days":     {Hour: 9, Kinds: 4, Timeout: 7 * day, ChangeTo: "mail work_mail"},
		"told":     {Lead: 2 * day, Hour: 9, Unfinished: jml.UnfinishedOffer, Kinds: 4, Timeout: 7 * day, ChangeTo: "sms personal_phone"},
		"mover":    {Lead: 2 * day, Hour: 9, Kinds: 4, Timeout: 7 * day, ChangeTo: "mail work_mail"},
		"recovery": {Unfinished: jml.UnfinishedOffer, Cap: &jml.Cap{Count: 1, Per: 30 * day, Rest: time.Hour}, Kinds: 4, LinkValid: 7 * day, Timeout: 7 * day, ChangeTo: "mail personal_mail"},
		"staging":  {Remove: jml.RemoveRegistered, LinkValid: 8 * time.Hour, Timeout: 8 * time.Hour},
	} {
		p := c.Profile(name)
		got := some{p.LeadTime, p.StartHour.Hour, p.Late, p.Unfinished, p.Remove, p.Cap, len(p.CompleteOn), p.LinkValid, p.Timeout, ""}
		for i, r := range p.ChangeTo {
			got.ChangeTo += strings.Repeat(", ", min(i, 1)) + r.Channel + " " + string(r.Recipient)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}
