package delivery

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/delivery/channel"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

func TestConfigIsChecked(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string // part of the error; empty: none
	}{
		"right":                    {func(*Config) {}, ""},
		"no pick-up page":          {func(c *Config) { c.PickupURL = "" }, ""},
		"no help":                  {func(c *Config) { c.Organisation.Help = "" }, ""},
		"no organisation":          {func(c *Config) { c.Organisation.Name = "" }, "organisation name"},
		"two-line name":            {func(c *Config) { c.Organisation.Name = "Larch\r\nBcc: x" }, "organisation name"},
		"two-line help":            {func(c *Config) { c.Organisation.Help = "a\nb" }, "organisation help"},
		"mark in the help":         {func(c *Config) { c.Organisation.Help = "a\ue000" }, "organisation help"},
		"http sign-in page":        {func(c *Config) { c.Organisation.SignInURL = "http://example.com" }, "sign-in URL"},
		"script for a page":        {func(c *Config) { c.Organisation.SignInURL = "javascript:alert(1)" }, "sign-in URL"},
		"script for a pick-up":     {func(c *Config) { c.PickupURL = "javascript:alert(1)" }, "pick-up URL"},
		"no channel name":          {func(c *Config) { c.Channels[""] = &fake{} }, "without a name"},
		"no channel":               {func(c *Config) { c.Channels["x"] = nil }, "nothing behind it"},
		"default without template": {func(c *Config) { c.Locale = "pt-BR" }, "no templates in the default one"},
		"direct without a channel": {func(c *Config) { c.Direct = []string{"letter"} }, "direct: names a channel"},
		"direct":                   {func(c *Config) { c.Direct = []string{"mail"} }, ""},
		"default in a region":      {func(c *Config) { c.Locale = "de_AT" }, ""},
	} {
		cfg := config(map[string]channel.Channel{"mail": &fake{}})
		tt.change(&cfg)
		_, err := New(cfg)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v does not speak of %q", name, err, tt.want)
		}
	}
}

func TestLocaleOfAMessage(t *testing.T) {
	f := &fake{kind: jml.AddressMail}
	cfg := config(map[string]channel.Channel{"mail": f})
	cfg.Locale = "fr-CH"
	s := newSender(t, cfg)
	for tag, want := range map[string]string{"": "fr", "de_AT": "de", "nn-NO": "nb", "no": "nb", "da": "fr", "pt": "fr", "en-US": "en", "not a tag": "fr"} {
		n := notice(jml.MessageCode)
		n.Locale = tag
		if m := send(t, s, f, n, contents()); m.Locale != want {
			t.Errorf("%q: %s, want %s", tag, m.Locale, want)
		}
	}
}

func TestCheck(t *testing.T) {
	mail, sms, chat := &fake{kind: jml.AddressMail}, &fake{kind: jml.AddressPhone}, &fake{refuses: jml.Message.Secret}
	s := newSender(t, config(map[string]channel.Channel{"mail": mail, "sms": sms, "chat": chat}))
	to := func(ch, address string) func(*jml.Notice) {
		return func(n *jml.Notice) { n.Channel, n.Recipient = ch, address }
	}
	for name, tt := range map[string]struct {
		change func(*jml.Notice)
		want   jml.BlockReason
	}{
		"right":                {func(*jml.Notice) {}, ""},
		"no message is a pass": {func(n *jml.Notice) { n.Message = "" }, ""},
		"without times":        {func(n *jml.Notice) { n.From, n.Until = time.Time{}, time.Time{} }, ""},
		"without name":         {func(n *jml.Notice) { n.GivenName = "" }, ""},
		"plus in the address":  {to("mail", "robin+hr@example.org"), ""},
		"apostrophe":           {to("mail", "o'vale@example.org"), ""},
		"no channel":           {to("", "robin@example.org"), jml.ReasonMessageRefused},
		"other channel":        {to("fax", "robin@example.org"), jml.ReasonMessageRefused},
		"no address":           {to("mail", ""), jml.ReasonNoRecipient},
		"no at sign":           {to("mail", "robin"), jml.ReasonNoRecipient},
		"no domain":            {to("mail", "robin@"), jml.ReasonNoRecipient},
		"local domain":         {to("mail", "robin@localhost"), jml.ReasonNoRecipient},
		"domain literal":       {to("mail", "robin@[192.0.2.1]"), jml.ReasonNoRecipient},
		"display name":         {to("mail", "Robin <robin@example.org>"), jml.ReasonNoRecipient},
		"angle brackets":       {to("mail", "<robin@example.org>"), jml.ReasonNoRecipient},
		"two addresses":        {to("mail", "robin@example.org, kim@example.org"), jml.ReasonNoRecipient},
		"second header":        {to("mail", "robin@example.org\r\nBcc: kim@example.org"), jml.ReasonNoRecipient},
		"line break behind":    {to("mail", "robin@example.org\n"), jml.ReasonNoRecipient},
		"comment":              {to("mail", "robin@example.org (home)"), jml.ReasonNoRecipient},
		"quoted local part":    {to("mail", `"ro bin"@example.org`), jml.ReasonNoRecipient},
		"turned direction":     {to("mail", "robin\u202e@example.org"), jml.ReasonNoRecipient},
		"endless":              {to("mail", strings.Repeat("r", 300)+"@example.org"), jml.ReasonNoRecipient},
		"a number for a mail":  {to("mail", "+4915550100200"), jml.ReasonNoRecipient},
		"number":               {to("sms", "+4915550100200"), ""},
		"shortest number":      {to("sms", "+2901234"), ""},
		"no number":            {to("sms", ""), jml.ReasonNoRecipient},
		"national number":      {to("sms", "015550100200"), jml.ReasonNoRecipient},
		"number with blanks":   {to("sms", "+49 1555 0100200"), jml.ReasonNoRecipient},
		"number too long":      {to("sms", "+4915550100200123"), jml.ReasonNoRecipient},
		"country code zero":    {to("sms", "+0915550100200"), jml.ReasonNoRecipient},
		"number and a line":    {to("sms", "+4915550100200\n"), jml.ReasonNoRecipient},
		"a mail for a number":  {to("sms", "robin@example.org"), jml.ReasonNoRecipient},
		"a pass to a chat":     {to("chat", ""), jml.ReasonMessageRefused},
		"an alert to a chat": {func(n *jml.Notice) {
			n.Channel, n.Recipient, n.Message, n.Reason = "chat", "", jml.MessageAlert, jml.ReasonRepudiated
		}, ""},
		"an attest to a chat":   {func(n *jml.Notice) { n.Channel, n.Message = "chat", jml.MessageAttest }, jml.ReasonMessageRefused},
		"unknown message":       {func(n *jml.Notice) { n.Message = "advert" }, jml.ReasonMessageRefused},
		"no zone":               {func(n *jml.Notice) { n.Zone = "" }, jml.ReasonMessageRefused},
		"unknown zone":          {func(n *jml.Notice) { n.Zone = "Mars/Olympus" }, jml.ReasonMessageRefused},
		"no sign-in name":       {func(n *jml.Notice) { n.SignInName = "" }, jml.ReasonMessageRefused},
		"an alert without one":  {func(n *jml.Notice) { n.SignInName, n.Message = "", jml.MessageAlert }, ""},
		"two-line sign-in name": {func(n *jml.Notice) { n.SignInName = "a@example.com\nb" }, jml.ReasonMessageRefused},
		"blank in sign-in name": {func(n *jml.Notice) { n.SignInName = "a b@example.com" }, jml.ReasonMessageRefused},
		"endless sign-in name":  {func(n *jml.Notice) { n.SignInName = strings.Repeat("a", 10_000) }, jml.ReasonMessageRefused},
		"reference is a text":   {func(n *jml.Notice) { n.Reference = "Robin Vale" }, jml.ReasonMessageRefused},
		"endless reference":     {func(n *jml.Notice) { n.Reference = strings.Repeat("a", 81) }, jml.ReasonMessageRefused},
		"third half":            {func(n *jml.Notice) { n.Half = 3 }, jml.ReasonMessageRefused},
		"nothing to type":       {func(n *jml.Notice) { n.Message, n.Reference = jml.MessageIssued, "" }, jml.ReasonMessageRefused},
	} {
		n := notice(jml.MessagePass)
		tt.change(&n)
		err := s.Check(t.Context(), n)
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var f *jml.Fault
		if !errors.As(err, &f) || f.Kind != jml.FaultRefused || f.Reason != tt.want || f.Retryable() {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
			continue
		}
		if n.Recipient != "" && strings.Contains(fmt.Sprintf("%+v", *f), n.Recipient) || strings.Contains(err.Error(), "example") {
			t.Errorf("%s: the error is personal: %v", name, err)
		}
	}
	if n := len(mail.got) + len(sms.got) + len(chat.got); n != 0 {
		t.Errorf("Check posted %d messages", n)
	}
}

func TestSend(t *testing.T) {
	s, f := mailer(t)
	receipt, err := s.Send(t.Context(), notice(""), contents())
	if err != nil || receipt.MessageID != "msg-1" {
		t.Fatalf("%+v, %v", receipt, err)
	}
	m := f.last(t)
	if m.To != "robin.vale@example.org" || m.Subject != "Larch & Sons: your first sign-in" || f.dry[0] || m.Notice.Message != jml.MessagePass {
		t.Errorf("to %q, subject %q, dry %v, %q", m.To, m.Subject, f.dry[0], m.Notice.Message)
	}
	f.kind = jml.AddressNone
	if _, err := s.Send(t.Context(), notice(jml.MessageCode), contents()); err != nil || f.last(t).To != "" {
		t.Errorf("a channel that is an address itself gets another: %v", err)
	}
}

func TestSendRefuses(t *testing.T) {
	s, f := mailer(t)
	none := secret.Passcode{}
	for name, tt := range map[string]struct {
		message jml.Message
		notice  func(*jml.Notice)
		without func(*secret.Contents)
	}{
		"pass without a passcode":    {jml.MessagePass, nil, func(c *secret.Contents) { c.Passcode = none }},
		"pass without times":         {jml.MessagePass, func(n *jml.Notice) { n.From, n.Until = time.Time{}, time.Time{} }, nil},
		"pass without a begin":       {jml.MessagePass, func(n *jml.Notice) { n.From = time.Time{} }, nil},
		"pass that ends at once":     {jml.MessagePass, func(n *jml.Notice) { n.Until = n.From }, nil},
		"passcode of two lines":      {jml.MessagePass, nil, func(c *secret.Contents) { c.Passcode = secret.NewPasscode("a\nb") }},
		"passcode that is a mark":    {jml.MessagePass, nil, func(c *secret.Contents) { c.Passcode = secret.NewPasscode("\ue001") }},
		"link without a link":        {jml.MessageLink, nil, func(c *secret.Contents) { c.Link = none }},
		"link without its reference": {jml.MessageLink, nil, func(c *secret.Contents) { c.PickupReference = none }},
		"link that is a script":      {jml.MessageLink, nil, func(c *secret.Contents) { c.Link = secret.NewPasscode("javascript:alert(1)") }},
		"link with a blank":          {jml.MessageLink, nil, func(c *secret.Contents) { c.Link = secret.NewPasscode("https://a.example/p# b") }},
		"link without an end":        {jml.MessageLink, func(n *jml.Notice) { n.Until = time.Time{} }, nil},
		"code without a code":        {jml.MessageCode, nil, func(c *secret.Contents) { c.Code = none }},
		"code without an end":        {jml.MessageCode, func(n *jml.Notice) { n.Until = time.Time{} }, nil},
		"issued without a reference": {jml.MessageIssued, func(n *jml.Notice) { n.Reference = "" }, nil},
		"collected without one":      {jml.MessageCollected, func(n *jml.Notice) { n.Reference = "" }, nil},
		"reminder without one":       {jml.MessageReminder, func(n *jml.Notice) { n.Reference = "" }, nil},
		"reminder with a script":     {jml.MessageReminder, nil, func(c *secret.Contents) { c.Link = secret.NewPasscode("javascript:alert(1)") }},
		"hand on without a link":     {jml.MessageLink, func(n *jml.Notice) { n.To = jml.RecipientManager }, func(c *secret.Contents) { c.Link = none }},
	} {
		n, c := notice(tt.message), contents()
		if tt.notice != nil {
			tt.notice(&n)
		}
		if tt.without != nil {
			tt.without(&c)
		}
		_, err := s.Send(t.Context(), n, c)
		if f := faultOf(err); f == nil || f.Kind != jml.FaultRefused || f.Reason != jml.ReasonMessageRefused {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(f.got) != 0 {
		t.Errorf("%d messages went out", len(f.got))
	}
	// Without a page to say "not me" there is nothing to type there.
	n := notice(jml.MessageReminder)
	n.Reference = ""
	if m := send(t, s, f, n, secret.Contents{}); strings.Contains(m.Text, "NOT YOU?") || !strings.Contains(m.Text, "or if you know nothing of this") {
		t.Error("a reminder without a link speaks of one")
	}
}

func TestProbe(t *testing.T) {
	mail, chat := &fake{kind: jml.AddressMail}, &fake{refuses: jml.Message.Secret}
	s := newSender(t, config(map[string]channel.Channel{"mail": mail, "chat": chat}))
	early := notice(jml.MessagePass)
	early.From, early.Until = time.Time{}, time.Time{}
	if err := errors.Join(s.Probe(t.Context(), "mail", &early), s.Probe(t.Context(), "mail", nil), s.Probe(t.Context(), "chat", nil)); err != nil {
		t.Fatal(err)
	}
	if mail.got[0].To != "robin.vale@example.org" || mail.got[1].To != "welcome@example.com" || chat.got[0].To != "" || chat.got[0].Notice.Message.Secret() {
		t.Errorf("to %q, %q and %q", mail.got[0].To, mail.got[1].To, chat.got[0].To)
	}
	if !mail.dry[0] || !mail.dry[1] || !chat.dry[0] {
		t.Error("a probe sends")
	}
	early.Recipient = "robin"
	for name, err := range map[string]error{
		"no such channel": s.Probe(t.Context(), "fax", nil),
		"bad address":     s.Probe(t.Context(), "mail", &early),
	} {
		if f := faultOf(err); f == nil || f.Kind != jml.FaultRefused {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a letter needs: somebody to address, and something still to come.
func TestProbeHasSomebodyToSpeakOf(t *testing.T) {
	f := &fake{refuses: func(m jml.Message) bool { return m != jml.MessageLink && m != jml.MessageReminder }}
	f.answer = func(m channel.Message) (jml.Receipt, error) {
		now := start().Add(-24 * time.Hour) // the clock of these tests
		if n := m.Notice; n.GivenName == "" || n.FamilyName == "" || !n.Start.After(now) || !n.Until.After(now) {
			return jml.Receipt{}, refuse("probe channel", "noName", jml.ReasonNoRecipient)
		}
		return jml.Receipt{}, nil
	}
	nothing := &fake{refuses: func(jml.Message) bool { return true }}
	s := newSender(t, config(map[string]channel.Channel{"letter": f, "nothing": nothing}))
	if err := s.Probe(t.Context(), "letter", nil); err != nil {
		t.Fatal(err)
	}
	if m := f.last(t); m.Notice.Message != jml.MessageLink || m.Notice.Reference != "sample" || !f.dry[0] {
		t.Errorf("%s, %q, dry %v", m.Notice.Message, m.Notice.Reference, f.dry[0])
	}
	if fault := faultOf(s.Probe(t.Context(), "nothing", nil)); fault == nil || fault.Code != "notByThisChannel" || len(nothing.got) != 0 {
		t.Errorf("a channel that carries nothing: %v", fault)
	}
}

// Text messages may come from a name or a pool of numbers: there is no number of
// our own to try them with.
func TestProbeWithoutAnAddressOfOurOwn(t *testing.T) {
	sms := &fake{kind: jml.AddressPhone, noSelf: true}
	s := newSender(t, config(map[string]channel.Channel{"sms": sms}))
	if err := s.Probe(t.Context(), "sms", nil); err != nil {
		t.Fatal(err)
	}
	if m := sms.last(t); m.To != "" || m.Notice.Channel != "sms" || m.SMS == "" || !sms.dry[0] {
		t.Errorf("to %q, %q, dry %v", m.To, m.SMS, sms.dry)
	}
	n := notice(jml.MessagePass)
	n.Channel, n.Recipient = "sms", ""
	_, sent := s.Send(t.Context(), n, contents())
	for name, err := range map[string]error{"probe": s.Probe(t.Context(), "sms", &n), "check": s.Check(t.Context(), n), "send": sent} {
		if f := faultOf(err); f == nil || f.Reason != jml.ReasonNoRecipient {
			t.Errorf("%s to nobody: %v", name, err)
		}
	}
	if len(sms.got) != 1 {
		t.Errorf("%d messages posted", len(sms.got))
	}
}

func TestChannelsAndAddress(t *testing.T) {
	s := newSender(t, config(map[string]channel.Channel{"sms": &fake{kind: jml.AddressPhone}, "mail": &fake{kind: jml.AddressMail}}))
	if diff := cmp.Diff([]string{"mail", "sms"}, s.Channels()); diff != "" {
		t.Error(diff)
	}
	if kind, ok := s.Address("sms"); kind != jml.AddressPhone || !ok {
		t.Errorf("%q, %v", kind, ok)
	}
	if _, ok := s.Address("fax"); ok {
		t.Error("there is a fax")
	}
}

// The service of this test says back whatever it got, wherever it can.
func TestNobodySeesWhatTheServiceEchoes(t *testing.T) {
	c := contents()
	address := "robin.vale@example.org"
	echoed := []string{c.Passcode.Reveal(), c.Link.Reveal(), token, c.PickupReference.Reveal(), "7KQ2M9X4TB0C", "7kq2-m9x4-tb0c", c.Code.Reveal(), address, "ROBIN.VALE@EXAMPLE.ORG"}
	for _, message := range jml.Messages() {
		for _, word := range echoed {
			f := &fake{kind: jml.AddressMail}
			f.answer = func(channel.Message) (jml.Receipt, error) {
				return jml.Receipt{MessageID: "id-" + word}, fmt.Errorf("wrapped: %w",
					&jml.Fault{System: "mail", Op: "send message", Kind: jml.FaultRefused, Code: word + "x", RequestID: "y" + word, Text: "said " + word})
			}
			s := newSender(t, config(map[string]channel.Channel{"mail": f}))
			n := notice(message)
			r, err := s.Send(t.Context(), n, c)
			probe := s.Probe(t.Context(), "mail", &n)
			own := only(message, c)
			for _, p := range []string{own.Passcode.Reveal(), own.Link.Reveal(), own.PickupReference.Reveal(), own.Code.Reveal(), address} {
				for _, got := range []string{r.MessageID, faultText(err)} {
					if p != "" && strings.Contains(strings.ToLower(got), strings.ToLower(p)) {
						t.Errorf("%s: an echo of %q comes through: %s", message, word, got)
					}
				}
			}
			if strings.Contains(strings.ToLower(faultText(probe)), address) {
				t.Errorf("%s: the address comes through: %v", message, probe)
			}
			if got := fmt.Sprintf("%+v %#v %s", s, s, s); strings.Contains(got, "Larch") {
				t.Errorf("the sender prints its fields: %s", got)
			}
		}
	}
}

func faultText(err error) string {
	if f := faultOf(err); f != nil {
		return f.Code + f.RequestID + f.Text
	}
	return ""
}

func TestCallersContextReachesTheChannel(t *testing.T) {
	s, f := mailer(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.answer = func(channel.Message) (jml.Receipt, error) { return jml.Receipt{}, ctx.Err() }
	if _, err := s.Send(ctx, notice(jml.MessagePass), contents()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestParallelSends(t *testing.T) {
	s, f := mailer(t)
	locales := s.Locales()
	var wait sync.WaitGroup
	for i := range 200 {
		wait.Go(func() {
			n := notice(jml.MessagePass)
			n.Recipient, n.Locale = fmt.Sprintf("p%d@example.org", i), locales[i%len(locales)]
			if _, err := s.Send(t.Context(), n, secret.Contents{Passcode: secret.NewPasscode(fmt.Sprintf("code-of-%d.", i))}); err != nil {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	wait.Wait()
	mails := map[string]bool{}
	for _, m := range f.got {
		mails[m.To] = true
		var i int
		if _, err := fmt.Sscanf(m.To, "p%d@", &i); err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{m.Text, m.HTML, m.SMS} {
			if !strings.Contains(part, fmt.Sprintf("code-of-%d.", i)) || strings.Count(part, "code-of-") != 1 {
				t.Errorf("%s got a message of somebody else", m.To)
			}
		}
	}
	if len(mails) != 200 {
		t.Errorf("mails to %d people, want 200", len(mails))
	}
}

func TestPreview(t *testing.T) {
	s, f := mailer(t)
	if diff := cmp.Diff([]string{"de", "en", "es", "fr", "nb"}, s.Locales()); diff != "" {
		t.Error(diff)
	}
	for _, m := range jml.Messages() {
		p, err := s.Preview(m, "", "de-CH")
		if err != nil || p.Locale != "de" || p.Subject == "" || p.Text == "" || p.HTML == "" || p.SMS == "" {
			t.Errorf("%s: %+v, %v", m, p, err)
		}
		if strings.ContainsFunc(p.Subject+p.Text+p.HTML+p.SMS, privateUse) {
			t.Errorf("%s: a mark is left over", m)
		}
	}
	if p, err := s.Preview(jml.MessagePass, "", ""); err != nil || p.Locale != "en" || !strings.Contains(p.Text, "EXAMPLE-NOT-A-PASS") {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := s.Preview("advert", "", "en"); err == nil {
		t.Error("there is an advert")
	}
	if _, err := s.Preview(jml.MessagePass, "", "pt"); err == nil || !strings.Contains(err.Error(), "de, en, es, fr, nb") {
		t.Error(err)
	}
	if len(f.got) != 0 {
		t.Error("a preview is sent")
	}
}

func TestPreviewOfJourneys(t *testing.T) {
	s, _ := mailer(t)
	for k, want := range map[jml.Kind]string{
		jml.KindJoiner: "first sign-in", jml.KindMover: "Your new position asks for", jml.KindRecovery: "tell us at once", jml.KindStaging: "The device: LT-20871",
	} {
		if p, err := s.Preview(jml.MessageLink, k, "en"); err != nil || !strings.Contains(p.Text, want) {
			t.Errorf("%s: %v, no %q in\n%s", k, err, want, p.Text)
		}
		for _, m := range jml.Messages() {
			if _, err := s.Preview(m, k, "nb"); err != nil {
				t.Errorf("%s, %s: %v", k, m, err)
			}
		}
	}
	if _, err := s.Preview(jml.MessageLink, "leaver", "en"); err == nil || !strings.Contains(err.Error(), "no such journey") {
		t.Errorf("%v", err)
	}
}
