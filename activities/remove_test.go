package activities_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// began is when the journeys of these tests began.
var began = time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC)

// drawer is what a user has: a method of each kind, from before and from after
// the journey began.
func drawer() []jml.Method {
	out := []jml.Method{{ID: "password", Kind: "password"}, {ID: "pass", Kind: jml.MethodPass, CreatedAt: began.Add(time.Hour)}}
	for _, k := range []jml.MethodKind{jml.MethodFIDO2, jml.MethodWindowsHello, jml.MethodPlatform, jml.MethodAuthenticator, "phone", "softwareOath", "email", "external"} {
		out = append(out, jml.Method{ID: "old " + string(k), Kind: k, CreatedAt: began.AddDate(-1, 0, 0)},
			jml.Method{ID: "new " + string(k), Kind: k, CreatedAt: began.Add(time.Hour)})
	}
	return append(out, jml.Method{ID: "ageless", Kind: jml.MethodFIDO2, AAGUID: "a"})
}

func (w *world) remove(t testing.TB, in workflows.RemoveInput, dieAt int, after bool) (res workflows.RemoveResult, err error, died bool) {
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
	res, err = w.activities(t).RemoveMethods(context.Background(), in)
	return res, err, false
}

func removal(rule jml.RemoveRule) workflows.RemoveInput {
	return workflows.RemoveInput{Ref: "ref", UserID: userID, Rule: rule, Actor: "op"}
}

func older(keep ...jml.MethodKind) workflows.RemoveInput {
	in := removal(jml.RemoveOlder)
	in.Before = began
	if keep != nil {
		in.Keep = &jml.Requirement{Kinds: keep}
	}
	return in
}

func lost(ids ...string) workflows.RemoveInput {
	in := removal(jml.RemoveLost)
	in.Methods, in.EndSessions = ids, true
	return in
}

func registered(since time.Time) workflows.RemoveInput {
	in := removal(jml.RemoveRegistered)
	in.Since = since
	return in
}

func TestRemoveRules(t *testing.T) {
	old := []string{"old fido2", "old windowsHelloForBusiness", "old platformCredential", "old microsoftAuthenticator", "old phone", "old softwareOath", "ageless"}
	for name, tt := range map[string]struct {
		in   workflows.RemoveInput
		want []string
	}{
		"none":  {removal(jml.RemoveNone), nil},
		"older": {older(), old},
		"older, kept": {older(jml.MethodFIDO2, jml.MethodPlatform),
			[]string{"old windowsHelloForBusiness", "old microsoftAuthenticator", "old phone", "old softwareOath"}},
		"older, another make": {func() workflows.RemoveInput {
			in := older(jml.MethodFIDO2, jml.MethodWindowsHello, jml.MethodPlatform, jml.MethodAuthenticator)
			in.Keep.AAGUIDs = []string{"A"}
			return in
		}(), []string{"old fido2", "old phone", "old softwareOath"}},
		"lost":                {lost("old phone", "new fido2"), []string{"old phone", "new fido2"}},
		"lost, nothing named": {lost(), nil},
		"lost, not there":     {lost("thrown away"), nil},
		"registered": {registered(began), []string{"new fido2", "new windowsHelloForBusiness", "new platformCredential", "new microsoftAuthenticator",
			"new phone", "new softwareOath"}},
		"registered in the same second": {registered(began.Add(time.Hour + 900*time.Millisecond)), []string{"new fido2", "new windowsHelloForBusiness",
			"new platformCredential", "new microsoftAuthenticator", "new phone", "new softwareOath"}},
		"registered, since when is not known": {registered(time.Time{}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.methods = drawer()
			res, err, _ := w.remove(t, tt.in, 0, false)
			if err != nil {
				t.Fatal(err)
			}
			var removed []string
			for _, m := range res.Removed {
				removed = append(removed, m.ID)
			}
			slices.Sort(removed)
			slices.Sort(tt.want)
			slices.Sort(w.deletions)
			if diff := cmp.Diff(tt.want, removed); diff != "" || !slices.Equal(w.deletions, removed) || res.GoneAt.IsZero() || w.violation != "" {
				t.Errorf("%s deleted %v (-want +got)\n%s", w.violation, w.deletions, diff)
			}
			if res.SessionsOver != tt.in.EndSessions || w.sessionsEnded > 1 {
				t.Errorf("sessions over %t, ended %d times", res.SessionsOver, w.sessionsEnded)
			}
			w.checkRemoved(t, tt.in, tt.want)
			if n := len(w.onStep); tt.want == nil && !tt.in.EndSessions && n != 1 {
				t.Errorf("%d steps to remove nothing: %v", n, w.onStep)
			}
		})
	}
}

// checkRemoved looks whether exactly want is gone, and whether the audit tells
// each act before it and each end.
func (w *world) checkRemoved(t *testing.T, in workflows.RemoveInput, want []string) {
	t.Helper()
	var left []string
	for _, m := range w.methods {
		left = append(left, m.ID)
	}
	for _, m := range drawer() {
		if slices.Contains(want, m.ID) == slices.Contains(left, m.ID) {
			t.Errorf("%s: left %v", m.ID, left)
		}
	}
	count := func(event audit.Event, id string) (n int) {
		for _, e := range w.lines {
			if e.Event == event && e.MethodID == id {
				n++
			}
			if e.UserID != userID || e.Ref != "ref" {
				t.Errorf("%+v", e)
			}
		}
		return n
	}
	for _, m := range drawer() {
		announced := count(audit.EventMethodRemove, m.ID) > 0
		if announced != slices.Contains(want, m.ID) {
			t.Errorf("%s announced: %t", m.ID, announced)
		}
	}
	if in.EndSessions != (count(audit.EventSessionsEnd, "") > 0) || w.violation != "" {
		t.Errorf("%s; the audit says %+v", w.violation, w.lines)
	}
}

// TestRemoveCrashAnywhere kills the process at every step, before and after the
// step took effect, in the first try and again in the second: the third ends with
// exactly the right methods gone.
func TestRemoveCrashAnywhere(t *testing.T) {
	for name, tt := range map[string]struct {
		in    workflows.RemoveInput
		want  []string
		world func(*world)
	}{
		"older":      {older(jml.MethodFIDO2, jml.MethodWindowsHello, jml.MethodPlatform), []string{"old microsoftAuthenticator", "old phone", "old softwareOath"}, func(*world) {}},
		"lost":       {lost("old phone", "new fido2"), []string{"old phone", "new fido2"}, func(*world) {}},
		"registered": {registered(began), []string{"new fido2", "new windowsHelloForBusiness", "new platformCredential", "new microsoftAuthenticator", "new phone", "new softwareOath"}, func(*world) {}},
		"with lag":   {lost("old phone", "old fido2"), []string{"old phone", "old fido2"}, func(w *world) { w.methodLag = 3 }},
	} {
		t.Run(name, func(t *testing.T) {
			world := func() *world {
				w := newWorld()
				w.methods = drawer()
				tt.world(w)
				return w
			}
			probe := world()
			if _, err, _ := probe.remove(t, tt.in, 0, false); err != nil {
				t.Fatal(err)
			}
			runs := 0
			for first := 1; first <= probe.steps; first++ {
				for second := 0; second <= probe.steps+2; second++ {
					for _, after := range [][2]bool{{false, false}, {false, true}, {true, false}, {true, true}} {
						w := world()
						w.remove(t, tt.in, first, after[0])
						w.remove(t, tt.in, second, after[1])
						res, err, died := w.remove(t, tt.in, 0, false)
						if err != nil || died || res.GoneAt.IsZero() {
							t.Fatalf("killed at %d, then %d: %v after %v", first, second, err, w.onStep)
						}
						w.checkRemoved(t, tt.in, tt.want)
						if tt.in.EndSessions && (w.sessionsEnded < 1 || !res.SessionsOver) {
							t.Error("sessions go on")
						}
						if t.Failed() {
							t.Fatalf("killed at %d, then %d, after the step: %v", first, second, after)
						}
						runs++
					}
				}
			}
			t.Logf("%d pairs of crashes, %d steps in a plain run", runs, probe.steps)
		})
	}
}

func blockedBy(t *testing.T, err error) (b jml.Block, final bool) {
	t.Helper()
	var app *temporal.ApplicationError
	if !errors.As(err, &app) || app.Details(&b) != nil {
		t.Fatalf("%v is no block", err)
	}
	return b, app.NonRetryable()
}

func denial(code string) *jml.Fault {
	return &jml.Fault{System: "graph", Op: "delete method", Kind: jml.FaultDenied, Status: 403, Code: code, Reason: jml.ReasonPermissionMissing}
}

// A phone number that can't be deleted keeps nobody's stolen key alive.
func TestRemovalDeniedHalfWay(t *testing.T) {
	for name, tt := range map[string]struct {
		in     workflows.RemoveInput
		deny   jml.MethodKind
		fault  *jml.Fault
		want   []string
		detail string
	}{
		"first":       {lost("old fido2", "old phone"), jml.MethodFIDO2, denial("accessDenied"), []string{"old phone"}, "accessDenied"},
		"last":        {lost("old fido2", "old phone"), "phone", denial("accessDenied"), []string{"old fido2"}, "accessDenied"},
		"all":         {lost("old phone"), "phone", denial("accessDenied"), nil, "accessDenied"},
		"refused":     {lost("old fido2", "old phone"), "phone", &jml.Fault{Kind: jml.FaultRefused, Status: 400, Code: "badRequest"}, []string{"old fido2"}, "badRequest"},
		"no such way": {lost("old email", "old phone"), "", nil, []string{"old phone"}, "Graph removes no method of kind email"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.methods, w.deny = drawer(), map[jml.MethodKind]*jml.Fault{tt.deny: tt.fault}
			_, err, _ := w.remove(t, tt.in, 0, false)
			b, final := blockedBy(t, err)
			if b.Reason != jml.ReasonRemovalDenied || b.Detail != tt.detail || !final {
				t.Errorf("%+v, final %t", b, final)
			}
			if !slices.Equal(w.deletions, tt.want) || w.sessionsEnded != 1 {
				t.Errorf("deleted %v, want %v; sessions ended %d times", w.deletions, tt.want, w.sessionsEnded)
			}
			for _, id := range tt.want {
				if !slices.ContainsFunc(w.lines, func(e audit.Entry) bool { return e.Event == audit.EventMethodGone && e.MethodID == id }) {
					t.Errorf("no proof that %s is gone", id)
				}
			}
			// Once it is granted, the rest goes.
			w.deny = nil
			w.methods = slices.DeleteFunc(w.methods, func(m jml.Method) bool { return m.Kind == "email" })
			if _, err, _ := w.remove(t, tt.in, 0, false); err != nil || slices.ContainsFunc(w.methods, func(m jml.Method) bool { return slices.Contains(tt.in.Methods, m.ID) }) {
				t.Errorf("granted: %v", err)
			}
		})
	}
	w := newWorld()
	w.methods, w.denySessions = drawer(), &jml.Fault{Kind: jml.FaultDenied, Code: "Authorization_RequestDenied"}
	_, err, _ := w.remove(t, lost("old phone"), 0, false)
	if b, _ := blockedBy(t, err); b.Reason != jml.ReasonRemovalDenied || b.Detail != "Authorization_RequestDenied" || len(w.deletions) != 0 {
		t.Errorf("sessions denied: %+v, deleted %v", b, w.deletions)
	}
}

// Entra keeps the default method while there is another one.
func TestDefaultMethodIsRemovedLast(t *testing.T) {
	all := func() *world {
		w := newWorld()
		w.methods = []jml.Method{{ID: "app", Kind: jml.MethodAuthenticator}, {ID: "phone", Kind: "phone"}, {ID: "key", Kind: jml.MethodFIDO2}}
		w.defaultMethod = "app"
		return w
	}
	w := all()
	res, err, _ := w.remove(t, older(), 0, false)
	if err != nil || !slices.Equal(w.deletions, []string{"phone", "key", "app"}) || len(res.Removed) != 3 {
		t.Errorf("%v, deleted %v", err, w.deletions)
	}
	if n := len(slices.DeleteFunc(w.lines, func(e audit.Entry) bool { return e.Event != audit.EventMethodRemove })); n != 3 {
		t.Errorf("%d announcements of 3 methods", n)
	}
	// One that has to stay keeps the default there too.
	w = all()
	_, err, _ = w.remove(t, older(jml.MethodFIDO2), 0, false)
	if b, final := blockedBy(t, err); b.Reason != jml.ReasonRemovalDenied || b.Detail != "defaultMethod" || !final || !slices.Equal(w.deletions, []string{"phone"}) {
		t.Errorf("%+v, deleted %v", b, w.deletions)
	}
	if w.clock.After(began.Add(2 * time.Minute)) {
		t.Errorf("waited until %v", w.clock)
	}
}

func TestRemovalLags(t *testing.T) {
	w := newWorld()
	w.methods, w.methodLag = drawer(), 4
	if _, err, _ := w.remove(t, lost("old phone"), 0, false); err != nil || len(w.deletions) != 1 {
		t.Errorf("%v, deleted %v", err, w.deletions)
	}
	w = newWorld()
	w.methods, w.methodLag = drawer(), 100
	_, err, _ := w.remove(t, lost("old phone"), 0, false)
	if _, final := blockedBy(t, err); final {
		t.Errorf("still listed: %v is final", err)
	}
	if slices.ContainsFunc(w.lines, func(e audit.Entry) bool { return e.Event == audit.EventMethodGone }) {
		t.Error("called gone while it is listed")
	}
}

func TestRemoveFromNobody(t *testing.T) {
	w := newWorld()
	w.gone = true
	res, err, _ := w.remove(t, lost("old phone"), 0, false)
	if err != nil || res.GoneAt.IsZero() || res.SessionsOver || res.Removed != nil {
		t.Errorf("%+v, %v", res, err)
	}
	// One replica that does not know the user does not mean that he is gone.
	w = newWorld()
	w.methods, w.unknown = drawer(), 2
	if res, err, _ := w.remove(t, lost("old phone"), 0, false); err != nil || len(res.Removed) != 1 || !slices.Equal(w.deletions, []string{"old phone"}) {
		t.Errorf("%+v, %v, deleted %v", res, err, w.deletions)
	}
}

func TestRemoveTriesAgainLater(t *testing.T) {
	w := newWorld()
	w.methods = drawer()
	w.deny = map[jml.MethodKind]*jml.Fault{"phone": {System: "graph", Op: "delete method", Kind: jml.FaultThrottled, Status: 429, RetryAfter: 7 * time.Second}}
	_, err, _ := w.remove(t, lost("old fido2", "old phone"), 0, false)
	var app *temporal.ApplicationError
	if !errors.As(err, &app) || app.NonRetryable() || app.NextRetryDelay() != 7*time.Second || strings.Contains(err.Error(), userID) {
		t.Errorf("%v", err)
	}
	w.deny = nil
	if res, err, _ := w.remove(t, lost("old fido2", "old phone"), 0, false); err != nil || len(w.deletions) != 2 || !res.SessionsOver {
		t.Errorf("%v, deleted %v", err, w.deletions)
	}
}
