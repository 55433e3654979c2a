package activities_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"firstpass.internal/activities"
	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/invitation"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
	"firstpass.internal/workflows"
)

// crash is what a killed process looks like from inside a test: the panic
// unwinds past all clean-up code of the activity.
type crash struct{}

// world is a tenant, a mailbox, an audit and Temporal's heartbeats, with a
// power switch: the process dies at the step called dieAt, before or after the
// step had its effect. What is in world survives.
type world struct {
	steps     int
	dieAt     int
	dieAfter  bool
	onStep    []string
	clock     time.Time
	minted    int
	passes    []jml.Pass
	codes     map[string]string // method id → passcode
	mails     []mail
	lines     []audit.Entry
	mark      activities.Checkpoint
	marked    bool
	violation string

	methods       []jml.Method
	ghosts        []jml.Method // deleted, and listed for methodLag more reads
	methodLag     int
	defaultMethod string                        // can't be deleted while there is another
	deny          map[jml.MethodKind]*jml.Fault // by kind: no such deletion
	gone          bool                          // there is no such user
	unknown       int                           // reads by a replica that does not know him
	sessionsEnded int
	denySessions  *jml.Fault
	deletions     []string

	users     []jml.User
	policy    jml.PassPolicy
	privilege jml.Privilege
	choose    func(jml.Kind, string, jml.Snapshot, *jml.User) jml.Choice
	around    map[string]jml.Addressees // by user id

	in     workflows.IssueInput  // what to issue
	key    secret.VisitKey       // of the visitor, if it is sealed
	links  map[string]bool       // hashes that are stored
	refuse map[string]*jml.Fault // by recipient: the channel refuses when it comes to sending

	// loseReply makes Create do its work and report an unknown outcome.
	loseReply bool
	// The kill switch is on once so many steps were done; 0: never. deaf: it
	// can't be read.
	haltAt     int
	deaf       error
	refuseMail *jml.Fault
	listLag    int // reads that don't show a new pass yet
}

type mail struct {
	to       string
	message  jml.Message
	code     string // passcode, link or code
	handle   string
	replaces bool
}

const userID = "0b8d7a1e-5c1f-4a6e-9a57-1f0f4f1d2c11"

func newWorld() *world {
	return &world{clock: time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC), codes: map[string]string{}, links: map[string]bool{}, in: input,
		users: []jml.User{{ID: userID, Enabled: true}}}
}

// step does effect unless the process dies first, and dies after it if asked.
func (w *world) step(name string, effect func()) {
	w.steps++
	w.onStep = append(w.onStep, name)
	w.clock = w.clock.Add(time.Second)
	if w.steps == w.dieAt && !w.dieAfter {
		panic(crash{})
	}
	effect()
	if w.steps == w.dieAt {
		panic(crash{})
	}
}

func (w *world) FindUsers(context.Context, jml.Match) (users []jml.User, err error) {
	w.step("find", func() { users = w.users })
	return users, nil
}
func (w *world) PassPolicy(context.Context) (jml.PassPolicy, error)           { return w.policy, nil }
func (w *world) MemberOf(context.Context, string, []string) ([]string, error) { return nil, nil }
func (w *world) Privilege(context.Context, string) (p jml.Privilege, err error) {
	w.step("privilege", func() { p = w.privilege })
	return p, nil
}
func (w *world) Methods(context.Context, string) (list []jml.Method, err error) {
	w.step("list methods", func() {
		if w.gone || w.unknown > 0 {
			w.unknown--
			err = notThere("list methods")
			return
		}
		list = slices.Concat(w.methods, w.ghosts)
		if w.methodLag--; w.methodLag <= 0 {
			w.ghosts = nil
		}
	})
	return list, err
}

func notThere(op string) error {
	return &jml.Fault{System: "graph", Op: op, Kind: jml.FaultNotFound, Status: 404}
}
func (w *world) Check(_ context.Context, n jml.Notice) error {
	if n.Recipient == "" {
		return &jml.Fault{System: n.Channel, Op: "send", Kind: jml.FaultRefused, Reason: jml.ReasonNoRecipient}
	}
	return nil
}
func (w *world) Probe(context.Context, string, *jml.Notice) error    { return nil }
func (w *world) Keep(context.Context) func()                         { return func() {} }
func (w *world) Load(context.Context) (activities.Checkpoint, error) { return w.mark, nil }

func (w *world) Passes(context.Context, string) (out []jml.Pass, err error) {
	w.step("list", func() {
		if w.listLag > 0 {
			w.listLag--
			return
		}
		out = append(out, w.passes...)
	})
	return out, nil
}

func (w *world) CreatePass(_ context.Context, _ string, r jml.PassRequest, now time.Time) (p jml.Pass, c secret.Passcode, err error) {
	w.step("create", func() {
		for _, old := range w.passes {
			if !old.Dead() {
				w.violation = "two live passes: " + old.MethodID + " was there at a create"
			}
		}
		w.minted++
		id := fmt.Sprintf("pass-%d", w.minted)
		code := fmt.Sprintf("C0de+%d-canary+%d", w.minted, w.minted)
		start := r.StartAt
		if now.After(start) {
			start = now
		}
		p = jml.Pass{MethodID: id, CreatedAt: w.clock, StartAt: start, Lifetime: r.Lifetime, OneTime: r.OneTime}
		w.passes = []jml.Pass{p}
		w.codes[id] = code
		c = secret.NewPasscode(code)
	})
	if w.loseReply {
		w.loseReply = false
		return jml.Pass{}, secret.Passcode{}, &jml.Fault{System: "graph", Op: "create pass", Kind: jml.FaultUnavailable}
	}
	return p, c, nil
}

func (w *world) DeletePass(_ context.Context, _, id string) error {
	w.step("delete", func() {
		var left []jml.Pass
		for _, p := range w.passes {
			if p.MethodID != id {
				left = append(left, p)
			}
		}
		w.passes = left
	})
	return nil
}

func (w *world) DeleteMethod(_ context.Context, _ string, m jml.Method) error {
	if f := w.deny[m.Kind]; f != nil {
		return f
	}
	if m.ID == w.defaultMethod && len(w.methods) > 1 {
		return &jml.Fault{System: "graph", Op: "delete method", Kind: jml.FaultRefused, Status: 400, Code: "defaultMethod", Reason: jml.ReasonRemovalDenied}
	}
	w.step("delete method", func() {
		if i := slices.IndexFunc(w.methods, func(o jml.Method) bool { return o.ID == m.ID }); i >= 0 {
			announced := slices.ContainsFunc(w.lines, func(e audit.Entry) bool { return e.Event == audit.EventMethodRemove && e.MethodID == m.ID })
			if !announced {
				w.violation = "a method went without an audit line before: " + m.ID
			}
			w.ghosts, w.methods = append(w.ghosts, m), slices.Delete(w.methods, i, i+1)
			w.deletions = append(w.deletions, m.ID)
		}
	})
	return nil
}

func (w *world) EndSessions(context.Context, string) error {
	if w.denySessions != nil {
		return w.denySessions
	}
	if w.gone {
		return notThere("end sessions")
	}
	w.step("end sessions", func() {
		if len(w.lines) == 0 || w.lines[len(w.lines)-1].Event != audit.EventSessionsEnd {
			w.violation = "sessions ended without an audit line before"
		}
		w.sessionsEnded++
	})
	return nil
}

func (w *world) Choose(kind jml.Kind, source string, s jml.Snapshot, u *jml.User) jml.Choice {
	return w.choose(kind, source, s, u)
}

func (w *world) Send(_ context.Context, n jml.Notice, c secret.Contents) (jml.Receipt, error) {
	if w.refuseMail != nil {
		return jml.Receipt{}, w.refuseMail
	}
	if f := w.refuse[n.Recipient]; f != nil {
		return jml.Receipt{}, f
	}
	w.step("send", func() {
		w.mails = append(w.mails, mail{n.Recipient, n.Message, c.Passcode.Reveal() + c.Link.Reveal() + c.Code.Reveal(), n.Handle, n.Replaces})
	})
	return jml.Receipt{MessageID: "m"}, nil
}

func (w *world) Address(channel string) (jml.AddressKind, bool) {
	return map[string]jml.AddressKind{"mail": jml.AddressMail, "sms": jml.AddressPhone}[channel], true
}

func (w *world) Addressees(_ context.Context, id string, _ bool) (around jml.Addressees, err error) {
	w.step("addressees", func() {
		if own, ok := w.around[id]; ok {
			around = own
			return
		}
		around = jml.Addressees{WorkMail: "work@example.org", Manager: jml.Addressee{GivenName: "Mo", Mail: "boss@example.org", Phone: "+4520000009", Locale: "da"}}
	})
	return around, nil
}

func (w *world) Links() bool { return true }

func (w *world) Link(_ context.Context, s invitation.Spec) (made invitation.Made, err error) {
	w.step("link", func() {
		word := fmt.Sprint(s.Kind, s.WorkflowID, s.Invitation, s.Visit)
		w.links["hash of "+word] = true
		made = invitation.Made{Link: secret.NewPasscode("link " + word), Hash: "hash of " + word}
	})
	return made, nil
}

func (w *world) Code(workflowID, inv, linkHash string) (secret.Passcode, string) {
	return secret.NewPasscode("code " + workflowID + inv + linkHash), "hash of the code"
}

func (w *world) Number(visit string) string            { return "number " + visit }
func (w *world) HashNumber(link, number string) string { return "hash of " + link + number }
func (w *world) MessageID(h invitation.Handle) string  { return fmt.Sprint("id ", h.N) }
func (w *world) Handle(h invitation.Handle) string     { return fmt.Sprint(h.WorkflowID, "#", h.N) }

func (w *world) Append(_ context.Context, e audit.Entry) error {
	w.step("audit "+string(e.Event), func() { w.lines = append(w.lines, e) })
	return nil
}

func (w *world) Save(_ context.Context, v activities.Checkpoint) error {
	w.step("checkpoint", func() { w.mark, w.marked = v, true })
	return nil
}

func (w *world) Halted(context.Context) (bool, error) {
	return w.haltAt > 0 && w.steps >= w.haltAt-1, w.deaf
}

func (w *world) activities(t testing.TB) *activities.Activities {
	t.Helper()
	a, err := activities.New(activities.Config{
		Directory: w, Sender: w, Invitations: w, Profiles: w, Audit: w, Checkpoints: w, Halts: w,
		Desks:  map[string]jml.Addressee{"hq": {Mail: "hq@example.org"}},
		Now:    func() time.Time { return w.clock },
		Pause:  func(_ context.Context, d time.Duration) { w.clock = w.clock.Add(d) },
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var input = workflows.IssueInput{
	Ref: "ref", UserID: userID,
	Request: jml.PassRequest{
		StartAt: time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC), Lifetime: 8 * time.Hour, OneTime: true,
		Since: time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC),
	},
	Notice:     jml.Notice{Message: jml.MessagePass},
	Routes:     []jml.Route{{Channel: "mail", Recipient: jml.RecipientPersonalMail}},
	Contact:    jml.Snapshot{PersonalMail: "freja@example.org", Phone: "+4520000001"},
	WorkflowID: "pass", Invitation: "run", N: 1,
}

// shapes are the ways a passcode is handed over.
func shapes(t *testing.T) map[string]func(*world) {
	key, err := secret.NewVisitKey()
	if err != nil {
		t.Fatal(err)
	}
	return map[string]func(*world){
		"whole": func(*world) {},
		"halves": func(w *world) {
			w.in.Notice.Half, w.in.Rest = 1, []jml.Route{{Channel: "sms", Recipient: jml.RecipientPersonalPhone}}
		},
		"sealed": func(w *world) {
			w.key = key
			w.in.Routes, w.in.Seal = nil, &workflows.SealInput{Visit: "v", PublicKey: key.Public()}
		},
		// Of a journey that began before there were routes.
		"before routes": func(w *world) {
			w.in.Routes, w.in.Notice.Channel, w.in.Notice.Recipient = nil, "mail", "freja@example.org"
		},
	}
}

// attempt runs one try of the activity; died reports a crash.
func (w *world) attempt(t testing.TB, dieAt int, after bool) (res workflows.IssueResult, err error, died bool) {
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
	res, err = w.activities(t).IssuePass(context.Background(), w.in)
	return res, err, false
}

func (w *world) checkIssued(t *testing.T, res workflows.IssueResult) {
	t.Helper()
	if w.violation != "" {
		t.Error(w.violation)
	}
	if len(w.passes) != 1 || w.passes[0].MethodID != res.Pass.MethodID {
		t.Fatalf("the tenant holds %v, the result names %s", w.passes, res.Pass.MethodID)
	}
	code := w.codes[res.Pass.MethodID]
	if w.in.Seal != nil {
		got, err := w.key.Open(res.Sealed, "v")
		if err != nil || got.Reveal() != code || len(w.mails) != 0 {
			t.Errorf("sealed: %v, %d mails; another passcode: %t", err, len(w.mails), got.Reveal() != code)
		}
	} else {
		parts := 1
		if w.in.Rest != nil {
			parts = 2
		}
		sent := ""
		for _, m := range w.mails[len(w.mails)-parts:] {
			sent += m.code
		}
		if sent != code {
			t.Errorf("the last mails hold another passcode than the live pass")
		}
		// Whatever follows a message that may have been read says so.
		seen := w.passOf(w.mails[0].code)
		for i, m := range w.mails {
			if !m.replaces && w.passOf(m.code) != seen {
				t.Errorf("mail %d does not say that an earlier pass no longer works", i+1)
			}
		}
	}
	if kept := fmt.Sprintf("%+v %+v %+v", w.lines, w.mark, res); strings.Contains(kept, "canary") {
		t.Errorf("a passcode rests in %s", kept)
	}
}

// passOf returns the pass whose passcode, or half of it, is given.
func (w *world) passOf(code string) string {
	for id, c := range w.codes {
		if strings.HasPrefix(c, code) || strings.HasSuffix(c, code) {
			return id
		}
	}
	return ""
}

// TestCrashAnywhere kills the process at every step, before and after the step
// took effect, in the first try and again in the second.
func TestCrashAnywhere(t *testing.T) {
	for name, shape := range shapes(t) {
		t.Run(name, func(t *testing.T) { crashAnywhere(t, shape) })
	}
}

func crashAnywhere(t *testing.T, shape func(*world)) {
	probe := newWorld()
	shape(probe)
	if _, err, _ := probe.attempt(t, 0, false); err != nil {
		t.Fatal(err)
	}
	steps := probe.steps + 8 // later tries clean up first and so take more
	runs := 0
	for first := 1; first <= steps; first++ {
		for _, firstAfter := range []bool{false, true} {
			for second := 0; second <= steps; second++ {
				for _, secondAfter := range []bool{false, true} {
					w := newWorld()
					shape(w)
					w.attempt(t, first, firstAfter)
					w.attempt(t, second, secondAfter)
					res, err, died := w.attempt(t, 0, false)
					if err != nil || died {
						t.Fatalf("killed at %d (after: %t), then %d (after: %t): the third try gave %v after %v",
							first, firstAfter, second, secondAfter, err, w.onStep)
					}
					w.checkIssued(t, res)
					if t.Failed() {
						t.Fatalf("killed at %d (after: %t), then %d (after: %t)", first, firstAfter, second, secondAfter)
					}
					runs++
				}
			}
		}
	}
	t.Logf("%d pairs of crashes, %d steps in a plain run", runs, probe.steps)
}

// TestCrashThenGiveUp kills the process at every step and then lets the workflow
// revoke what may be there: nothing may be left.
func TestCrashThenGiveUp(t *testing.T) {
	for at := 1; at < 60; at++ {
		for _, after := range []bool{false, true} {
			w := newWorld()
			shapes(t)[[]string{"whole", "halves", "sealed"}[at%3]](w)
			w.attempt(t, at/3+1, after)
			w.listLag = 1 // the lost pass shows late
			res, err := w.activities(t).RevokePass(context.Background(), workflows.RevokeInput{
				Ref: "ref", UserID: userID, Request: input.Request, Reason: "not handed over",
			})
			if err != nil {
				t.Fatalf("killed at %d: %v", at, err)
			}
			if len(w.passes) != 0 || res.GoneAt.IsZero() {
				t.Errorf("killed at %d (after: %t): left %v", at, after, w.passes)
			}
		}
	}
}

func TestReplyLost(t *testing.T) {
	w := newWorld()
	w.loseReply = true
	if _, err, _ := w.attempt(t, 0, false); err == nil {
		t.Fatal("a lost reply gave no error")
	}
	res, err, _ := w.attempt(t, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	w.checkIssued(t, res)
	if len(w.mails) != 1 || w.mails[0].replaces {
		t.Errorf("mails %+v: nobody saw the first passcode, so there is one mail and nothing to explain", len(w.mails))
	}
}

func TestMailRefusedLeavesNoPass(t *testing.T) {
	w := newWorld()
	w.refuseMail = &jml.Fault{System: "sendgrid", Op: "send", Kind: jml.FaultRefused, Status: 400, Reason: jml.ReasonMessageRefused}
	_, err, _ := w.attempt(t, 0, false)
	if err == nil || !strings.Contains(err.Error(), string(jml.ReasonMessageRefused)) {
		t.Errorf("error %v, want %s", err, jml.ReasonMessageRefused)
	}
	if len(w.passes) != 0 {
		t.Errorf("left %v", w.passes)
	}
}

func TestForeignPassIsLeftAlone(t *testing.T) {
	for _, reason := range []string{"NotYetValid", "EnabledByPolicy", "somethingNew"} {
		w := newWorld()
		w.passes = []jml.Pass{{MethodID: "theirs", CreatedAt: w.clock.Add(-time.Hour), StartAt: w.clock, Lifetime: time.Hour, UsabilityReason: reason}}
		_, err, _ := w.attempt(t, 0, false)
		if err == nil || !strings.Contains(err.Error(), string(jml.ReasonForeignPass)) {
			t.Errorf("%s: error %v, want %s", reason, err, jml.ReasonForeignPass)
		}
		if len(w.passes) != 1 || w.minted != 0 {
			t.Errorf("%s: the pass of somebody else was touched", reason)
		}
	}
}

// A dead pass is in nobody's way: Graph keeps listing it until it is deleted.
func TestDeadPassIsCleared(t *testing.T) {
	for _, reason := range []string{"Expired", "oneTimeUsed"} {
		w := newWorld()
		w.passes = []jml.Pass{{MethodID: "old", CreatedAt: w.clock.AddDate(0, -1, 0), UsabilityReason: reason}}
		res, err, _ := w.attempt(t, 0, false)
		if err != nil {
			t.Fatalf("%s: %v", reason, err)
		}
		w.checkIssued(t, res)
	}
}

// A pass that was used was handed over, even if nobody could say so.
func TestUsedPassWasHandedOver(t *testing.T) {
	w := newWorld()
	for at := 1; len(w.mails) == 0; at++ {
		w = newWorld()
		w.attempt(t, at, true) // until the crash is right behind the send
	}
	w.passes[0].UsabilityReason = "OneTimeUsed"
	res, err, _ := w.attempt(t, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	if res.Pass.MethodID != "pass-1" || w.minted != 1 || len(w.mails) != 1 {
		t.Errorf("result %+v after %d passes and %d mails", res, w.minted, len(w.mails))
	}
}

func TestNoAuditNoPass(t *testing.T) {
	w := newWorld()
	a, err := activities.New(activities.Config{
		Directory: w, Sender: w, Invitations: w, Profiles: w, Checkpoints: w, Audit: failingAudit{},
		Now: func() time.Time { return w.clock }, Pause: func(context.Context, time.Duration) {}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.IssuePass(context.Background(), input)
	if err == nil || !strings.Contains(err.Error(), string(jml.ReasonAuditUnavailable)) {
		t.Errorf("error %v, want %s", err, jml.ReasonAuditUnavailable)
	}
	if w.minted != 0 {
		t.Error("a pass was made without an audit line")
	}
	w.methods = []jml.Method{{ID: "key", Kind: jml.MethodFIDO2}}
	for _, in := range []workflows.RemoveInput{
		{UserID: userID, Rule: jml.RemoveOlder}, {UserID: userID, EndSessions: true},
	} {
		_, err = a.RemoveMethods(context.Background(), in)
		if err == nil || !strings.Contains(err.Error(), string(jml.ReasonAuditUnavailable)) || len(w.deletions) != 0 || w.sessionsEnded != 0 {
			t.Errorf("%v; deleted %v, ended sessions %d times, without an audit line", err, w.deletions, w.sessionsEnded)
		}
	}
}

type failingAudit struct{}

func (failingAudit) Append(context.Context, audit.Entry) error { return errors.New("disk full") }
