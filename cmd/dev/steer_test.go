package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// lettersToo sends the link of the cohort pickup as a letter, if somebody wants.
var lettersToo = instead("    link_to: [{channel: mail, recipient: personal_mail}, {channel: mail, recipient: manager}]",
	"    link_to: [{channel: mail, recipient: personal_mail}, {channel: letters, recipient: desk}]")

// TestSteer: operators do everything that there is to do, at the console and by
// the API, over TLS and signed in. Each act is seen in the journey, its timeline,
// the ledger and the tenant.
func TestSteer(t *testing.T) {
	t.Parallel()
	var people []employee
	for i, name := range []string{"Alva", "Birk", "Cleo", "Dara", "Egil", "Fenja", "Gorm"} {
		people = append(people, invented(fmt.Sprint(3001+i), name, "Steer"))
	}
	w := newWorld(t, worldOptions{Cohort: cohortPickup, People: people, Settings: lettersToo})
	ines, omar, aksel := w.As(opsOperator), w.As(opsApprover), w.As(opsAuditor)
	soon := func(i int) string { return w.Post(w.Joiner(people[i], time.Hour)) }
	later := func(i int) string { return w.Post(w.Joiner(people[i], 30*24*time.Hour)) }
	invited := func(t *testing.T, id string) {
		t.Helper()
		w.In(t).WaitFor(id, time.Minute, "invited", func(v workflows.JourneyView) bool { return v.PassID != "" })
	}
	links := func(i int) int { return len(w.linkMails(people[i].Mail, linkCollect)) }

	t.Run("hold, move, resume", func(t *testing.T) {
		w := w.In(t)
		ines, aksel := ines.In(w), aksel.In(w)
		id, ref := later(0), ""
		ref = workflows.RefOf(id)
		w.WaitFor(id, time.Minute, "scheduled", func(v workflows.JourneyView) bool { return v.Stage == jml.StageScheduled })
		ines.Click(id, "hold", url.Values{"reason": {"the identity check is open"}})
		if v, err := w.View(id); err != nil || v.Held == nil || v.Held.Actor != opsOperator {
			t.Fatalf("held: %+v, %v", v.Held, err)
		}
		tomorrow := time.Now().Add(24 * time.Hour).Format(time.DateOnly)
		ines.Click(id, "move", url.Values{"reason": {"the laptop is early"}, "start": {tomorrow}, "hour": {"09:00"}})
		v := w.WaitFor(id, time.Minute, "held at the new start", func(v workflows.JourneyView) bool { return v.Block != nil })
		if v.Block.Reason != jml.ReasonHeld || v.Override == nil || time.Until(v.Start) > 48*time.Hour {
			t.Errorf("block %+v, override %+v, start %s", v.Block, v.Override, v.Start)
		}
		if n := links(0); n != 0 {
			t.Errorf("%d links while held", n)
		}
		ines.Act(id, act{"verb": "resume", "reason": "the check is done"})
		w.Link(people[0].Mail, linkCollect, 1)
		for event, reason := range map[string]string{"journey.held": "the identity check is open", "journey.moved": "the laptop is early", "journey.resumed": "the check is done"} {
			aksel.Told(opsOperator, event, ref, reason)
			ines.Shows(id, opsOperator, reason)
		}
	})

	t.Run("resend, another channel, another pass", func(t *testing.T) {
		w := w.In(t)
		ines, aksel := ines.In(w), aksel.In(w)
		id := soon(1)
		first := w.Invitation(people[1], 1).Token
		ines.Act(id, act{"verb": "resend", "reason": "she deleted the mail"})
		if again := w.Link(people[1].Mail, linkCollect, 2); again != first {
			t.Error("resent, and another link")
		}
		// Not twice in a minute.
		if r := ines.Try(id, act{"verb": "resend", "reason": "once more"}); r.status != http.StatusConflict {
			t.Errorf("at once again: %s", r)
		}
		letters := len(w.Letters())
		ines.Click(id, "reissue", url.Values{"reason": {"she has no mailbox now"}, "channel": {"letters"}})
		w.Eventually(20*time.Second, "a letter", func() error {
			if len(w.Letters()) == letters {
				return errors.New("none")
			}
			return nil
		})
		ines.Click(id, "reissue", url.Values{"reason": {"the letter was lost"}})
		if other := w.Link(people[1].Mail, linkCollect, 3); other == first {
			t.Error("another pass by the same link")
		}
		aksel.Told(opsOperator, "invitation.resent", workflows.RefOf(id), "she deleted the mail")
		aksel.Told(opsOperator, "pass.reissue", workflows.RefOf(id), "she has no mailbox now")
		aksel.Told(opsOperator, "pass.reissue", workflows.RefOf(id), "the letter was lost")
	})

	t.Run("revoke", func(t *testing.T) {
		w := w.In(t)
		ines, aksel := ines.In(w), aksel.In(w)
		id := soon(2)
		i := w.Invitation(people[2], 1)
		w.Collect(people[2], id, i)
		if n := w.Tenant.PassLive(w.User(people[2]).ID); n != 1 {
			t.Fatalf("%d passes", n)
		}
		ines.Click(id, "revoke", url.Values{"reason": {"the telephone was stolen"}})
		if n := w.Tenant.PassLive(w.User(people[2]).ID); n != 0 {
			t.Errorf("%d passes after the answer", n)
		}
		if got := w.Result(id).Outcome; got != jml.StageRevoked {
			t.Errorf("outcome %s", got)
		}
		aksel.Told(opsOperator, "joiner.closed", workflows.RefOf(id), "the telephone was stolen")
	})

	t.Run("cancel", func(t *testing.T) {
		w := w.In(t)
		ines, aksel := ines.In(w), aksel.In(w)
		id := later(3)
		ines.Click(id, "cancel", url.Values{"reason": {"the contract was not signed"}})
		if got := w.Result(id).Outcome; got != jml.StageCancelled {
			t.Errorf("outcome %s", got)
		}
		aksel.Told(opsOperator, "joiner.closed", workflows.RefOf(id), "the contract was not signed")
	})

	t.Run("link", func(t *testing.T) {
		w := w.In(t)
		ines, aksel := ines.In(w), aksel.In(w)
		stranger := invented("3990", "Ylva", "Unmatched")
		id := w.Post(w.Joiner(stranger, time.Hour))
		w.Blocked(id, jml.ReasonUserNotFound)
		made, err := w.Tenant.AddUser(entrasim.User{EmployeeID: "other", UPN: stranger.UPN, GivenName: "Ylva", Surname: "Unmatched"})
		w.must(nil, err)
		ines.Click(id, "link", url.Values{"reason": {"HR has another employee id"}, "user_id": {made.ID}})
		invited(t, id)
		if v, err := w.View(id); err != nil || v.User == nil || v.User.ID != made.ID || v.Linked != made.ID {
			t.Errorf("linked: %+v, %v", v.User, err)
		}
		aksel.Told(opsOperator, "journey.linked", workflows.RefOf(id), "HR has another employee id")
	})

	t.Run("registered", func(t *testing.T) {
		w := w.In(t)
		ines, aksel := ines.In(w), aksel.In(w)
		id := soon(4)
		invited(t, id)
		ines.Click(id, "registered", url.Values{"reason": {"the key was shown on video"}, "proof": {"signed in while I watched"}})
		if got := w.Result(id).Outcome; got != jml.StageCompleted {
			t.Errorf("outcome %s", got)
		}
		aksel.Told(opsOperator, "journey.attested", workflows.RefOf(id), "signed in while I watched")
	})

	t.Run("approve and refuse", func(t *testing.T) {
		w := w.In(t)
		ines, omar, aksel := ines.In(w), omar.In(w), aksel.In(w)
		w.must(w.Tenant.AddUser(technician()))
		for i, verdict := range []string{"approve", "refuse"} {
			e := people[5+i]
			w.must(w.Tenant.UpdateUser(w.User(e).ID, func(u *entrasim.User) { u.Mail = u.UPN }))
			r := w.Joiner(e, -longAgo)
			w.Post(r)
			began := ines.Send(http.MethodPost, "/v1/stagings", map[string]any{
				"employee": e.ID, "source": sourceBambooHR, "technician": technician().UPN, "device": "SN-7", "window_minutes": 60, "ticket": "REQ-7"}, nil)
			if began.status != http.StatusCreated {
				t.Fatalf("%s", began)
			}
			var j struct {
				WorkflowID string `json:"workflow_id"`
			}
			began.read(t, &j)
			w.Asked(j.WorkflowID)
			if r := ines.Try(j.WorkflowID, act{"verb": verdict, "reason": "it is mine"}); r.status != http.StatusForbidden {
				t.Errorf("who asked decides: %s", r)
			}
			omar.Click(j.WorkflowID, verdict, url.Values{"reason": {"spoke to the team lead"}})
			aksel.Told(opsApprover, map[string]string{"approve": "journey.approved", "refuse": "journey.refused"}[verdict], workflows.RefOf(j.WorkflowID), "spoke to the team lead")
			if verdict == "refuse" {
				if got := w.Result(j.WorkflowID).Outcome; got != jml.StageRefused {
					t.Errorf("outcome %s", got)
				}
				continue
			}
			w.StagingInvitation(1)
			ines.Click(j.WorkflowID, "deviceDone", url.Values{"reason": {"handed over"}})
			w.Result(j.WorkflowID)
		}
	})

	t.Run("quarantine", func(t *testing.T) {
		w := w.In(t)
		ines, aksel := ines.In(w), aksel.In(w)
		broken := []byte(`{"employees": [{"id": "77", "fields": {"Employee #": {"value": "77"}, "Hire Date": {"value": "some day"}}}]}`)
		w.MustSend(sourceBambooHR, broken, bambooHeader(w.Keys.BambooHR, broken, time.Now()))
		var list struct{ Items []struct{ ID, Reason string } }
		ines.Get("/v1/quarantine").read(t, &list)
		if len(list.Items) != 1 {
			t.Fatalf("%d records", len(list.Items))
		}
		at := "/v1/quarantine/" + list.Items[0].ID + "/actions"
		if r := ines.Send(http.MethodPost, at, act{"verb": "replay", "reason": "to see whether it does"}, nil); r.status != http.StatusOK || !strings.Contains(string(r.raw), `"still"`) {
			t.Errorf("replay: %s", r)
		}
		aksel.Told(opsOperator, "quarantine.replayed", "", "to see whether it does")
		if r := ines.Send(http.MethodPost, at, act{"verb": "drop", "reason": "HR sends it again"}, nil); r.status != http.StatusOK {
			t.Errorf("drop: %s", r)
		}
		aksel.Told(opsOperator, "quarantine.dropped", "", "HR sends it again")
	})

	// What a paused source sends meanwhile is taken up when it goes on.
	t.Run("pause a source", func(t *testing.T) {
		w := w.In(t)
		ines, aksel := ines.In(w), aksel.In(w)
		at := "/v1/feeds/" + sourceBambooHR + "/actions"
		if r := ines.Send(http.MethodPost, at, act{"verb": "pause", "reason": "HR corrects its data"}, nil); r.status != http.StatusOK {
			t.Fatalf("%s", r)
		}
		var ids []string
		for i := range 3 {
			e := invented(fmt.Sprint(3800+i), "Pia", fmt.Sprint("Paused", i))
			if status, answer, err := w.HR().Post(t.Context(), sourceBambooHR, w.Joiner(e, 30*24*time.Hour), time.Now()); err != nil || status/100 != 2 {
				t.Fatalf("what a paused source sends: %d %s %v", status, answer, err)
			}
			ids = append(ids, w.JoinerID(sourceBambooHR, e.ID))
		}
		for _, id := range ids {
			w.Absent(id)
		}
		w.Restart() // it survives that
		w.Absent(ids[0])
		if page := string(ines.Get("/feeds").raw); !strings.Contains(page, "HR corrects its data") {
			t.Error("the console does not say that it is paused")
		}
		if r := ines.Send(http.MethodPost, at, act{"verb": "unpause", "reason": "the data are right"}, nil); r.status != http.StatusOK {
			t.Fatalf("%s", r)
		}
		for _, id := range ids {
			w.Eventually(30*time.Second, "what came meanwhile begins", func() error {
				_, err := w.View(id)
				return err
			})
		}
		aksel.Told(opsOperator, "source.paused", "", "HR corrects its data")
		aksel.Told(opsOperator, "source.resumed", "", "the data are right")
	})

	// Whoever lacks the role is refused, and that stands in the ledger.
	t.Run("the wrong role", func(t *testing.T) {
		w := w.In(t)
		ines, omar, aksel := ines.In(w), omar.In(w), aksel.In(w)
		id := later(3) // once more, after the cancelled one
		others := map[string]*colleague{opsApprover: omar, opsAuditor: aksel, opsViewer: w.As(opsViewer), opsDesk: w.As(opsDesk)}
		for upn, c := range others {
			for _, verb := range []string{"hold", "resume", "move", "resend", "reissue", "revoke", "cancel", "link", "registered", "nudge", "deviceDone", "approve", "refuse"} {
				if upn == opsApprover && (verb == "approve" || verb == "refuse") {
					continue
				}
				if r := c.Try(id, act{"verb": verb, "reason": "because I can"}); r.status != http.StatusForbidden {
					t.Errorf("%s by %s: %s", verb, upn, r)
				}
			}
			for path, body := range map[string]act{
				"/v1/feeds/" + sourceBambooHR + "/actions":                    {"verb": "pause", "reason": "because I can"},
				"/v1/quarantine/0195a3c2-77d1-7f3a-8a41-6f1f20417aa0/actions": {"verb": "drop", "reason": "because I can"},
			} {
				if r := c.Send(http.MethodPost, path, body, nil); r.status != http.StatusForbidden {
					t.Errorf("%s by %s: %s", path, upn, r)
				}
			}
			if r := c.Send(http.MethodPut, "/v1/halt", map[string]any{"on": true, "reason": "because I can"}, nil); r.status != http.StatusForbidden {
				t.Errorf("halt by %s: %s", upn, r)
			}
			if r := c.Submit("/journeys/"+id+"/cancel", url.Values{"reason": {"because I can"}, "sure": {"yes"}}); r.status != http.StatusForbidden {
				t.Errorf("cancel at the console by %s: %s", upn, r)
			}
			aksel.Told(upn, "access.denied", "", "cancel")
		}
		if r := ines.Try(id, act{"verb": "approve", "reason": "because I can"}); r.status != http.StatusForbidden {
			t.Errorf("approve by an operator: %s", r)
		}
		if v, err := w.View(id); err != nil || v.Held != nil || v.Stage != jml.StageScheduled {
			t.Errorf("after all that: %+v, %v", v.Stage, err)
		}
		// Somebody without a role gets nowhere, and who has not signed in is sent
		// there.
		nils := &colleague{w: w, upn: opsNobody, client: w.opsClient()}
		nils.signIn()
		for _, path := range []string{"/", "/v1/journeys", "/journeys/" + id} {
			if r := nils.Get(path); r.status == http.StatusOK {
				t.Errorf("%s for who has no role: %d", path, r.status)
			}
		}
		stranger := &colleague{w: w, client: w.opsClient()}
		if r := stranger.Get("/v1/journeys"); r.status != http.StatusUnauthorized {
			t.Errorf("API without a token: %s", r)
		}
		if r := stranger.Get("/"); r.status != http.StatusSeeOther || !strings.HasPrefix(r.header.Get("Location"), "/sign-in") {
			t.Errorf("console without a session: %s", r)
		}
	})

	// Two see the same journey; one wins, the other is told.
	t.Run("the same ETag", func(t *testing.T) {
		w := w.In(t)
		ines := ines.In(w)
		id := w.JoinerID(sourceBambooHR, people[3].ID)
		robot := w.Machine()
		seen := ines.Get("/v1/journeys/" + id).header.Get("ETag")
		if seen == "" {
			t.Fatal("no ETag")
		}
		old := hiddenIn(ines.Get("/journeys/"+id+"/hold").raw, "version")
		replies := make([]opsAnswer, 2)
		var both sync.WaitGroup
		for i, c := range []*colleague{ines, robot} {
			both.Go(func() {
				replies[i] = c.Send(http.MethodPost, "/v1/journeys/"+id+"/actions", act{"verb": "hold", "reason": "seen by two"}, http.Header{"If-Match": {seen}})
			})
		}
		both.Wait()
		statuses := []int{replies[0].status, replies[1].status}
		slices.Sort(statuses)
		if !slices.Equal(statuses, []int{http.StatusOK, http.StatusPreconditionFailed}) {
			t.Errorf("seen %s, the page %s, now %s\n%s\n%s", seen, old, string(ines.Get("/v1/journeys/"+id).raw), replies[0], replies[1])
		}
		// The console too: a page from before is answered with what changed.
		page := ines.Submit("/journeys/"+id+"/hold", url.Values{"reason": {"an old page"}, "version": {old}})
		if page.status == http.StatusSeeOther || !strings.Contains(string(page.raw), "What has changed") {
			t.Errorf("an old page: %d", page.status)
		}
	})

}
