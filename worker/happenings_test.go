package worker_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/testsuite"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
	"firstpass.internal/workflows"
)

// happenings is all that can happen in a life. n makes a variety of each.
func happenings() map[string]func(w *world, n int) {
	return map[string]func(w *world, n int){
		"HR moves the start": func(w *world, n int) {
			s := w.facts()
			days := []int{1, -1, 3, 7, -2, 0}[n]
			if w.life.Kind == jml.KindMover {
				s.EffectiveDate = s.EffectiveDate.AddDays(days)
			} else {
				s.StartDate = s.StartDate.AddDays(days)
			}
			if days == 0 {
				s.StartTime = &jml.Clock{Hour: 7, Minute: 30}
			}
			w.say(s, nil)
		},
		"HR calls the hire off": func(w *world, _ int) { s := w.facts(); s.Status = jml.StatusCancelled; w.say(s, nil) },
		"HR says left":          func(w *world, _ int) { s := w.facts(); s.Status = jml.StatusLeft; w.say(s, nil) },
		"HR hires again": func(w *world, _ int) {
			s := w.facts()
			s.Status, s.Rehire = jml.StatusScheduled, true
			w.say(s, nil)
		},
		"HR changes the address": func(w *world, n int) {
			s := w.facts()
			s.PersonalMail = fmt.Sprintf("freja%d@example.org", n)
			if n == 5 {
				s.PersonalMail = ""
			}
			w.say(s, nil)
		},
		"HR names the user": func(w *world, n int) {
			s := w.facts()
			s.Match = &jml.Match{Attribute: "userPrincipalName", Value: upn}
			if n > 3 {
				s.Match.Value = w.twin.UPN
			}
			w.say(s, nil)
		},
		"HR changes the position": func(w *world, n int) {
			s := w.facts()
			s.Department = []string{"labs", "labs", "sales", "labs", "yard", "labs"}[n]
			c := &jml.Choice{Profile: w.life.profileFor(s.Department), Open: n == 3}
			if n == 4 {
				c = &jml.Choice{Block: jml.Blocked(jml.ReasonProfileMissing, "")}
			}
			w.say(s, c)
		},
		"HR says it again": func(w *world, _ int) { w.say(w.facts(), nil) },
		"HR's old news come": func(w *world, n int) {
			s := w.facts()
			s.ObservedAt = s.ObservedAt.Add(-time.Duration(n+1) * time.Hour)
			s.Status = jml.StatusLeft
			w.hear(s, nil)
		},
		"intake holds": func(w *world, n int) {
			s := w.facts()
			s.Hold = []jml.Hold{jml.HoldContact, jml.HoldVanished, jml.HoldContradiction}[n%3]
			w.say(s, nil)
		},
		"intake lifts": func(w *world, _ int) { s := w.facts(); s.Hold = ""; w.say(s, nil) },

		"operator cancels": func(w *world, n int) { w.stop(jml.StageCancelled) },
		"operator revokes": func(w *world, n int) { w.stop(jml.StageRevoked) },
		"device is done":   func(w *world, n int) { w.stop(jml.StageCompleted) },
		"two operators": func(w *world, _ int) {
			w.stop(jml.StageRevoked)
			w.stop(jml.StageCancelled)
		},
		"operator reissues": func(w *world, _ int) {
			w.update("", workflows.UpdateReissue, workflows.ReissueRequest{Actor: approver, Reason: "asked"}, nil)
		},
		"operator nudges": func(w *world, n int) {
			w.env.SignalWorkflow(workflows.SignalLook, nil)
			_ = w.env.SignalWorkflowByID(workflows.PassID(w.user.ID), workflows.SignalLook, nil)
		},
		"Temporal cancels": func(w *world, _ int) { w.env.CancelWorkflow() },
		"somebody kills the pass": func(w *world, _ int) {
			id := workflows.PassID(w.user.ID)
			if w.env.SignalWorkflowByID(id, workflows.SignalLook, nil) == nil { // it runs
				w.env.CancelWorkflowByID(id, "")
			}
		},
		"somebody approves":    func(w *world, _ int) { w.decide(true, approver) },
		"requester approves":   func(w *world, _ int) { w.decide(true, strings.ToUpper(requester)) },
		"technician approves":  func(w *world, _ int) { w.decide(true, technician) },
		"somebody refuses":     func(w *world, _ int) { w.decide(false, approver) },
		"two decide at once":   func(w *world, n int) { w.decide(n%2 == 0, approver); w.decide(n%2 == 1, "other@firstpass.example") },
		"somebody asks again":  func(w *world, _ int) { w.askAgain() },
		"somebody guesses":     func(w *world, n int) { w.guess(n) },
		"person says: not me":  func(w *world, _ int) { w.repudiate() },
		"person collects":      func(w *world, _ int) { w.collect() },
		"person signs in":      func(w *world, _ int) { w.signIn() },
		"person registers":     func(w *world, n int) { w.signIn(); w.setUp(n) },
		"person adds another":  func(w *world, n int) { w.setUp(n) },
		"person needs no pass": func(w *world, n int) { at := w.now(); m := aMethod(n); m.Created = &at; w.register(w.user.ID, m, at) },
		"somebody adds a phone": func(w *world, _ int) {
			at := w.now()
			w.register(w.user.ID, entrasim.Method{Kind: entrasim.KindPhone, Created: &at}, at)
		},
		"somebody removes a method": func(w *world, n int) {
			for i, m := range w.methods {
				if i == n && w.tenant.RemoveMethod(m.user, m.ID) == nil {
					m.removed = true
				}
			}
		},

		"account is disabled": func(w *world, _ int) {
			w.change(func(u *entrasim.User) { u.Disabled = true }, func(s *state) { s.disabled = true })
		},
		"account is enabled": func(w *world, _ int) {
			w.change(func(u *entrasim.User) { u.Disabled = false }, func(s *state) { s.disabled = false })
		},
		"account gets a role": func(w *world, _ int) {
			if _, err := w.tenant.AddRoleAssignment(entrasim.RoleAssignment{PrincipalID: w.user.ID}); err == nil {
				w.note(func(s *state) { s.inRoles = true })
			}
		},
		"account is a guest": func(w *world, _ int) {
			w.change(func(u *entrasim.User) {
				u.UserType, u.CreationType, u.ExternalUserState = "Guest", "Invitation", "Accepted"
			}, func(s *state) { s.external = true })
		},
		"account is made anew": func(w *world, _ int) { w.recreate(true) },
		"account is deleted":   func(w *world, _ int) { w.recreate(false) },
		"policy is narrowed":   func(w *world, _ int) { w.policy(60, entrasim.PolicyEnabled) },
		"policy is switched off": func(w *world, _ int) {
			w.policy(480, entrasim.PolicyDisabled)
		},
		"policy is restored": func(w *world, _ int) { w.policy(480, entrasim.PolicyEnabled) },
		"helpdesk makes a pass": func(w *world, _ int) {
			before := len(w.tenant.PassEvents())
			_, _, _ = w.graph.CreatePass(context.Background(), w.user.ID, jml.PassRequest{StartAt: w.now(), Lifetime: time.Hour, OneTime: true}, w.now())
			for _, e := range w.tenant.PassEvents()[before:] {
				w.foreign[e.MethodID] = true // whether the reply came or not
			}
		},

		"Graph throttles": func(w *world, n int) { w.fault(entrasim.Fault{Status: 429, RetryAfter: "20", Times: n + 1}) },
		"Graph is down":   func(w *world, n int) { w.fault(entrasim.Fault{Status: 503, NoRetryAfter: true, Times: 3 * (n + 1)}) },
		"Graph denies deletion": func(w *world, n int) {
			w.fault(entrasim.Fault{Match: entrasim.Match{Method: "DELETE"}, Status: 403, Times: n + 1})
		},
		"a reply is lost": func(w *world, n int) {
			op := []entrasim.Match{{Operation: entrasim.OpCreatePass}, {Operation: entrasim.OpDeletePass}, {Method: "DELETE"}}[n%3]
			w.fault(entrasim.Fault{Match: op, After: true, Drop: true, Times: 1 + n/3})
		},
		"audit is down": func(w *world, n int) {
			w.audit.down = w.now().Add([]time.Duration{5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 20 * time.Minute, time.Hour}[n])
			w.faulty = w.audit.down.Add(3 * time.Hour)
		},
		"channel refuses":       func(w *world, n int) { w.post.mu.Lock(); w.post.refuse = n + 1; w.post.mu.Unlock() },
		"channel loses replies": func(w *world, n int) { w.post.mu.Lock(); w.post.lose = n + 1; w.post.mu.Unlock() },
		"channel is down":       func(w *world, n int) { w.post.mu.Lock(); w.post.down = n + 1; w.post.mu.Unlock() },
		"mail bounces": func(w *world, n int) {
			kind := []jml.Message{jml.MessagePass, jml.MessageLink, jml.MessageCode, jml.MessageMoved, jml.MessagePass, jml.MessageLink}[n]
			l, ok := w.post.last(kind)
			if !ok {
				return
			}
			d := workflows.DeliveryNews{Invitation: l.handle.Invitation, N: l.handle.N, Status: jml.DeliveryBounced, At: w.now()}
			if strings.HasPrefix(l.handle.WorkflowID, "pass/") {
				_ = w.env.SignalWorkflowByID(l.handle.WorkflowID, workflows.SignalDelivery, d)
				return
			}
			w.env.SignalWorkflow(workflows.SignalDelivery, d)
		},
	}
}

// update sends an update to the journey, or to the workflow called id.
func (w *world) update(id, name string, req any, then func(any)) {
	w.updates++
	c := &testsuite.TestUpdateCallback{
		OnAccept: func() {}, OnReject: func(error) {},
		OnComplete: func(res any, err error) {
			if err == nil && then != nil {
				then(res)
			}
		},
	}
	key := fmt.Sprintf("u%d", w.updates)
	if id != "" {
		_ = w.env.UpdateWorkflowByID(id, name, key, c, req)
		return
	}
	w.env.UpdateWorkflow(name, key, c, req)
}

func (w *world) stop(outcome jml.Stage) {
	w.update("", workflows.UpdateStop, jml.Stop{Outcome: outcome, Actor: approver, Reason: "because"}, nil)
}

func (w *world) decide(approve bool, actor string) {
	at := w.now()
	w.update("", workflows.UpdateDecide, workflows.Decision{Approve: approve, Actor: actor, Reason: "because"}, func(any) {
		w.approvals = append(w.approvals, decision{at, approve, actor})
	})
}

// invited returns the newest link and its code.
func (w *world) invited() (link, code letter, ok bool) {
	link, ok = w.post.last(jml.MessageLink)
	code, got := w.post.last(jml.MessageCode)
	return link, code, ok && got && code.handle.Invitation == link.handle.Invitation
}

// collect has the person open the newest link, prove who he is, and look at the
// pass.
func (w *world) collect() {
	link, code, ok := w.invited()
	if !ok {
		return
	}
	key, err := secret.NewVisitKey()
	if err != nil {
		w.problem("visit key: %v", err)
		return
	}
	pass, visit := link.handle.WorkflowID, fmt.Sprintf("visit%d", w.updates)
	reveal := func() {
		w.update(pass, workflows.UpdateReveal, workflows.RevealRequest{Visit: visit}, func(res any) {
			v := res.(workflows.VisitView)
			if v.Revealed == nil {
				return
			}
			p, err := key.Open(v.Revealed.Sealed, visit)
			if err != nil {
				w.problem("the pass does not open: %v", err)
				return
			}
			w.codes = append(w.codes, p.Reveal())
		})
	}
	w.update(pass, workflows.UpdateVisit, workflows.VisitRequest{Visit: visit, LinkHash: digest(link.link), CodeHash: digest(code.code), PublicKey: key.Public()}, func(res any) {
		v := res.(workflows.VisitView)
		if v.Needed == nil {
			reveal()
			return
		}
		w.update(pass, workflows.UpdateProve, workflows.ProveRequest{Visit: visit, Proof: v.Needed.Name, Passed: true}, func(any) { reveal() })
	})
}

func (w *world) guess(n int) {
	link, _, ok := w.invited()
	if !ok {
		return
	}
	for i := range n + 1 {
		w.update(link.handle.WorkflowID, workflows.UpdateVisit, workflows.VisitRequest{
			Visit: fmt.Sprintf("guess%d", w.updates), LinkHash: digest(link.link), CodeHash: digest("wrong", fmt.Sprint(i)), PublicKey: []byte("k")}, nil)
	}
}

func (w *world) askAgain() {
	if link, code, ok := w.invited(); ok {
		w.update(link.handle.WorkflowID, workflows.UpdateAgain, workflows.AgainRequest{LinkHash: digest(link.link), CodeHash: digest(code.code)}, nil)
	}
}

func (w *world) repudiate() {
	for _, m := range []jml.Message{jml.MessageCollected, jml.MessageIssued} {
		if l, ok := w.post.last(m); ok {
			w.update(l.handle.WorkflowID, workflows.UpdateRepudiate, workflows.RepudiateRequest{LinkHash: digest(l.link)}, nil)
			return
		}
	}
}

// signIn tries every code the person has, the newest first.
func (w *world) signIn() {
	known := append([]string(nil), w.codes...)
	w.post.mu.Lock()
	for _, l := range w.post.all {
		if l.n.Message == jml.MessagePass {
			known = append(known, l.code)
		}
	}
	w.post.mu.Unlock()
	for i := len(known) - 1; i >= 0; i-- {
		for _, name := range []string{upn, w.twin.UPN} {
			if s, err := w.tenant.SignIn(name, known[i]); err == nil {
				w.sessions = append(w.sessions, s)
				return
			}
		}
	}
}

func aMethod(n int) entrasim.Method {
	return []entrasim.Method{
		{Kind: entrasim.KindFIDO2, AAGUID: keyA}, {Kind: entrasim.KindFIDO2, AAGUID: keyB}, {Kind: entrasim.KindAuthenticator},
		{Kind: entrasim.KindWindowsHello}, {Kind: entrasim.KindPhone}, {Kind: entrasim.KindFIDO2, AAGUID: keyA},
	}[n]
}

// setUp registers a method, or two, in the newest session.
func (w *world) setUp(n int) {
	if len(w.sessions) == 0 {
		return
	}
	s := w.sessions[len(w.sessions)-1]
	for i := range 1 + (n+1)/5 {
		m, err := w.tenant.Register(s, aMethod((n+i)%6))
		if err == nil {
			w.methods = append(w.methods, &registered{Method: m, user: s.UserID, at: w.now()})
		}
	}
}

// note keeps how the user is from now on.
func (w *world) note(f func(*state)) {
	s := w.states[len(w.states)-1]
	s.at = w.now()
	f(&s)
	w.states = append(w.states, s)
}

func (w *world) change(f func(*entrasim.User), g func(*state)) {
	if _, err := w.tenant.UpdateUser(w.user.ID, f); err == nil {
		w.note(g)
	}
}

func (w *world) recreate(anew bool) {
	if w.tenant.RemoveUser(w.user.ID) != nil {
		return
	}
	for _, m := range w.methods {
		if m.user == w.user.ID {
			m.removed = true
		}
	}
	w.note(func(s *state) { *s = state{at: s.at, account: s.account + 1} })
	if !anew {
		return
	}
	if u, err := w.tenant.AddUser(entrasim.User{EmployeeID: "4711", UPN: upn, Mail: upn}); err == nil {
		w.user = u
	}
}

func (w *world) policy(longest int, state string) {
	p := w.tenant.Policy()
	p.MaximumLifetimeInMinutes, p.State = longest, state
	if err := w.tenant.SetPolicy(p); err != nil {
		w.problem("policy: %v", err)
	}
}

// fault breaks the tenant for a while.
func (w *world) fault(f entrasim.Fault) {
	w.tenant.MustInject(f)
	w.faulty = w.now().Add(3 * time.Hour)
}
