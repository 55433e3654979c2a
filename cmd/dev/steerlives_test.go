package main

import (
	"net/http"
	"slices"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// steeredLives are journeys in which an operator has a hand, by the API.
func steeredLives() map[string]life {
	scheduled := func(w *testWorld) (id string, ines *colleague) {
		id = w.Post(w.Joiner(w.Person, 30*24*time.Hour))
		w.WaitFor(id, time.Minute, "scheduled", func(v workflows.JourneyView) bool { return v.Stage == jml.StageScheduled })
		return id, w.As(opsOperator)
	}
	return map[string]life{
		"held": {
			play: func(w *testWorld) string {
				id, ines := scheduled(w)
				ines.Act(id, act{"verb": "hold", "reason": "the identity check is open"})
				w.Post(w.Joiner(w.Person, 5*time.Second))
				w.Blocked(id, jml.ReasonHeld)
				ines.Act(id, act{"verb": "resume", "reason": "the check is done"})
				w.Onboard(w.Person)
				w.Nudge(w.Person)
				return id
			},
			outcome: jml.StageCompleted,
		},
		"moved-by-operator": {
			play: func(w *testWorld) string {
				id, ines := scheduled(w)
				date, clock := civil(time.Now().Add(6 * time.Second).In(w.Joiner(w.Person, 0).zone()))
				ines.Act(id, act{"verb": "move", "reason": "she can begin today", "start": date.String(), "hour": clock.String()})
				w.Onboard(w.Person)
				w.Nudge(w.Person)
				return id
			},
			outcome: jml.StageCompleted,
		},
		"linked": {
			world: worldOptions{People: firstPeople()[1:2]}, // somebody else
			play: func(w *testWorld) string {
				w.Person = firstPeople()[0]
				id := w.Post(w.Joiner(w.Person, 5*time.Second))
				w.Blocked(id, jml.ReasonUserNotFound)
				u := w.Person.user()
				u.EmployeeID = "elsewhere"
				made, err := w.Tenant.AddUser(u)
				w.must(nil, err)
				w.As(opsOperator).Act(id, act{"verb": "link", "reason": "HR has another employee id", "user_id": made.ID})
				w.Onboard(w.Person)
				w.must(w.Tenant.UpdateUser(made.ID, func(u *entrasim.User) { u.EmployeeID = w.Person.ID })) // so that helpers find it
				w.Nudge(w.Person)
				return id
			},
			outcome: jml.StageCompleted,
		},
		"resent": {
			world: worldOptions{Cohort: cohortPickup},
			play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, 5*time.Second))
				first := w.Invitation(w.Person, 1)
				w.As(opsOperator).Act(id, act{"verb": "resend", "reason": "she deleted the mail"})
				if again := w.Link(w.Person.Mail, linkCollect, 2); again != first.Token {
					w.t.Error("resent, and another link")
				}
				code, _ := w.Collect(w.Person, id, first)
				w.Use(w.Person, code)
				return id
			},
			outcome: jml.StageCompleted,
		},
		"attested": {
			world: worldOptions{Cohort: cohortPickup},
			play: func(w *testWorld) string {
				id := w.Post(w.Joiner(w.Person, time.Hour))
				w.Invitation(w.Person, 1)
				w.As(opsOperator).Act(id, act{"verb": "registered", "reason": "the key was shown on video", "proof": "signed in while I watched"})
				return id
			},
			outcome: jml.StageCompleted,
		},
		"halted": {
			play: func(w *testWorld) string {
				ines := w.As(opsOperator)
				halt := func(on bool, reason string) {
					if r := ines.Send(http.MethodPut, "/v1/halt", map[string]any{"on": on, "reason": reason}, nil); r.status != http.StatusOK {
						w.t.Fatalf("%s", r)
					}
				}
				halt(true, "a break-in is reported")
				id := w.Post(w.Joiner(w.Person, 5*time.Second))
				w.Blocked(id, jml.ReasonHalted)
				halt(false, "it was a false alarm")
				w.Onboard(w.Person)
				w.Nudge(w.Person)
				return id
			},
			outcome: jml.StageCompleted,
		},
	}
}

// zone is the office's.
func (r record) zone() *time.Location {
	zone, err := jml.LoadZone(r.Office.Zone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// shownPrefix names the histories of journeys that have been recorded before
// Temporal was shown the stages of a pass. Both stay.
const shownPrefix = "shown-"

// recordedName names the history of a way to go that is recorded once more; empty:
// the old one does.
func recordedName(life string) string {
	if slices.Contains([]string{"completed", "collected", "split", "mover", "recovery", "staging", "rehire"}, life) {
		return shownPrefix + life
	}
	return ""
}
