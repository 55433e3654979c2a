package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"firstpass.internal/cmd/dev/fault"
	"firstpass.internal/cmd/dev/mailbox"
	"firstpass.internal/cmd/dev/phone"
	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// bounces has every mail to an address come back.
func (w *testWorld) bounces(to string) *fault.Handle {
	return w.Mailbox.Inject(fault.Fault{To: to, Times: -1, Becomes: []string{mailbox.EventProcessed, mailbox.EventBounce}})
}

// deliveredTo lists what became of the messages of one kind, in their order.
func deliveredTo(all []workflows.Delivery, m jml.Message) (out []string) {
	for _, d := range all {
		if d.Message == m {
			out = append(out, string(d.To)+" "+string(d.Status))
		}
	}
	return out
}

// TestLinkBounces: SendGrid's word that a mail came back sends the same link by
// the next way.
func TestLinkBounces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{Cohort: cohortPickup})
	w.bounces(w.Person.Mail)
	id := w.Post(w.Joiner(w.Person, 5*time.Second))
	i := invitation{Token: w.Link(boss().Mail, linkCollect, 1), Code: w.Code(w.Person.Phone, 1)}
	w.Invited(w.Person)
	code, _ := w.Collect(w.Person, id, i)
	w.Use(w.Person, code)
	r := w.Completes(id)
	if got, want := strings.Join(deliveredTo(r.Pass.Deliveries, jml.MessageLink), ", "), "personal_mail bounced, manager delivered"; got != want {
		t.Errorf("the link: %s, want %s", got, want)
	}
	if out := w.Do("show", workflows.RefOf(id)); !strings.Contains(out, "bounced") {
		t.Errorf("show does not tell of it:\n%s", out)
	}
}

// TestCodeUndelivered is the same with Twilio's word.
func TestCodeUndelivered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{Cohort: cohortPickup})
	w.Phones.Inject(fault.Fault{To: w.Person.Phone, Becomes: []string{phone.StatusQueued, phone.StatusSent, phone.StatusUndelivered}})
	id := w.Post(w.Joiner(w.Person, 5*time.Second))
	i := invitation{Token: w.Link(w.Person.Mail, linkCollect, 1), Code: w.DesksCode()}
	w.Invited(w.Person)
	code, _ := w.Collect(w.Person, id, i)
	w.Use(w.Person, code)
	r := w.Completes(id)
	if got, want := strings.Join(deliveredTo(r.Pass.Deliveries, jml.MessageCode), ", "), "personal_phone bounced, desk delivered"; got != want {
		t.Errorf("the code: %s, want %s", got, want)
	}
}

// TestUndeliverable: where no way is left the joiner stands still and the desk is
// told; when HR has another address it goes on. So near the start somebody has
// to approve that.
func TestUndeliverable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{Cohort: cohortPickup})
	w.bounces(w.Person.Mail)
	w.bounces(boss().Mail)
	r := w.Joiner(w.Person, 20*time.Second)
	id := w.Post(r)
	w.Blocked(id, jml.ReasonUndeliverable)
	w.Eventually(time.Minute, "an alert at the desk", func() error {
		for _, m := range w.Mailbox.MailsTo(deskMail) {
			if strings.Contains(m.Subject, "did not arrive") {
				return nil
			}
		}
		return errors.New("no alert")
	})
	r.Mail = "right." + r.Mail
	w.Post(r)
	w.Do("held", "approve", workflows.RefOf(id), "--reason", "asked by telephone")
	i := invitation{Token: w.Link(r.Mail, linkCollect, 1), Code: w.Code(w.Person.Phone, 2)}
	w.Invited(w.Person)
	code, _ := w.Collect(w.Person, id, i)
	w.Use(w.Person, code)
	w.Completes(id)
}

// TestSendBounces: a passcode that came back is revoked, and the joiner waits:
// mode send has one way here.
func TestSendBounces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{Cohort: cohortSend})
	w.bounces(w.Person.Mail)
	id := w.Post(w.Joiner(w.Person, time.Hour))
	w.Blocked(id, jml.ReasonUndeliverable)
	w.must(nil, w.noLivePass())
	w.Do("cancel", workflows.RefOf(id), "--reason", "only a test")
}

// TestReminders: the employee is reminded, then the manager; once a method is
// registered nobody is.
func TestReminders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{Cohort: cohortPickup, Profile: func(p *profileSettings) {
		p.Reminders = []string{
			"{after: 2s, of: start, to: [{channel: sms, recipient: personal_phone}]}",
			"{after: 5s, of: start, to: [{channel: mail, recipient: manager}]}",
			"{after: 25s, of: start, to: [{channel: mail, recipient: desk, desk: service-desk}]}",
		}
		p.Settle = 30 * time.Second // the last is due while we wait
	}})
	id := w.Post(w.Joiner(w.Person, 3*time.Second))
	i := w.Invitation(w.Person, 1)
	w.Eventually(time.Minute, "a reminder on the phone", func() error {
		for _, t := range w.Phones.TextsTo(w.Person.Phone) {
			if strings.Contains(t.Body, "collect your pass") {
				return nil
			}
		}
		return errors.New("it has not come")
	})
	w.Eventually(time.Minute, "word to the manager", func() error {
		if len(w.Mailbox.MailsTo(boss().Mail)) == 0 {
			return errors.New("no mail")
		}
		return nil
	})
	code, _ := w.Collect(w.Person, id, i)
	w.Use(w.Person, code)
	w.Completes(id)
	if n := len(w.Mailbox.MailsTo(deskMail)); n != 0 {
		t.Errorf("%d mails to the desk after a method was registered", n)
	}
	if texts, mails := len(w.Phones.TextsTo(w.Person.Phone)), len(w.Mailbox.MailsTo(boss().Mail)); texts != 3 || mails != 1 {
		t.Errorf("%d texts (want code, reminder, notice) and %d mails to the manager (want 1)", texts, mails)
	}
}

// TestChannelHangs: text messages hang for more people than may wait at a time.
// Whoever needs none collects meanwhile as if nothing were wrong, and the others
// get theirs when it is over.
func TestChannelHangs(t *testing.T) {
	t.Parallel()
	var people []employee
	for n := range 5 {
		people = append(people, invented(fmt.Sprintf("20%02d", n), "Kim", fmt.Sprintf("Waits%d", n)))
	}
	free := invented("2100", "Ada", "Frei")
	free.Mail, free.Phone = "", ""
	w := newWorld(t, worldOptions{Cohort: cohortPickup, People: append(people, free), Settings: func(yaml string) string {
		yaml = strings.Replace(yaml, "kind: twilio\n", "kind: twilio\n    at_once: 2\n", 1)
		return strings.Replace(yaml, "- name: canonical\n    profile: default", "- name: canonical\n    profile: "+cohortFrontline, 1)
	}})
	hang := w.Phones.Inject(fault.Fault{Times: -1, Hold: true})
	var waiting []string
	for _, e := range people {
		waiting = append(waiting, w.Post(w.Joiner(e, time.Hour)))
	}
	w.Eventually(time.Minute, "texts hang", func() error {
		if hang.Played() < 2 {
			return errors.New("none yet")
		}
		return nil
	})
	began := time.Now()
	id := w.PostAs(sourceCanonical, w.Joiner(free, 20*time.Second))
	i := w.LetterAndCode()
	w.Invited(free)
	code, _ := w.Collect(free, id, i)
	took := time.Since(began)
	t.Logf("from the webhook to the pass in %s while text messages hang", took.Round(time.Millisecond))
	if took > 15*time.Second {
		t.Errorf("took %s", took)
	}
	w.Use(free, code)
	if got := w.Result(id).Outcome; got != jml.StageCompleted {
		t.Errorf("outcome %s", got)
	}
	hang.Remove()
	for n, e := range people {
		// By phone or, for whom that was tried too often, at the desk.
		w.Eventually(3*time.Minute, "the others have their codes", func() error {
			v, err := w.PassView(e)
			if err == nil && v.Stage != jml.StageInvited {
				err = errors.New("stage " + string(v.Stage))
			}
			return err
		})
		w.Do("cancel", workflows.RefOf(waiting[n]), "--reason", "only a test")
	}
}

// TestTemporalAwayAtPage: the page says that it does not work now, and nothing
// is lost.
func TestTemporalAwayAtPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{Cohort: cohortPickup, OwnTemporal: true})
	id := w.Post(w.Joiner(w.Person, 30*time.Second))
	i := w.Invitation(w.Person, 1)
	waiting := w.Visit()
	w.must(nil, waiting.Enter(t.Context(), i))
	w.must(nil, w.StopTemporal())
	v := w.Visit()
	w.must(nil, v.Enter(t.Context(), i))
	if v.status != http.StatusServiceUnavailable || v.Title() != "This does not work at the moment" {
		t.Errorf("link and code: %d %q", v.status, v.Title())
	}
	w.must(nil, waiting.Open(t.Context(), "/p/next"))
	if waiting.status != http.StatusServiceUnavailable {
		t.Errorf("somebody who was there already: %d %q", waiting.status, waiting.Title())
	}
	w.must(nil, w.StartTemporal(t.Context()))
	w.Eventually(time.Minute, "the page works again", func() error {
		if err := waiting.Open(t.Context(), "/p/next"); err != nil || waiting.status != http.StatusOK {
			return errors.Join(err, fmt.Errorf("%d %q", waiting.status, waiting.Title()))
		}
		return nil
	})
	w.must(nil, waiting.Prove(t.Context(), w.Papers(w.Person, id)))
	code := w.Shown(waiting.Reveal(t.Context()))
	w.Use(w.Person, code)
	w.Completes(id)
}

// TestGraphAwayAtReveal: the page says so, the visit stays, and the same browser
// gets its pass when Graph is back.
func TestGraphAwayAtReveal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{Cohort: cohortPickup})
	id := w.Post(w.Joiner(w.Person, 5*time.Second))
	i := w.Invitation(w.Person, 1)
	v := w.Visit()
	w.must(nil, v.Enter(t.Context(), i))
	w.must(nil, v.Prove(t.Context(), w.Papers(w.Person, id)))
	away := w.Tenant.MustInject(entrasim.Fault{Times: -1, Status: http.StatusServiceUnavailable})
	began := time.Now()
	w.must(nil, v.Submit(t.Context(), "/p/reveal", nil))
	t.Logf("after %s the page says %q", time.Since(began).Round(time.Second), v.Title())
	w.Eventually(6*time.Minute, "the page says that it can't be made now", func() error {
		if err := v.Open(t.Context(), "/p/next"); err != nil || v.Title() != "Your pass can't be made now" {
			return errors.Join(err, v.unexpected("that the pass can't be made"))
		}
		return nil
	})
	t.Logf("after %s it says %q", time.Since(began).Round(time.Second), v.Title())
	away.Remove()
	code := w.Shown(v.Reveal(t.Context()))
	w.Use(w.Person, code)
	w.Completes(id)
}
