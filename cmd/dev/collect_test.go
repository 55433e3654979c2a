package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"firstpass.internal/cmd/dev/mailbox"
	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// Visit opens a new browser.
func (w *testWorld) Visit() *visitor {
	w.t.Helper()
	v, err := w.Visitor()
	w.must(nil, err)
	return v
}

// linkMails are the mails to an address that carry a link of a kind.
func (w *testWorld) linkMails(to, kind string) []mailbox.Mail {
	return slices.DeleteFunc(w.Mailbox.MailsTo(to), func(m mailbox.Mail) bool { return linkIn(m.Text, kind) == "" })
}

// Link waits for the n-th mail (from 1) to an address with a link of a kind.
func (w *testWorld) Link(to, kind string, n int) (token string) {
	w.t.Helper()
	w.Eventually(time.Minute, "a link to "+to, func() error {
		got := w.linkMails(to, kind)
		if len(got) < n {
			return errors.New("it has not come")
		}
		token = linkIn(got[n-1].Text, kind)
		return nil
	})
	return token
}

// Code waits for the n-th text message (from 1) with a code.
func (w *testWorld) Code(number string, n int) (code string) {
	w.t.Helper()
	w.Eventually(time.Minute, "a code on the phone", func() error {
		var codes []string
		for _, t := range w.Phones.TextsTo(number) {
			if found := firstIn(t.Body, codeText); found != "" {
				codes = append(codes, found)
			}
		}
		if len(codes) < n {
			return errors.New("it has not come")
		}
		code = codes[n-1]
		return nil
	})
	return code
}

// Invitation waits for the n-th link and code (from 1) of an employee who has
// mail and a phone.
func (w *testWorld) Invitation(e employee, n int) invitation {
	w.t.Helper()
	i := invitation{Token: w.Link(e.Mail, linkCollect, n), Code: w.Code(e.Phone, n)}
	w.Invited(e)
	return i
}

// Invited waits until a pass knows that its messages are out. Nobody types as
// fast as a test.
func (w *testWorld) Invited(e employee) {
	w.t.Helper()
	w.Eventually(time.Minute, "invited", func() error {
		v, err := w.PassView(e)
		if err == nil && v.Stage != jml.StageInvited {
			err = errors.New("stage " + string(v.Stage))
		}
		return err
	})
}

// Papers are what an employee has to show, whatever the profile asks for. id is
// the joiner.
func (w *testWorld) Papers(e employee, id string) papers {
	return papers{
		Born: e.Born, Persona: e.persona().Key,
		Manager: func(ctx context.Context, number string) error {
			token := w.Link(boss().Mail, linkVouch, max(1, len(w.linkMails(boss().Mail, linkVouch))))
			return w.Visit().Vouch(ctx, token, number, "yes")
		},
		Desk: func(context.Context) (string, error) { return w.DeskCode(id), nil },
	}
}

// DeskCode has an officer look at a passport.
func (w *testWorld) DeskCode(id string) string {
	w.t.Helper()
	var given struct{ Code string }
	w.must(nil, json.Unmarshal([]byte(w.Do("desk", workflows.RefOf(id), "--document", "passport", "--officer", "olga", "--json")), &given))
	return given.Code
}

// Shown notes what a page showed, for the search at the end.
func (w *testWorld) Shown(code string, err error) string {
	w.t.Helper()
	w.must(nil, err)
	w.shown.add(code)
	return code
}

// Collect is what an employee with link and code does at the page, in a browser
// of his own.
func (w *testWorld) Collect(e employee, id string, i invitation) (code string, v *visitor) {
	w.t.Helper()
	v = w.Visit()
	return w.Shown(v.Collect(w.t.Context(), i, w.Papers(e, id))), v
}

// Use signs in with a passcode once it is valid and registers a passkey.
func (w *testWorld) Use(e employee, code string) {
	w.t.Helper()
	w.must(w.Tenant.Register(w.SignIn(e, code), entrasim.Method{Kind: entrasim.KindFIDO2}))
	w.Nudge(e)
}

// collectAndUse goes the whole way with the n-th invitation (from 1).
func (w *testWorld) collectAndUse(id string, n int) {
	w.t.Helper()
	code, _ := w.Collect(w.Person, id, w.Invitation(w.Person, n))
	w.Use(w.Person, code)
}

// Noticed waits for the notice on the phone and returns the link in it.
func (w *testWorld) Noticed(e employee) (token string) {
	w.t.Helper()
	w.Eventually(time.Minute, "the notice on the phone", func() error {
		for _, t := range w.Phones.TextsTo(e.Phone) {
			if token = linkIn(t.Body, linkNotMe); token != "" {
				return nil
			}
		}
		return errors.New("it has not come")
	})
	return token
}

// DesksCode waits for a mail to the desk with a code.
func (w *testWorld) DesksCode() (code string) {
	w.t.Helper()
	w.Eventually(time.Minute, "the code at the desk", func() error {
		for _, m := range w.Mailbox.MailsTo(deskMail) {
			if code = secretIn(m, "code"); code != "" {
				return nil
			}
		}
		return errors.New("it has not come")
	})
	return code
}

// Halves waits for the two halves of a passcode.
func (w *testWorld) Halves(e employee) (first, second string) {
	w.t.Helper()
	w.Eventually(time.Minute, "two halves", func() error {
		if mails, texts := w.Mailbox.MailsTo(e.Mail), w.Phones.TextsTo(e.Phone); len(mails) == 1 && len(texts) == 1 {
			first, second = secretIn(mails[0], "passcode"), firstIn(texts[0].Body+"\n", halfText)
		}
		if first == "" || second == "" {
			return errors.New("they have not come")
		}
		return nil
	})
	return first, second
}

// LetterAndCode waits for the one letter, and the one mail to the desk.
func (w *testWorld) LetterAndCode() (i invitation) {
	w.t.Helper()
	w.Eventually(time.Minute, "a letter and a code", func() error {
		if letters := w.Letters(); len(letters) == 1 {
			i.Reference = firstIn(letters[0], letterReference)
		}
		if i.Reference == "" {
			return errors.New("the letter has not come")
		}
		return nil
	})
	i.Code = w.DesksCode()
	return i
}

// Completes fails the test unless the joiner ends well and without a pass.
func (w *testWorld) Completes(id string) (r workflows.JourneyResult) {
	w.t.Helper()
	if r = w.Result(id); r.Outcome != jml.StageCompleted {
		w.t.Errorf("outcome %s, want %s", r.Outcome, jml.StageCompleted)
	}
	w.must(nil, w.noLivePass())
	return r
}

// PassView asks the pass of an employee.
func (w *testWorld) PassView(e employee) (v workflows.PassView, err error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	answer, err := w.Client.QueryWorkflow(ctx, workflows.PassID(w.User(e).ID), "", workflows.QueryPass)
	if err == nil {
		err = answer.Get(&v)
	}
	return v, err
}

// TestCollect goes every way to a pass: each of them ends with a passkey and
// without a pass, and newWorld looks for what may have been left anywhere.
func TestCollect(t *testing.T) {
	for _, cohort := range []string{cohortPickup, cohortEID, cohortVouched} {
		t.Run(cohort, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{Cohort: cohort, Profile: func(p *profileSettings) { p.Poll = []time.Duration{time.Hour} }})
			id := w.Post(w.Joiner(w.Person, 8*time.Second))
			i := w.Invitation(w.Person, 1)
			if n := len(w.Tenant.Passes(w.User(w.Person).ID)); n != 0 {
				t.Errorf("%d passes before anybody collected one", n)
			}
			code, v := w.Collect(w.Person, id, i)
			if _, err := w.Tenant.SignIn(w.Person.UPN, code); !errors.Is(err, entrasim.RefusedNotYetValid) {
				t.Errorf("sign-in before the start: %v", err)
			}
			// The same browser sees it again; another one does not.
			w.must(nil, v.Open(t.Context(), "/p/pass"))
			if again, err := v.Passcode(); err != nil || again != code {
				t.Errorf("shown again: same passcode %t, %v", again == code, err)
			}
			other := w.Visit()
			w.must(nil, other.Enter(t.Context(), i))
			if other.Problem() == "" {
				t.Errorf("a second browser got to %q", other.Title())
			}
			w.Use(w.Person, code)
			r := w.Completes(id)
			if _, err := w.Tenant.SignIn(w.Person.UPN, code); err != entrasim.RefusedDeleted {
				t.Errorf("sign-in afterwards: got %v, want %v", err, entrasim.RefusedDeleted)
			}
			if w.Link(w.Person.Mail, linkCollect, 1) == "" || len(w.Phones.TextsTo(w.Person.Phone)) < 2 {
				t.Error("nobody was told on the phone that the pass was collected")
			}
			graph, actions, events := w.Tenant.Counts().Graph, w.Actions(), w.Events()
			t.Logf("%d Graph requests, %d Temporal actions %v, %d history events; deliveries %+v", graph, actions, w.Temporal.ActionsByKind(w.cfg.Namespace), events, r.Pass.Deliveries)
			if l := limitsOf(cohortPickup); cohort == cohortPickup && (graph > l.graph || actions > l.actions || events > l.events) {
				t.Errorf("over a limit: %d Graph requests (%d), %d actions (%d), %d events (%d)", graph, l.graph, actions, l.actions, events, l.events)
			}
		})
	}
	t.Run(cohortFrontline, func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, worldOptions{Cohort: cohortFrontline})
		e := w.Person
		e.Mail, e.Phone = "", ""
		id := w.Post(w.Joiner(e, 8*time.Second))
		i := w.LetterAndCode()
		w.Invited(e)
		code, _ := w.Collect(e, id, i)
		w.Use(e, code)
		w.Completes(id)
		w.Eventually(time.Minute, "the manager is told", func() error {
			if len(w.linkMails(boss().Mail, linkNotMe)) == 0 {
				return errors.New("no mail")
			}
			return nil
		})
		if audit := w.Audit(); !strings.Contains(audit, `"olga"`) || !strings.Contains(audit, "passport") {
			t.Error("the audit does not hold who looked at what")
		}
	})
	t.Run(cohortSplit, func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, worldOptions{Cohort: cohortSplit})
		id := w.Post(w.Joiner(w.Person, 6*time.Second))
		first, second := w.Halves(w.Person)
		for _, half := range []string{first, second, second + first} {
			if _, err := w.Tenant.SignIn(w.Person.UPN, half); !errors.Is(err, entrasim.RefusedWrongCode) {
				t.Errorf("a half, or both the wrong way round: %v", err)
			}
		}
		w.Unseen(secrets{Passcodes: []string{first + second}})
		w.Use(w.Person, first+second)
		w.Completes(id)
	})
}

// TestTwoOfOneName: two people of one name, born on different days, each get
// their own pass; link and code of one and facts or code of the other don't mix.
func TestTwoOfOneName(t *testing.T) {
	t.Parallel()
	one := firstPeople()[0]
	two := one
	two.ID, two.UPN, two.Mail, two.Phone = "1003", "signe.holm2@example.com", "signe.h@example.org", "+4555000123"
	two.Born = jml.Date{Year: one.Born.Year - 1, Month: one.Born.Month, Day: one.Born.Day}
	w := newWorld(t, worldOptions{Cohort: cohortPickup, People: []employee{one, two}})
	ids := []string{w.Post(w.Joiner(one, 10*time.Second)), w.Post(w.Joiner(two, 10*time.Second))}
	invitations := []invitation{w.Invitation(one, 1), w.Invitation(two, 1)}

	mixed := w.Visit()
	w.must(nil, mixed.Enter(t.Context(), invitation{Token: invitations[0].Token, Code: invitations[1].Code}))
	if mixed.Problem() == "" {
		t.Errorf("the code of the other opened %q", mixed.Title())
	}
	w.must(nil, mixed.Enter(t.Context(), invitations[0]))
	if err := mixed.Prove(t.Context(), w.Papers(two, ids[1])); err == nil {
		t.Error("the birth date of the other was taken")
	}
	for i, e := range []employee{one, two} {
		code, _ := w.Collect(e, ids[i], invitations[i])
		if _, err := w.Tenant.SignIn([]employee{two, one}[i].UPN, code); !errors.Is(err, entrasim.RefusedWrongCode) {
			t.Errorf("the pass of one opens the account of the other: %v", err)
		}
		w.Use(e, code)
		if got := w.Result(ids[i]).Outcome; got != jml.StageCompleted {
			t.Errorf("%s: outcome %s", e.ID, got)
		}
	}
}

// TestLocked: five wrong codes lock the link, whichever browser typed them; the
// desk is told, and nothing but an operator's word opens it again, with another
// link and code.
func TestLocked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{Cohort: cohortPickup})
	id := w.Post(w.Joiner(w.Person, 40*time.Second))
	right := w.Invitation(w.Person, 1)
	w.lock(id, right)
	v := w.Visit()
	w.must(nil, v.Enter(t.Context(), right))
	if v.Problem() == "" {
		t.Errorf("the right code opens a locked link: %q", v.Title())
	}
	w.Eventually(time.Minute, "an alert at the desk", func() error {
		for _, m := range w.Mailbox.MailsTo(deskMail) {
			if strings.Contains(m.Subject, "locked") {
				return nil
			}
		}
		return errors.New("no alert")
	})
	w.Do("reissue", workflows.RefOf(id), "--reason", "called back on the number in the contract", "--actor", "olga")
	fresh := w.Invitation(w.Person, 2)
	if fresh.Token == right.Token || fresh.Code == right.Code {
		t.Error("link or code is the old one")
	}
	for _, old := range []invitation{right, {Token: right.Token, Code: fresh.Code}, {Token: fresh.Token, Code: right.Code}} {
		w.must(nil, v.Enter(t.Context(), old))
		if v.Problem() == "" {
			t.Errorf("what was sent first still opens %q", v.Title())
		}
	}
	code, _ := w.Collect(w.Person, id, fresh)
	w.Use(w.Person, code)
	w.Completes(id)
}

// lock types five wrong codes.
func (w *testWorld) lock(id string, right invitation) {
	w.t.Helper()
	for n := range workflows.WrongCodes {
		wrong := invitation{Token: right.Token, Code: wrongCode(right.Code, n+1)}
		v := w.Visit()
		w.must(nil, v.Enter(w.t.Context(), wrong))
		if v.Problem() == "" {
			w.t.Fatalf("a wrong code shows %q", v.Title())
		}
	}
	w.Blocked(id, jml.ReasonPickupLocked)
}

// TestRepudiated: whoever is told on the phone that the pass was collected, and
// did not do it, has it revoked at once.
func TestRepudiated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{Cohort: cohortPickup})
	id := w.Post(w.Joiner(w.Person, time.Hour))
	code, thief := w.Collect(w.Person, id, w.Invitation(w.Person, 1))
	token, ref := w.Noticed(w.Person), workflows.RefOf(id)
	v := w.Visit()
	w.must(nil, v.NotMe(t.Context(), token, "zzzz"))
	if v.Problem() == "" || len(w.Tenant.Passes(w.User(w.Person).ID)) != 1 {
		t.Errorf("without the end of the reference: %q", v.Title())
	}
	began := time.Now()
	w.must(nil, v.NotMe(t.Context(), token, ref[len(ref)-4:]))
	if v.Title() != "The pass is stopped" {
		t.Errorf("the page says %q", v.Title())
	}
	t.Logf("gone %s after the click", time.Since(began).Round(time.Millisecond))
	w.must(nil, w.noLivePass())
	if _, err := w.Tenant.SignIn(w.Person.UPN, code); !errors.Is(err, entrasim.RefusedDeleted) {
		t.Errorf("sign-in: %v", err)
	}
	w.must(nil, thief.Open(t.Context(), "/p/pass"))
	if shown, err := thief.Passcode(); err == nil {
		t.Errorf("the browser that collected it is still shown a pass of %d characters", len(shown))
	}
	w.Blocked(id, jml.ReasonRepudiated)
	w.Eventually(time.Minute, "an alert at the desk", func() error {
		if len(w.Mailbox.MailsTo(deskMail)) == 0 {
			return errors.New("no alert")
		}
		return nil
	})
	w.Do("cancel", ref, "--reason", "incident")
}
