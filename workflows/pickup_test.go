package workflows_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/testsuite"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// The hashes that the fake SendMessage gives.
const (
	linkHash = "hash of link"
	codeHash = "hash of code"
)

var (
	mailTo  = jml.Route{Channel: "mail", Recipient: jml.RecipientPersonalMail}
	phoneTo = jml.Route{Channel: "sms", Recipient: jml.RecipientPersonalPhone}
	bossTo  = jml.Route{Channel: "mail", Recipient: jml.RecipientManager}
	deskTo  = jml.Route{Channel: "mail", Recipient: jml.RecipientDesk, Desk: "hq"}
)

func pickupProfile(change ...func(*jml.Profile)) jml.Profile {
	p := profile()
	p.Mode, p.Channel, p.Recipient = jml.ModePickup, "", ""
	p.LinkTo, p.CodeTo = []jml.Route{mailTo, bossTo}, []jml.Route{phoneTo, deskTo}
	p.NoticeTo, p.AlertTo = []jml.Route{phoneTo}, []jml.Route{deskTo}
	p.LinkValid, p.Window, p.Reissues = 72*time.Hour, 15*time.Minute, 1
	for _, f := range change {
		f(&p)
	}
	return p
}

func proofs(list ...jml.Proof) func(*jml.Profile) {
	return func(p *jml.Profile) { p.Proofs = list }
}

// passRun runs one pass that is picked up, alone.
type passRun struct {
	*run
	in       workflows.PassInput
	rejected []string // updates that the validators refused
}

func newPassRun(t *testing.T, change ...func(*jml.Profile)) *passRun {
	r := &passRun{run: newRun(t)}
	r.in = workflows.PassInput{
		Ref: "ref", UserID: user.ID, UPN: user.UPN, Profile: pickupProfile(change...), Facts: snapshot(),
		StartAt: first, Since: begin, Until: first.Add(24 * time.Hour),
	}
	return r
}

func (r *passRun) finish() workflows.PassResult {
	r.t.Helper()
	r.env.ExecuteWorkflow(workflows.TypePass, r.in)
	if err := r.env.GetWorkflowError(); err != nil {
		r.t.Fatal(err)
	}
	var res workflows.PassResult
	if err := r.env.GetWorkflowResult(&res); err != nil {
		r.t.Fatal(err)
	}
	if len(r.fake.issued) > len(r.fake.revoked) {
		r.t.Errorf("%d issued, %d revoked", len(r.fake.issued), len(r.fake.revoked))
	}
	return res
}

// update sends an update at a time; then gets the answer if there is one.
func update[O any](r *passRun, when time.Time, name string, req any, then func(O)) {
	r.at(when, func() {
		r.env.UpdateWorkflow(name, "", &testsuite.TestUpdateCallback{
			OnAccept: func() {},
			OnReject: func(error) { r.rejected = append(r.rejected, name) },
			OnComplete: func(res any, err error) {
				if err != nil {
					r.t.Errorf("%s: %v", name, err)
				} else if then != nil {
					then(res.(O))
				}
			},
		}, req)
	})
}

func (r *passRun) visit(when time.Time, id, code string, then func(workflows.VisitView)) {
	update(r, when, workflows.UpdateVisit, workflows.VisitRequest{Visit: id, LinkHash: linkHash, CodeHash: code, PublicKey: []byte(id)}, then)
}

func (r *passRun) reveal(when time.Time, id string, then func(workflows.VisitView)) {
	update(r, when, workflows.UpdateReveal, workflows.RevealRequest{Visit: id}, then)
}

func (r *passRun) collect(when time.Time) {
	r.visit(when, "v", codeHash, nil)
	r.reveal(when.Add(time.Second), "v", nil)
}

func (r *passRun) see(id string) workflows.VisitView {
	r.t.Helper()
	v, err := r.env.QueryWorkflow(workflows.QueryVisit, id)
	if err != nil {
		r.t.Fatal(err)
	}
	var view workflows.VisitView
	if err := v.Get(&view); err != nil {
		r.t.Fatal(err)
	}
	return view
}

func (f *fake) messages() (out []string) {
	for _, m := range f.sent {
		out = append(out, fmt.Sprint(m.Notice.Message, " by ", m.Routes[0].Channel))
	}
	return out
}

func (f *fake) events() (out []string) {
	for _, s := range f.steps {
		out = append(out, string(s.Event))
	}
	return out
}

func TestCollect(t *testing.T) {
	r := newPassRun(t)
	visited := begin.Add(time.Hour)
	r.fake.look = registered(first)
	r.fake.issue = nil
	var opened, revealed workflows.VisitView
	r.visit(visited, "v", codeHash, func(v workflows.VisitView) { opened = v })
	r.reveal(visited.Add(time.Minute), "v", func(v workflows.VisitView) { revealed = v })
	// A reload asks again, another browser with link and code comes too late.
	r.reveal(visited.Add(2*time.Minute), "v", func(v workflows.VisitView) {
		if d := cmp.Diff(revealed, v); d != "" {
			t.Error(d)
		}
	})
	r.visit(visited.Add(3*time.Minute), "other", codeHash, nil)
	r.reveal(visited.Add(4*time.Minute), "other", nil)
	res := r.finish()

	if !opened.Open || opened.Needed != nil || opened.Employee != nil || opened.Revealed != nil {
		t.Errorf("opened: %+v", opened)
	}
	if got := revealed.Revealed; got == nil || got.SignInName != user.UPN || !got.Closes.Equal(got.At.Add(15*time.Minute)) {
		t.Fatalf("revealed: %+v", revealed)
	}
	if !slices.Equal(r.rejected, []string{workflows.UpdateVisit, workflows.UpdateReveal}) {
		t.Errorf("rejected %v", r.rejected)
	}
	if len(r.fake.issued) != 1 {
		t.Fatalf("issued %d passes", len(r.fake.issued))
	}
	if got := r.fake.issued[0]; got.Seal == nil || got.Seal.Visit != "v" || string(got.Seal.PublicKey) != "v" || len(got.Routes) != 0 || !got.Request.StartAt.Equal(first) {
		t.Errorf("issue: %+v", got)
	}
	if res.End != jml.EndRegistered || len(r.fake.revoked) != 1 || r.fake.revoked[0].MethodID != "pass-1" {
		t.Errorf("%+v, revoked %+v", res, r.fake.revoked)
	}
	if d := cmp.Diff([]string{"link by mail", "code by sms", "collected by sms"}, r.fake.messages()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"visit.opened"}, r.fake.events()); d != "" {
		t.Error(d)
	}
	if got := r.fake.looked[0]; got.Before(first) {
		t.Errorf("looked at %s, before the pass worked", got)
	}
}

// Link and code may arrive before we hear that they were sent.
func TestFasterThanTheReceipt(t *testing.T) {
	for name, tc := range map[string]struct {
		link, code string
		collected  bool
	}{
		"right":      {linkHash, codeHash, true},
		"wrong code": {linkHash, "x", false},
		"other link": {"x", codeHash, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newPassRun(t)
			slow := 0
			r.fake.send = func(in workflows.MessageInput) (workflows.MessageResult, error) {
				if in.Notice.Message == jml.MessageCode {
					if slow++; slow < 3 {
						return workflows.MessageResult{}, errors.New("the worker died")
					}
				}
				return workflows.MessageResult{Hash: "hash of " + string(in.Notice.Message)}, nil
			}
			update[workflows.VisitView](r, begin.Add(time.Second), workflows.UpdateVisit,
				workflows.VisitRequest{Visit: "v", LinkHash: tc.link, CodeHash: tc.code, PublicKey: []byte{1}}, nil)
			r.reveal(begin.Add(time.Minute), "v", nil)
			r.fake.look = registered(first)
			r.finish()
			if (len(r.fake.issued) == 1) != tc.collected || slow != 3 {
				t.Errorf("issued %d after %d tries, rejected %v", len(r.fake.issued), slow, r.rejected)
			}
		})
	}
}

func TestNobodyCollects(t *testing.T) {
	r := newPassRun(t)
	res := r.finish()
	if res.End != jml.EndTimedOut || !res.Invited || len(r.fake.issued)+len(r.fake.revoked) != 0 {
		t.Errorf("%+v, issued %d, revoked %d", res, len(r.fake.issued), len(r.fake.revoked))
	}
}

// Nothing but the right code, in time, on the right link, opens a visit; and
// what is refused before it is counted leaves no trace in the history.
func TestVisitRefused(t *testing.T) {
	tests := map[string]struct {
		req      workflows.VisitRequest
		when     time.Time
		rejected bool
	}{
		"other link":    {workflows.VisitRequest{Visit: "v", LinkHash: "x", CodeHash: codeHash, PublicKey: []byte{1}}, begin.Add(time.Hour), true},
		"no link":       {workflows.VisitRequest{Visit: "v", CodeHash: codeHash, PublicKey: []byte{1}}, begin.Add(time.Hour), true},
		"no key":        {workflows.VisitRequest{Visit: "v", LinkHash: linkHash, CodeHash: codeHash}, begin.Add(time.Hour), true},
		"lapsed":        {workflows.VisitRequest{Visit: "v", LinkHash: linkHash, CodeHash: codeHash, PublicKey: []byte{1}}, begin.Add(73 * time.Hour), true},
		"no code":       {workflows.VisitRequest{Visit: "v", LinkHash: linkHash, PublicKey: []byte{1}}, begin.Add(time.Hour), false},
		"link for code": {workflows.VisitRequest{Visit: "v", LinkHash: linkHash, CodeHash: linkHash, PublicKey: []byte{1}}, begin.Add(time.Hour), false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := newPassRun(t)
			update(r, tc.when, workflows.UpdateVisit, tc.req, func(v workflows.VisitView) {
				if d := cmp.Diff(workflows.VisitView{}, v); d != "" {
					t.Error(d)
				}
			})
			r.reveal(tc.when.Add(time.Second), "v", nil)
			r.finish()
			if (len(r.rejected) == 2) != tc.rejected || len(r.fake.issued) != 0 {
				t.Errorf("rejected %v, issued %d", r.rejected, len(r.fake.issued))
			}
		})
	}
}

func TestWrongCodesLock(t *testing.T) {
	r := newPassRun(t)
	for i := range 8 {
		r.visit(begin.Add(time.Hour), fmt.Sprint("v", i), fmt.Sprint("wrong ", i), nil)
	}
	r.visit(begin.Add(2*time.Hour), "late", codeHash, nil) // the right one comes too late
	res := r.finish()
	if res.Block == nil || res.Block.Reason != jml.ReasonPickupLocked || res.Pickup.WrongCodes != workflows.WrongCodes {
		t.Errorf("%+v", res)
	}
	if n := strings.Count(strings.Join(r.fake.events(), " "), "visit.refused"); n != workflows.WrongCodes {
		t.Errorf("%v", r.fake.events())
	}
	if got := r.fake.messages(); !slices.Contains(got, "alert by mail") || len(r.fake.issued) != 0 {
		t.Errorf("sent %v, issued %d", got, len(r.fake.issued))
	}
	if i := len(r.fake.sent) - 1; r.fake.sent[i].Notice.Reason != jml.ReasonPickupLocked {
		t.Errorf("the alert says %q", r.fake.sent[i].Notice.Reason)
	}
}

// A bot types one code into every form; a person who mistypes does so again.
func TestWrongCodeCountsOnce(t *testing.T) {
	r := newPassRun(t)
	for i := range 20 {
		r.visit(begin.Add(time.Hour), fmt.Sprint("v", i), "wrong", nil)
	}
	r.collect(begin.Add(2 * time.Hour))
	r.fake.look = registered(first)
	res := r.finish()
	if res.End != jml.EndRegistered || res.Pickup.WrongCodes != 1 || len(r.rejected) != 19 {
		t.Errorf("%+v, rejected %d", res, len(r.rejected))
	}
}

func TestProofsInOrder(t *testing.T) {
	r := newPassRun(t, proofs(jml.Proof{Name: "birth", Kind: jml.ProofFact}, jml.Proof{Name: "eid", Kind: jml.ProofOIDC}))
	at := begin.Add(time.Hour)
	prove := func(after time.Duration, name string, passed bool, then func(workflows.VisitView)) {
		update(r, at.Add(after), workflows.UpdateProve, workflows.ProveRequest{Visit: "v", Proof: name, Passed: passed, Evidence: "e-" + name}, then)
	}
	r.visit(at, "v", codeHash, func(v workflows.VisitView) {
		if v.Needed == nil || v.Needed.Name != "birth" || v.Employee == nil {
			t.Errorf("first %+v", v)
		}
	})
	r.reveal(at.Add(time.Second), "v", nil)   // too early: rejected
	prove(2*time.Second, "eid", true, nil)    // not its turn: rejected
	prove(3*time.Second, "birth", false, nil) // wrong, once
	prove(4*time.Second, "birth", true, func(v workflows.VisitView) {
		if v.Needed == nil || v.Needed.Name != "eid" {
			t.Errorf("second %+v", v)
		}
	})
	r.at(at.Add(5*time.Second), func() {
		if v := r.see("v"); v.Employee != nil || !v.Open {
			t.Errorf("a query shows %+v", v)
		}
		if v := r.see("w"); v.Open {
			t.Errorf("a query for another visit shows %+v", v)
		}
	})
	r.reveal(at.Add(6*time.Second), "v", nil) // still one missing: rejected
	prove(7*time.Second, "eid", true, nil)
	r.reveal(at.Add(8*time.Second), "v", func(v workflows.VisitView) {
		if v.Revealed == nil {
			t.Errorf("not revealed: %+v", v)
		}
	})
	r.fake.look = registered(first)
	res := r.finish()
	if d := cmp.Diff([]string{workflows.UpdateReveal, workflows.UpdateProve, workflows.UpdateReveal}, r.rejected); d != "" {
		t.Error(d)
	}
	if len(res.Pickup.Proofs) != 2 || res.Pickup.Proofs[1].Evidence != "e-eid" || res.Pickup.WrongProofs != 1 {
		t.Errorf("%+v", res.Pickup)
	}
}

func TestWrongProofsLock(t *testing.T) {
	r := newPassRun(t, proofs(jml.Proof{Name: "birth", Kind: jml.ProofFact}))
	r.visit(begin.Add(time.Hour), "v", codeHash, nil)
	for i := range 6 {
		update[workflows.VisitView](r, begin.Add(time.Hour+time.Second), workflows.UpdateProve,
			workflows.ProveRequest{Visit: "v", Proof: "birth", Passed: i >= workflows.WrongProofs}, nil)
	}
	res := r.finish()
	if res.Block == nil || res.Block.Reason != jml.ReasonPickupLocked || len(res.Pickup.Proofs) != 0 {
		t.Errorf("%+v", res)
	}
}

func TestManagerVouches(t *testing.T) {
	attest := func(link, number string, yes bool) workflows.AttestRequest {
		return workflows.AttestRequest{LinkHash: link, NumberHash: number, Vouches: yes, How: "video"}
	}
	const link, number = "hash of attest", "hash of the number"
	tests := map[string]struct {
		words    []workflows.AttestRequest
		revealed bool
		locked   bool
	}{
		"yes":                 {[]workflows.AttestRequest{attest(link, number, true)}, true, false},
		"no":                  {[]workflows.AttestRequest{attest(link, number, false), attest(link, number, true)}, false, true},
		"another number":      {[]workflows.AttestRequest{attest(link, "x", true)}, false, false},
		"guessing":            {[]workflows.AttestRequest{attest(link, "x", true), attest(link, "y", true), attest(link, "z", true), attest(link, number, true)}, false, true},
		"another link":        {[]workflows.AttestRequest{attest(linkHash, number, true)}, false, false},
		"no with no number":   {[]workflows.AttestRequest{attest(link, "", false)}, false, false},
		"a way there is none": {[]workflows.AttestRequest{{LinkHash: link, NumberHash: number, Vouches: true, How: "feeling"}}, false, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := newPassRun(t, proofs(jml.Proof{Name: "boss", Kind: jml.ProofManager, To: []jml.Route{bossTo}}))
			at := begin.Add(time.Hour)
			r.visit(at, "v", codeHash, nil)
			// The page may not say that the manager vouched.
			update[workflows.VisitView](r, at.Add(time.Second), workflows.UpdateProve, workflows.ProveRequest{Visit: "v", Proof: "boss", Passed: true}, nil)
			for i, w := range tc.words {
				update[workflows.Answer](r, at.Add(time.Minute+time.Duration(i)*time.Second), workflows.UpdateAttest, w, nil)
			}
			r.reveal(at.Add(2*time.Minute), "v", nil)
			r.fake.look = registered(first)
			res := r.finish()
			if (len(r.fake.issued) == 1) != tc.revealed || (res.Block != nil) != tc.locked {
				t.Errorf("issued %d, ended %+v", len(r.fake.issued), res)
			}
			if v := r.see("v"); name == "no" && (!v.Open || !v.Refused || v.Revealed != nil) {
				t.Errorf("the visitor sees %+v", v)
			}
			if got := r.fake.sent[2]; got.Notice.Message != jml.MessageAttest || got.Visit != "v" || got.Routes[0] != bossTo {
				t.Errorf("asked %+v", got)
			}
		})
	}
}

func TestDeskCode(t *testing.T) {
	at := begin.Add(time.Hour)
	ask := func(hash string, valid time.Duration) workflows.DeskRequest {
		return workflows.DeskRequest{Officer: "ida", Document: "passport", CodeHash: hash, Valid: valid}
	}
	tests := map[string]struct {
		typed    string
		after    time.Duration
		given    workflows.DeskRequest
		revealed bool
	}{
		"right":          {"d", time.Minute, ask("d", 10*time.Minute), true},
		"wrong":          {"x", time.Minute, ask("d", 10*time.Minute), false},
		"too late":       {"d", 11 * time.Minute, ask("d", 10*time.Minute), false},
		"none given":     {"", time.Minute, ask("", 10*time.Minute), false},
		"valid for ever": {"d", time.Minute, ask("d", time.Hour), false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := newPassRun(t, proofs(jml.Proof{Name: "desk", Kind: jml.ProofDesk}))
			update[workflows.Answer](r, at, workflows.UpdateDesk, tc.given, nil)
			r.visit(at.Add(time.Second), "v", codeHash, nil)
			update[workflows.VisitView](r, at.Add(tc.after), workflows.UpdateProve,
				workflows.ProveRequest{Visit: "v", Proof: "desk", Passed: true, CodeHash: tc.typed}, nil)
			r.reveal(at.Add(tc.after+time.Second), "v", nil)
			r.fake.look = registered(first)
			r.finish()
			if (len(r.fake.issued) == 1) != tc.revealed {
				t.Errorf("issued %d, rejected %v", len(r.fake.issued), r.rejected)
			}
			if tc.revealed && !slices.ContainsFunc(r.fake.steps, func(s workflows.StepInput) bool {
				return s.Event == workflows.StepDeskChecked && s.Actor == "ida" && s.Detail == "passport"
			}) {
				t.Errorf("the audit lacks the officer: %+v", r.fake.steps)
			}
		})
	}
}

// The notice may arrive before we hear that it was sent.
func TestRepudiateFasterThanTheReceipt(t *testing.T) {
	for _, link := range []string{"hash of collected", "another link"} {
		r := newPassRun(t)
		tries := 0
		r.fake.send = func(in workflows.MessageInput) (workflows.MessageResult, error) {
			if in.Notice.Message == jml.MessageCollected {
				if tries++; tries < 3 {
					return workflows.MessageResult{}, errors.New("the worker died")
				}
			}
			return workflows.MessageResult{Hash: "hash of " + string(in.Notice.Message)}, nil
		}
		r.collect(begin.Add(time.Hour))
		update[workflows.Answer](r, begin.Add(time.Hour+2*time.Second), workflows.UpdateRepudiate, workflows.RepudiateRequest{LinkHash: link}, nil)
		r.fake.look = registered(first)
		res := r.finish()
		if repudiated := res.Block != nil && res.Block.Reason == jml.ReasonRepudiated; repudiated != (link == "hash of collected") || tries != 3 {
			t.Errorf("%s: %+v after %d tries", link, res, tries)
		}
	}
}

func TestRepudiate(t *testing.T) {
	r := newPassRun(t)
	r.collect(begin.Add(time.Hour))
	at := begin.Add(2 * time.Hour)
	update[workflows.Answer](r, at.Add(-time.Minute), workflows.UpdateRepudiate, workflows.RepudiateRequest{LinkHash: linkHash}, nil) // not that link
	var answered time.Time
	update(r, at, workflows.UpdateRepudiate, workflows.RepudiateRequest{LinkHash: "hash of collected"}, func(a workflows.Answer) {
		if !a.Done || len(r.fake.revoked) != 1 {
			t.Errorf("answered %+v with %d revoked", a, len(r.fake.revoked))
		}
		answered = r.env.Now()
	})
	res := r.finish()
	if res.Block == nil || res.Block.Reason != jml.ReasonRepudiated || len(r.rejected) != 1 {
		t.Errorf("%+v, rejected %v", res, r.rejected)
	}
	if answered.Sub(at) > time.Minute {
		t.Errorf("revoked after %s", answered.Sub(at))
	}
	if got := r.fake.messages(); got[len(got)-1] != "alert by mail" {
		t.Errorf("sent %v", got)
	}
}

// What passes by itself can be tried again by the visitor; a refusal ends the
// invitation.
func TestMintRefused(t *testing.T) {
	tests := map[string]struct {
		reason jml.BlockReason
		final  bool
	}{
		"away":    {jml.ReasonGraphUnavailable, false},
		"refused": {jml.ReasonOutOfScope, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := newPassRun(t)
			asked := 0
			r.fake.preflight = func(workflows.PreflightInput) (jml.Verdict, error) {
				if asked++; asked == 1 {
					return jml.Verdict{User: user, Block: jml.Blocked(tc.reason, "")}, nil
				}
				return jml.Verdict{User: user}, nil
			}
			r.fake.look = registered(first)
			at := begin.Add(time.Hour)
			r.visit(at, "v", codeHash, nil)
			r.reveal(at.Add(time.Second), "v", func(v workflows.VisitView) {
				if v.Block == nil || v.Block.Reason != tc.reason || v.Final != tc.final || v.Revealed != nil {
					t.Errorf("%+v", v)
				}
			})
			r.at(at.Add(2*time.Second), func() {
				if !tc.final {
					r.reveal(at.Add(3*time.Second), "v", nil)
				}
			})
			res := r.finish()
			if tc.final != (res.Block != nil) || tc.final != (len(r.fake.issued) == 0) {
				t.Errorf("%+v, issued %d", res, len(r.fake.issued))
			}
		})
	}
}

func TestRegisteredBeforeCollecting(t *testing.T) {
	r := newPassRun(t)
	r.fake.preflight = func(workflows.PreflightInput) (jml.Verdict, error) {
		return jml.Verdict{User: user, Already: []jml.Method{{ID: "m", Kind: jml.MethodFIDO2}}}, nil
	}
	r.collect(begin.Add(time.Hour))
	res := r.finish()
	if res.End != jml.EndAlready || len(r.fake.issued)+len(r.fake.revoked) != 0 {
		t.Errorf("%+v, issued %d", res, len(r.fake.issued))
	}
}

func (r *passRun) news(when time.Time, n int, s jml.DeliveryStatus) {
	r.at(when, func() {
		r.env.SignalWorkflow(workflows.SignalDelivery, workflows.DeliveryNews{N: n, Status: s, At: when, Detail: "5.1.1"})
	})
}

func TestDeliveryNews(t *testing.T) {
	r := newPassRun(t)
	at := begin.Add(time.Minute)
	r.news(at, 1, jml.DeliveryDelivered)
	r.news(at.Add(time.Second), 1, jml.DeliveryDeferred) // late news
	r.news(at.Add(2*time.Second), 2, jml.DeliveryBounced)
	r.news(at.Add(2*time.Second), 2, jml.DeliveryBounced) // again
	r.news(at.Add(3*time.Second), 9, jml.DeliveryBounced) // of nothing we sent
	r.news(at.Add(time.Minute), 3, jml.DeliveryDelivered)
	res := r.finish()
	var got []string
	for _, d := range res.Deliveries {
		got = append(got, fmt.Sprint(d.N, " ", d.Message, " ", d.To, " ", d.Status))
	}
	want := []string{"1 link personal_mail delivered", "2 code personal_phone bounced", "3 code desk delivered"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestNoWayLeft(t *testing.T) {
	r := newPassRun(t)
	r.news(begin.Add(time.Minute), 1, jml.DeliveryBounced)
	r.news(begin.Add(2*time.Minute), 3, jml.DeliveryBlocked)
	res := r.finish()
	if res.Block == nil || res.Block.Reason != jml.ReasonUndeliverable || !res.Invited {
		t.Errorf("%+v", res)
	}
	if got := r.fake.messages(); got[len(got)-1] != "alert by mail" {
		t.Errorf("sent %v", got)
	}
}

func TestReminders(t *testing.T) {
	r := newPassRun(t, func(p *jml.Profile) {
		p.Reminders = []jml.Reminder{
			{Anchor: jml.AnchorStart, Offset: -30 * 24 * time.Hour, To: []jml.Route{mailTo}}, // before anybody was invited
			{Anchor: jml.AnchorStart, Offset: -24 * time.Hour, To: []jml.Route{mailTo}},
			{Anchor: jml.AnchorStart, Offset: time.Hour, To: []jml.Route{bossTo}},
			{Anchor: jml.AnchorExpiry, Offset: -time.Hour, To: []jml.Route{deskTo}},
		}
	})
	var when []time.Time
	r.fake.send = func(in workflows.MessageInput) (workflows.MessageResult, error) {
		if in.Notice.Message == jml.MessageReminder {
			when = append(when, r.fake.now())
		}
		return workflows.MessageResult{Hash: "hash of " + string(in.Notice.Message)}, nil
	}
	r.fake.look = func(in workflows.LookInput) (workflows.LookResult, error) {
		if r.fake.now().After(first.Add(2 * time.Hour)) {
			return registered(first)(in)
		}
		return workflows.LookResult{}, nil
	}
	r.collect(first.Add(-time.Hour))
	r.in.Profile.Poll = []time.Duration{90 * time.Minute}
	res := r.finish()
	want := []time.Time{first.Add(-24 * time.Hour), first.Add(time.Hour)}
	if d := cmp.Diff(want, when); d != "" || res.End != jml.EndAlready {
		t.Errorf("%s %+v", d, res)
	}
	for _, at := range r.fake.looked {
		if at.After(first.Add(-time.Hour)) && at.Before(first) {
			t.Errorf("looked at %s, when nobody could have signed in", at)
		}
	}
}

func (r *run) message(kind jml.Message) (out []workflows.MessageInput) {
	for _, m := range r.fake.sent {
		if m.Notice.Message == kind {
			out = append(out, m)
		}
	}
	return out
}

func (r *run) updatePass(when time.Time, name string, req any) {
	r.at(when, func() {
		if err := r.env.UpdateWorkflowByID(workflows.PassID(user.ID), name, name+when.String(), &testsuite.TestUpdateCallback{
			OnAccept: func() {}, OnReject: func(err error) { r.t.Logf("%s refused: %v", name, err) }, OnComplete: func(any, error) {},
		}, req); err != nil {
			r.t.Errorf("%s: %v", name, err)
		}
	})
}

// The employee who lost what was collected gets another one with fresh proof,
// as often as the profile allows.
func TestAskAgain(t *testing.T) {
	r := newRun(t)
	r.prof = pickupProfile()
	invited := first.Add(-48 * time.Hour)
	code := workflows.AgainRequest{LinkHash: linkHash, CodeHash: codeHash}
	collect := func(at time.Time) {
		r.updatePass(at, workflows.UpdateVisit, workflows.VisitRequest{Visit: "v", LinkHash: linkHash, CodeHash: codeHash, PublicKey: []byte{1}})
		r.updatePass(at.Add(time.Second), workflows.UpdateReveal, workflows.RevealRequest{Visit: "v"})
	}
	collect(invited.Add(time.Hour))
	r.updatePass(invited.Add(time.Hour+5*time.Minute), workflows.UpdateAgain, code) // the page still shows it
	r.updatePass(invited.Add(2*time.Hour), workflows.UpdateAgain, code)
	r.at(invited.Add(3*time.Hour), func() {
		if len(r.fake.revoked) != 1 {
			t.Errorf("%d revoked when another was asked for", len(r.fake.revoked))
		}
	})
	collect(invited.Add(3 * time.Hour))
	r.updatePass(invited.Add(4*time.Hour), workflows.UpdateAgain, code) // one more than there may be
	r.at(invited.Add(5*time.Hour), func() {
		if v := r.view(); v.Block == nil || v.Block.Reason != jml.ReasonReissueCap {
			t.Errorf("blocked by %v", v.Block)
		}
	})
	res := r.finish()
	if res.Outcome != jml.StageTimedOut || len(r.fake.issued) != 2 || len(r.fake.revoked) != 2 {
		t.Errorf("%s, issued %d, revoked %d", res.Outcome, len(r.fake.issued), len(r.fake.revoked))
	}
	if links := r.message(jml.MessageLink); len(links) != 2 || links[0].Notice.Replaces || !links[1].Notice.Replaces {
		t.Errorf("%d links", len(links))
	}
}

// Who collected a pass that does nothing any more need not wait for the page to
// be over.
func TestAskAgainAtOnceWhenThePassIsUseless(t *testing.T) {
	code := workflows.AgainRequest{LinkHash: linkHash, CodeHash: codeHash}
	for name, tt := range map[string]struct {
		change func(*jml.Profile)
		used   bool
		asked  time.Time
		again  bool
	}{
		"neither":    {func(*jml.Profile) {}, false, first.Add(10 * time.Minute), false},
		"used":       {func(*jml.Profile) {}, true, first.Add(10 * time.Minute), true},
		"expired":    {func(p *jml.Profile) { p.Lifetime = 10 * time.Minute }, false, first.Add(11 * time.Minute), true},
		"not yet":    {func(p *jml.Profile) { p.Lifetime = 10 * time.Minute }, false, first.Add(9 * time.Minute), false},
		"wrong code": {func(*jml.Profile) {}, true, first.Add(10 * time.Minute), false},
	} {
		r := newPassRun(t, func(p *jml.Profile) {
			p.Window, p.Poll, p.LinkValid = time.Hour, []time.Duration{time.Minute}, 30*24*time.Hour
			tt.change(p)
		})
		r.fake.issue = func(_ context.Context, in workflows.IssueInput) (workflows.IssueResult, error) {
			return workflows.IssueResult{HandedOverAt: r.fake.now(), Pass: jml.Pass{
				MethodID: "pass-1", CreatedAt: r.fake.now(), StartAt: in.Request.StartAt, Lifetime: in.Request.Lifetime, OneTime: true,
			}}, nil
		}
		r.collect(first.Add(-time.Minute))
		r.fake.look = func(workflows.LookInput) (workflows.LookResult, error) {
			if tt.used {
				return workflows.LookResult{Pass: "OneTimeUsed"}, nil
			}
			return workflows.LookResult{}, nil
		}
		req := code
		if name == "wrong code" {
			req.CodeHash = "another"
		}
		update[workflows.Answer](r, tt.asked, workflows.UpdateAgain, req, nil)
		if res := r.finish(); (res.End == jml.EndAgain) != tt.again {
			t.Errorf("%s: ended %s, refused %v", name, res.End, r.rejected)
		}
	}
}

// A technician sees whose device it is; nobody else is told a name.
func TestVisitOfAStaging(t *testing.T) {
	for _, kind := range []jml.Kind{"", jml.KindRecovery, jml.KindStaging} {
		r := newPassRun(t, func(p *jml.Profile) { p.Window, p.LinkValid = time.Hour, 30*24*time.Hour })
		r.in.Kind, r.in.Request = kind, &jml.Request{ID: "r", Device: "LT-20871"}
		r.collect(first.Add(-time.Hour))
		r.at(first.Add(-59*time.Minute), func() {
			v := r.see("v")
			if v.Journey != kind || (v.Device == "LT-20871") != (kind == jml.KindStaging) || (v.Owner != "") != (kind == jml.KindStaging) {
				t.Errorf("%q: %+v", kind, v)
			}
		})
		r.finish()
	}
}

func TestReissueByOperator(t *testing.T) {
	invited := first.Add(-48 * time.Hour)
	reissue := func(r *run, when time.Time, req workflows.ReissueRequest, refusal *string) {
		r.at(when, func() {
			r.env.UpdateWorkflow(workflows.UpdateReissue, "", &testsuite.TestUpdateCallback{
				OnAccept: func() {}, OnReject: func(err error) { *refusal = err.Error() }, OnComplete: func(any, error) {},
			}, req)
		})
	}
	ok := workflows.ReissueRequest{Actor: "ops", Reason: "lost, seen by video"}
	tests := map[string]struct {
		req     workflows.ReissueRequest
		when    time.Time
		moved   time.Time // when HR changed the phone number
		twice   bool
		refused string
		links   int
	}{
		"done":                 {req: ok, when: invited.Add(time.Hour), links: 2},
		"no reason":            {req: workflows.ReissueRequest{Actor: "ops"}, when: invited.Add(time.Hour), refused: "reason", links: 1},
		"nothing there yet":    {req: ok, when: begin.Add(time.Hour), refused: "no pass", links: 1},
		"over the cap":         {req: ok, when: invited.Add(time.Hour), twice: true, refused: "as many", links: 2},
		"address just changed": {req: ok, when: invited.Add(20 * time.Hour), moved: invited.Add(time.Hour), refused: "less than a day", links: 1},
		"address has rested":   {req: ok, when: invited.Add(26 * time.Hour), moved: invited.Add(time.Hour), links: 2},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRun(t)
			r.prof = pickupProfile()
			var refusal string
			if !tc.moved.IsZero() {
				r.tell(tc.moved, snapshot(func(s *jml.Snapshot) { s.Phone = "+4520000002" }, seen(tc.moved)))
			}
			reissue(r, tc.when, tc.req, &refusal)
			if tc.twice {
				reissue(r, tc.when.Add(time.Hour), tc.req, &refusal)
			}
			r.finish()
			if (refusal == "") != (tc.refused == "") || !strings.Contains(refusal, tc.refused) {
				t.Errorf("refusal %q, want %q", refusal, tc.refused)
			}
			if n := len(r.message(jml.MessageLink)); n != tc.links {
				t.Errorf("%d links, want %d", n, tc.links)
			}
		})
	}
}

// A locked link opens again for nobody but an operator; a message that came
// back, for HR too.
func TestBarredUntilSomebodyActs(t *testing.T) {
	invited := first.Add(-48 * time.Hour)
	r := newRun(t)
	r.prof = pickupProfile()
	r.at(invited.Add(time.Minute), func() {
		for _, n := range []int{1, 3} {
			_ = r.env.SignalWorkflowByID(workflows.PassID(user.ID), workflows.SignalDelivery, workflows.DeliveryNews{N: n, Status: jml.DeliveryBounced, At: r.fake.now()})
		}
	})
	r.at(invited.Add(2*time.Minute), func() {
		_ = r.env.SignalWorkflowByID(workflows.PassID(user.ID), workflows.SignalDelivery, workflows.DeliveryNews{N: 3, Status: jml.DeliveryBounced, At: r.fake.now()})
	})
	r.at(invited.Add(20*time.Hour), func() {
		if v := r.view(); v.Block == nil || v.Block.Reason != jml.ReasonUndeliverable || len(r.message(jml.MessageLink)) != 2 {
			t.Errorf("blocked by %v after %d links", v.Block, len(r.message(jml.MessageLink)))
		}
	})
	r.tell(invited.Add(21*time.Hour), snapshot(func(s *jml.Snapshot) { s.Department = "Sales" }, seen(invited.Add(21*time.Hour))))
	r.at(invited.Add(22*time.Hour), func() {
		if n := len(r.message(jml.MessageLink)); n != 2 {
			t.Errorf("%d links: another department is no other address", n)
		}
	})
	r.tell(invited.Add(23*time.Hour), snapshot(func(s *jml.Snapshot) { s.PersonalMail = "new@example.org" }, seen(invited.Add(23*time.Hour))))
	r.finish()
	links := r.message(jml.MessageLink)
	if len(links) != 3 || links[2].Contact.PersonalMail != "new@example.org" {
		t.Errorf("%d links", len(links))
	}
}

// A passcode that came back is revoked before the next one goes by the next
// route.
func TestPassBounces(t *testing.T) {
	r := newRun(t)
	r.prof.PassTo = []jml.Route{mailTo, bossTo}
	r.prof.NoticeTo = []jml.Route{phoneTo}
	invited := first.Add(-48 * time.Hour)
	r.fake.look = registered(first)
	r.at(invited.Add(time.Minute), func() {
		_ = r.env.SignalWorkflowByID(workflows.PassID(user.ID), workflows.SignalDelivery, workflows.DeliveryNews{N: 1, Status: jml.DeliveryBounced, At: r.fake.now()})
	})
	r.at(invited.Add(2*time.Minute), func() {
		if len(r.fake.issued) != 2 || len(r.fake.revoked) != 1 {
			t.Errorf("issued %d, revoked %d", len(r.fake.issued), len(r.fake.revoked))
		}
	})
	r.outcome(r.finish(), jml.StageCompleted)
	if got := r.fake.issued[1]; len(got.Routes) != 1 || got.Routes[0] != bossTo || !got.Notice.Replaces {
		t.Errorf("second issue %+v", got.Routes)
	}
	if n := len(r.message(jml.MessageIssued)); n != 2 {
		t.Errorf("%d notices of an issue, want one for each", n)
	}
}

// A pass that continues as new still opens for who has collected it.
func TestPickupContinuesAsNew(t *testing.T) {
	r := newPassRun(t)
	r.in.State = &workflows.PassState{Began: begin}
	state := `{"began":"2026-11-17T08:00:00Z","issued":{"pass":{"method_id":"pass-1","start_at":"2026-12-01T08:00:00Z","lifetime":28800000000000},"handed_over_at":"2026-11-17T09:00:00Z","sealed":"c2VhbGVk"},
		"pickup":{"link_hash":"hash of link","code_hash":"hash of code","holder":"v","visits":[{"id":"v","public_key":"AQ=="}]}}`
	if err := json.Unmarshal([]byte(state), r.in.State); err != nil {
		t.Fatal(err)
	}
	r.at(begin.Add(time.Minute), func() {
		if v := r.see("v"); v.Revealed == nil || string(v.Revealed.Sealed) != "sealed" {
			t.Errorf("%+v", v)
		}
	})
	r.fake.look = registered(first)
	if res := r.finish(); res.End != jml.EndRegistered || len(r.fake.issued)+len(r.fake.sent) != 0 || len(r.fake.revoked) != 1 {
		t.Errorf("%+v, issued %d, sent %d", res, len(r.fake.issued), len(r.fake.sent))
	}
}
