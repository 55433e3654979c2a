package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/client"

	"firstpass.internal/config"
	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// lives are the journeys that don't go to plan, and those of movers, of who lost
// something and of devices, for TestJourneys.
func lives() map[string]life {
	return map[string]life{
		"mover": {
			world: worldOptions{Profile: movesIn(40 * time.Second)},
			play: func(w *testWorld) string {
				r := w.Employed("Sales", entrasim.KindAuthenticator)
				r.Department, r.Effective = "Treasury", w.movesAt()
				w.Post(r)
				id := w.Journey(jml.KindMover)
				if v, err := w.View(id); err != nil || v.Stage != jml.StageScheduled {
					w.t.Errorf("before the day: stage %s, %v", v.Stage, err)
				}
				w.collectAtWork(id)
				w.registered(entrasim.KindFIDO2)
				return id
			},
			outcome: jml.StageCompleted,
			check:   removedKinds(jml.MethodAuthenticator),
			most:    limits{graph: 19, actions: 34, events: 123},
		},
		"mover-has-it": {
			play: func(w *testWorld) string {
				r := w.Employed("Sales", entrasim.KindFIDO2)
				r.Department = "Treasury"
				w.Post(r)
				return w.Journey(jml.KindMover)
			},
			outcome: jml.StageSkipped,
			most:    limits{graph: 6, actions: 4, events: 12},
		},
		// The position changes while the pass is out: another requirement, no
		// other pass.
		"mover-in-joiner": {
			world: worldOptions{Cohort: cohortPickup},
			play: func(w *testWorld) string {
				r := w.Joiner(w.Person, 8*time.Second)
				r.Department = "Sales"
				id := w.Post(r)
				code, _ := w.Collect(w.Person, id, w.Invitation(w.Person, 1))
				r.Department = "Treasury"
				w.Post(r)
				w.WaitFor(id, time.Minute, "another profile", func(v workflows.JourneyView) bool { return v.Profile == cohortPickup })
				s := w.SignIn(w.Person, code)
				w.must(w.Tenant.Register(s, entrasim.Method{Kind: entrasim.KindAuthenticator}))
				w.looks(w.Person)
				if v, err := w.View(id); err != nil || v.Stage != jml.StagePass {
					w.t.Errorf("Authenticator, which does in Sales alone: stage %s, %v", v.Stage, err)
				}
				w.must(w.Tenant.Register(s, entrasim.Method{Kind: entrasim.KindFIDO2}))
				w.Nudge(w.Person)
				w.Result(id)
				w.onePass()
				if w.begun(jml.KindMover) {
					w.t.Error("a mover beside the joiner")
				}
				return id
			},
			outcome: jml.StageCompleted,
		},
		"recovery": {
			play: func(w *testWorld) string {
				w.Employed("Sales", entrasim.KindFIDO2, entrasim.KindPhone)
				w.administers()
				id := w.Recover("--loss", "stolen", "--method", w.method(entrasim.KindFIDO2).ID)
				w.Approve(id)
				code, _ := w.Collect(w.Person, id, w.Invitation(w.Person, 1))
				w.Use(w.Person, code)
				w.Result(id)
				if n := len(w.Tenant.SessionsRevoked(w.User(w.Person).ID)); n != 1 {
					w.t.Errorf("signed out everywhere %d times, want once", n)
				}
				w.registered(entrasim.KindPhone, entrasim.KindFIDO2)
				return id
			},
			outcome: jml.StageCompleted,
			check:   removedKinds(jml.MethodFIDO2),
			most:    limits{graph: 25, actions: 39, events: 133},
		},
		"recovery-refused": {
			play: func(w *testWorld) string {
				w.Employed("Sales", entrasim.KindFIDO2)
				w.administers()
				id := w.Recover("--loss", "lost", "--method", w.method(entrasim.KindFIDO2).ID)
				w.Asked(id)
				w.Do("refuse", id, "--actor", approver, "--reason", "the voice was not hers")
				w.Result(id)
				w.registered(entrasim.KindFIDO2)
				return id
			},
			outcome: jml.StageRefused,
		},
		// No approver may be given less than an hour. So this one is not asked for
		// by the command line.
		"recovery-lapsed": {
			play: func(w *testWorld) string {
				r := w.Employed("Sales", entrasim.KindFIDO2)
				w.administers()
				return w.recoverWithin(r, 4*time.Second)
			},
			outcome: jml.StageLapsed,
		},
		"staging": {
			play: func(w *testWorld) string {
				id := w.Stage("1h")
				w.Approve(id)
				code, _ := w.Collect(w.Person, id, w.StagingInvitation(1))
				w.SignIn(w.Person, code)
				w.must(w.Tenant.Register(w.SignIn(w.Person, code), entrasim.Method{Kind: entrasim.KindAuthenticator}))
				w.Do("device-done", id, "--reason", "handed over", "--actor", operator)
				w.registered()
				return id
			},
			outcome: jml.StageCompleted,
			check:   removedKinds(jml.MethodAuthenticator),
			most:    limits{graph: 23, actions: 33, events: 123},
		},
		"staging-window": {
			play: func(w *testWorld) string {
				id := w.Stage("1m")
				w.Approve(id)
				code, _ := w.Collect(w.Person, id, w.StagingInvitation(1))
				w.must(w.Tenant.Register(w.SignIn(w.Person, code), entrasim.Method{Kind: entrasim.KindAuthenticator}))
				w.Result(id)
				w.registered()
				return id
			},
			outcome: jml.StageTimedOut,
			check:   removedKinds(jml.MethodAuthenticator),
		},
		"staging-lapsed": {
			play: func(w *testWorld) string {
				id := w.Stage("1m")
				w.mail(securityMail, "yes or no")
				return id
			},
			outcome: jml.StageLapsed,
		},
		"staging-left": {
			play: func(w *testWorld) string {
				id := w.Stage("1h")
				w.Approve(id)
				code, _ := w.Collect(w.Person, id, w.StagingInvitation(1))
				w.must(w.Tenant.Register(w.SignIn(w.Person, code), entrasim.Method{Kind: entrasim.KindAuthenticator}))
				r := w.Joiner(w.Person, -longAgo)
				r.Left = true
				w.Post(r)
				w.Result(id)
				w.registered()
				return id
			},
			outcome: jml.StageCancelled,
			check:   removedKinds(jml.MethodAuthenticator),
			most:    limits{graph: 22, actions: 36, events: 133},
		},
		"rehire": {
			play: func(w *testWorld) string {
				id := w.comesBack(12 * time.Second)
				w.collectAndUse(id, 1)
				w.Result(id)
				w.registered(entrasim.KindFIDO2)
				return id
			},
			outcome: jml.StageCompleted,
			check:   removedKinds(jml.MethodFIDO2),
			most:    limits{graph: 18, actions: 33, events: 115},
		},
		"rehire-kept": {
			world:   worldOptions{Settings: instead("remove: older", "remove: none")},
			play:    func(w *testWorld) string { return w.comesBack(time.Hour) },
			outcome: jml.StageSkipped,
			check:   removedKinds(),
		},
		"rescinded-used": {
			world: worldOptions{Cohort: cohortPickup},
			play: func(w *testWorld) string {
				r := w.Joiner(w.Person, 5*time.Second)
				id := w.Post(r)
				code, _ := w.Collect(w.Person, id, w.Invitation(w.Person, 1))
				s := w.SignIn(w.Person, code)
				r.Withdrawn = true
				w.Post(r)
				w.Result(id)
				if _, err := w.Tenant.Register(s, entrasim.Method{Kind: entrasim.KindFIDO2}); !errors.Is(err, entrasim.RefusedSessionEnded) {
					w.t.Errorf("registering in the session: %v", err)
				}
				w.mail(deskMail, "needs you|used")
				return id
			},
			outcome: jml.StageCancelled,
			check:   passGone(true),
			most:    limits{graph: 15, actions: 33, events: 121},
		},
		"no-show": {
			world: worldOptions{Profile: func(p *profileSettings) { p.Timeout = 6 * time.Second }},
			play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, 3*time.Second))
				w.mail(boss().Mail, "did not happen in time")
				w.mail(hrMail, "did not happen in time")
				return id
			},
			outcome: jml.StageTimedOut,
			check:   passGone(false),
			most:    limits{graph: 15, actions: 29, events: 93},
		},
		"moved-after-handover": {
			play: func(w *testWorld) string {
				w.Post(w.Joiner(w.Person, time.Hour))
				old := w.Passcode(w.Person, 1)
				w.Post(w.Joiner(w.Person, 30*24*time.Hour))
				w.mail(w.Person.Mail, "has moved")
				if _, err := w.Tenant.SignIn(w.Person.UPN, old); !errors.Is(err, entrasim.RefusedDeleted) {
					w.t.Errorf("sign-in with what was handed over: %v", err)
				}
				w.must(nil, w.noLivePass())
				id := w.Post(w.Joiner(w.Person, 5*time.Second))
				w.Use(w.Person, w.Passcode(w.Person, 3)) // the second mail says that the start has moved
				return id
			},
			outcome: jml.StageCompleted,
			most:    limits{graph: 20, actions: 43, events: 148},
		},
		"moved-earlier": {
			world: worldOptions{Cohort: cohortPickup},
			play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, 24*time.Hour))
				old, _ := w.Collect(w.Person, id, w.Invitation(w.Person, 1))
				w.Post(w.Joiner(w.Person, 15*time.Second))
				code, _ := w.Collect(w.Person, id, w.Invitation(w.Person, 2))
				if _, err := w.Tenant.SignIn(w.Person.UPN, old); !errors.Is(err, entrasim.RefusedDeleted) {
					w.t.Errorf("sign-in with what was handed over: %v", err)
				}
				w.Use(w.Person, code)
				return id
			},
			outcome: jml.StageCompleted,
		},
		"late-ask": {
			world: worldOptions{Settings: with("send", "late: ask", "approval: {within: 4h, to: [{channel: mail, recipient: desk, desk: security}]}")},
			play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, -time.Hour))
				w.mail(securityMail, "yes or no")
				w.Approve(id)
				w.Use(w.Person, w.Passcode(w.Person, 1))
				return id
			},
			outcome: jml.StageCompleted,
		},
		"late-block": {
			world: worldOptions{Settings: with("send", "late: block")},
			play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, -time.Hour))
				w.Blocked(id, jml.ReasonLateHire)
				w.Post(w.Joiner(w.Person, 5*time.Second))
				w.Use(w.Person, w.Passcode(w.Person, 1))
				return id
			},
			outcome: jml.StageCompleted,
		},
		// HR gives another id: the journey is the same.
		"renumbered": {
			play: func(w *testWorld) string {
				r := w.Joiner(w.Person, 30*24*time.Hour)
				id := w.PostAs(sourceCanonical, r)
				old := w.Person
				w.must(w.Tenant.UpdateUser(w.User(old).ID, func(u *entrasim.User) { u.EmployeeID = "7001" }))
				w.Person.ID = "7001"
				w.renumber(old.ID, w.Joiner(w.Person, 5*time.Second))
				w.Onboard(w.Person)
				w.Nudge(w.Person)
				if _, err := w.View(w.JoinerID(sourceCanonical, w.Person.ID)); err == nil {
					w.t.Error("a second joiner under the new id")
				}
				return id
			},
			outcome: jml.StageCompleted,
		},
		// IT deletes the account and makes it anew while the pass is out.
		"recreated": {
			play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, 3*time.Second))
				w.Passcode(w.Person, 1)
				w.must(nil, w.Tenant.RemoveUser(w.User(w.Person).ID))
				w.must(w.Hire(w.Person))
				w.Use(w.Person, w.Passcode(w.Person, 2))
				return id
			},
			outcome: jml.StageCompleted,
		},
		// The device asks again after hours, and the pass has expired: another one,
		// without anybody asking.
		"expired-reissued": func() life {
			soon, o := shortPass("send", "unfinished: reissue", "reissues: 2")
			o.Profile = changed(o.Profile, func(p *profileSettings) { p.OneTime = false })
			return life{world: o, play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, -time.Minute))
				code := w.Passcode(w.Person, 1)
				soon.catchUp()
				w.SignIn(w.Person, code)
				w.Use(w.Person, w.Passcode(w.Person, 2))
				return id
			}, outcome: jml.StageCompleted}
		}(),
		// Signed in, registered nothing: the employee hears how to get another one,
		// and does.
		"used-up": func() life {
			soon, o := shortPass(cohortPickup)
			o.Cohort = cohortPickup
			return life{world: o, play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, -time.Minute))
				i := w.Invitation(w.Person, 1)
				code, v := w.Collect(w.Person, id, i)
				soon.catchUp()
				w.SignIn(w.Person, code)
				w.mail(w.Person.Mail, "sign-in pass|another|pass")
				w.mail(deskMail, ".")
				w.must(nil, v.Again(w.t.Context(), i))
				w.collectAndUse(id, 2)
				return id
			}, outcome: jml.StageCompleted}
		}(),
		"registered-early": {
			play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, 5*time.Second))
				w.Passcode(w.Person, 1)
				now := time.Now().UTC()
				w.must(w.Tenant.AddMethod(w.User(w.Person).ID, entrasim.Method{Kind: entrasim.KindFIDO2, Created: &now}))
				return id
			},
			outcome: jml.StageSkipped,
		},
		// The rule asks about the Entra user, whom nobody knows when HR tells.
		"rules": {
			world: worldOptions{Settings: instead("\nprofiles:\n", `
profiles:
  lab:
    when: user.department == "Research"
    mode: send
    pass_to: [{channel: mail, recipient: personal_mail}]
    lead_time: 24h
    lifetime: 1h
    complete_on: [microsoftAuthenticator]
    settle: 1s
    poll: [2s]
`)},
			play: func(w *testWorld) string {
				w.must(w.Tenant.UpdateUser(w.User(w.Person).ID, func(u *entrasim.User) { u.Department = "Research" }))
				id := w.Post(w.Joiner(w.Person, 4*time.Second))
				s := w.SignIn(w.Person, w.Passcode(w.Person, 1))
				if v, err := w.View(id); err != nil || v.Profile != "lab" {
					w.t.Errorf("profile %s, want lab; %v", v.Profile, err)
				}
				w.must(w.Tenant.Register(s, entrasim.Method{Kind: entrasim.KindAuthenticator}))
				w.Nudge(w.Person)
				return id
			},
			outcome: jml.StageCompleted,
		},
		// Two systems know this employee, and neither lets the other's word stand.
		"contradicted": {
			world: worldOptions{
				Profile:  func(p *profileSettings) { p.LeadTime = 0 },
				Settings: instead("  - name: canonical\n", "  - name: canonical\n    employees_of: bamboohr\n"),
			},
			play: func(w *testWorld) string {
				one, other := w.Joiner(w.Person, 16*time.Second), w.Joiner(w.Person, 18*time.Second)
				id := w.Post(one)
				w.PostAs(sourceCanonical, other)
				// BambooHR's time of a delivery has no fractions of a second: what it
				// says again within one would be older than what the other said.
				w.PostLater(sourceBambooHR, one, time.Second)
				w.PostLater(sourceCanonical, other, 2*time.Second)
				w.Blocked(id, jml.ReasonFactsContradict)
				w.must(nil, w.noLivePass())
				w.Do("held", "approve", workflows.RefOf(id), "--reason", "asked HR")
				w.Use(w.Person, w.Passcode(w.Person, 1))
				return id
			},
			outcome: jml.StageCompleted,
		},
		// A journey keeps the profile that it began with, whatever becomes of the
		// configuration.
		"profile-removed": func() life {
			var removed atomic.Bool
			return life{
				world: worldOptions{Settings: func(yaml string) string {
					if !removed.Load() {
						return yaml
					}
					return regexp.MustCompile(`(?s)\n  `+profileOffice+`:\n.*?\n\n`).ReplaceAllString(yaml, "\n")
				}},
				play: func(w *testWorld) string {
					r := w.Joiner(w.Person, 30*24*time.Hour)
					r.Department = "Sales"
					id := w.Post(r)
					removed.Store(true)
					w.Reconfigure("")
					// What runs can be listed a moment later.
					w.Eventually(time.Minute, "firstpass check tells of a profile that is gone", func() error {
						if out, says, _ := w.Command("check"); !strings.Contains(out+says, "they go on by the copy they have") {
							return errors.New(out + says)
						}
						return nil
					})
					r.Start = time.Now().Add(10 * time.Second).Truncate(time.Second)
					w.Post(r)
					code, _ := w.Collect(w.Person, id, w.Invitation(w.Person, 1))
					w.must(w.Tenant.Register(w.SignIn(w.Person, code), entrasim.Method{Kind: entrasim.KindAuthenticator}))
					w.Nudge(w.Person)
					return id
				},
				outcome: jml.StageCompleted,
			}
		}(),
		// No rule is for this one, until the configuration is mended.
		"no-profile": func() life {
			var mended atomic.Bool
			return life{
				world: worldOptions{Settings: func(yaml string) string {
					if mended.Load() {
						return yaml
					}
					return instead("    profile: send\n", "    profile: \"\"\n")(yaml)
				}},
				play: func(w *testWorld) string {
					id := w.Post(w.Joiner(w.Person, 20*time.Second))
					w.Blocked(id, jml.ReasonProfileMissing)
					mended.Store(true)
					w.Reconfigure("")
					w.Do("nudge", workflows.RefOf(id), "--reason", "the employee waits")
					w.Use(w.Person, w.Passcode(w.Person, 1))
					return id
				},
				outcome: jml.StageCompleted,
			}
		}(),
	}
}

// Journey is the workflow ID of a journey of w.Person.
func (w *testWorld) Journey(kind jml.Kind) string {
	w.t.Helper()
	id, err := w.JourneyID(kind, sourceBambooHR, w.Person.ID)
	w.must(nil, err)
	return id
}

// begun reports whether there ever was a journey of a kind of w.Person.
func (w *testWorld) begun(kind jml.Kind) bool {
	w.t.Helper()
	_, err := w.Client.DescribeWorkflowExecution(w.t.Context(), w.Journey(kind), "")
	return err == nil
}

// Employed makes w.Person somebody who has worked here for years, with methods as
// old and a mailbox of ours. What that cost is not counted.
func (w *testWorld) Employed(department string, has ...entrasim.MethodKind) record {
	w.t.Helper()
	user := w.User(w.Person)
	w.must(w.Tenant.UpdateUser(user.ID, func(u *entrasim.User) { u.Mail = u.UPN }))
	long := time.Now().Add(-longAgo).UTC()
	for _, kind := range has {
		m := entrasim.Method{Kind: kind, Created: &long}
		if kind == entrasim.KindPhone {
			m.PhoneNumber = w.Person.Phone
		}
		w.must(w.Tenant.AddMethod(user.ID, m))
	}
	r := w.Joiner(w.Person, -longAgo)
	r.Department = department
	w.Post(r)
	w.CountAnew()
	return r
}

// administers gives w.Person a directory role.
func (w *testWorld) administers() {
	w.t.Helper()
	w.must(w.Tenant.AddRoleAssignment(entrasim.RoleAssignment{PrincipalID: w.User(w.Person).ID, RoleName: "User Administrator"}))
}

// method is what w.Person has registered of a kind.
func (w *testWorld) method(kind entrasim.MethodKind) entrasim.Method {
	w.t.Helper()
	for _, m := range w.Tenant.Methods(w.User(w.Person).ID) {
		if m.Kind == kind {
			return m
		}
	}
	w.t.Fatalf("no %s is registered", kind)
	return entrasim.Method{}
}

// registered waits until w.Person has methods of these kinds, and no other.
func (w *testWorld) registered(kinds ...entrasim.MethodKind) {
	w.t.Helper()
	var want []entrasim.Method
	for _, k := range kinds {
		want = append(want, entrasim.Method{Kind: k})
	}
	w.Eventually(time.Minute, "the methods", func() error {
		if got := kindsOf(w.Tenant.Methods(w.User(w.Person).ID)); got != kindsOf(want) {
			return fmt.Errorf("%s, want %s", got, kindsOf(want))
		}
		return nil
	})
}

// recovery asks for one, on the command line.
func (w *testWorld) recovery(args ...string) (out, says string, code int) {
	w.t.Helper()
	return w.Command(append([]string{"recover", "--source", sourceBambooHR, "--employee-id", w.Person.ID,
		"--verified", "callback", "--ticket", "INC-4711", "--actor", operator}, args...)...)
}

// Recover asks for a recovery of w.Person.
func (w *testWorld) Recover(args ...string) (id string) {
	w.t.Helper()
	if _, says, code := w.recovery(args...); code != 0 {
		w.t.Fatalf("recover: exit status %d\n%s", code, says)
	}
	return w.Journey(jml.KindRecovery)
}

// recoverWithin begins a recovery whose approver has less time than the
// configuration lets anybody have.
func (w *testWorld) recoverWithin(r record, within time.Duration) (id string) {
	w.t.Helper()
	cfg, err := config.Load(w.Settings(), os.Getenv)
	w.must(nil, err)
	profile := cfg.Profile(profileRecovery)
	profile.Approval.Within = within
	facts := w.snapshot(r)
	id = w.Journey(jml.KindRecovery)
	_, err = w.Client.ExecuteWorkflow(w.t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: workflows.TaskQueue}, workflows.TypeRecovery,
		workflows.JourneyInput{Kind: jml.KindRecovery, Ref: workflows.RefOf(id), Source: sourceBambooHR, Profile: profile, Facts: &facts, Request: &jml.Request{
			ID: "test", Actor: operator, For: jml.RequesterOperator, At: time.Now().UTC(), Ticket: "INC-4711", Verified: "callback", Loss: jml.LossBroken,
		}})
	w.must(nil, err)
	return id
}

// Stage asks for a device of w.Person to be set up, by a technician whom the
// tenant then has.
func (w *testWorld) Stage(window string) (id string) {
	w.t.Helper()
	w.must(w.Tenant.AddUser(technician()))
	w.Employed("Sales")
	return w.stage(window)
}

func (w *testWorld) stage(window string) (id string) {
	w.t.Helper()
	w.Do("stage-device", "--source", sourceBambooHR, "--employee-id", w.Person.ID, "--technician", technician().UPN,
		"--device", "SN-20417", "--window", window, "--ticket", "REQ-1180", "--actor", operator)
	return w.Journey(jml.KindStaging)
}

// Asked waits until somebody's yes is waited for.
func (w *testWorld) Asked(id string) workflows.JourneyView {
	w.t.Helper()
	return w.WaitFor(id, time.Minute, "asked for approval", func(v workflows.JourneyView) bool { return v.Stage == jml.StageApproval })
}

// Approve does, once it is asked for.
func (w *testWorld) Approve(id string) {
	w.t.Helper()
	w.Asked(id)
	w.Do("approve", id, "--actor", approver, "--reason", "spoke to the team lead")
}

// StagingInvitation waits for the technician's n-th link and code (from 1).
func (w *testWorld) StagingInvitation(n int) invitation {
	w.t.Helper()
	i := invitation{Token: w.Link(technician().Mail, linkCollect, n), Code: w.Code(technician().MobilePhone, n)}
	w.Invited(w.Person)
	return i
}

// workInvitation waits for a link in the work mailbox, and its code.
func (w *testWorld) workInvitation() invitation {
	w.t.Helper()
	i := invitation{Token: w.Link(w.Person.UPN, linkCollect, 1), Code: w.Code(w.Person.Phone, 1)}
	w.Invited(w.Person)
	return i
}

// collectAtWork goes the whole way with it.
func (w *testWorld) collectAtWork(id string) {
	w.t.Helper()
	code, _ := w.Collect(w.Person, id, w.workInvitation())
	w.Use(w.Person, code)
}

// comesBack is the joiner of somebody who was here years ago, whose key is still
// registered.
func (w *testWorld) comesBack(in time.Duration) (id string) {
	w.t.Helper()
	r := w.Employed("Sales", entrasim.KindFIDO2)
	r.Left = true
	w.Post(r)
	w.CountAnew()
	r = w.Joiner(w.Person, in)
	r.Department = "Sales"
	return w.Post(r)
}

// looks has the pass look, and waits until it has.
func (w *testWorld) looks(e employee) {
	w.t.Helper()
	before, err := w.PassView(e)
	w.must(nil, err)
	w.Nudge(e)
	w.Eventually(time.Minute, "another look", func() error {
		v, err := w.PassView(e)
		if err == nil && v.Looks < before.Looks+2 { // the first may have been under way
			err = fmt.Errorf("%d looks", v.Looks)
		}
		return err
	})
}

// onePass fails the test unless w.Person had one pass in all.
func (w *testWorld) onePass() {
	w.t.Helper()
	made := 0
	for _, e := range w.Tenant.PassEvents() {
		if e.UserID == w.User(w.Person).ID && e.Kind == entrasim.PassCreated {
			made++
		}
	}
	if made != 1 {
		w.t.Errorf("%d passes, want 1", made)
	}
}

// mail waits for a mail to an address whose subject matches, and which holds
// nothing secret.
func (w *testWorld) mail(to, subject string) {
	w.t.Helper()
	expr := regexp.MustCompile(subject)
	w.Eventually(time.Minute, "a mail to "+to, func() error {
		var seen []string
		for _, m := range w.Mailbox.MailsTo(to) {
			if linkIn(m.Text, linkCollect) != "" || secretIn(m, "code") != "" {
				continue
			}
			if _, err := passcodeIn(m); err != nil && expr.MatchString(m.Subject) {
				return nil
			}
			seen = append(seen, m.Subject)
		}
		return fmt.Errorf("none with %q among %q", subject, seen)
	})
}

// snapshot is what the canonical source says of r.
func (w *testWorld) snapshot(r record) (s jml.Snapshot) {
	w.t.Helper()
	body, err := canonicalBody(r, time.Now())
	w.must(nil, err)
	w.must(nil, json.Unmarshal(body, &s))
	return s
}

// renumber has the canonical source tell of an employee who had another id.
func (w *testWorld) renumber(from string, r record) {
	w.t.Helper()
	s := w.snapshot(r)
	s.PreviousID = from
	body, err := json.Marshal(s)
	w.must(nil, err)
	header, err := standardHeader(w.Keys.Canonical, rand.Text(), body, time.Now())
	w.must(nil, err)
	w.MustSend(sourceCanonical, body, header)
}

// removedKinds checks what a journey says that it removed.
func removedKinds(kinds ...jml.MethodKind) func(workflows.JourneyResult) error {
	return func(r workflows.JourneyResult) error {
		var got []jml.MethodKind
		for _, m := range r.Removed {
			got = append(got, m.Kind)
		}
		if fmt.Sprint(got) != fmt.Sprint(kinds) {
			return fmt.Errorf("removed %s, want %s", got, kinds)
		}
		return nil
	}
}

// passGone checks that a pass was proved gone, registered nothing, and whether
// somebody had signed in with it.
func passGone(used bool) func(workflows.JourneyResult) error {
	return func(r workflows.JourneyResult) error {
		if r.Pass == nil || r.Pass.Revoked == nil || r.Pass.Registered != nil && !used || (r.Pass.Use == jml.UseYes) != used {
			return fmt.Errorf("pass %+v", r.Pass)
		}
		return nil
	}
}

// movesIn has new positions take effect at a time of day that is soon.
func movesIn(ahead time.Duration) func(*profileSettings) {
	return func(p *profileSettings) {
		if zone, err := jml.LoadZone(offices()[0].Zone); err == nil {
			_, p.MoversAt = civil(time.Now().Add(ahead).In(zone))
		}
	}
}

// movesAt is when that is.
func (w *testWorld) movesAt() time.Time {
	w.t.Helper()
	zone, err := jml.LoadZone(offices()[0].Zone)
	w.must(nil, err)
	c := w.cfg.Profile.MoversAt
	now := time.Now().In(zone)
	at := time.Date(now.Year(), now.Month(), now.Day(), c.Hour, c.Minute, c.Second, 0, zone)
	if at.Before(now.Add(-12 * time.Hour)) {
		at = at.AddDate(0, 0, 1)
	}
	return at
}

// changed does one after the other.
func changed(all ...func(*profileSettings)) func(*profileSettings) {
	return func(p *profileSettings) {
		for _, change := range all {
			if change != nil {
				change(p)
			}
		}
	}
}

// instead replaces text of firstpass.yaml.
func instead(old, with string) func(string) string {
	return func(yaml string) string { return strings.ReplaceAll(yaml, old, with) }
}

// with adds keys to a profile, in place of those that it has.
func with(profile string, lines ...string) func(string) string {
	return func(yaml string) string {
		head, rest, _ := strings.Cut(yaml, "\n  "+profile+":\n    mode:")
		body, tail, _ := strings.Cut(rest, "\n\n")
		for _, line := range lines {
			key, _, _ := strings.Cut(line, ":")
			body = regexp.MustCompile(`(?m)\n    `+key+`:.*$`).ReplaceAllString(body, "")
			body += "\n    " + line
		}
		return head + "\n  " + profile + ":\n    mode:" + body + "\n\n" + tail
	}
}

// lateClock is a tenant's clock that lags, until it has caught up.
type lateClock struct{ behind atomic.Int64 }

func (c *lateClock) Now() time.Time { return time.Now().Add(-time.Duration(c.behind.Load())) }
func (c *lateClock) catchUp()       { c.behind.Store(0) }

// shortPass is a world whose first pass lives half a minute, though no tenant
// makes one for less than ten: its clock lags when that is made.
func shortPass(profile string, keys ...string) (*lateClock, worldOptions) {
	const shortest = 10 * time.Minute
	c := &lateClock{}
	c.behind.Store(int64(shortest - 30*time.Second))
	return c, worldOptions{
		Settings: with(profile, keys...),
		Profile:  func(p *profileSettings) { p.Lifetime = shortest },
		Tenant: func(t *entrasim.Config) {
			policy := entrasim.DefaultPassPolicy()
			policy.MinimumLifetimeInMinutes, policy.DefaultLifetimeInMinutes = int(shortest/time.Minute), int(shortest/time.Minute)
			t.Now, t.Policy = c.Now, &policy
		},
	}
}
