package ops

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/workflows"
)

// fit is an action of a verb that lacks nothing.
func fit(v Verb) Action {
	a := Action{Verb: v, Object: joinerID, Reason: "because of a test", Start: jml.Date{Year: 2030, Month: 5, Day: 20}, UserID: userID, Proof: "saw the key in the portal"}
	switch v {
	case VerbDeviceDone:
		a.Object = "staging/hr/abc"
	case VerbReplay, VerbDrop:
		a.Object = "q1"
	case VerbPause, VerbUnpause, VerbRelease:
		a.Object = "hr"
	case VerbHeldApprove, VerbHeldReject:
		a.Object = "abc"
	case VerbHalt, VerbLift:
		a.Object = ""
	}
	return a
}

// fitWorld is one in which every fit action can be done.
func fitWorld(t testing.TB, v Verb) *world {
	w := newWorld(t)
	w.out(joinerID, jml.StageInvited)
	w.add("staging/hr/abc", jml.StagePass)
	w.desk.quarantine = []intake.Quarantined{{ID: "q1", Source: "hr"}}
	switch v {
	case VerbLift:
		w.halted = ledger.Halt{On: true, Since: noon}
	case VerbUnpause:
		w.pauses = []ledger.Pause{{Source: "hr", On: true}}
	}
	return w
}

func kindOf(t *testing.T, err error) RefusalKind {
	t.Helper()
	var r *Refusal
	if err == nil {
		return ""
	}
	if !errors.As(err, &r) || r == nil {
		t.Fatalf("%T is no refusal: %v", err, err)
	}
	return r.Kind
}

func TestEveryVerbByEveryRole(t *testing.T) {
	for _, v := range Verbs() {
		for _, role := range append(access.Roles(), "admin", "") {
			t.Run(string(v)+"/"+string(role), func(t *testing.T) {
				w := fitWorld(t, v)
				s := w.service()
				done, err := s.Act(as(t.Context(), role), fit(v))
				s.Close()
				if slices.Contains(v.Allowed(), role) {
					if err != nil || done.What == "" {
						t.Fatalf("got %+v, %v", done, err)
					}
					if slices.Contains(w.events(), audit.EventAccessDenied) || len(w.did()) == 0 {
						t.Errorf("events %v, did %v", w.events(), w.did())
					}
					return
				}
				if kindOf(t, err) != RefusedForbidden || len(w.did()) != 0 {
					t.Fatalf("got %v, did %v", err, w.did())
				}
				if len(w.rows) != 1 || w.rows[0].Event != audit.EventAccessDenied || w.rows[0].Actor != "olga@example.com" || w.rows[0].Detail != string(v) {
					t.Errorf("rows %+v", w.rows)
				}
			})
		}
	}
}

// A refusal by role stands even if nobody can write it down.
func TestDeniedWithoutLedger(t *testing.T) {
	w := newWorld(t)
	w.ledgerErr = errors.New("disk full")
	if _, err := w.service().Act(as(t.Context(), access.Viewer), fit(VerbRevoke)); kindOf(t, err) != RefusedForbidden || len(w.did()) != 0 {
		t.Errorf("got %v, did %v", err, w.did())
	}
}

func TestNobodySignedIn(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	ctx := t.Context()
	nameless := access.With(ctx, access.Identity{Roles: access.Roles()})
	for _, ctx := range []context.Context{ctx, nameless} {
		for name, do := range map[string]func() error{
			"act":        func() error { _, err := s.Act(ctx, fit(VerbCancel)); return err },
			"no verb":    func() error { _, err := s.Act(t.Context(), Action{}); return err },
			"board":      func() error { _, _, err := s.Board(ctx, filter()); return err },
			"wait":       func() error { _, err := s.Wait(ctx, 0); return err },
			"journey":    func() error { _, err := s.Journey(ctx, joinerID); return err },
			"passes":     func() error { _, _, err := s.Passes(ctx); return err },
			"feeds":      func() error { _, err := s.Feeds(ctx); return err },
			"quarantine": func() error { _, err := s.Quarantine(ctx); return err },
			"held":       func() error { _, err := s.Held(ctx); return err },
			"change":     func() error { _, err := s.HeldChange(ctx, "abc"); return err },
			"search":     func() error { _, err := s.Search(ctx, "abc"); return err },
			"ledger":     func() error { _, err := s.Ledger(ctx, ledger.RowFilter{Ref: "abc"}); return err },
			"switch":     func() error { _, err := s.Switch(ctx); return err },
			"summary":    func() error { _, err := s.Summary(ctx); return err },
			"recover":    func() error { _, err := s.Recover(ctx, Recovery{}); return err },
			"stage":      func() error { _, err := s.StageDevice(ctx, Staging{}); return err },
			"methods":    func() error { _, err := s.Methods(ctx, Whom{}); return err },
		} {
			if err := do(); kindOf(t, err) != RefusedSignIn {
				t.Errorf("%s: got %v", name, err)
			}
		}
	}
	if len(w.rows)+len(w.did()) != 0 {
		t.Errorf("rows %v, did %v", w.rows, w.did())
	}
}

func TestUnfitActions(t *testing.T) {
	with := func(v Verb, change func(*Action)) Action {
		a := fit(v)
		change(&a)
		return a
	}
	long := strings.Repeat("x", 501)
	for name, c := range map[string]struct {
		a    Action
		want RefusalKind
	}{
		"no such verb":       {Action{Verb: "issue", Reason: "please do it"}, RefusedInvalid},
		"no reason":          {with(VerbHold, func(a *Action) { a.Reason = "" }), RefusedInvalid},
		"spaces":             {with(VerbHold, func(a *Action) { a.Reason = "         " }), RefusedInvalid},
		"short reason":       {with(VerbHold, func(a *Action) { a.Reason = "ok" }), RefusedInvalid},
		"long reason":        {with(VerbHold, func(a *Action) { a.Reason = long }), RefusedInvalid},
		"line break":         {with(VerbHold, func(a *Action) { a.Reason = "first\nsecond" }), RefusedInvalid},
		"escape":             {with(VerbHold, func(a *Action) { a.Reason = "red \x1b[31m text" }), RefusedInvalid},
		"direction":          {with(VerbHold, func(a *Action) { a.Reason = "evil \u202e text" }), RefusedInvalid},
		"no UTF-8":           {with(VerbHold, func(a *Action) { a.Reason = "abcde\xff" }), RefusedInvalid},
		"no object":          {with(VerbHold, func(a *Action) { a.Object = "" }), RefusedInvalid},
		"path":               {with(VerbHold, func(a *Action) { a.Object = "../../etc/passwd" }), RefusedInvalid},
		"a path of three":    {with(VerbHold, func(a *Action) { a.Object = "joiner/../abc" }), RefusedMissing},
		"empty part":         {with(VerbHold, func(a *Action) { a.Object = "joiner//abc" }), RefusedInvalid},
		"quote":              {with(VerbHold, func(a *Action) { a.Object = "joiner/hr/a'b" }), RefusedInvalid},
		"markup":             {with(VerbHold, func(a *Action) { a.Object = "joiner/hr/<b>" }), RefusedInvalid},
		"NUL":                {with(VerbHold, func(a *Action) { a.Object = "joiner/hr/a\x00" }), RefusedInvalid},
		"very long":          {with(VerbHold, func(a *Action) { a.Object = "joiner/hr/" + strings.Repeat("a", 100000) }), RefusedInvalid},
		"another's workflow": {with(VerbRevoke, func(a *Action) { a.Object = "pass/" + userID }), RefusedInvalid},
		"a feed":             {with(VerbCancel, func(a *Action) { a.Object = "feed/hr" }), RefusedInvalid},
		"unknown":            {with(VerbCancel, func(a *Action) { a.Object = "joiner/hr/nobody" }), RefusedMissing},
		"unknown ref":        {with(VerbCancel, func(a *Action) { a.Object = "nobody" }), RefusedMissing},
		"no version":         {with(VerbHold, func(a *Action) { a.Version = "latest" }), RefusedInvalid},
		"negative version":   {with(VerbHold, func(a *Action) { a.Version = "01234567--3" }), RefusedInvalid},
		"another version":    {with(VerbHold, func(a *Action) { a.Version = "01234567-2" }), RefusedVersion},
		"another run":        {with(VerbHold, func(a *Action) { a.Version = "76543210-3" }), RefusedVersion},
		"move nowhere":       {with(VerbMove, func(a *Action) { a.Start = jml.Date{} }), RefusedInvalid},
		"no such day":        {with(VerbMove, func(a *Action) { a.Start = jml.Date{Year: 2030, Month: 2, Day: 30} }), RefusedInvalid},
		"month 13":           {with(VerbMove, func(a *Action) { a.Start = jml.Date{Year: 2030, Month: 13, Day: 1} }), RefusedInvalid},
		"another century":    {with(VerbMove, func(a *Action) { a.Start = jml.Date{Year: 2130, Month: 5, Day: 20} }), RefusedInvalid},
		"hour 25":            {with(VerbMove, func(a *Action) { a.Hour = jml.Clock{Hour: 25} }), RefusedInvalid},
		"until yesterday":    {with(VerbMove, func(a *Action) { a.Until = noon.Add(-time.Hour) }), RefusedInvalid},
		"link to a name":     {with(VerbLink, func(a *Action) { a.UserID = "ada@example.com" }), RefusedInvalid},
		"link, injected":     {with(VerbLink, func(a *Action) { a.UserID = userID + "/../x" }), RefusedInvalid},
		"channel":            {with(VerbResend, func(a *Action) { a.Channel = "sms' OR 1" }), RefusedInvalid},
		"no proof":           {with(VerbRegistered, func(a *Action) { a.Proof = " " }), RefusedInvalid},
		"device of a joiner": {with(VerbDeviceDone, func(a *Action) { a.Object = joinerID }), RefusedState},
		"record":             {with(VerbDrop, func(a *Action) { a.Object = "nope" }), RefusedMissing},
		"record, replayed":   {with(VerbReplay, func(a *Action) { a.Object = "nope" }), RefusedMissing},
		"record by path":     {with(VerbReplay, func(a *Action) { a.Object = "a b" }), RefusedInvalid},
		"source":             {with(VerbPause, func(a *Action) { a.Object = "../hr" }), RefusedMissing},
		"not paused":         {with(VerbUnpause, func(*Action) {}), RefusedState},
		"not halted":         {with(VerbLift, func(*Action) {}), RefusedState},
		"held by nobody":     {with(VerbHeldApprove, func(a *Action) { a.Object = "xyz" }), RefusedMissing},
	} {
		t.Run(name, func(t *testing.T) {
			w := fitWorld(t, "")
			_, err := w.service().Act(as(t.Context(), access.Operator), c.a)
			if got := kindOf(t, err); got != c.want {
				t.Fatalf("got %q (%v), want %q", got, err, c.want)
			}
			if c.want != RefusedVersion && c.a.Object != "joiner/hr/nobody" && c.a.Object != "joiner/../abc" && len(w.did()) > 0 {
				t.Errorf("did %v", w.did())
			}
			if strings.Contains(err.Error(), c.a.Reason) && len(c.a.Reason) > 3 && c.a.Reason != "         " {
				t.Error("the refusal quotes what was typed")
			}
		})
	}
}

func TestWordsReachTheJourney(t *testing.T) {
	word := workflows.Word{Actor: "olga@example.com", Reason: "because of a test", Version: 3}
	day := jml.Date{Year: 2030, Month: 5, Day: 20}
	for v, want := range map[Verb]any{
		VerbHold:       workflows.HoldRequest{Word: word, Hold: true},
		VerbResume:     workflows.HoldRequest{Word: word},
		VerbMove:       workflows.MoveRequest{Word: word, Date: day},
		VerbLink:       workflows.LinkRequest{Word: word, UserID: userID},
		VerbReissue:    workflows.ReissueRequest{Actor: word.Actor, Reason: word.Reason, Version: 3},
		VerbApprove:    workflows.Decision{Approve: true, Actor: word.Actor, Reason: word.Reason, Version: 3},
		VerbRefuse:     workflows.Decision{Actor: word.Actor, Reason: word.Reason, Version: 3},
		VerbCancel:     jml.Stop{Outcome: jml.StageCancelled, Actor: word.Actor, Reason: word.Reason, Version: 3},
		VerbRevoke:     jml.Stop{Outcome: jml.StageRevoked, Actor: word.Actor, Reason: word.Reason, Version: 3},
		VerbRegistered: jml.Stop{Outcome: jml.StageCompleted, Actor: word.Actor, Reason: word.Reason, Version: 3, Proof: "saw the key in the portal"},
	} {
		w := fitWorld(t, v)
		a := fit(v)
		a.Version = `"01234567-3"`
		a.Reason = "  because of a test "
		done, err := w.service().Act(as(t.Context(), access.Operator, access.Approver), a)
		if err != nil {
			t.Errorf("%s: %v", v, err)
			continue
		}
		if got := w.last(); got.id != joinerID || got.request != want {
			t.Errorf("%s: got %+v, want %+v", v, got, want)
		}
		if done.Result == nil && done.Version != "01234567-4" {
			t.Errorf("%s: version %q", v, done.Version)
		}
	}
}

func TestResendGoesToThePass(t *testing.T) {
	w := fitWorld(t, VerbResend)
	a := fit(VerbResend)
	a.Channel, a.Version = "sms", "01234567-3"
	if _, err := w.service().Act(as(t.Context(), access.Operator), a); err != nil {
		t.Fatal(err)
	}
	if got := w.last(); got.id != "pass/"+userID || got.request.(workflows.ResendRequest).Channel != "sms" || got.request.(workflows.ResendRequest).Version != 0 {
		t.Errorf("got %+v", got)
	}
	w.journeys[joinerID].view.Version = 4
	if _, err := w.service().Act(as(t.Context(), access.Operator), a); kindOf(t, err) != RefusedVersion {
		t.Errorf("got %v", err)
	}
}

// Of two operators who saw the same, one is heard.
func TestTwoAtOnce(t *testing.T) {
	for range 50 {
		w := fitWorld(t, "")
		s := w.service()
		var wg sync.WaitGroup
		errs := make([]error, 2)
		for i, v := range []Verb{VerbHold, VerbCancel} {
			wg.Go(func() {
				a := fit(v)
				a.Version = "01234567-3"
				_, errs[i] = s.Act(as(t.Context(), access.Operator), a)
			})
		}
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("got %v and %v", errs[0], errs[1])
		}
		if kindOf(t, errors.Join(errs...)) != RefusedVersion {
			t.Fatalf("got %v", errors.Join(errs...))
		}
	}
}

func TestTemporalAway(t *testing.T) {
	for _, v := range journeyVerbs() {
		for _, version := range []string{"", "01234567-3"} {
			w := fitWorld(t, v)
			w.away = serviceerror.NewUnavailable("10.0.0.1 has gone")
			a := fit(v)
			a.Version = version
			_, err := w.service().Act(as(t.Context(), access.Operator, access.Approver), a)
			if kindOf(t, err) != RefusedAway || strings.Contains(err.Error(), "10.0.0.1") {
				t.Errorf("%s %s: %v", v, version, err)
			}
		}
	}
}

// Without its row nothing is done.
func TestLedgerAway(t *testing.T) {
	for _, v := range []Verb{VerbNudge, VerbReplay, VerbDrop, VerbPause, VerbUnpause, VerbRelease, VerbHalt, VerbLift, VerbHeldApprove, VerbHeldReject} {
		w := fitWorld(t, v)
		w.ledgerErr = errors.New("disk full at /var/lib/firstpass")
		s := w.service()
		_, err := s.Act(as(t.Context(), access.Operator), fit(v))
		s.Close()
		if kindOf(t, err) != RefusedAway || len(w.did()) != 0 || strings.Contains(err.Error(), "/var") {
			t.Errorf("%s: %v, did %v", v, err, w.did())
		}
	}
}

// The same where it can be read and not written.
func TestLedgerFull(t *testing.T) {
	for _, v := range []Verb{VerbNudge, VerbReplay, VerbPause, VerbUnpause, VerbHalt, VerbLift} {
		w := fitWorld(t, v)
		s, err := New(Config{Temporal: (*fakeTemporal)(w), Ledger: full{(*fakeLedger)(w)}, Board: (*fakeBoard)(w), Desk: w.desk, Now: func() time.Time { return noon }})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Act(as(t.Context(), access.Operator), fit(v))
		s.Close()
		if kindOf(t, err) != RefusedAway || len(w.did()) != 0 {
			t.Errorf("%s: %v, did %v", v, err, w.did())
		}
	}
}

type full struct{ *fakeLedger }

func (full) Append(context.Context, audit.Entry) error { return errors.New("disk full") }

// The row stands before the act.
func TestRowsOfActs(t *testing.T) {
	for v, want := range map[Verb]audit.Event{
		VerbNudge: audit.EventJourneyNudged, VerbReplay: audit.EventQuarantineReplayed, VerbDrop: audit.EventQuarantineDropped,
		VerbPause: audit.EventSourcePaused, VerbUnpause: audit.EventSourceResumed, VerbHalt: audit.EventHaltOn, VerbLift: audit.EventHaltOff,
	} {
		w := fitWorld(t, v)
		s := w.service()
		if _, err := s.Act(as(t.Context(), access.Operator), fit(v)); err != nil {
			t.Errorf("%s: %v", v, err)
		}
		s.Close()
		if len(w.rows) != 1 || w.rows[0].Event != want || w.rows[0].Actor != "olga@example.com" || v != VerbDrop && w.rows[0].Reason != "because of a test" {
			t.Errorf("%s: %+v", v, w.rows)
		}
	}
}

func TestEndedMeanwhile(t *testing.T) {
	for _, version := range []string{"", "01234567-3"} {
		w := fitWorld(t, "")
		w.journeys[joinerID].closed = true
		a := fit(VerbCancel)
		a.Version = version
		if _, err := w.service().Act(as(t.Context(), access.Operator), a); kindOf(t, err) != RefusedState || !strings.Contains(err.Error(), "ended") {
			t.Errorf("%q: %v", version, err)
		}
	}
}

// Temporal may say that it dropped a word; it is sent again, under one id.
func TestDroppedWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fitWorld(t, "")
		var ids []string
		w.onUpdate = func(o client.UpdateWorkflowOptions) (any, error) {
			if ids = append(ids, o.UpdateID); len(ids) < 3 {
				return nil, serviceerror.NewWorkflowNotReady("not now")
			}
			return workflows.Answer{Done: true}, nil
		}
		if _, err := w.service().Act(as(t.Context(), access.Operator), fit(VerbHold)); err != nil {
			t.Fatal(err)
		}
		if len(ids) != 3 || ids[0] == "" || ids[0] != ids[2] {
			t.Errorf("ids %v", ids)
		}
		w.onUpdate = func(client.UpdateWorkflowOptions) (any, error) { return nil, serviceerror.NewWorkflowNotReady("never") }
		began := time.Now()
		if _, err := w.service().Act(as(t.Context(), access.Operator), fit(VerbHold)); kindOf(t, err) != RefusedAway || time.Since(began) > acceptWithin {
			t.Errorf("got %v after %s", err, time.Since(began))
		}
	})
}

// A word that is said again under its name, because the answer got lost, is taken
// once. Nobody takes up another's.
func TestWordsHaveNames(t *testing.T) {
	w := fitWorld(t, "")
	var ids []string
	w.onUpdate = func(o client.UpdateWorkflowOptions) (any, error) {
		ids = append(ids, o.UpdateID)
		return workflows.Answer{Done: true}, nil
	}
	say := func(subject, id string, v Verb) string {
		t.Helper()
		a := fit(v)
		a.ID = id
		who := access.Identity{Subject: subject, Name: subject, Roles: []access.Role{access.Operator}}
		if _, err := w.service().Act(access.With(t.Context(), who), a); err != nil {
			t.Fatal(err)
		}
		return ids[len(ids)-1]
	}
	first := say("ines", "k1", VerbHold)
	if again := say("ines", "k1", VerbHold); again != first {
		t.Errorf("said again it is %q, was %q", again, first)
	}
	for what, other := range map[string]string{
		"somebody else": say("omar", "k1", VerbHold), "another name": say("ines", "k2", VerbHold),
		"another verb": say("ines", "k1", VerbReissue), "none": say("ines", "", VerbHold),
	} {
		if other == first || other == "" {
			t.Errorf("%s: the same word, %q", what, other)
		}
	}
}

// Who revokes hears within seconds that it is under way, if the tenant is slow.
func TestPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fitWorld(t, "")
		w.onGet = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		began := time.Now()
		done, err := w.service().Act(as(t.Context(), access.Operator), fit(VerbRevoke))
		if err != nil || !done.Pending || done.Result != nil || time.Since(began) != 5*time.Second {
			t.Errorf("got %+v, %v after %s", done, err, time.Since(began))
		}
	})
}

func TestLiftWakesWhoWasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fitWorld(t, VerbLift)
		for i := range 400 {
			id := "joiner/hr/h" + string(rune('a'+i/20)) + string(rune('a'+i%20))
			w.add(id, jml.StageBlocked)
			w.table[len(w.table)-1].Reason = jml.ReasonHalted
		}
		s := w.service()
		began := time.Now()
		if _, err := s.Act(as(t.Context(), access.Operator), fit(VerbLift)); err != nil || time.Since(began) > 0 {
			t.Fatalf("%v after %s", err, time.Since(began))
		}
		time.Sleep(2500 * time.Millisecond)
		synctest.Wait()
		// Somebody shows late.
		w.mu.Lock()
		woken := len(w.calls) - 1
		w.add("joiner/hr/late", jml.StageBlocked)
		w.table[len(w.table)-1].Reason = jml.ReasonHalted
		w.mu.Unlock()
		if woken != 400 {
			t.Errorf("%d woken in 2.5 s", woken)
		}
		time.Sleep(10 * time.Second)
		if did := w.did(); len(did) != 402 || did[401] != "signal look joiner/hr/late" {
			t.Errorf("%d calls, last %v", len(did), did[len(did)-1])
		}
		// Thrown again, nobody else is woken.
		w.mu.Lock()
		w.halted.On = true
		w.add("joiner/hr/later", jml.StageBlocked)
		w.table[len(w.table)-1].Reason = jml.ReasonHalted
		w.mu.Unlock()
		time.Sleep(time.Minute)
		if n := len(w.did()); n != 402 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestDecidedByAnother(t *testing.T) {
	w := fitWorld(t, "")
	j := w.journeys[joinerID]
	j.view.Approval = &jml.Approval{AskedAt: noon, Until: noon.Add(time.Hour), Decided: noon, By: "petra@example.com", Approved: true}
	a := fit(VerbApprove)
	a.Version = "01234567-2"
	_, err := w.service().Act(as(t.Context(), access.Approver), a)
	if kindOf(t, err) != RefusedVersion || !strings.Contains(err.Error(), "petra@example.com") {
		t.Errorf("got %v", err)
	}
}
