package main

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"firstpass.internal/cmd/dev/fault"
	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

func (w *testWorld) noLivePass() error {
	if n := w.Tenant.PassLive(w.User(w.Person).ID); n != 0 {
		return fmt.Errorf("%d passes are live", n)
	}
	return nil
}

// TestTemporalAway: intake says 503 with Retry-After, nothing is lost, and what
// was under way goes on.
func TestTemporalAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{OwnTemporal: true, People: firstPeople()[:2]})
	underWay := w.Post(w.Joiner(w.Person, 20*time.Second))
	w.Passcode(w.Person, 1)
	ines := w.As(opsOperator)
	ref := workflows.RefOf(underWay)
	w.Eventually(20*time.Second, "the board has it", func() error {
		if !strings.Contains(string(ines.Get("/v1/journeys").raw), ref) {
			return errors.New("not yet")
		}
		return nil
	})
	w.must(nil, w.StopTemporal())
	// Operators are told that it is away, and see what was known last.
	w.Eventually(30*time.Second, "the console says so", func() error {
		var list struct {
			Items []struct{ Ref string }
			Board struct{ Fault string }
		}
		ines.Get("/v1/journeys").read(t, &list)
		page := string(ines.Get("/").raw)
		if len(list.Items) != 1 || list.Items[0].Ref != ref || list.Board.Fault == "" || !strings.Contains(page, ref) || !strings.Contains(page, "Temporal") {
			return fmt.Errorf("%+v", list)
		}
		return nil
	})
	if r := ines.Try(underWay, act{"verb": "hold", "reason": "to see whether it does"}); r.status != http.StatusServiceUnavailable {
		t.Errorf("an act meanwhile: %s", r)
	}

	late := w.Joiner(firstPeople()[1], 30*time.Second)
	w.Eventually(30*time.Second, "intake says 503", func() error {
		status, _, err := w.HR().Post(t.Context(), sourceBambooHR, late, time.Now())
		if err == nil && status != http.StatusServiceUnavailable {
			err = fmt.Errorf("status %d", status)
		}
		return err
	})
	w.must(nil, w.StartTemporal(t.Context()))
	// HR repeats, as it must after a 503.
	w.Eventually(time.Minute, "intake says 200", func() error {
		status, _, err := w.HR().Post(t.Context(), sourceBambooHR, late, time.Now())
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d", status)
		}
		return err
	})
	for i, e := range firstPeople()[:2] {
		w.Onboard(e)
		id := []string{underWay, w.JoinerID(sourceBambooHR, e.ID)}[i]
		if got := w.Result(id).Outcome; got != jml.StageCompleted {
			t.Errorf("outcome %s, want %s", got, jml.StageCompleted)
		}
	}
}

// TestMailRefused: a refusal blocks with the reason and leaves no pass; when it
// is mended the joiner goes on.
func TestMailRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	refusal := w.Mailbox.Inject(fault.Fault{Status: http.StatusForbidden, Times: -1, Probes: true})
	id := w.Post(w.Joiner(w.Person, time.Second))
	w.WaitFor(id, time.Minute, "blocked", func(v workflows.JourneyView) bool {
		return v.Block != nil && v.Block.Reason == jml.ReasonMessageRefused
	})
	w.Eventually(10*time.Second, "no pass", w.noLivePass)
	refusal.Remove()
	w.Onboard(w.Person)
	if got := w.Result(id).Outcome; got != jml.StageCompleted {
		t.Errorf("outcome %s, want %s", got, jml.StageCompleted)
	}
}

// TestMailUnavailable: throttling and failures of the channel are retried, and
// the code that may have gone out is made worthless.
func TestMailUnavailable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.Mailbox.Inject(fault.Fault{Status: http.StatusTooManyRequests, Reset: time.Second})
	w.Mailbox.Inject(fault.Fault{Status: http.StatusBadGateway, After: true})
	id := w.Post(w.Joiner(w.Person, 20*time.Second))
	code := w.Passcode(w.Person, 2)
	if _, err := w.Tenant.SignIn(w.Person.UPN, w.Passcode(w.Person, 1)); errors.Is(err, entrasim.RefusedNotYetValid) {
		t.Error("the first passcode still names a pass")
	}
	s := w.SignIn(w.Person, code)
	w.must(w.Tenant.Register(s, entrasim.Method{Kind: entrasim.KindFIDO2}))
	if got := w.Result(id).Outcome; got != jml.StageCompleted {
		t.Errorf("outcome %s, want %s", got, jml.StageCompleted)
	}
}

// TestGraphFaults plays lost replies and throttling at the real program.
func TestGraphFaults(t *testing.T) {
	faults := map[string]entrasim.Fault{
		"reply to the create lost":    {Match: entrasim.Match{Operation: entrasim.OpCreatePass}, After: true, Drop: true},
		"throttled with Retry-After":  {Match: entrasim.Match{Operation: entrasim.OpCreatePass}, Status: 429, RetryAfter: "2"},
		"throttled, no Retry-After":   {Match: entrasim.Match{Operation: entrasim.OpListMethods}, Status: 429, NoRetryAfter: true, Times: 2},
		"token endpoint unavailable":  {Match: entrasim.Match{Operation: entrasim.OpToken}, Status: 503},
		"delete denied, then granted": {Match: entrasim.Match{Operation: entrasim.OpDeletePass}, Status: 403, Times: 2},
	}
	for name, f := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{})
			w.Tenant.MustInject(f)
			id := w.Post(w.Joiner(w.Person, 3*time.Second))
			w.Onboard(w.Person)
			if got := w.Result(id).Outcome; got != jml.StageCompleted {
				t.Errorf("outcome %s, want %s", got, jml.StageCompleted)
			}
			w.must(nil, w.noLivePass())
		})
	}
}

// TestHRSaysMore: repeats and older snapshots change nothing, a moved start
// reaches the running joiner, a cancellation ends it.
func TestHRSaysMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	far := w.Joiner(w.Person, 30*24*time.Hour)
	id := w.Post(far)
	w.Post(far)
	near := w.Joiner(w.Person, time.Hour)
	w.Post(near)
	// Told earlier, arriving late.
	status, _, err := w.HR().Post(t.Context(), sourceBambooHR, far, time.Now().Add(-2*time.Minute))
	if err != nil || status != http.StatusOK {
		t.Fatalf("older snapshot: %d, %v", status, err)
	}
	w.Passcode(w.Person, 1)
	v := w.WaitFor(id, time.Minute, "a pass for the moved start", func(v workflows.JourneyView) bool { return v.PassID != "" })
	if d := v.Start.Sub(near.Start).Abs(); d > time.Second {
		t.Errorf("start %s, want %s", v.Start, near.Start)
	}
	// Of four posts two said something new; the others stay out of Temporal.
	if n := w.Signals(id); n != 1 || v.Outdated != 0 {
		t.Errorf("%d signals, of which the joiner dropped %d; want 1 and 0: the first facts came with the start", n, v.Outdated)
	}
	gone := near
	gone.Left = true
	w.Post(gone)
	if got := w.Result(id).Outcome; got != jml.StageCancelled {
		t.Errorf("outcome %s, want %s", got, jml.StageCancelled)
	}
	w.must(nil, w.noLivePass())
	// What HR repeats of the ended joiner starts no other.
	w.Post(gone)
	if n := len(w.Mailbox.MailsTo(w.Person.Mail)); n != 1 {
		t.Errorf("%d mails, want 1", n)
	}
}

// TestOperator uses the command line as an operator would.
func TestOperator(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{People: firstPeople()[:2]})
	run := func(args ...string) string {
		t.Helper()
		out, says, code := w.Command(args...)
		if code != 0 {
			t.Fatalf("firstpass %s: exit status %d\n%s%s", strings.Join(args, " "), code, out, says)
		}
		return out
	}
	if out := run("check"); strings.Contains(out, "FAIL") {
		t.Errorf("check:\n%s", out)
	}
	id := w.Post(w.Joiner(w.Person, time.Hour))
	w.WaitFor(id, time.Minute, "a pass", func(v workflows.JourneyView) bool { return v.PassID != "" })
	w.Passcode(w.Person, 1)
	ref := workflows.RefOf(id)

	w.Eventually(30*time.Second, "listed", func() error {
		if out := run("list"); !strings.Contains(out, ref) {
			return errors.New(out)
		}
		return nil
	})
	list, show := run("list"), run("show", ref)
	if personal := w.Person.Mail; strings.Contains(list, personal) || !strings.Contains(show, personal) {
		t.Errorf("personal data only by asking the joiner:\n%s\n%s", list, show)
	}
	if out := run("show", "--employee-id", w.Person.ID, "--source", sourceBambooHR); out == "" {
		t.Error("show by employee id gave nothing")
	}
	if out := run("revoke", ref, "--reason", "sent to the wrong person", "--actor", "anna"); !strings.Contains(out, "confirmed gone") {
		t.Errorf("revoke:\n%s", out)
	}
	w.must(nil, w.noLivePass())
	if out := run("show", ref); !strings.Contains(out, "revoked") {
		t.Errorf("show after revoke:\n%s", out)
	}
	if _, says, code := w.Command("cancel", ref, "--reason", "a test"); code == 0 || !strings.Contains(says, "ended already") {
		t.Errorf("cancel of an ended joiner: %d, %s", code, says)
	}

	// One started by hand, cancelled before it has a pass.
	second := firstPeople()[1]
	run("start", "--source", sourceCanonical, "--employee-id", second.ID, "--start-date", time.Now().AddDate(0, 2, 0).Format(time.DateOnly),
		"--zone", "Europe/London", "--personal-mail", second.Mail)
	other := workflows.RefOf(w.JoinerID(sourceCanonical, second.ID))
	if _, says, code := w.Command("revoke", other, "--reason", "a test"); code == 0 || !strings.Contains(says, "no pass to revoke") {
		t.Errorf("revoke without a pass: %d, %s", code, says)
	}
	if out := run("cancel", other, "--reason", "hired by mistake", "--json"); !strings.Contains(out, `"outcome": "cancelled"`) {
		t.Errorf("cancel:\n%s", out)
	}
	if out := run("list", "--all", "--stage", "cancelled", "--json"); !strings.Contains(out, other) {
		t.Logf("list of the cancelled, not yet indexed:\n%s", out)
	}
	if !slices.Contains(strings.Fields(run("keyring", "add", w.Keys.file(payloadKeyring), "--json")), `"keys":`) {
		t.Error("keyring add printed no keys")
	}
	// What was encrypted before the rotation still reads.
	if out := run("show", ref, "--json"); !strings.Contains(out, w.Person.ID) {
		t.Errorf("show after a key was added:\n%s", out)
	}
}

// TestQuarantine: what is well signed and can't be read is kept, shown, and not
// lost.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	body := []byte(`{"employees": [{"id": "9", "fields": {"Employee #": {"value": "9"}, "Hire Date": {"value": "31.02.2027 Zaphod"}}}]}`)
	status, _, err := w.HR().send(t.Context(), sourceBambooHR, body, bambooHeader(w.Keys.BambooHR, body, time.Now()))
	if err != nil || status != http.StatusOK {
		t.Fatalf("%d, %v", status, err)
	}
	out, says, code := w.Command("quarantine", "list")
	if code != 0 || !strings.Contains(out, "start_date") || strings.Contains(out, "Zaphod") {
		t.Errorf("list: %d\n%s%s", code, out, says)
	}
	id := strings.Fields(strings.Split(out, "\n")[1])[0]
	if out, _, _ := w.Command("quarantine", "show", id); !strings.Contains(out, "Zaphod") {
		t.Errorf("show:\n%s", out)
	}
	if strings.Contains(w.Log(), "Zaphod") {
		t.Error("the log holds what was in the body")
	}
}
