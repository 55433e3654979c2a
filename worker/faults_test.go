package worker_test

import (
	"testing"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
)

var issueAt = first.Add(-24 * time.Hour)

func TestHappyPathCounts(t *testing.T) {
	j := newJourney(t)
	j.personRegisters(first.Add(90 * time.Second))
	j.expect(j.run(), jml.StageCompleted)
	counts := j.tenant.Counts()
	if counts.Graph > 10 {
		t.Errorf("%d Graph requests for one joiner, want at most 10: %v", counts.Graph, counts.ByPath)
	}
	t.Logf("%d Graph requests: %v", counts.Graph, counts.ByPath)
	if len(j.mail.codes) != 1 {
		t.Errorf("%d mails", len(j.mail.codes))
	}
}

// TestFaults plays what goes wrong between us and Graph. Each journey must come
// out with its pass gone, and without two live passes on the way.
func TestFaults(t *testing.T) {
	tests := []struct {
		name   string
		user   func(*entrasim.User)
		faults []entrasim.Fault
		play   func(*journey)
		want   jml.Stage
		mails  int
		// blocked is the reason seen while it lasted.
		blocked jml.BlockReason
	}{
		{
			name:   "reply to the create lost",
			faults: []entrasim.Fault{{Match: entrasim.Match{Operation: entrasim.OpCreatePass}, After: true, Drop: true}},
			want:   jml.StageCompleted, mails: 1,
		},
		{
			name:   "create answered 504 after the work was done",
			faults: []entrasim.Fault{{Match: entrasim.Match{Operation: entrasim.OpCreatePass}, After: true, Status: 504}},
			want:   jml.StageCompleted, mails: 1,
		},
		{
			name:   "create throttled with Retry-After",
			faults: []entrasim.Fault{{Match: entrasim.Match{Operation: entrasim.OpCreatePass}, Status: 429, RetryAfter: "30", Times: 2}},
			want:   jml.StageCompleted, mails: 1,
		},
		{
			name:   "everything throttled without Retry-After",
			faults: []entrasim.Fault{{Match: entrasim.Match{Path: "/users"}, Status: 429, NoRetryAfter: true, Times: 4}},
			want:   jml.StageCompleted, mails: 1,
		},
		{
			name: "create refused because a pass exists, once it does",
			play: func(j *journey) {
				j.behave(entrasim.Behaviour{SecondPass: entrasim.SecondPassConflict})
				j.tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpCreatePass}, After: true, Drop: true})
			},
			want: jml.StageCompleted, mails: 1,
		},
		{
			name: "a second create silently replaces",
			play: func(j *journey) {
				j.behave(entrasim.Behaviour{SecondPass: entrasim.SecondPassReplaces})
				j.tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpCreatePass}, After: true, Drop: true, Times: 3})
			},
			want: jml.StageCompleted, mails: 1,
		},
		{
			name: "deletion shows late",
			play: func(j *journey) {
				b := j.tenant.Behaviour()
				b.DeleteLag = 20 * time.Second
				j.behave(b)
			},
			want: jml.StageCompleted, mails: 1,
		},
		{
			name: "user appears 3 minutes late, unknown to authentication for a minute",
			user: func(u *entrasim.User) {
				late := issueAt.Add(3 * time.Minute).Sub(begin)
				u.VisibleIn, u.AuthVisibleIn = late, late+time.Minute
			},
			want: jml.StageCompleted, mails: 1, blocked: jml.ReasonUserNotFound,
		},
		{
			name: "policy changed between preflight and issue",
			play: func(j *journey) {
				// The first read of a user's passes comes right after preflight.
				j.tenant.MustInject(entrasim.Fault{
					Match: entrasim.Match{Operation: entrasim.OpCreatePass}, Status: 400, Code: "badRequest",
					Message: "Invalid LifetimeInMinutes specified. The valid range between 60 and 120.",
				})
			},
			want: jml.StageCompleted, mails: 1, blocked: jml.ReasonLifetimeOutsidePolicy,
		},
		{
			name: "policy narrowed for good",
			play: func(j *journey) {
				p := j.tenant.Policy()
				p.MaximumLifetimeInMinutes = 120
				if err := j.tenant.SetPolicy(p); err != nil {
					j.t.Fatal(err)
				}
			},
			want: jml.StageTimedOut, blocked: jml.ReasonLifetimeOutsidePolicy,
		},
		{
			name: "made, but disabled by policy",
			play: func(j *journey) {
				j.tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpGetPolicy}, Times: -1, Body: `{
					"@odata.type": "#microsoft.graph.temporaryAccessPassAuthenticationMethodConfiguration", "id": "TemporaryAccessPass",
					"state": "enabled", "defaultLifetimeInMinutes": 60, "defaultLength": 8, "minimumLifetimeInMinutes": 10,
					"maximumLifetimeInMinutes": 480, "isUsableOnce": false, "includeTargets": [{"targetType": "group", "id": "all_users"}], "excludeTargets": []}`,
					Status: 200, ContentType: "application/json"})
				p := j.tenant.Policy()
				p.IncludeTargets = nil
				if err := j.tenant.SetPolicy(p); err != nil {
					j.t.Fatal(err)
				}
				b := j.tenant.Behaviour()
				b.OutOfScope = entrasim.OutOfScopeDisabled201
				j.behave(b)
			},
			want: jml.StageTimedOut, blocked: jml.ReasonOutOfScope,
		},
		{
			name: "mail refused, then mended",
			play: func(j *journey) {
				j.mail.refuse = []*jml.Fault{{System: "sendgrid", Op: "send", Kind: jml.FaultRefused, Status: 400, Reason: jml.ReasonMessageRefused}}
			},
			want: jml.StageCompleted, mails: 1, blocked: jml.ReasonMessageRefused,
		},
		{
			name: "mail throttled, then down, then up",
			play: func(j *journey) {
				j.mail.refuse = []*jml.Fault{
					{System: "sendgrid", Op: "send", Kind: jml.FaultThrottled, Status: 429, RetryAfter: time.Minute, Reason: jml.ReasonChannelUnavailable},
					{System: "sendgrid", Op: "probe", Kind: jml.FaultUnavailable, Status: 503, Reason: jml.ReasonChannelUnavailable},
					{System: "sendgrid", Op: "probe", Kind: jml.FaultUnavailable, Reason: jml.ReasonChannelUnavailable},
				}
			},
			want: jml.StageCompleted, mails: 1,
		},
		{
			name: "revoke throttled",
			faults: []entrasim.Fault{
				{Match: entrasim.Match{Operation: entrasim.OpDeletePass}, Status: 429, RetryAfter: "5", Times: 3},
				{Match: entrasim.Match{Operation: entrasim.OpDeletePass}, Status: 503, Times: 2},
			},
			want: jml.StageCompleted, mails: 1,
		},
		{
			name:   "reply to the delete lost",
			faults: []entrasim.Fault{{Match: entrasim.Match{Operation: entrasim.OpDeletePass}, After: true, Drop: true}},
			want:   jml.StageCompleted, mails: 1,
		},
		{
			name:   "revoke denied for some minutes",
			faults: []entrasim.Fault{{Match: entrasim.Match{Operation: entrasim.OpDeletePass}, Status: 403, Times: 7}},
			want:   jml.StageCompleted, mails: 1,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := newJourney(t, func(u *entrasim.User) {
				if tt.user != nil {
					tt.user(u)
				}
			})
			for _, f := range tt.faults {
				j.tenant.MustInject(f)
			}
			if tt.play != nil {
				tt.play(j)
			}
			j.watch(issueAt.Add(30 * time.Second))
			if tt.want == jml.StageCompleted {
				j.personRegisters(first.Add(time.Minute))
			}
			j.expect(j.run(), tt.want)
			if len(j.mail.codes) != tt.mails {
				t.Errorf("%d mails, want %d", len(j.mail.codes), tt.mails)
			}
			reason := jml.BlockReason("")
			if b := j.views[0].Block; b != nil {
				reason = b.Reason
			}
			if tt.blocked != "" && reason != tt.blocked {
				t.Errorf("30 s after the lead time: stage %s, blocked by %q, want %q", j.views[0].Stage, reason, tt.blocked)
			}
		})
	}
}

func (j *journey) behave(b entrasim.Behaviour) {
	j.t.Helper()
	if err := j.tenant.SetBehaviour(b); err != nil {
		j.t.Fatal(err)
	}
}

// TestRefusals: who gets no pass, and that the joiner goes on once the cause is
// gone.
func TestRefusals(t *testing.T) {
	tests := []struct {
		name  string
		user  func(*entrasim.User)
		fault func(*journey) (mend func())
		want  jml.BlockReason
	}{
		{
			name: "disabled", want: jml.ReasonUserDisabled,
			fault: func(j *journey) func() {
				j.change(func(u *entrasim.User) { u.Disabled = true })
				return func() { j.change(func(u *entrasim.User) { u.Disabled = false }) }
			},
		},
		{
			name: "external guest", want: jml.ReasonUserExternal,
			fault: func(j *journey) func() {
				j.change(func(u *entrasim.User) {
					u.UserType, u.CreationType, u.ExternalUserState = "Guest", "Invitation", "Accepted"
				})
				return func() {
					j.change(func(u *entrasim.User) { u.UserType, u.CreationType, u.ExternalUserState = "Member", "", "" })
				}
			},
		},
		{
			name: "two users with this employee id", want: jml.ReasonUserAmbiguous,
			fault: func(j *journey) func() {
				other, err := j.tenant.AddUser(entrasim.User{EmployeeID: "4711", UPN: "other@firstpass.example"})
				if err != nil {
					j.t.Fatal(err)
				}
				return func() {
					if err := j.tenant.RemoveUser(other.ID); err != nil {
						j.t.Error(err)
					}
				}
			},
		},
		{
			name: "directory role", want: jml.ReasonUserPrivileged,
			fault: func(j *journey) func() {
				r, err := j.tenant.AddRoleAssignment(entrasim.RoleAssignment{PrincipalID: j.user.ID})
				if err != nil {
					j.t.Fatal(err)
				}
				return func() {
					if err := j.tenant.RemoveRoleAssignment(r.ID); err != nil {
						j.t.Error(err)
					}
				}
			},
		},
		{
			name: "role-assignable group, nested", want: jml.ReasonUserPrivileged,
			fault: func(j *journey) func() {
				outer := j.group(entrasim.Group{DisplayName: "tier 0", RoleAssignable: true})
				inner := j.group(entrasim.Group{DisplayName: "admins", ParentIDs: []string{outer.ID}})
				j.change(func(u *entrasim.User) { u.GroupIDs = []string{inner.ID} })
				return func() { j.change(func(u *entrasim.User) { u.GroupIDs = nil }) }
			},
		},
		{
			name: "outside the policy's group", want: jml.ReasonOutOfScope,
			fault: func(j *journey) func() {
				g := j.group(entrasim.Group{DisplayName: "joiners"})
				p := j.tenant.Policy()
				p.IncludeTargets = []string{g.ID}
				if err := j.tenant.SetPolicy(p); err != nil {
					j.t.Fatal(err)
				}
				return func() { j.change(func(u *entrasim.User) { u.GroupIDs = []string{g.ID} }) }
			},
		},
		{
			name: "policy off", want: jml.ReasonPolicyDisabled,
			fault: func(j *journey) func() {
				on := j.tenant.Policy()
				off := on
				off.State = entrasim.PolicyDisabled
				if err := j.tenant.SetPolicy(off); err != nil {
					j.t.Fatal(err)
				}
				return func() {
					if err := j.tenant.SetPolicy(on); err != nil {
						j.t.Error(err)
					}
				}
			},
		},
		{
			name: "permission missing", want: jml.ReasonPermissionMissing,
			fault: func(j *journey) func() {
				all := entrasim.DefaultPermissions()
				if err := j.tenant.SetPermissions(j.tenant.ClientID(), "User.Read.All"); err != nil {
					j.t.Fatal(err)
				}
				return func() {
					if err := j.tenant.SetPermissions(j.tenant.ClientID(), all...); err != nil {
						j.t.Error(err)
					}
				}
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := newJourney(t)
			mend := tt.fault(j)
			j.watch(issueAt.Add(time.Hour))
			j.at(issueAt.Add(2*time.Hour), func() {
				if n := len(j.tenant.PassEvents()); n != 0 {
					t.Errorf("%d pass events before the cause was mended", n)
				}
				mend()
			})
			j.personRegisters(first.Add(time.Minute))
			j.expect(j.run(), jml.StageCompleted)
			v := j.views[0]
			if v.Stage != jml.StageBlocked || v.Block == nil || v.Block.Reason != tt.want || v.Block.Advice == "" {
				t.Errorf("stage %s, block %+v; want blocked by %s, with advice", v.Stage, v.Block, tt.want)
			}
		})
	}
}

func (j *journey) change(f func(*entrasim.User)) {
	j.t.Helper()
	if _, err := j.tenant.UpdateUser(j.user.ID, f); err != nil {
		j.t.Fatal(err)
	}
}

func (j *journey) group(g entrasim.Group) entrasim.Group {
	j.t.Helper()
	g, err := j.tenant.AddGroup(g)
	if err != nil {
		j.t.Fatal(err)
	}
	return g
}

// A passkey from before is enough; a phone is not, nor is a passkey that was
// registered before the pass could be used.
func TestMethodsThatCount(t *testing.T) {
	t.Run("strong from before", func(t *testing.T) {
		j := newJourney(t)
		j.method(entrasim.KindFIDO2)
		j.expect(j.run(), jml.StageSkipped)
	})
	t.Run("phone only", func(t *testing.T) {
		j := newJourney(t)
		j.at(first.Add(time.Minute), func() { j.method(entrasim.KindPhone) })
		j.expect(j.run(), jml.StageTimedOut)
	})
	t.Run("registered before the start", func(t *testing.T) {
		j := newJourney(t)
		j.at(first.Add(-time.Hour), func() { j.method(entrasim.KindFIDO2) })
		j.expect(j.run(), jml.StageTimedOut)
	})
	t.Run("no creation time", func(t *testing.T) {
		j := newJourney(t)
		b := j.tenant.Behaviour()
		b.NullMethodCreated = true
		j.behave(b)
		j.personRegisters(first.Add(time.Minute))
		j.expect(j.run(), jml.StageTimedOut)
	})
}

func (j *journey) method(kind entrasim.MethodKind) {
	j.t.Helper()
	if _, err := j.tenant.AddMethod(j.user.ID, entrasim.Method{Kind: kind}); err != nil {
		j.t.Error(err)
	}
}

// Somebody else's pass is neither used nor deleted; when it is gone, the joiner
// goes on.
func TestForeignPass(t *testing.T) {
	j := newJourney(t)
	// The helpdesk made one by hand, of the same kind, before we wanted one.
	theirs, _, err := j.graph.CreatePass(t.Context(), j.user.ID, jml.PassRequest{StartAt: first, Lifetime: 8 * time.Hour, OneTime: true}, begin)
	if err != nil {
		t.Fatal(err)
	}
	j.watch(issueAt.Add(time.Hour))
	j.at(issueAt.Add(2*time.Hour), func() {
		if err := j.graph.DeletePass(t.Context(), j.user.ID, theirs.MethodID); err != nil {
			t.Error(err)
		}
	})
	j.personRegisters(first.Add(time.Minute))
	j.expect(j.run(), jml.StageCompleted)
	if v := j.views[0]; v.Block == nil || v.Block.Reason != jml.ReasonForeignPass {
		t.Errorf("block %+v, want %s", v.Block, jml.ReasonForeignPass)
	}
}
