package identity_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/eidsim"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/pickup/identity"
)

func TestSignIn(t *testing.T) {
	w := newWorld(t, func(p *identity.Proof) { p.ACRValues = []string{eidsim.ACRHigh} })
	got, err := w.signIn(astrid())
	if err != nil {
		t.Fatal(err)
	}
	want := identity.Result{Passed: true, Identifier: "eid-1001", ACR: eidsim.ACRHigh}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBeginAsksForWhatFinishChecks(t *testing.T) {
	w := newWorld(t, func(p *identity.Proof) { p.ACRValues = []string{"high", "substantial"}; p.Scopes = []string{"profile"} })
	to, flow, err := w.verifier.Begin(t.Context(), proofName, "nb-NO")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if flow.State == flow.Nonce || len(flow.State) < 22 || len(flow.Nonce) < 22 || len(flow.Verifier) < 43 {
		t.Error("state, nonce and verifier are not 128 random bits each")
	}
	if strings.Contains(to, flow.Verifier) {
		t.Error("the PKCE verifier goes through the browser")
	}
	q.Del("code_challenge") // TestSignIn proves it
	want := url.Values{
		"client_id": {eidsim.DefaultClientID}, "redirect_uri": {returnURL}, "response_type": {"code"}, "scope": {"openid profile"},
		"state": {flow.State}, "nonce": {flow.Nonce}, "code_challenge_method": {"S256"}, "max_age": {"300"},
		"acr_values": {"high substantial"}, "ui_locales": {"nb-NO"},
	}
	if diff := cmp.Diff(want, q); diff != "" {
		t.Error(diff)
	}
	to, _, err = w.verifier.Begin(t.Context(), proofName, "nb&prompt=none\r\n")
	if err != nil || strings.Contains(to, "ui_locales") || strings.Contains(to, "prompt") {
		t.Errorf("a locale that is none: %v, %s", err, to)
	}
	if origin, err := w.verifier.Origin(t.Context(), proofName); err != nil || origin != w.broker.URL() {
		t.Errorf("Origin gave %s, %v", origin, err)
	}
}

func TestFlowTravelsAsJSONAndPrintsNothing(t *testing.T) {
	w := newWorld(t, nil)
	flow, query := w.begin()
	raw, err := json.Marshal(flow)
	if err != nil {
		t.Fatal(err)
	}
	var again identity.Flow
	if err := json.Unmarshal(raw, &again); err != nil {
		t.Fatal(err)
	}
	got, err := w.verifier.Finish(t.Context(), proofName, again, query, astrid())
	if err != nil || !got.Passed {
		t.Fatalf("a flow that was a cookie gave %v", err)
	}
	out := fmt.Sprintf("%v %+v %#v %s %v %+v", flow, flow, flow, flow, got, &got)
	for _, secret := range []string{flow.State, flow.Nonce, flow.Verifier, got.Identifier} {
		if strings.Contains(out, secret) {
			t.Error("a flow or a result prints what it holds")
		}
	}
}

// forger is a fault that the answer must not survive.
type forger struct {
	faults eidsim.Faults
	says   string // what the error names
}

func TestForgedAnswersAreRefused(t *testing.T) {
	for name, tc := range map[string]forger{
		"nonce of another visit":   {eidsim.Faults{OtherNonce: true}, "nonce"},
		"no nonce":                 {eidsim.Faults{NoNonce: true}, "nonce"},
		"other audience":           {eidsim.Faults{OtherAudience: true}, "for another client"},
		"two audiences, other azp": {eidsim.Faults{TwoAudiences: true}, "for another client too"},
		"two audiences, no azp":    {eidsim.Faults{TwoAudiences: true, Claims: map[string]any{"azp": nil}}, "for another client too"},
		"one audience, other azp":  {eidsim.Faults{Claims: map[string]any{"azp": "another-client"}}, "for another client too"},
		"other issuer":             {eidsim.Faults{OtherTokenIssuer: true}, "another issuer"},
		"expired":                  {eidsim.Faults{Expired: true}, "expired"},
		"issued ahead":             {eidsim.Faults{IssuedAhead: true}, "iat"},
		"no iat":                   {eidsim.Faults{Claims: map[string]any{"iat": nil}}, "iat"},
		"no exp":                   {eidsim.Faults{Claims: map[string]any{"exp": nil}}, "expired"},
		"not valid yet":            {eidsim.Faults{Claims: map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}}, "not valid yet"},
		"old sign-in":              {eidsim.Faults{OldAuthTime: true}, "not fresh"},
		"sign-in to come":          {eidsim.Faults{Claims: map[string]any{"auth_time": time.Now().Add(time.Hour).Unix()}}, "not fresh"},
		"no auth_time":             {eidsim.Faults{NoAuthTime: true}, "auth_time is missing"},
		"auth_time a word":         {eidsim.Faults{Claims: map[string]any{"auth_time": "now"}}, "auth_time is missing"},
		"auth_time a list":         {eidsim.Faults{Claims: map[string]any{"auth_time": []int64{time.Now().Unix()}}}, "auth_time is missing"},
		"auth_time huge":           {eidsim.Faults{Claims: map[string]any{"auth_time": 1e300}}, "auth_time is missing"},
		"alg none":                 {eidsim.Faults{AlgNone: true}, "algorithm"},
		"HMAC by the secret":       {eidsim.Faults{HMAC: true}, "algorithm"},
		"other key":                {eidsim.Faults{OtherKey: true}, "none of the provider's keys"},
		"other access token":       {eidsim.Faults{OtherHash: true}, "at_hash"},
		"no ID token":              {eidsim.Faults{NoToken: true}, "no ID token"},
		"claims are a list":        {eidsim.Faults{RawPayload: `["sub"]`}, "can't be read"},
		"claims are no JSON":       {eidsim.Faults{RawPayload: `{"sub":`}, "can't be read"},
		"sub a number":             {eidsim.Faults{Claims: map[string]any{"sub": 7}}, "can't be read"},
		"no sub":                   {eidsim.Faults{Claims: map[string]any{"sub": nil}}, "sub is empty"},
		"sub too long":             {eidsim.Faults{Claims: map[string]any{"sub": strings.Repeat("s", 256)}}, "too long"},
		"nested too deep":          {eidsim.Faults{Claims: map[string]any{"x": deep(100)}}, "too deep"},
		"state of another":         {eidsim.Faults{OtherState: true}, "state"},
		"mix-up":                   {eidsim.Faults{OtherIssuer: true}, "RFC 9207"},
		"mix-up, iss held back":    {eidsim.Faults{NoIssuer: true}, "RFC 9207"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.broker.SetFaults(tc.faults)
			got, err := w.signIn(astrid())
			if !errors.Is(err, identity.ErrRefused) || got != (identity.Result{}) {
				t.Fatalf("not refused: %v", err)
			}
			if !strings.Contains(err.Error(), tc.says) {
				t.Errorf("the error says %q, not %q", err, tc.says)
			}
			discreet(t, err.Error())
			// The fault is what did it: without it the same person passes.
			w.broker.SetFaults(eidsim.Faults{})
			if got, err := w.signIn(astrid()); err != nil || !got.Passed {
				t.Errorf("without the fault: %v %s", err, got.Reason)
			}
		})
	}
}

// discreet fails if text holds what the broker said of anybody.
func discreet(t *testing.T, text string) {
	t.Helper()
	for _, p := range eidsim.DefaultPersonas() {
		for _, word := range []string{p.Sub, p.GivenName, p.FamilyName, p.Birthdate} {
			if strings.Contains(text, word) {
				t.Errorf("%q quotes a claim", text)
			}
		}
	}
	for _, word := range []string{"another-client", "somebody", "the simulated broker says no", "as the test asked", "other.example.org"} {
		if strings.Contains(text, word) {
			t.Errorf("%q quotes the provider", text)
		}
	}
}

func deep(n int) any {
	var out any = "bottom"
	for range n {
		out = []any{out}
	}
	return out
}

func TestAnIssuerWithoutRFC9207MayLeaveOutIss(t *testing.T) {
	w := newWorld(t, nil)
	w.broker.SetFaults(eidsim.Faults{NoIssuerSupport: true, NoIssuer: true})
	if got, err := w.signIn(astrid()); err != nil || !got.Passed {
		t.Errorf("%v %s", err, got.Reason)
	}
	w.broker.SetFaults(eidsim.Faults{NoIssuerSupport: true, OtherIssuer: true})
	if _, err := w.signIn(astrid()); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("iss of another: %v", err)
	}
}

func TestCodeWorksOnce(t *testing.T) {
	w := newWorld(t, nil)
	flow, query := w.begin()
	if got, err := w.verifier.Finish(t.Context(), proofName, flow, query, astrid()); err != nil || !got.Passed {
		t.Fatal(err)
	}
	if got, err := w.verifier.Finish(t.Context(), proofName, flow, query, astrid()); !errors.Is(err, identity.ErrRefused) || got.Passed {
		t.Errorf("a replayed code: %v", err)
	}
}

// TestStolenCode: the attacker has a code of the victim's, from a log or a
// Referer, and puts it into a visit of his own.
func TestStolenCode(t *testing.T) {
	w := newWorld(t, nil)
	w.broker.SetFaults(eidsim.Faults{CodesForever: true})
	_, victims := w.begin()
	own, query := w.begin()
	query.Set("code", victims.Get("code"))
	if got, err := w.verifier.Finish(t.Context(), proofName, own, query, astrid()); !errors.Is(err, identity.ErrRefused) || got.Passed {
		t.Errorf("PKCE did not stop it: %v", err)
	}
}

// TestForeignAnswer: the attacker makes the victim's browser return with an
// answer of the attacker's (login CSRF).
func TestForeignAnswer(t *testing.T) {
	w := newWorld(t, nil)
	_, attackers := w.begin()
	victims, _ := w.begin()
	calls := w.broker.Calls(eidsim.Token)
	if _, err := w.verifier.Finish(t.Context(), proofName, victims, attackers, astrid()); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("state did not stop it: %v", err)
	}
	if w.broker.Calls(eidsim.Token) != calls {
		t.Error("the code was redeemed before state was compared")
	}
}

// TestMixUp: a sign-in begun at one provider comes back as the other's.
func TestMixUp(t *testing.T) {
	w := newWorld(t, nil)
	other, _ := newBroker(t, w.clock)
	v := newVerifier(t, w.clock, map[string]identity.Proof{proofName: w.proof, "other": proofAt(t, other)})
	flow, query := w.beginAt(v, w.browser, proofName)
	if _, err := v.Finish(t.Context(), "other", flow, query, astrid()); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("the flow of another proof: %v", err)
	}
	flow.Proof = "other"
	if _, err := v.Finish(t.Context(), "other", flow, query, astrid()); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("the answer of another issuer: %v", err)
	}
	// Where providers don't name themselves, the flow does.
	w.broker.SetFaults(eidsim.Faults{NoIssuerSupport: true, NoIssuer: true})
	other.SetFaults(eidsim.Faults{NoIssuerSupport: true, NoIssuer: true})
	v = newVerifier(t, w.clock, map[string]identity.Proof{proofName: w.proof, "other": proofAt(t, other)})
	flow, query = w.beginAt(v, w.browser, proofName)
	if _, err := v.Finish(t.Context(), "other", flow, query, astrid()); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("the flow of another proof, without iss: %v", err)
	}
	if other.Calls(eidsim.Token) != 0 {
		t.Error("the code went to the other provider")
	}
}

func TestFlowsEnd(t *testing.T) {
	for _, tc := range []struct {
		wait   time.Duration
		passes bool
	}{{0, true}, {14 * time.Minute, true}, {16 * time.Minute, false}, {-2 * time.Minute, false}} {
		w := newWorld(t, nil)
		to, flow, err := w.verifier.Begin(t.Context(), proofName, "")
		if err != nil {
			t.Fatal(err)
		}
		w.clock.turn(tc.wait)
		resp, err := w.browser.Get(to)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		back, err := resp.Location()
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.verifier.Finish(t.Context(), proofName, flow, back.Query(), astrid())
		if got.Passed != tc.passes || !tc.passes && !errors.Is(err, identity.ErrRefused) {
			t.Errorf("after %s: %v", tc.wait, err)
		}
	}
}

func TestBrokenAnswersAreRefused(t *testing.T) {
	w := newWorld(t, nil)
	flow, good := w.begin()
	for name, bend := range map[string]func(url.Values){
		"no state":    func(q url.Values) { q.Del("state") },
		"empty state": func(q url.Values) { q.Set("state", "") },
		"two states":  func(q url.Values) { q.Add("state", "another") },
		"no code":     func(q url.Values) { q.Del("code") },
		"two codes":   func(q url.Values) { q.Add("code", q.Get("code")) },
		"long code":   func(q url.Values) { q.Set("code", strings.Repeat("c", 8193)) },
		"other code":  func(q url.Values) { q.Set("code", "guessed") },
		"no iss":      func(q url.Values) { q.Del("iss") },
		"word":        func(q url.Values) { q.Set("error", "Astrid Marie Solbakken did it") },
	} {
		q := url.Values{}
		for k, v := range good {
			q[k] = slices.Clone(v)
		}
		bend(q)
		_, err := w.verifier.Finish(t.Context(), proofName, flow, q, astrid())
		if !errors.Is(err, identity.ErrRefused) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		discreet(t, err.Error())
	}
	if n := w.broker.Calls(eidsim.Token); n != 1 {
		t.Errorf("%d answers got as far as the token endpoint; only the guessed code should", n)
	}
	for name, f := range map[string]identity.Flow{"no flow": {}, "empty state": {Proof: proofName, Nonce: "n", Verifier: "v", Begun: w.clock.now()}} {
		if _, err := w.verifier.Finish(t.Context(), proofName, f, url.Values{"state": {""}, "code": {"c"}}, astrid()); !errors.Is(err, identity.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := w.verifier.Finish(t.Context(), proofName, flow, good, astrid()); err != nil || !got.Passed {
		t.Errorf("the true answer: %v", err)
	}
}

func TestWhatTheVisitorMayDo(t *testing.T) {
	for code, want := range map[string]struct {
		reason identity.Reason
		err    error
	}{
		"access_denied":                     {identity.ReasonDeclined, nil},
		"login_required":                    {identity.ReasonDeclined, nil},
		"unmet_authentication_requirements": {identity.ReasonLevel, nil},
		"temporarily_unavailable":           {"", identity.ErrUnavailable},
		"invalid_scope":                     {"", identity.ErrRefused},
	} {
		w := newWorld(t, nil)
		w.broker.SetAnswer(eidsim.Answer{Error: code})
		got, err := w.signIn(astrid())
		if !errors.Is(err, want.err) || got.Passed || got.Reason != want.reason {
			t.Errorf("%s: %s, %v", code, got.Reason, err)
		}
	}
}

func TestWhoIsNotTheEmployee(t *testing.T) {
	high := func(p *identity.Proof) { p.ACRValues = []string{eidsim.ACRHigh} }
	noBirthDate := astrid()
	noBirthDate.BirthDate = jml.Date{}
	for name, tc := range map[string]struct {
		persona  string
		change   func(*identity.Proof)
		claims   map[string]any
		employee jml.Snapshot
		want     identity.Reason
		detail   string
	}{
		"a namesake":             {"astrid-namesake", nil, nil, astrid(), identity.ReasonMismatch, ""},
		"somebody else":          {"jonas", nil, nil, astrid(), identity.ReasonMismatch, ""},
		"level too low":          {"astrid-low", high, nil, astrid(), identity.ReasonLevel, ""},
		"no level":               {"astrid", high, map[string]any{"acr": nil}, astrid(), identity.ReasonLevel, ""},
		"level in a list":        {"astrid", high, map[string]any{"acr": []string{eidsim.ACRHigh}}, astrid(), identity.ReasonLevel, ""},
		"HR has no birth date":   {"astrid", nil, nil, noBirthDate, identity.ReasonNotReady, ""},
		"neither has one":        {"astrid", nil, map[string]any{"birthdate": ""}, noBirthDate, identity.ReasonNotReady, ""},
		"claim missing":          {"astrid", nil, map[string]any{"birthdate": nil}, astrid(), identity.ReasonRule, "the rule misses a claim: birthdate"},
		"claim empty":            {"astrid", nil, map[string]any{"birthdate": ""}, astrid(), identity.ReasonMismatch, ""},
		"birth date as a number": {"astrid", nil, map[string]any{"birthdate": 19940317}, astrid(), identity.ReasonMismatch, ""},
		"birth date as a list":   {"astrid", nil, map[string]any{"birthdate": []string{"1994-03-17"}}, astrid(), identity.ReasonMismatch, ""},
		"name as an object":      {"astrid", nil, map[string]any{"given_name": map[string]any{"x": "Astrid Marie"}}, astrid(), identity.ReasonRule, "a claim has another type than the rule takes"},
		"name as true":           {"astrid", nil, map[string]any{"family_name": true}, astrid(), identity.ReasonRule, "a claim has another type than the rule takes"},
		"name that never ends":   {"astrid", nil, map[string]any{"family_name": strings.Repeat("Solbakken ", 5000)}, astrid(), identity.ReasonMismatch, ""},
		"subject missing":        {"astrid", func(p *identity.Proof) { p.Subject = "claims.pid" }, nil, astrid(), identity.ReasonRule, "subject: the rule misses a claim: pid"},
		"subject empty":          {"astrid", func(p *identity.Proof) { p.Subject = "claims.pid" }, map[string]any{"pid": "  "}, astrid(), identity.ReasonRule, "subject: the rule misses a claim"},
		"a rule that explodes": {"astrid", func(p *identity.Proof) {
			p.Match = rule + ` && claims.list.all(a, claims.list.all(b, claims.list.all(c, a + b + c != "x")))`
		}, map[string]any{"list": slices.Repeat([]string{"abc"}, 500)}, astrid(), identity.ReasonRule, "the rule takes too long"},
		"a rule that fills the memory": {"astrid", func(p *identity.Proof) {
			p.Match = rule + ` && ` + "claims.name" + strings.Repeat(`.replace("", "aaaaaaaaaaaaaaaa")`, 12) + ` != "x"`
		}, nil, astrid(), identity.ReasonRule, "the rule takes too long"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tc.change)
			w.broker.SetAnswer(eidsim.Answer{Persona: tc.persona})
			w.broker.SetFaults(eidsim.Faults{Claims: tc.claims})
			begun := time.Now()
			got, err := w.signIn(tc.employee)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(identity.Result{Reason: tc.want, Detail: tc.detail}, got); diff != "" {
				t.Error(diff)
			}
			discreet(t, got.Detail)
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestRulesForProvidersAsTheyAre(t *testing.T) {
	for name, tc := range map[string]struct {
		match, subject string
		claims         map[string]any
		identifier     string
	}{
		"national number": {
			match:   `claims.ssn.substring(0, 8) == employee.birth_date.replace("-", "") && sameName(claims.name, employee.given_name + " " + employee.family_name)`,
			subject: "claims.ssn", claims: map[string]any{"ssn": "199403179876"}, identifier: "199403179876",
		},
		"number as a number":        {match: rule, subject: "claims.pid", claims: map[string]any{"pid": 17039499999}, identifier: "17039499999"},
		"number too large":          {match: rule, subject: "claims.pid", claims: map[string]any{"pid": json.Number("92233720368547758079")}, identifier: "92233720368547758079"},
		"employee id of a broker":   {match: `claims.vc.employeeId == employee.employee_id`, claims: map[string]any{"vc": map[string]any{"employeeId": "00417"}}, identifier: "eid-1001"},
		"either":                    {match: `(has(claims.upn) && claims.upn.lowerAscii() == employee.upn) || claims.birthdate == employee.birth_date`, identifier: "eid-1001"},
		"what HR need not have":     {match: `claims.birthdate == employee.birth_date && (!has(employee.phone) || claims.phone == employee.phone)`, identifier: "eid-1001"},
		"family name first, capped": {match: `claims.birthdate == employee.birth_date && sameName(claims.name, employee.given_name + " " + employee.family_name)`, claims: map[string]any{"name": "SOLBAKKEN, ASTRID-MARIE"}, identifier: "eid-1001"},
		"auth_time in quotes":       {match: rule, claims: map[string]any{"auth_time": fmt.Sprint(time.Now().Unix())}, identifier: "eid-1001"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(p *identity.Proof) { p.Match, p.Subject = tc.match, tc.subject })
			w.broker.SetFaults(eidsim.Faults{Claims: tc.claims})
			got, err := w.signIn(astrid())
			if diff := cmp.Diff(identity.Result{Passed: true, Identifier: tc.identifier}, got); err != nil || diff != "" {
				t.Error(err, diff)
			}
		})
	}
}

func TestUserInfo(t *testing.T) {
	const verified = rule + ` && claims.phone_number_verified`
	ask := func(p *identity.Proof) { p.UserInfo, p.Match = true, verified }
	w := newWorld(t, ask)
	if got, err := w.signIn(astrid()); err != nil || !got.Passed {
		t.Errorf("%v %s", err, got.Reason)
	}
	w.broker.SetFaults(eidsim.Faults{OtherUser: true})
	if _, err := w.signIn(astrid()); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("userinfo of somebody else: %v", err)
	}
	// The ID token is signed and wins.
	w.broker.SetFaults(eidsim.Faults{Claims: map[string]any{"birthdate": "1971-11-02"}})
	if got, err := w.signIn(astrid()); err != nil || got.Reason != identity.ReasonMismatch {
		t.Errorf("userinfo overrules the ID token: %v %s", err, got.Reason)
	}
	w.broker.SetFaults(eidsim.Faults{Status: map[eidsim.Endpoint]int{eidsim.UserInfo: 500}, Body: map[eidsim.Endpoint]string{eidsim.UserInfo: "somebody"}})
	if _, err := w.signIn(astrid()); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("userinfo that is down: %v", err)
	} else {
		discreet(t, err.Error())
	}
	w = newWorld(t, func(p *identity.Proof) { p.Match = verified })
	if got, err := w.signIn(astrid()); err != nil || got.Reason != identity.ReasonRule || w.broker.Calls(eidsim.UserInfo) != 0 {
		t.Errorf("userinfo was asked though it is not configured: %v %s", err, got.Reason)
	}
}

func TestLevelNeverComesFromUserInfo(t *testing.T) {
	c := newClock()
	broker, err := eidsim.Start(eidsim.Config{RedirectURL: returnURL, Now: c.now, Personas: []eidsim.Persona{{
		Key: "low", Sub: "1", Birthdate: "1994-03-17", Extra: map[string]any{"acr": eidsim.ACRHigh, "auth_time": time.Now().Unix()},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	_, browser := newBroker(t, c) // for its redirect policy only
	w := &world{TB: t, clock: c, broker: broker, browser: browser}
	w.proof = proofAt(t, broker)
	w.proof.UserInfo, w.proof.Match = true, `claims.birthdate == employee.birth_date && claims.acr == "`+eidsim.ACRHigh+`"`
	trust(t, browser, broker)
	broker.SetAnswer(eidsim.Answer{Persona: "low"})
	broker.SetFaults(eidsim.Faults{Claims: map[string]any{"acr": nil}})
	w.verifier = newVerifier(t, c, map[string]identity.Proof{proofName: w.proof})
	if got, err := w.signIn(astrid()); err != nil || got.Passed {
		t.Errorf("the level was taken from userinfo: %v", err)
	}
}

func trust(t *testing.T, browser *http.Client, broker *eidsim.Provider) {
	t.Helper()
	transport, ok := browser.Transport.(*http.Transport)
	if !ok {
		t.Fatal("another transport")
	}
	transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(broker.CAPEM())
}

func TestClientAuthentication(t *testing.T) {
	w := newWorld(t, nil)
	w.broker.SetFaults(eidsim.Faults{OnlySecretPost: true})
	if got, err := w.signIn(astrid()); err != nil || !got.Passed {
		t.Errorf("client_secret_post: %v", err)
	}
	if n := w.broker.Calls(eidsim.Token); n != 1 {
		t.Errorf("the code was sent %d times", n)
	}
	w = newWorld(t, func(p *identity.Proof) { p.ClientSecret = "another" })
	_, err := w.signIn(astrid())
	if !errors.Is(err, identity.ErrUnavailable) || !strings.Contains(err.Error(), "client_secret_file") || strings.Contains(err.Error(), "another") {
		t.Errorf("a wrong secret: %v", err)
	}
	if n := w.broker.Calls(eidsim.Token); n != 1 {
		t.Errorf("the code was sent %d times", n)
	}
}

func TestProviderThatIsDown(t *testing.T) {
	w := newWorld(t, nil)
	w.broker.SetFaults(eidsim.Faults{Down: true})
	_, _, err := w.verifier.Begin(t.Context(), proofName, "")
	if !errors.Is(err, identity.ErrUnavailable) {
		t.Fatalf("Begin gave %v", err)
	}
	calls := w.broker.Calls(eidsim.Discovery)
	for range 10 {
		if _, _, err := w.verifier.Begin(t.Context(), proofName, ""); !errors.Is(err, identity.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if w.broker.Calls(eidsim.Discovery) != calls {
		t.Error("every visitor waits for a provider that has just failed")
	}
	w.broker.SetFaults(eidsim.Faults{})
	w.clock.turn(6 * time.Second)
	if got, err := w.signIn(astrid()); err != nil || !got.Passed {
		t.Fatalf("after it came back: %v", err)
	}
	calls = w.broker.Calls(eidsim.Discovery)
	// A document that is known outlasts the provider's discovery.
	w.clock.turn(2 * time.Hour)
	w.broker.SetFaults(eidsim.Faults{Status: map[eidsim.Endpoint]int{eidsim.Discovery: 503}})
	if got, err := w.signIn(astrid()); err != nil || !got.Passed {
		t.Errorf("with an old document: %v", err)
	}
	if w.broker.Calls(eidsim.Discovery) == calls {
		t.Error("the document is never read again")
	}
}

func TestProviderThatFailsLater(t *testing.T) {
	for name, tc := range map[string]struct {
		faults eidsim.Faults
		want   error
	}{
		"token 500":          {eidsim.Faults{Status: map[eidsim.Endpoint]int{eidsim.Token: 500}, Body: map[eidsim.Endpoint]string{eidsim.Token: "somebody"}}, identity.ErrUnavailable},
		"token 429":          {eidsim.Faults{Status: map[eidsim.Endpoint]int{eidsim.Token: 429}}, identity.ErrUnavailable},
		"token 400, a word":  {eidsim.Faults{Status: map[eidsim.Endpoint]int{eidsim.Token: 400}, Body: map[eidsim.Endpoint]string{eidsim.Token: `{"error":"somebody"}`}}, identity.ErrRefused},
		"token 200, no JSON": {eidsim.Faults{Status: map[eidsim.Endpoint]int{eidsim.Token: 200}, Body: map[eidsim.Endpoint]string{eidsim.Token: "somebody"}}, identity.ErrUnavailable},
		"token 307":          {eidsim.Faults{Status: map[eidsim.Endpoint]int{eidsim.Token: 307}}, identity.ErrRefused},
		"no keys":            {eidsim.Faults{Status: map[eidsim.Endpoint]int{eidsim.Keys: 503}, Body: map[eidsim.Endpoint]string{eidsim.Keys: "somebody"}}, identity.ErrUnavailable},
		"keys without end":   {eidsim.Faults{Status: map[eidsim.Endpoint]int{eidsim.Keys: 200}, Body: map[eidsim.Endpoint]string{eidsim.Keys: strings.Repeat(" ", 2<<20)}}, identity.ErrUnavailable},
	} {
		w := newWorld(t, nil)
		flow, query := w.begin()
		w.broker.SetFaults(tc.faults)
		_, err := w.verifier.Finish(t.Context(), proofName, flow, query, astrid())
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		discreet(t, err.Error())
	}
}

func TestDiscoveryThatIsWrong(t *testing.T) {
	for name, f := range map[string]eidsim.Faults{
		"other issuer":        {OtherMetadataIssuer: true},
		"token by plain http": {PlainTokenEndpoint: true},
		"no client secret":    {NoClientSecret: true},
		"no document":         {Status: map[eidsim.Endpoint]int{eidsim.Discovery: 404}, Body: map[eidsim.Endpoint]string{eidsim.Discovery: "somebody"}},
		"an empty document":   {Status: map[eidsim.Endpoint]int{eidsim.Discovery: 200}, Body: map[eidsim.Endpoint]string{eidsim.Discovery: "{}"}},
	} {
		w := newWorld(t, nil)
		w.broker.SetFaults(f)
		_, _, err := w.verifier.Begin(t.Context(), proofName, "")
		if !errors.Is(err, identity.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		discreet(t, err.Error())
	}
}

func TestRepliesAreBounded(t *testing.T) {
	for padding, want := range map[int]error{1 << 10: nil, 2 << 20: identity.ErrUnavailable} {
		w := newWorld(t, nil)
		at := w.broker.URL()
		doc, err := json.Marshal(map[string]string{"issuer": at, "authorization_endpoint": at + "/authorise", "token_endpoint": at + "/token",
			"jwks_uri": at + "/keys", "padding": strings.Repeat("x", padding)})
		if err != nil {
			t.Fatal(err)
		}
		w.broker.SetFaults(eidsim.Faults{Status: map[eidsim.Endpoint]int{eidsim.Discovery: 200}, Body: map[eidsim.Endpoint]string{eidsim.Discovery: string(doc)}})
		if _, _, err := w.verifier.Begin(t.Context(), proofName, ""); !errors.Is(err, want) {
			t.Errorf("a document of %d bytes: %v", len(doc), err)
		}
	}
}

func TestUntrustedProvider(t *testing.T) {
	w := newWorld(t, func(p *identity.Proof) { p.CAFile = "" })
	_, _, err := w.verifier.Begin(t.Context(), proofName, "")
	if !errors.Is(err, identity.ErrUnavailable) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a provider whose certificate nobody vouches for: %v", err)
	}
}

func TestKeysRotate(t *testing.T) {
	w := newWorld(t, nil)
	for range 2 {
		if got, err := w.signIn(astrid()); err != nil || !got.Passed {
			t.Fatal(err)
		}
		if err := w.broker.RotateKey(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCancelledVisitsLeaveNoTrace(t *testing.T) {
	w := newWorld(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := w.verifier.Begin(ctx, proofName, ""); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if got, err := w.signIn(astrid()); err != nil || !got.Passed {
		t.Errorf("the next visitor: %v", err)
	}
}

func TestNewDoesNothingOnTheNetwork(t *testing.T) {
	w := newWorld(t, nil)
	if n := w.broker.Calls(eidsim.Discovery) + w.broker.Calls(eidsim.Keys); n != 0 {
		t.Errorf("New made %d calls", n)
	}
	if err := w.broker.Close(); err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, w.clock, map[string]identity.Proof{proofName: w.proof})
	if _, _, err := v.Begin(t.Context(), proofName, ""); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("Begin gave %v", err)
	}
}

func FuzzFinishQuery(f *testing.F) {
	for _, seed := range []string{"", "state=S&code=C&iss=I", "state=S&error=access_denied&iss=I", "code=C&code=D", "state=S&iss=I&error=%00", "state=S;code=C", "error=server_error&state=S&iss=I", "state=S&iss=I&code=", "state=S&iss=I"} {
		f.Add(seed)
	}
	w := newWorld(f, nil)
	f.Fuzz(func(t *testing.T, raw string) {
		query, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		if query.Get("iss") == "I" {
			query.Set("iss", w.broker.URL())
		}
		flow := identity.Flow{Proof: proofName, State: "S", Nonce: "N", Verifier: "V", Begun: w.clock.now()}
		got, err := w.verifier.Finish(t.Context(), proofName, flow, query, astrid())
		switch {
		case got.Passed:
			t.Fatal("passed")
		case err == nil && got.Reason == "":
			t.Fatal("neither an error nor a reason")
		case query.Get("state") != "S" && !errors.Is(err, identity.ErrRefused):
			t.Fatalf("another state was not refused: %v", err)
		case query.Get("iss") != w.broker.URL() && !errors.Is(err, identity.ErrRefused):
			t.Fatalf("another issuer was not refused: %v", err)
		}
		if word := query.Get("error"); err != nil && len(word) > 3 && strings.Contains(err.Error(), word) && !slices.Contains(words(), word) {
			t.Fatalf("the error quotes %q", word)
		}
	})
}

// words are those that an error may hold: ours, and known codes.
func words() []string {
	return []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "unsupported_response_type",
		"invalid_scope", "access_denied", "server_error", "temporarily_unavailable", "invalid_request_uri", "invalid_request_object",
		"request_not_supported", "request_uri_not_supported", "registration_not_supported", "proofs", "answer", "identity", "provider", "refused", "error", "unknown", "answered"}
}

func TestProviderThatHangs(t *testing.T) {
	w := newWorld(t, nil)
	w.broker.SetFaults(eidsim.Faults{Slow: time.Hour})
	begun := time.Now()
	var group sync.WaitGroup
	for range 5 {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if _, _, err := w.verifier.Begin(ctx, proofName, ""); !errors.Is(err, identity.ErrUnavailable) {
				t.Errorf("%v", err)
			}
		})
	}
	group.Wait()
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("visitors who left waited %s", took)
	}
	w.broker.SetFaults(eidsim.Faults{})
	if got, err := w.signIn(astrid()); err != nil || !got.Passed {
		t.Errorf("after it came back: %v", err)
	}
}
