package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// What the invented HR systems of these tests know their callers by.
const (
	hrSecret   = "hr-api-secret-4711"
	hookSecret = "hook-secret-0815"
	leverHired = "0b1c2d3e-0000-4000-8000-000000000001"

	scimExtension = "urn:ietf:params:scim:schemas:extension:examplecorp:2.0:User"
)

// TestSourcesThatCall: webhooks and SCIM clients. What a notice leaves out is asked
// for, from the host that was allowed and no other, and only the answer counts.
func TestSourcesThatCall(t *testing.T) {
	t.Parallel()
	tomorrow, later, moved := inDays(t, 1), inDays(t, 20), inDays(t, 25) // once: midnight may pass
	people, busy := map[string]any{}, 0                                  // people by path
	hr := startRemote(t, func(w http.ResponseWriter, r *http.Request) {
		person, known := people[r.URL.Path]
		switch {
		case r.Header.Get("Authorization") != "Bearer "+hrSecret:
			w.WriteHeader(http.StatusUnauthorized)
		case busy > 0:
			busy--
			w.Header().Set("Retry-After", "4")
			w.WriteHeader(http.StatusServiceUnavailable)
		case !known:
			w.WriteHeader(http.StatusNotFound)
		default:
			jsonAnswer(w, person)
		}
	})
	elsewhere := startRemote(t, func(w http.ResponseWriter, _ *http.Request) { jsonAnswer(w, map[string]string{"start": later}) })

	dir := t.TempDir()
	hook := putFile(t, filepath.Join(dir, "hook"), hookSecret)
	header := putFile(t, filepath.Join(dir, "header"), "Bearer "+hrSecret)
	bearer := putFile(t, filepath.Join(dir, "bearer"), hrSecret)
	gustoKey := filepath.Join(dir, "gusto")
	request := func(url, secret string) string {
		return fmt.Sprintf(`{request: {url: '%s', allow_hosts: [%q], ca_file: %q, auth: {secret_file: %q}}}`, url, hr.Host(), hr.CA, secret)
	}
	sources := func(gustoKeys string) string {
		return fmt.Sprintf(`
  - name: events
    use: bamboohr
    verify: {key_files: [%[1]q]}
    settings: {company: examplecorp}
    fetch: %[2]s
    sites: {Copenhagen: {zone: Europe/Copenhagen}}
  - name: links
    verify: {kind: bearer, key_files: [%[1]q]}
    fetch: {request: {url: item.link, allow_hosts: [%[3]q], ca_file: %[4]q}}
    map: {employee_id: item.id, status: '"scheduled"', start_date: localDate(fetched.start), zone: '"Europe/Copenhagen"'}
  - name: hired
    use: lever
    verify: {key_files: [%[1]q]}
    settings: {hired_reason: %[5]s}
    fetch: %[6]s
    sites: {Copenhagen: {zone: Europe/Copenhagen}}
  - name: gusto
    use: gusto
    %[7]s
    fetch: %[8]s
    default_zone: Europe/Copenhagen
  - name: hris
    use: scim
    settings: {extension: "%[9]s"}
    verify: {key_files: [%[1]q]}
`, hook, request(`"`+hr.URL+`/events/" + urlEncode(item.data.employeeId)`, header), hr.Host(), hr.CA,
			leverHired, request(`"`+hr.URL+`/hired/" + urlEncode(item.data.opportunityId)`, header),
			gustoKeys, request(`"`+hr.URL+`/gusto/" + urlEncode(item.entity_uuid)`, bearer), scimExtension)
	}
	w := newWorld(t, worldOptions{ExtraSources: sources("")})

	notice := func(employee string) {
		body := fmt.Appendf(nil, `{"type": "employee.updated", "timestamp": %q, "data": {"companyId": "9", "employeeId": %q}}`,
			time.Now().Format(time.RFC3339), employee)
		w.MustSend("events", body, bambooHeader(hookSecret, body, time.Now()))
	}

	t.Run("ids only", func(t *testing.T) {
		w := w.In(t)
		hr.Change(func() {
			busy = 1
			people["/events/77"] = map[string]string{
				"id": "77", "employeeNumber": w.Person.ID, "status": "Active", "hireDate": tomorrow, "location": "Copenhagen",
				"firstName": w.Person.Given, "lastName": w.Person.Family, "homeEmail": w.Person.Mail, "workEmail": w.Person.UPN,
			}
		})
		notice("77")
		w.Eventually(30*time.Second, "HR is asked", hr.called("/events/77", 1))
		notice("77") // while HR is busy
		id := w.JoinerID("events", "77")
		v := w.WaitFor(id, time.Minute, "the fetched facts", func(v workflows.JourneyView) bool { return v.Facts.GivenName == w.Person.Given })
		if v.Facts.FamilyName != w.Person.Family || v.Facts.StartDate.String() != tomorrow {
			t.Errorf("the joiner has other facts than HR: start %s", v.Facts.StartDate)
		}
		w.Passcode(w.Person, 1) // to the fetched address
		w.Eventually(30*time.Second, "the second notice is asked for too", hr.called("/events/77", 3))
		if calls := hr.Calls("/events/77"); calls[1].At.Sub(calls[0].At) < 4*time.Second {
			t.Errorf("asked again after %s, HR wants 4s", calls[1].At.Sub(calls[0].At))
		}
		w.Eventually(30*time.Second, "one joiner, one fetch", func() error {
			if j, f := w.Begun("joiner/events/"), w.Begun("fetch/events/"); len(j) != 1 || len(f) != 1 {
				return fmt.Errorf("%d joiners, %d fetches", len(j), len(f))
			}
			return nil
		})
		if v, err := w.View(id); err != nil || v.Outdated != 0 {
			t.Errorf("the joiner was told what it knew: %d, %v", v.Outdated, err)
		}
		if n := len(w.Mailbox.MailsTo(w.Person.Mail)); n != 1 {
			t.Errorf("%d mails, want 1", n)
		}
		w.Recorded("fetched", "fetch", "fetch/events/")
	})

	t.Run("HR does not know", func(t *testing.T) {
		w := w.In(t)
		notice("404")
		w.Eventually(30*time.Second, "quarantined", func() error {
			if out := w.Do("quarantine", "list", "--source", "events"); !strings.Contains(out, "does not know the employee") {
				return errors.New(out)
			}
			return nil
		})
		w.Absent(w.JoinerID("events", "404"))
	})

	t.Run("another host", func(t *testing.T) {
		w := w.In(t)
		body := fmt.Appendf(nil, `{"id": "5", "link": "%s/employees/5"}`, elsewhere.URL)
		answer := w.MustSend("links", body, http.Header{"Authorization": {"Bearer " + hookSecret}, "Content-Type": {"application/json"}})
		// Nothing was asked, so the notice is what can't be read.
		out := w.Do("quarantine", "list", "--source", "links")
		if !strings.Contains(answer, `"quarantined":1`) || !strings.Contains(out, "not in allow_hosts") || strings.Contains(out, elsewhere.URL) {
			t.Errorf("answer %s, quarantine list:\n%s", answer, out)
		}
		record := strings.Fields(strings.Split(out, "\n")[1])[0]
		if _, says, code := w.Command("quarantine", "replay", record, "--reason", "it may do now"); code != 1 {
			t.Errorf("replay of what can't be asked for: %d, %s", code, says)
		}
		if again := w.Do("quarantine", "list", "--source", "links"); again != out {
			t.Errorf("a replay in vain lost the record:\n%s", again)
		}
		if n := len(elsewhere.Calls("")); n != 0 {
			t.Errorf("%d calls of a host that is not allowed", n)
		}
		w.Absent(w.JoinerID("links", "5"))
	})

	t.Run("a hint", func(t *testing.T) {
		w := w.In(t)
		hr.Change(func() {
			people["/hired/opp-1"] = map[string]any{"data": map[string]any{
				"id": "opp-1", "name": "Nadia Okafor", "emails": []string{"nadia.okafor@example.org"},
				"archived": map[string]any{"reason": leverHired},
				"tags":     []string{"start:" + later, "employee:2002", "site:Copenhagen"},
			}}
		})
		stamp := strconv.FormatInt(time.Now().UnixMilli(), 10)
		forged := func(token string) []byte {
			return fmt.Appendf(nil, `{"event": "candidateHired", "triggeredAt": %s, "token": %q, "signature": %q,
				"data": {"opportunityId": "opp-1", "id": "opp-9", "name": "Mallory", "emails": ["mallory@example.net"], "start": "2026-01-01"}}`,
				stamp, token, hmacHex(hookSecret, "token-1"+stamp))
		}
		if status, _ := w.Send("hired", forged("token-2"), http.Header{"Content-Type": {"application/json"}}); status != http.StatusUnauthorized {
			t.Errorf("a token that was not signed: %d, want 401", status)
		}
		if n := len(hr.Calls("/hired/opp-1")); n != 0 {
			t.Errorf("HR was asked %d times for what nobody signed", n)
		}
		w.MustSend("hired", forged("token-1"), http.Header{"Content-Type": {"application/json"}})
		v := w.Starting(w.JoinerID("hired", "opp-1"), later)
		if v.Facts.PersonalMail != "nadia.okafor@example.org" || v.Facts.UserMatch().Value != "2002" {
			t.Error("the joiner has other facts than HR")
		}
		raw, err := json.Marshal(v)
		w.must(nil, err)
		if strings.Contains(strings.ToLower(string(raw)), "mallory") {
			t.Error("the joiner has something of the notice")
		}
		w.Absent(w.JoinerID("hired", "opp-9"))
	})

	t.Run("scim", func(t *testing.T) {
		w := w.In(t)
		user := map[string]any{
			"schemas":    []string{"urn:ietf:params:scim:schemas:core:2.0:User", scimExtension},
			"externalId": "E-77", "userName": "ada.brandt@example.com", "active": true, "timezone": "Europe/Copenhagen",
			"name":        map[string]string{"givenName": "Ada", "familyName": "Brandt"},
			"emails":      []map[string]string{{"value": "ada.brandt@example.com", "type": "work"}, {"value": "ada.brandt@example.org", "type": "home"}},
			scimExtension: map[string]string{"hireDate": later},
		}
		const users = "/v1/scim/hris/Users"
		if status, _ := w.Ask(http.MethodPost, users, "wrong", user); status != http.StatusUnauthorized {
			t.Errorf("a wrong token: %d, want 401", status)
		}
		// As Entra does: look first, then create.
		if status, found := w.Ask(http.MethodGet, users+"?filter=externalId%20eq%20%22E-77%22", hookSecret, nil); status != http.StatusOK || found["totalResults"] != 0.0 {
			t.Errorf("nobody yet: %d, %v", status, found)
		}
		status, made := w.Ask(http.MethodPost, users, hookSecret, user)
		scimID, _ := made["id"].(string)
		if status != http.StatusCreated || scimID == "" {
			t.Fatalf("create: %d, %v", status, made)
		}
		id := w.JoinerID("hris", "E-77")
		v := w.Starting(id, later)
		if v.Facts.PersonalMail != "ada.brandt@example.org" || v.Facts.UserMatch().Value != "E-77" {
			t.Error("the joiner has other facts than the client gave")
		}
		run := w.Trace(id).Run
		patch := map[string]any{
			"schemas":    []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"},
			"Operations": []map[string]any{{"op": "Replace", "path": scimExtension + ":hireDate", "value": moved}},
		}
		if status, answer := w.Ask(http.MethodPatch, users+"/"+scimID, hookSecret, patch); status != http.StatusOK && status != http.StatusNoContent {
			t.Fatalf("patch: %d, %v", status, answer)
		}
		w.Starting(id, moved)
		if status, _ := w.Ask(http.MethodDelete, users+"/"+scimID, "wrong", nil); status != http.StatusUnauthorized {
			t.Errorf("a delete with a wrong token: %d, want 401", status)
		}
		if status, answer := w.Ask(http.MethodDelete, users+"/"+scimID, hookSecret, nil); status != http.StatusNoContent {
			t.Fatalf("delete: %d, %v", status, answer)
		}
		if got := w.Result(id); got.Outcome != jml.StageCancelled || got.Facts.Status != jml.StatusCancelled {
			t.Errorf("outcome %s, status %s", got.Outcome, got.Facts.Status)
		}
		if now := w.Trace(id).Run; now != run {
			t.Error("there was more than one run")
		}
		if status, _ := w.Ask(http.MethodGet, users+"/"+scimID, hookSecret, nil); status != http.StatusNotFound {
			t.Errorf("the deleted user: %d, want 404", status)
		}
		w.Eventually(30*time.Second, "status counts", func() error {
			if s := w.Status("hris"); s.Counts["refused"] != 2 || s.Counts["taken"] != 3 {
				return fmt.Errorf("%v", s.Counts)
			}
			return nil
		})
		w.Untold("Brandt")
	})

	t.Run("unsigned handshake", func(t *testing.T) {
		w := w.In(t)
		const token = "verification-token-31415926"
		hr.Change(func() {
			people["/gusto/e-1"] = map[string]any{
				"uuid": "e-1", "first_name": "Ines", "last_name": "Mora", "email": "ines.mora@example.org", "work_email": "ines.mora@example.com",
				"terminated": false, "jobs": []any{map[string]any{"primary": true, "hire_date": later}},
			}
		})
		event := func(uuid string) []byte {
			return fmt.Appendf(nil, `{"uuid": %q, "event_type": "employee.created", "entity_type": "Employee", "entity_uuid": "e-1", "timestamp": %d}`,
				uuid, time.Now().Unix())
		}
		signed := func(key string, body []byte) http.Header {
			return http.Header{"Content-Type": {"application/json"}, "X-Gusto-Signature": {hmacHex(key, string(body))}}
		}
		// Gusto repeats what it is told to.
		if status, _ := w.Send("gusto", event("d-1"), signed(token, event("d-1"))); status != http.StatusServiceUnavailable {
			t.Errorf("before there is a key: %d, want 503", status)
		}
		hello := fmt.Appendf(nil, `{"verification_token": %q, "webhook_subscription_uuid": "s-1"}`, token)
		w.MustSend("gusto", hello, http.Header{"Content-Type": {"application/json"}})
		if strings.Contains(w.Log(), token) {
			t.Error("the log holds the token")
		}
		lines := strings.Fields(w.Do("source", "handshake", "gusto"))
		if len(lines) != 2 || lines[1] != token {
			t.Fatalf("source handshake shows %q", lines)
		}
		w.Untold(token)
		putFile(t, gustoKey, lines[1]+"\n")
		w.Reconfigure(sources(fmt.Sprintf("verify: {key_files: [%q]}", gustoKey)))
		body := event("d-2")
		if status, _ := w.Send("gusto", body, signed("another", body)); status != http.StatusUnauthorized {
			t.Errorf("signed by another key: %d, want 401", status)
		}
		w.MustSend("gusto", body, signed(token, body))
		if v := w.Starting(w.JoinerID("gusto", "e-1"), later); v.Facts.PersonalMail != "ines.mora@example.org" {
			t.Error("the joiner has other facts than HR")
		}
		// Once there is a key, whoever has none can show the operator nothing.
		planted := []byte(`{"verification_token": "planted-token"}`)
		if status, _ := w.Send("gusto", planted, http.Header{"Content-Type": {"application/json"}}); status != http.StatusUnauthorized {
			t.Errorf("an unsigned handshake after the first: %d, want 401", status)
		}
		if out := w.Do("source", "handshake", "gusto"); strings.Contains(out, "planted") {
			t.Errorf("source handshake:\n%s", out)
		}
		if answer := w.MustSend("gusto", body, signed(token, body)); !strings.Contains(answer, "duplicate") {
			t.Errorf("the same delivery again: %s", answer)
		}
	})
}

// feedRow is an employee in the feeds of these tests.
type feedRow struct {
	ID    string `json:"id"`
	Given string `json:"given"`
	Start string `json:"start"`
	Mail  string `json:"mail"`
}

// TestSourcesThatAreRead: polls, files and the tenant bring state; what does not
// change is not sent, what is missing is held, what is broken or too much is not applied.
func TestSourcesThatAreRead(t *testing.T) {
	t.Parallel()
	tomorrow, soon, later, far := inDays(t, 1), inDays(t, 20), inDays(t, 30), inDays(t, 60) // once: midnight may pass
	row := func(id, given, start string) feedRow {
		return feedRow{id, given, start, strings.ToLower(given) + "@example.org"}
	}
	// Vera has no user yet and starts within the lead time, so that her joiner
	// waits where a hold can be seen.
	everybody := []feedRow{
		row("1", "Odile", later), row("2", "Vera", tomorrow), row("3", "Rune", later), row("4", "Sanna", later), row("5", "Bertil", "2019-03-01"),
	}
	vera := invented("2", "Vera", "Lund")
	vera.Mail = "vera@example.org"
	rows := slices.Clone(everybody)
	paged := startRemote(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		page, _ := strconv.Atoi(q.Get("page"))
		size, _ := strconv.Atoi(q.Get("size"))
		if r.Header.Get("Authorization") != "Bearer "+hrSecret || page < 1 || size != 2 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		from := min((page-1)*size, len(rows))
		jsonAnswer(w, map[string]any{"people": rows[from:min(from+size, len(rows))]})
	})
	onePage := func(w http.ResponseWriter, _ *http.Request) {
		jsonAnswer(w, map[string]any{"people": []feedRow{row("9", "Nobody", later)}})
	}
	signIn := startRemote(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<html><body>Please sign in, Mr Nobody</body></html>")
	})
	expired := startRemoteAs(t, expiredCertificate(t), onePage)
	target := startRemote(t, onePage)
	moved := startRemote(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.URL+"/people", http.StatusTemporaryRedirect)
	})

	dir := t.TempDir()
	upload, archive := filepath.Join(dir, "upload"), filepath.Join(dir, "done")
	if err := os.Mkdir(upload, 0o700); err != nil {
		t.Fatal(err)
	}
	secret := putFile(t, filepath.Join(dir, "secret"), hrSecret)
	// Read when it is told to, so that no read comes between.
	poll := func(name string, r *remote, more string, hosts ...string) string {
		return fmt.Sprintf(`
  - name: %s
    kind: poll
    poll:
      every: 23h
      request: {url: '"%s/people"', allow_hosts: [%s], ca_file: %q, per_second: 50, auth: {kind: bearer, secret_file: %q}}
      %s
    split: body.people
    brake: {share: 0.5, least: 2}
    map: {employee_id: item.id, status: '"scheduled"', start_date: localDate(item.start), zone: '"Europe/Copenhagen"', given_name: item.given, personal_mail: item.mail}`,
			name, r.URL, `"`+strings.Join(append(hosts, r.Host()), `", "`)+`"`, r.CA, secret, more)
	}
	clock := startRemote(t, onePage)
	failing := poll("signin", signIn, "") + poll("expired", expired, "") + poll("moved", moved, "", target.Host())
	kept := strings.Replace(poll("ticking", clock, ""), "every: 23h", "every: 1m", 1) + poll("people", paged, `page: {kind: page, parameter: page, size_parameter: size, size: 2, first: 1}`) +
		fmt.Sprintf(`
  - name: nightly
    use: csv
    file: {every: 23h, directory: %q, pattern: "*.csv", after: archive, archive: %q}
    sites: {Copenhagen: {zone: Europe/Copenhagen}}
  - name: tenant
    use: entra
    entra: {every: 23h}
    default_zone: Europe/Copenhagen
`, upload, archive)
	// Only a server of a world's own runs schedules.
	w := newWorld(t, worldOptions{OwnTemporal: true, People: []employee{}, ExtraSources: kept + failing})

	t.Run("poll", func(t *testing.T) {
		w := w.In(t)
		id := func(employee string) string { return w.JoinerID("people", employee) }
		read := func(what string, want workflows.FeedResult) {
			t.Helper()
			if got := w.Read("people"); got.Read != want.Read || got.Changed != want.Changed || got.Delivered != want.Delivered ||
				got.Vanished != want.Vanished || (got.Braked == "") != (want.Braked == "") {
				t.Errorf("%s: %+v, want %+v", what, got, want)
			}
		}
		if got := w.FirstRead("people"); got.Read != 5 || got.Changed != 5 || got.Delivered != 4 {
			t.Errorf("first read: %+v", got)
		}
		w.Blocked(id("2"), jml.ReasonUserNotFound)
		before := map[string]trace{}
		for _, employee := range []string{"1", "3", "4"} {
			w.Starting(id(employee), later)
			before[employee] = w.Trace(id(employee))
		}
		w.Absent(id("5"))
		if s := w.Status("people"); s.PreHires != 4 || s.Known != 5 || s.LastSeen.IsZero() || s.Fault != "" {
			t.Errorf("status after the first read: %+v", s)
		}

		w.Recorded("first-read", "feed", workflows.FeedID("people"))

		read("the same again", workflows.FeedResult{Read: 5})
		for employee, was := range before {
			if now := w.Trace(id(employee)); now != was {
				t.Errorf("a read of the same reached joiner %s: %+v, was %+v", employee, now, was)
			}
		}

		paged.Change(func() { rows[0].Start = soon })
		read("a start moved", workflows.FeedResult{Read: 5, Changed: 1, Delivered: 1})
		w.Starting(id("1"), soon)
		if now := w.Trace(id("1")); now.Run != before["1"].Run {
			t.Error("a moved start began another run")
		}

		paged.Change(func() { rows = slices.Delete(slices.Clone(rows), 1, 2) })
		read("a row gone", workflows.FeedResult{Read: 4, Changed: 1, Delivered: 1, Vanished: 1})
		w.Blocked(id("2"), jml.ReasonVanished)
		gone := w.Trace(id("2"))
		read("a row gone still", workflows.FeedResult{Read: 4, Vanished: 1})
		if now := w.Trace(id("2")); now != gone {
			t.Errorf("a second read without the row reached the joiner: %+v, was %+v", now, gone)
		}
		paged.Change(func() { rows = append(slices.Clone(rows), everybody[1]) })
		read("the row back", workflows.FeedResult{Read: 5, Changed: 1, Delivered: 1})
		w.Blocked(id("2"), jml.ReasonUserNotFound)
		w.must(w.Hire(vera))
		w.Passcode(vera, 1)

		// Three of four pre-hires at once.
		paged.Change(func() {
			rows = slices.Clone(rows)
			for i := range rows {
				if rows[i].Start == later || rows[i].Start == soon {
					rows[i].Start = far
				}
			}
		})
		read("a mass change", workflows.FeedResult{Read: 5, Changed: 3, Braked: "yes"})
		if s := w.Status("people"); !strings.Contains(s.Braked, "3 of 4") {
			t.Errorf("status when braked: %+v", s)
		}
		if out := w.Do("source", "status"); !strings.Contains(out, "source release people") {
			t.Errorf("source status does not say what to do:\n%s", out)
		}
		for employee, was := range map[string]string{"1": soon, "3": later, "4": later} {
			if v, err := w.View(id(employee)); err != nil || v.Facts.StartDate.String() != was {
				t.Errorf("joiner %s heard of what was stopped: %s, %v", employee, v.Facts.StartDate, err)
			}
		}
		w.Do("source", "release", "people", "--reason", "the firm moves its start dates", "--actor", "anna")
		read("released", workflows.FeedResult{Read: 5, Changed: 3, Delivered: 3})
		for _, employee := range []string{"1", "3", "4"} {
			w.Starting(id(employee), far)
			if now := w.Trace(id(employee)); now.Run != before[employee].Run {
				t.Errorf("joiner %s began another run", employee)
			}
		}
		if s := w.Status("people"); s.Braked != "" || s.Fault != "" {
			t.Errorf("status after the release: %+v", s)
		}
		if _, says, code := w.Command("source", "release", "people", "--reason", "again"); code != 3 {
			t.Errorf("a release of what is not braked: %d, %s", code, says)
		}

		// Two employees with one id: neither is believed.
		told := w.Trace(id("1"))
		paged.Change(func() { rows = append(slices.Clone(rows), row("1", "Impostor", soon)) })
		if got := w.Read("people"); got.Quarantined != 1 || got.Delivered != 0 || got.Vanished != 0 {
			t.Errorf("one id twice: %+v", got)
		}
		if now := w.Trace(id("1")); now != told {
			t.Errorf("one id twice reached the joiner: %+v, was %+v", now, told)
		}
		if out := w.Do("quarantine", "list", "--source", "people"); !strings.Contains(out, "same employee_id") || strings.Contains(out, "Impostor") {
			t.Errorf("quarantine list:\n%s", out)
		}

		// What was released was released once.
		paged.Change(func() {
			rows = slices.Clone(rows[:len(rows)-1])
			for i := range rows {
				if rows[i].Start == far {
					rows[i].Start = soon
				}
			}
		})
		read("another mass change", workflows.FeedResult{Read: 5, Changed: 3, Braked: "yes"})
	})

	t.Run("poll that fails", func(t *testing.T) {
		w := w.In(t)
		for source, says := range map[string]string{"signin": "text/html", "expired": "certificate has expired", "moved": "redirect to another host"} {
			w.Fault(source, says)
			if s := w.Status(source); s.Known != 0 || !s.LastGood.IsZero() {
				t.Errorf("%s: something of it was taken: %+v", source, s)
			}
			if len(w.Begun("joiner/"+source+"/")) != 0 {
				t.Errorf("%s began a joiner", source)
			}
		}
		if n := len(target.Calls("")); n != 0 {
			t.Errorf("a redirect was followed %d times", n)
		}
		for line := range strings.Lines(w.Do("source", "status")) {
			if f := strings.Fields(line); len(f) > 1 && f[1] == "poll" && f[0] != "people" && f[0] != "ticking" && f[len(f)-1] != "failing" {
				t.Errorf("source status: %s", line)
			}
		}
		w.Untold("Mr Nobody")
	})

	t.Run("file", func(t *testing.T) {
		w := w.In(t)
		id := func(employee string) string { return w.JoinerID("nightly", employee) }
		const head = "\ufeffWorkerID;WorkerStatus;HireDate;FirstName;Location;PersonalEmail\r\n"
		line := func(id, name, start string) string {
			return fmt.Sprintf("%s;Active;%s;\"%s\";Copenhagen;%s@example.org\r\n", id, start, name, strings.ToLower(name))
		}
		drop := func(name, text string) { putFile(t, filepath.Join(upload, name), text) }
		w.FirstRead("nightly") // of an empty folder

		drop("one.csv", head+line("007", "Alva", later)+line("8", "Brage", later))
		if got := w.Read("nightly"); got.Read != 2 || got.Delivered != 2 {
			t.Errorf("a file: %+v", got)
		}
		w.Starting(id("007"), later) // with its zeros
		w.Starting(id("8"), later)
		if left, kept := filesIn(t, upload), filesIn(t, archive); len(left) != 0 || len(kept) != 1 || !strings.HasPrefix(kept[0], "one.csv.") {
			t.Errorf("left %v, archived %v", left, kept)
		}

		broken := map[string]string{
			"a day that is none": head + line("007", "Alva", soon) + line("8", "Brage", "2027-02-31") + line("10", "Ciel", later),
			"a field too few":    head + line("007", "Alva", soon) + "8;Active\r\n" + line("10", "Ciel", later),
			"a quote open":       head + line("007", "Alva", soon) + "8;Active;" + later + ";\"Bra\"ge;Copenhagen;b@example.org\r\n" + line("10", "Ciel", later),
		}
		for what, text := range broken {
			drop("two.csv", text)
			if got := w.Read("nightly"); got.Delivered != 0 || len(got.Refused) != 1 || !strings.Contains(got.Refused[0], "line 3") {
				t.Errorf("%s: %+v", what, got)
			}
			if s := w.Status("nightly"); !strings.Contains(s.Fault, "line 3") {
				t.Errorf("%s: status: %+v", what, s)
			}
			// The file is not read again, and not forgotten either.
			if got := w.Read("nightly"); got.Delivered != 0 {
				t.Errorf("%s, once more: %+v", what, got)
			}
			if s := w.Status("nightly"); !strings.Contains(s.Fault, "line 3") {
				t.Errorf("%s: status after another look: %+v", what, s)
			}
		}
		w.Absent(id("10"))
		if v, err := w.View(id("007")); err != nil || v.Facts.StartDate.String() != later {
			t.Errorf("a row before the broken one was applied: %s, %v", v.Facts.StartDate, err)
		}
		if left := filesIn(t, upload); !slices.Equal(left, []string{"two.csv"}) {
			t.Errorf("the broken file is to stay: %v", left)
		}

		// The newer file has the place of the broken one.
		drop("three.csv", head+line("007", "Alva", soon)+line("8", "Brage", later)+line("10", "Ciel", later))
		if got := w.Read("nightly"); got.Delivered != 2 || len(got.Refused) != 0 {
			t.Errorf("the file mended: %+v", got)
		}
		w.Starting(id("007"), soon)
		w.Starting(id("10"), later)
		if s := w.Status("nightly"); s.Fault != "" || s.PreHires != 3 {
			t.Errorf("status of the file mended: %+v", s)
		}
		if left, kept := filesIn(t, upload), filesIn(t, archive); !slices.Equal(left, []string{"two.csv"}) || len(kept) != 2 {
			t.Errorf("left %v, archived %v", left, kept)
		}
		if got := w.Read("nightly"); got.Read != 0 || len(got.Refused) != 0 {
			t.Errorf("a broken file that a newer one replaced is read again: %+v", got)
		}

		// By hand: one moves, one is new, one is missing.
		by := putFile(t, filepath.Join(dir, "by-hand.csv"), head+line("007", "Alva", far)+line("8", "Brage", later)+line("11", "Dagny", later))
		was := w.Trace(id("007"))
		out := w.Do("import", by, "--source", "nightly", "--full", "--dry-run")
		for _, want := range []string{"startMoved", "scheduled", "vanished", "line 2", "line 4", "3 read, 1 unchanged, 3 changed, 1 vanished"} {
			if !strings.Contains(out, want) {
				t.Errorf("dry run does not say %q:\n%s", want, out)
			}
		}
		w.Absent(id("11"))
		if now := w.Trace(id("007")); now != was {
			t.Errorf("a dry run reached the joiner: %+v, was %+v", now, was)
		}
		if again := w.Do("import", by, "--source", "nightly", "--full", "--dry-run"); again != out {
			t.Errorf("a dry run changed something:\n%s", again)
		}
		w.Do("import", by, "--source", "nightly")
		w.Starting(id("007"), far)
		w.Starting(id("11"), later)
		if v, err := w.View(id("10")); err != nil || v.Facts.Hold != "" {
			t.Errorf("an import that is not full held somebody: %q, %v", v.Facts.Hold, err)
		}
		if _, says, code := w.Command("import", putFile(t, filepath.Join(dir, "bad.csv"), broken["a field too few"]), "--source", "nightly"); code != 1 || !strings.Contains(says, "line 3") {
			t.Errorf("import of a broken file: %d, %s", code, says)
		}
		w.Untold("brage@example.org")

		// It is the configuration that has to be mended, not the file.
		drop("four.csv", head+strings.Replace(line("007", "Alva", later), "Copenhagen", "Aarhus", 1)+line("8", "Brage", later)+line("10", "Ciel", later)+line("11", "Dagny", later))
		if got := w.Read("nightly"); got.Delivered != 0 || len(got.Refused) != 1 || !strings.Contains(got.Refused[0], "line 2: zone") {
			t.Errorf("a place that is not known: %+v", got)
		}
		kept = strings.Replace(kept, "sites: {Copenhagen", "sites: {Aarhus: {zone: Europe/Copenhagen}, Copenhagen", 1)
		w.Reconfigure(kept + failing)
		if got := w.Read("nightly"); got.Delivered != 1 || len(got.Refused) != 0 {
			t.Errorf("the place configured: %+v", got)
		}
		w.Starting(id("007"), later)
	})

	t.Run("entra", func(t *testing.T) {
		w := w.In(t)
		w.FirstRead("tenant") // of nobody
		hire := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 20)
		e := invented("3001", "Liv", "Sørby")
		e.UPN, e.Mail = "liv.soerby@example.com", "liv@example.org"
		user := e.user()
		user.OtherMails, user.UsageLocation, user.EmployeeHireDate = []string{e.Mail}, "DK", &hire
		tenant := "http://" + loopback(w.Ports.Manage) + "/sim/users"
		w.must(nil, callJSON(t.Context(), http.MethodPost, tenant, user, &user))
		w.must(w.Hire(invented("3002", "No", "Date"))) // whom HR does not expect
		if got := w.Read("tenant"); got.Read != 1 || got.Delivered != 1 {
			t.Errorf("one hire: %+v", got)
		}
		id := w.JoinerID("tenant", user.ID)
		w.Starting(id, hire.Format(time.DateOnly))
		run := w.Trace(id).Run
		if got := w.Read("tenant"); got.Unchanged != 1 || got.Delivered != 0 {
			t.Errorf("the same hire: %+v", got)
		}
		sooner := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1) // within the lead time
		w.must(nil, callJSON(t.Context(), http.MethodPatch, tenant+"/"+user.ID, map[string]any{"employeeHireDate": sooner}, nil))
		if got := w.Read("tenant"); got.Changed != 1 || got.Delivered != 1 {
			t.Errorf("the date moved: %+v", got)
		}
		w.Starting(id, sooner.Format(time.DateOnly))
		if now := w.Trace(id).Run; now != run {
			t.Error("a moved date began another run")
		}
		w.Passcode(e, 1)
		if s := w.Status("tenant"); s.Fault != "" || s.PreHires != 1 {
			t.Errorf("status: %+v", s)
		}
	})

	t.Run("schedules", func(t *testing.T) {
		w := w.In(t)
		describe := func(source string) (*client.ScheduleDescription, error) {
			return w.Client.ScheduleClient().GetHandle(t.Context(), workflows.FeedID(source)).Describe(t.Context())
		}
		before, err := describe("people")
		w.must(nil, err)
		w.Reconfigure(strings.Replace(kept, "every: 23h, directory", "every: 22h, directory", 1))
		for _, source := range []string{"signin", "expired", "moved"} {
			w.Eventually(30*time.Second, "the schedule of "+source+" is gone", func() error {
				_, err := describe(source)
				if none := new(serviceerror.NotFound); errors.As(err, &none) {
					return nil
				}
				return fmt.Errorf("it is there (%v)", err)
			})
		}
		d, err := describe("nightly")
		w.must(nil, err)
		if got := d.Schedule.Spec.Intervals; len(got) != 1 || got[0].Every != 22*time.Hour {
			t.Errorf("nightly is read every %v, want 22h", got)
		}
		if d, err = describe("people"); err != nil || d.Info.NumActions != before.Info.NumActions {
			t.Errorf("a restart alone had a source read: %d reads, were %d, %v", d.Info.NumActions, before.Info.NumActions, err)
		}
		if _, says, code := w.Command("source", "run", "signin"); code != 1 || !strings.Contains(says, "no schedule") {
			t.Errorf("run of a source that is gone: %d, %s", code, says)
		}
		// By the clock, which nobody set off.
		if got := w.read("ticking", 2); got.Read != 1 || got.Unchanged != 1 {
			t.Errorf("second read by the clock: %+v", got)
		}
	})
}

// TestHeldAndQuarantined: what an operator has to decide, by the command line.
func TestHeldAndQuarantined(t *testing.T) {
	t.Parallel()
	hook := putFile(t, filepath.Join(t.TempDir(), "hook"), hookSecret)
	portal := func(layout string) string {
		return fmt.Sprintf(`
  - name: portal
    verify: {kind: bearer, key_files: [%q]}
    map:
      employee_id: item.number
      status: '"scheduled"'
      start_date: 'localDate(item.first_day, "%s")'
      zone: '"Europe/Copenhagen"'
      given_name: item.first_name
      personal_mail: item.mail
`, hook, layout)
	}
	w := newWorld(t, worldOptions{People: []employee{}, ExtraSources: portal("MM/DD/YYYY")})

	for i, verdict := range []string{"approve", "reject"} {
		t.Run("held, "+verdict, func(t *testing.T) {
			w := w.In(t)
			e := firstPeople()[i]
			r := w.Joiner(e, 24*time.Hour)
			id := w.PostAs(sourceCanonical, r)
			ref := workflows.RefOf(id)
			w.Blocked(id, jml.ReasonUserNotFound)
			r.Mail = "changed-" + e.Mail
			w.PostAs(sourceCanonical, r)
			if v := w.Blocked(id, jml.ReasonContactHeld); v.Facts.PersonalMail != e.Mail {
				t.Error("the joiner has an address that nobody approved")
			}
			if out := w.Do("held", "list"); !strings.Contains(out, ref) || strings.Contains(out, e.Mail) {
				t.Errorf("held list:\n%s", out)
			}
			if out := w.Do("held", "show", ref); !strings.Contains(out, r.Mail) || !strings.Contains(strings.ReplaceAll(out, r.Mail, ""), e.Mail) {
				t.Errorf("held show:\n%s", out)
			}
			w.must(w.Hire(e)) // does not lift it
			if _, says, code := w.Command("held", verdict, ref); code != 2 {
				t.Errorf("held %s without a reason: %d, %s", verdict, code, says)
			}
			w.Do("held", verdict, ref, "--reason", "asked by telephone", "--actor", "anna")
			to, not := employee{Mail: r.Mail}, employee{Mail: e.Mail}
			if verdict == "reject" {
				to, not = not, to
			}
			w.Passcode(to, 1)
			w.PostAs(sourceCanonical, r) // what HR repeats is decided
			if n := len(w.Mailbox.MailsTo(not.Mail)); n != 0 {
				t.Errorf("%d mails to the other address", n)
			}
			if out := w.Do("held", "list"); strings.Contains(out, ref) {
				t.Errorf("held list still has it:\n%s", out)
			}
			trail := w.Audit()
			if !strings.Contains(trail, `"contact.`+verdict) {
				t.Errorf("the audit does not know of it:\n%s", trail)
			}
			if _, _, code := w.Command("held", verdict, ref, "--reason", "once more"); code != 1 {
				t.Errorf("decided twice: %d, want 1", code)
			}
		})
	}

	t.Run("quarantine", func(t *testing.T) {
		w := w.In(t)
		send := func(number, name string) {
			body := fmt.Appendf(nil, `{"number": %q, "first_name": %q, "mail": "%s@example.org", "first_day": "24.12.%d"}`,
				number, name, strings.ToLower(name), time.Now().Year()+1)
			answer := w.MustSend("portal", body, http.Header{"Authorization": {"Bearer " + hookSecret}, "Content-Type": {"application/json"}})
			if !strings.Contains(answer, `"quarantined":1`) {
				t.Errorf("answer %s", answer)
			}
		}
		record := func(at int) string {
			t.Helper()
			lines := strings.Split(strings.TrimSpace(w.Do("quarantine", "list", "--source", "portal")), "\n")
			if len(lines) <= at || !strings.Contains(lines[at], "start_date") {
				t.Fatalf("quarantine list:\n%s", strings.Join(lines, "\n"))
			}
			return strings.Fields(lines[at])[0]
		}
		untold := func() {
			t.Helper()
			if kept := slices.DeleteFunc(filesIn(t, w.cfg.Dir), func(n string) bool { return !strings.HasPrefix(n, "ledger.db") }); len(kept) == 0 {
				t.Error("the ledger is not in the world's folder")
			}
			for _, name := range []string{"Zephyrine", "zephyrine@example.org", "Quillon", "quillon@example.org"} {
				w.Untold(name)
			}
		}
		send("71", "Zephyrine")
		send("71", "Zephyrine") // HR repeats
		first := record(1)
		send("72", "Quillon")
		second := record(2)
		if s := w.Status("portal"); s.Waiting != 2 {
			t.Errorf("status: %+v", s)
		}
		if out := w.Do("quarantine", "show", first); !strings.Contains(out, "Zephyrine") || strings.Contains(out, hookSecret) {
			t.Errorf("show:\n%s", out)
		}
		untold()
		if _, says, code := w.Command("quarantine", "replay", first, "--reason", "it may do now"); code != 1 || !strings.Contains(says, "stay in the quarantine") {
			t.Errorf("replay before anything is mended: %d, %s", code, says)
		}
		w.Absent(w.JoinerID("portal", "71"))
		w.Reconfigure(portal("DD.MM.YYYY"))
		w.Do("quarantine", "replay", first, "--reason", "the mapping is mended")
		id := w.JoinerID("portal", "71")
		if v := w.Starting(id, fmt.Sprintf("%d-12-24", time.Now().Year()+1)); v.Facts.GivenName != "Zephyrine" {
			t.Error("the joiner has other facts than HR sent")
		}
		if got := record(1); got != second {
			t.Errorf("record %s is left, want %s", got, second)
		}
		if _, _, code := w.Command("quarantine", "drop", second); code != 2 {
			t.Errorf("drop without a reason: %d, want 2", code)
		}
		w.Do("quarantine", "drop", second, "--reason", "a test record")
		if out := w.Do("quarantine", "list"); !strings.Contains(out, "empty") {
			t.Errorf("quarantine list:\n%s", out)
		}
		w.Absent(w.JoinerID("portal", "72"))
		untold()
	})
}
