package activities_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

var (
	byMail = jml.Route{Channel: "mail", Recipient: jml.RecipientPersonalMail}
	bySMS  = jml.Route{Channel: "sms", Recipient: jml.RecipientPersonalPhone}
	toBoss = jml.Route{Channel: "mail", Recipient: jml.RecipientManager}
	toDesk = jml.Route{Channel: "mail", Recipient: jml.RecipientDesk, Desk: "hq"}
)

func message(m jml.Message, routes ...jml.Route) workflows.MessageInput {
	return workflows.MessageInput{
		Ref: "ref", UserID: userID, WorkflowID: "pass", Invitation: "run", N: 3, Visit: "v", LinkHash: "l",
		Notice: jml.Notice{Message: m, Locale: "en", GivenName: "Freja"}, Routes: routes, Contact: input.Contact,
	}
}

// send runs one try; died reports a crash.
func (w *world) send(t *testing.T, in workflows.MessageInput, dieAt int, after bool) (res workflows.MessageResult, err error, died bool) {
	w.steps, w.dieAt, w.dieAfter, w.onStep = 0, dieAt, after, nil
	defer func() {
		w.dieAt = 0
		if r := recover(); r != nil {
			if _, ok := r.(crash); !ok {
				panic(r)
			}
			died = true
		}
	}()
	res, err = w.activities(t).SendMessage(context.Background(), in)
	return res, err, false
}

// TestMessageSurvivesCrashes: wherever the process dies, the next try sends the
// same words, and the link in them is stored before they go out.
func TestMessageSurvivesCrashes(t *testing.T) {
	for _, m := range jml.Messages() {
		if m == jml.MessagePass {
			continue
		}
		for at := 1; at < 8; at++ {
			for _, after := range []bool{false, true} {
				w := newWorld()
				in := message(m, toBoss, byMail)
				w.send(t, in, at, after)
				if len(w.mails) > 0 && strings.HasPrefix(w.mails[0].code, "link ") && len(w.links) == 0 {
					t.Fatalf("%s, killed at %d: a link went out that is not stored", m, at)
				}
				res, err, _ := w.send(t, in, 0, false)
				if err != nil {
					t.Fatalf("%s: %v", m, err)
				}
				for _, mail := range w.mails {
					if mail != w.mails[0] {
						t.Errorf("%s, killed at %d: sent %+v, then %+v", m, at, w.mails[0], mail)
					}
				}
				if strings.HasPrefix(w.mails[0].code, "link ") != w.links[res.Hash] {
					t.Errorf("%s: hash %q is not that of the link", m, res.Hash)
				}
			}
		}
	}
}

func TestMessageTakesTheFirstRouteThatWorks(t *testing.T) {
	gone := &jml.Fault{System: "sms", Op: "send", Kind: jml.FaultRefused, Reason: jml.ReasonNoRecipient}
	away := &jml.Fault{System: "sms", Op: "send", Kind: jml.FaultUnavailable, Reason: jml.ReasonChannelUnavailable}
	tests := map[string]struct {
		message jml.Message
		routes  []jml.Route
		refuse  map[string]*jml.Fault
		to      string
		as      jml.Message
		route   int
	}{
		"first":         {jml.MessageLink, []jml.Route{byMail, toBoss}, nil, "freja@example.org", jml.MessageLink, 0},
		"refused":       {jml.MessageLink, []jml.Route{bySMS, byMail}, map[string]*jml.Fault{"+4520000001": gone}, "freja@example.org", jml.MessageLink, 1},
		"to a desk":     {jml.MessageReminder, []jml.Route{toDesk}, nil, "hq@example.org", jml.MessageEscalation, 0},
		"to the boss":   {jml.MessageReminder, []jml.Route{toBoss}, nil, "boss@example.org", jml.MessageEscalation, 0},
		"does not wait": {jml.MessageLink, []jml.Route{bySMS, byMail}, map[string]*jml.Fault{"+4520000001": away}, "", "", 0},
		"none":          {jml.MessageLink, nil, nil, "", "", 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.refuse = tc.refuse
			res, err, _ := w.send(t, message(tc.message, tc.routes...), 0, false)
			if tc.to == "" {
				if err == nil || len(w.mails) != 0 {
					t.Errorf("%v, sent %+v", err, w.mails)
				}
				return
			}
			if err != nil || len(w.mails) != 1 || w.mails[0].to != tc.to || w.mails[0].message != tc.as || res.Route != tc.route {
				t.Errorf("%v, sent %+v, route %d", err, w.mails, res.Route)
			}
		})
	}
}

// A channel that refuses the passcode has not got it: the same goes by the next
// route, and no pass is lost.
func TestPassTakesTheNextRoute(t *testing.T) {
	w := newWorld()
	w.in.Routes = []jml.Route{byMail, toBoss}
	w.refuse = map[string]*jml.Fault{"freja@example.org": {System: "mail", Op: "send", Kind: jml.FaultRefused, Reason: jml.ReasonMessageRefused}}
	res, err, _ := w.attempt(t, 0, false)
	if err != nil || res.Route != 1 || w.minted != 1 || len(w.mails) != 1 || w.mails[0].to != "boss@example.org" {
		t.Errorf("%v, route %d, minted %d, sent %+v", err, res.Route, w.minted, w.mails)
	}
}

// A key that does not seal costs no pass.
func TestBadVisitKey(t *testing.T) {
	w := newWorld()
	w.in.Seal = &workflows.SealInput{Visit: "v", PublicKey: []byte("short")}
	if _, err, _ := w.attempt(t, 0, false); err == nil || w.minted != 0 {
		t.Errorf("%v, minted %d", err, w.minted)
	}
}

func TestAttestHasANumber(t *testing.T) {
	w := newWorld()
	res, err, _ := w.send(t, message(jml.MessageAttest, toBoss), 0, false)
	if err != nil || res.NumberHash != "hash of "+res.Hash+"number v" {
		t.Errorf("%v, %+v", err, res)
	}
}

// The pass of a device goes to who sets it up, at his work; nobody else's
// address stands in for his.
func TestTechnicianRoutes(t *testing.T) {
	mail := jml.Route{Channel: "mail", Recipient: jml.RecipientTechnician}
	sms := jml.Route{Channel: "sms", Recipient: jml.RecipientTechnician}
	full := jml.Addressees{WorkMail: "tech@example.org", WorkPhone: "+4520000007", Manager: jml.Addressee{Mail: "techboss@example.org"}}
	for name, tt := range map[string]struct {
		technician string
		around     jml.Addressees
		routes     []jml.Route
		to         string
		route      int
	}{
		"mail":            {"t", full, []jml.Route{mail, sms}, "tech@example.org", 0},
		"phone":           {"t", full, []jml.Route{sms, mail}, "+4520000007", 0},
		"no mail":         {"t", jml.Addressees{WorkPhone: "+4520000007"}, []jml.Route{mail, sms}, "+4520000007", 1},
		"no phone":        {"t", jml.Addressees{WorkMail: "tech@example.org"}, []jml.Route{sms, mail}, "tech@example.org", 1},
		"nothing":         {"t", jml.Addressees{}, []jml.Route{mail, sms, toDesk}, "hq@example.org", 2},
		"nobody":          {"", full, []jml.Route{mail, toDesk}, "hq@example.org", 1},
		"no route at all": {"t", jml.Addressees{}, []jml.Route{mail, sms}, "", 0},
	} {
		w := newWorld()
		w.around = map[string]jml.Addressees{"t": tt.around}
		in := message(jml.MessageIssued, tt.routes...)
		in.Technician = tt.technician
		res, err, _ := w.send(t, in, 0, false)
		pass := newWorld()
		pass.around = w.around
		pass.in.Technician, pass.in.Routes = tt.technician, tt.routes
		issued, passErr, _ := pass.attempt(t, 0, false)
		if tt.to == "" {
			if err == nil || passErr == nil || len(w.mails)+len(pass.mails) != 0 || pass.minted != 0 {
				t.Errorf("%s: %v, %v, sent %+v, minted %d", name, err, passErr, w.mails, pass.minted)
			}
			continue
		}
		if err != nil || len(w.mails) != 1 || w.mails[0].to != tt.to || res.Route != tt.route {
			t.Errorf("%s: %v, sent %+v, route %d", name, err, w.mails, res.Route)
		}
		if passErr != nil || len(pass.mails) != 1 || pass.mails[0].to != tt.to || issued.Route != tt.route {
			t.Errorf("%s: pass: %v, sent to %+v, route %d", name, passErr, len(pass.mails), issued.Route)
		}
	}
}

// Before anybody is found in the tenant, only what HR and the configuration know
// is an address.
func TestMessageBeforeThereIsAUser(t *testing.T) {
	w := newWorld()
	in := message(jml.MessageApproval, toBoss, jml.Route{Channel: "mail", Recipient: jml.RecipientWorkMail}, jml.Route{Channel: "mail", Recipient: jml.RecipientSponsor}, toDesk)
	in.UserID = ""
	res, err, _ := w.send(t, in, 0, false)
	if err != nil || len(w.mails) != 1 || w.mails[0].to != "hq@example.org" || res.Route != 3 || slices.Contains(w.onStep, "addressees") {
		t.Errorf("%v, sent %+v, route %d, %v", err, w.mails, res.Route, w.onStep)
	}
	in.Routes = in.Routes[:3]
	if _, err, _ := w.send(t, in, 0, false); err == nil || len(w.mails) != 1 {
		t.Errorf("%v, sent %+v", err, w.mails)
	}
}
