package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"firstpass.internal/internal/codec"
	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// TestJourneyScripts runs the terminal sessions about journeys that are under
// way, against a tenant and a Temporal in which they stand still.
func TestJourneyScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/journeys", Setup: func(e *testscript.Env) error {
		return newScene(t, e)
	}})
}

// scene is what the scripts find.
type scene struct {
	dir    string
	tenant *entrasim.Tenant
	hall   *hall
	refs   intake.Refs
	env    *testscript.Env
}

// newScene sets the scene for one script:
//
//	$ADA   a joiner that is scheduled; her account is there
//	$BEN   a staging that waits for approval, asked for by olga
//	$CLEO  a joiner with a pass and a recovery that waits for approval
//	$DORA  a staging under way, whose technician has registered a passkey
//	$EVE   a joiner that has ended
//	$FIN   a staging whose request has lapsed
//	$GIL   a staging that nina has refused just now
//	$HAL   a joiner that is scheduled, and due soon; there is no account
//	$IDA   a joiner that is scheduled, and due in a month; there is no account
//	$JAN   a joiner that is scheduled, by a profile that is gone; his account is disabled
//	$KIT   a staging that waits, and that rita approves just before anybody else
//	$LEO   a recovery and a staging that wait for approval
//	$MIA   a staging that no worker answers for
//	$NED   a joiner whom nina holds just before anybody else
//	$OLE   a joiner in Aarhus who is invited by sms
//	$PIA   a joiner who is blocked, as HR has no address
//	$QUI   a joiner who is blocked, in a site of an odd name
func newScene(t *testing.T, e *testscript.Env, options ...func(*entrasim.Config)) error {
	s := &scene{dir: e.WorkDir, env: e}
	s.tenant = entrasimtest.Start(t, options...)
	e.Values["tenant"] = s.tenant
	ring, err := codec.NewKeyring(time.Now())
	if err != nil {
		return err
	}
	if err := ring.Save(filepath.Join(s.dir, "keyring.json")); err != nil {
		return err
	}
	const key = "0123456789abcdef0123456789abcdef"
	if s.refs, err = intake.NewRefs([]byte(key)); err != nil {
		return err
	}
	for name, text := range map[string]string{"refs-key": key, "pickup-key": base64.StdEncoding.EncodeToString([]byte(key)), "secret": s.tenant.ClientSecret(), "ca.pem": string(s.tenant.CAPEM())} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	s.hall = newHall(t, ring)
	e.Setenv("FIRSTPASS_TEMPORAL__ADDRESS", startTemporal(t, s.hall))
	e.Setenv("FIRSTPASS_GRAPH__ENDPOINT", s.tenant.URL())
	e.Setenv("FIRSTPASS_GRAPH__AUTHORITY", s.tenant.URL())
	e.Setenv("FIRSTPASS_GRAPH__TENANT_ID", s.tenant.TenantID())
	e.Setenv("FIRSTPASS_GRAPH__CLIENT_ID", s.tenant.ClientID())
	config, err := os.ReadFile("testdata/journeys.yaml")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, "firstpass.yaml"), config, 0o600); err != nil {
		return err
	}
	e.Setenv("SOON", time.Now().AddDate(0, 1, 0).Format(time.DateOnly))
	return s.people(t)
}

// people fills the scene.
func (s *scene) people(t *testing.T) error {
	now := time.Now().UTC().Truncate(time.Second)
	open := jml.Approval{AskedAt: now.Add(-time.Hour), Until: now.Add(23 * time.Hour)}
	lapsed := jml.Approval{AskedAt: now.Add(-48 * time.Hour), Until: now.Add(-24 * time.Hour)}
	decided := open
	decided.Decided, decided.By, decided.Reason = now.Add(-time.Minute), "nina", "no such device"
	asked := func(r jml.Request) *jml.Request {
		r.ID, r.Actor, r.For, r.At, r.Ticket = "r", "olga", jml.RequesterOperator, now.Add(-time.Hour), "T-1001"
		return &r
	}
	device := func() *jml.Request {
		return asked(jml.Request{Technician: jml.User{ID: "t", UPN: "sam@firstpass.example"}, Device: "LAP-0007", Until: now.Add(3 * time.Hour)})
	}

	ada := s.user(t, "ada", "1001")
	s.put(jml.KindJoiner, "ada", "1001", jml.StageScheduled).on = steered
	s.method(t, ada.ID, entrasim.Method{ID: "key-of-ada", Kind: entrasim.KindFIDO2, AAGUID: "de1e552d-db1d-4423-a619-566b625cdc84", Created: &now})
	s.method(t, ada.ID, entrasim.Method{Kind: entrasim.KindPhone, PhoneNumber: "+45 5550 0177"})

	ben := s.put(jml.KindStaging, "ben", "1002", jml.StageApproval)
	ben.view.Request, ben.view.Approval, ben.on = device(), &open, decides

	live := s.put(jml.KindJoiner, "cleo", "1003", jml.StagePass)
	live.view.PassID, live.pass = "pass/cleo", &workflows.PassView{Stage: jml.StageWaiting, Issued: &workflows.IssueResult{}}
	cleo := s.put(jml.KindRecovery, "cleo", "1003", jml.StageApproval)
	waits := open
	cleo.view.Request, cleo.view.Approval, cleo.on = asked(jml.Request{Loss: jml.LossStolen, Verified: "video", EndSessions: true}), &waits, decides

	dora := s.user(t, "dora", "1004")
	s.method(t, dora.ID, entrasim.Method{ID: "key-of-sam", Kind: entrasim.KindFIDO2, AAGUID: "de1e552d-db1d-4423-a619-566b625cdc84", Created: &now})
	staging := s.put(jml.KindStaging, "dora", "1004", jml.StagePass)
	staging.view.User, staging.view.FirstSeen, staging.view.Request = &jml.User{ID: dora.ID}, now.Add(-time.Hour), device()
	removed := jml.Method{ID: "key-of-sam", Kind: jml.MethodFIDO2, CreatedAt: now}
	staging.on = func(st *standing, update string, in func(any)) (any, error) {
		if !s.keeps() {
			if err := s.tenant.RemoveMethod(dora.ID, "key-of-sam"); err != nil {
				return nil, err
			}
			return done(removed)(st, update, in)
		}
		return done()(st, update, in)
	}

	eve := s.put(jml.KindJoiner, "eve", "1005", jml.StageCompleted)
	eve.result = &workflows.JourneyResult{Outcome: jml.StageCompleted, Facts: eve.view.Facts}

	fin := s.put(jml.KindStaging, "fin", "1006", jml.StageApproval)
	fin.view.Request, fin.view.Approval, fin.on = device(), &lapsed, decides

	gil := s.put(jml.KindStaging, "gil", "1007", jml.StageApproval)
	gil.view.Request, gil.view.Approval, gil.on = device(), &decided, decides

	s.put(jml.KindJoiner, "hal", "1008", jml.StageScheduled)
	s.put(jml.KindJoiner, "ida", "1010", jml.StageScheduled).view.IssueAt = now.Add(30 * 24 * time.Hour)
	s.put(jml.KindJoiner, "jan", "1011", jml.StageScheduled).view.Profile = "retired"
	s.disable(t, s.user(t, "jan", "1011"))
	s.user(t, "sam", "")
	s.disable(t, s.user(t, "tom", ""))

	kit, leo, mia := open, open, open
	race := s.put(jml.KindStaging, "kit", "1012", jml.StageApproval)
	race.view.Request, race.view.Approval = device(), &kit
	race.on = func(st *standing, update string, in func(any)) (any, error) {
		kit.Decided, kit.By, kit.Approved = now, "rita", true
		return decides(st, update, in)
	}
	for _, kind := range []jml.Kind{jml.KindRecovery, jml.KindStaging} {
		both := s.put(kind, "leo", "1013", jml.StageApproval)
		both.view.Request, both.view.Approval, both.on = device(), &leo, decides
	}
	ned := s.put(jml.KindJoiner, "ned", "1015", jml.StageScheduled)
	ned.view.Version, ned.on = 4, func(st *standing, _ string, _ func(any)) (any, error) {
		st.view.Version++
		return nil, errors.New(workflows.Quicker + " it is another one now")
	}
	ole := s.put(jml.KindJoiner, "ole", "1016", jml.StagePass)
	ole.view.Facts.Site, ole.view.PassID, ole.channel = "Aarhus", "pass/ole", "sms"
	ole.pass = &workflows.PassView{Stage: jml.StageInvited}
	pia := s.put(jml.KindJoiner, "pia", "1017", jml.StageBlocked)
	pia.view.Block = jml.Blocked(jml.ReasonNoRecipient, "")
	qui := s.put(jml.KindJoiner, "qui", "1018", jml.StageBlocked)
	qui.view.Block, qui.view.Facts.Site = jml.Blocked(jml.ReasonUserNotFound, ""), "Lyon\x1b[31m"

	silent := s.put(jml.KindStaging, "mia", "1014", jml.StageApproval)
	silent.view.Approval, silent.silent = &mia, true
	return nil
}

// keeps reports whether the script wants what the technician registered to
// stay, as where a permission is missing.
func (s *scene) keeps() bool {
	_, err := os.Stat(filepath.Join(s.dir, "keep"))
	return err == nil
}

func (s *scene) method(t *testing.T, userID string, m entrasim.Method) {
	t.Helper()
	if _, err := s.tenant.AddMethod(userID, m); err != nil {
		t.Fatal(err)
	}
}

func (s *scene) user(t *testing.T, who, id string) entrasim.User {
	t.Helper()
	return entrasimtest.User(t, s.tenant, entrasim.User{EmployeeID: id, UPN: who + "@firstpass.example"})
}

func (s *scene) disable(t *testing.T, u entrasim.User) {
	t.Helper()
	if _, err := s.tenant.UpdateUser(u.ID, func(u *entrasim.User) { u.Disabled = true }); err != nil {
		t.Fatal(err)
	}
}

// put adds a journey and tells the script its reference.
func (s *scene) put(kind jml.Kind, who, id string, stage jml.Stage) *standing {
	now := time.Now().UTC().Truncate(time.Second)
	ref := s.refs.Ref("hr", id)
	s.env.Setenv(strings.ToUpper(who), ref)
	return s.hall.put(&standing{view: workflows.JourneyView{
		Kind: kind, Ref: ref, Source: "hr", Profile: "default", Stage: stage, FirstSeen: now.Add(-time.Hour),
		Start: now.Add(72 * time.Hour), IssueAt: now.Add(48 * time.Hour), Deadline: now.Add(30 * 24 * time.Hour),
		Facts: jml.Snapshot{
			EmployeeID: id, Status: jml.StatusScheduled, StartDate: jml.Date{Year: 2099, Month: 1, Day: 2}, Zone: "Europe/Copenhagen",
			GivenName: strings.ToUpper(who[:1]) + who[1:], FamilyName: "Vale", PersonalMail: fmt.Sprintf("%s@example.org", who), ObservedAt: now,
		},
	}})
}
