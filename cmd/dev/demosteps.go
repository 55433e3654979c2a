package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	enums "go.temporal.io/api/enums/v1"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// The steps that stories share.

// player is somebody in a story: what HR knows, what the tenant has, and what is
// in their hands.
type player struct {
	record
	user  entrasim.User
	inbox string  // where their link comes; empty: the private mailbox
	as    *player // whose pass this is, of a technician

	mails, texts int        // read so far
	invited      invitation // mode pickup
	page         *visitor   // mode pickup
	code         string     // the passcode
	before       string     // the one before it
	session      entrasim.Session
}

// newPlayer is somebody in Copenhagen.
func newPlayer(id, given, family string) *player {
	return &player{record: record{employee: invented(id, given, family), Office: offices()[0]}}
}

// mailbox is where links come.
func (p *player) mailbox() string {
	if p.inbox != "" {
		return p.inbox
	}
	return p.Mail
}

// account is whose pass it is.
func (p *player) account() *player {
	if p.as != nil {
		return p.as
	}
	return p
}

// hire puts p into the tenant, with the methods they have had for years.
func (d *demo) hire(p *player, what, detail string, has ...entrasim.Method) step {
	return func(ctx context.Context) (err error) {
		if p.user, err = d.world.Hire(p.employee); err != nil {
			return err
		}
		for _, m := range has {
			long := time.Now().Add(-longAgo).UTC()
			m.Created = &long
			if _, err := d.world.Tenant.AddMethod(p.user.ID, m); err != nil {
				return err
			}
		}
		expected := "a user without pass or sign-in method"
		if len(has) > 0 {
			expected = "a user without pass who has " + kindsOf(has)
		}
		return d.expect(ctx, time.Second, what, expected, func() (string, error) {
			passes, methods := len(d.world.Tenant.Passes(p.user.ID)), d.world.Tenant.Methods(p.user.ID)
			if passes > 0 || len(methods) != len(has) {
				return "", giveUp{fmt.Errorf("%d passes, %d methods", passes, len(methods))}
			}
			return p.UPN + ", " + detail, nil
		})
	}
}

// longAgo is when people who work here already started.
const longAgo = 2 * 365 * 24 * time.Hour

func kindsOf(list []entrasim.Method) string {
	var kinds []string
	for _, m := range list {
		kinds = append(kinds, string(m.Kind))
	}
	if len(kinds) == 0 {
		return "nothing"
	}
	return strings.Join(kinds, " and ")
}

// say has HR change what it knows of p, and post it.
func (d *demo) say(p *player, what string, change func(*record)) step {
	return func(ctx context.Context) error {
		change(&p.record)
		return d.expect(ctx, 10*time.Second, what, "200 and one record accepted", func() (string, error) {
			if err := d.post(ctx, p.record); err != nil {
				return "", err
			}
			return p.told()
		})
	}
}

func (d *demo) post(ctx context.Context, r record) error {
	status, answer, err := d.world.HR().Post(ctx, sourceBambooHR, r, time.Now())
	if err != nil {
		return err
	}
	var took struct{ Accepted, Quarantined int }
	if status != http.StatusOK || json.Unmarshal([]byte(answer), &took) != nil || took.Accepted != 1 || took.Quarantined != 0 {
		return giveUp{fmt.Errorf("%d %s", status, answer)}
	}
	return nil
}

// told puts what HR says into words.
func (r record) told() (string, error) {
	date, clock, err := r.local()
	if err != nil {
		return "", err
	}
	switch {
	case r.Left:
		return r.name() + " works here no more", nil
	case r.Withdrawn:
		return r.name() + " does not come", nil
	case !r.Effective.IsZero():
		r.Start = r.Effective
		date, _, err = r.local()
		return fmt.Sprintf("%s moves to %s on %s", r.name(), r.Department, date), err
	case r.Start.Before(time.Now().Add(-24 * time.Hour)):
		return fmt.Sprintf("%s works here since %s", r.name(), date), nil
	}
	return fmt.Sprintf("%s starts on %s at %s in %s", r.name(), date, clock, r.Office.Name), nil
}

// startsIn is a change of the start.
func startsIn(ahead time.Duration) func(*record) {
	return func(r *record) { r.Start = time.Now().Add(ahead).Truncate(time.Second) }
}

// seeIssued looks for one pass that works from the start on, or from now on for
// who works here already.
func (d *demo) seeIssued(p *player) step {
	return func(ctx context.Context) error {
		return d.expect(ctx, 20*time.Second, "Pass in the tenant", "one live pass in the tenant that starts with the employee", func() (string, error) {
			passes := d.world.Tenant.Passes(p.user.ID)
			if len(passes) == 0 {
				return "", errors.New("no pass in the tenant")
			}
			pass := passes[0]
			_, from, err := p.local()
			if err != nil {
				return "", giveUp{err}
			}
			if len(passes) > 1 || !pass.Start.Equal(p.Start) || !pass.Once || pass.Lifetime != 60 {
				return "", giveUp{fmt.Errorf("%d passes, the first from %s for %d minutes, one-time %t", len(passes), pass.Start.Format(time.RFC3339), pass.Lifetime, pass.Once)}
			}
			return fmt.Sprintf("works once, from %s in %s for %d minutes", from, p.Office.Name, pass.Lifetime), nil
		})
	}
}

// refused checks that signing in is refused for one reason.
func (d *demo) refused(p *player, what string, code *string, why entrasim.SignInRefusal, detail func() string) step {
	return func(ctx context.Context) error {
		return d.expect(ctx, time.Second, what, "the tenant refuses: "+string(why), func() (string, error) {
			switch _, err := d.world.Tenant.SignIn(p.account().UPN, *code); {
			case err == nil:
				return "", giveUp{errors.New("the tenant let the person in")}
			case !errors.Is(err, why):
				return "", giveUp{err}
			}
			return detail(), nil
		})
	}
}

func words(s string) func() string { return func() string { return s } }

func (d *demo) tryEarly(p *player) step {
	return d.refused(p, "Sign-in refused, the pass is not valid yet", &p.code, entrasim.RefusedNotYetValid, func() string {
		return fmt.Sprintf("the start is %s away", time.Until(p.Start).Round(time.Second))
	})
}

func (d *demo) tryLate(p *player) step {
	return d.refused(p, "Sign-in refused, the pass is gone", &p.code, entrasim.RefusedDeleted, words("with the same passcode"))
}

func (d *demo) waitForStart(p *player) step {
	return func(ctx context.Context) error {
		return d.expect(ctx, max(0, time.Until(p.Start))+10*time.Second, "Start time, the pass is valid", "the tenant calls the pass usable", func() (string, error) {
			passes := d.world.Tenant.Passes(p.user.ID)
			if len(passes) != 1 {
				return "", giveUp{fmt.Errorf("%d passes", len(passes))}
			}
			if passes[0].Reason != entrasim.ReasonEnabled {
				return "", errors.New("the tenant says " + passes[0].Reason)
			}
			return "", nil
		})
	}
}

func (d *demo) signIn(p *player) step {
	return func(ctx context.Context) error {
		return d.expect(ctx, 5*time.Second, p.Given+" signs in with it", "the tenant lets the person in", func() (_ string, err error) {
			p.session, err = d.world.Tenant.SignIn(p.account().UPN, p.code)
			return "as " + p.account().UPN, err
		})
	}
}

// register has p set up a method in the session that the pass made.
func (d *demo) register(p *player, what string, m entrasim.Method) step {
	return func(ctx context.Context) error {
		return d.expect(ctx, 5*time.Second, p.Given+" registers "+what, "the tenant takes the method", func() (string, error) {
			m, err := d.world.Tenant.Register(p.session, m)
			return "method " + string(m.Kind), err
		})
	}
}

// registerPasskey is the end that most stories have.
func (d *demo) registerPasskey(p *player) step {
	return d.register(p, "a passkey", entrasim.Method{Kind: entrasim.KindFIDO2, DisplayName: p.Given + "'s phone"})
}

// nudge has Firstpass look for what was registered. ref names the journey for
// the command line.
func (d *demo) nudge(kind jml.Kind, p *player) step {
	return func(ctx context.Context) error {
		ref, err := d.ref(kind, p)
		if err != nil {
			return err
		}
		return d.expect(ctx, 15*time.Second, "The helpdesk has Firstpass look now", "firstpass nudge "+ref+" succeeds", func() (string, error) {
			_, err := d.firstpass(ctx, "nudge", ref, "--reason", "she waits at the desk")
			return "firstpass nudge " + ref, err
		})
	}
}

// ref is how to name a journey: the reference is enough for joiners.
func (d *demo) ref(kind jml.Kind, p *player) (string, error) {
	id, err := d.world.JourneyID(kind, sourceBambooHR, p.ID)
	if kind == jml.KindJoiner {
		return workflows.RefOf(id), err
	}
	return id, err
}

// seeRevoked waits until Firstpass has deleted the pass.
func (d *demo) seeRevoked(p *player) step {
	return func(ctx context.Context) error {
		return d.expect(ctx, 30*time.Second, "Pass revoked", "no pass left in the tenant, deleted by Firstpass", func() (string, error) {
			if n := len(d.world.Tenant.Passes(p.user.ID)); n > 0 || d.deleted(p) == 0 {
				return "", errors.New("the pass is still there")
			}
			return "the tenant has none for " + p.Given + " any more", nil
		})
	}
}

// deleted counts the passes of p that were deleted.
func (d *demo) deleted(p *player) (n int) {
	for _, e := range d.world.Tenant.PassEvents() {
		if e.UserID == p.user.ID && e.Kind == entrasim.PassDeleted {
			n++
		}
	}
	return n
}

// noPass fails if the tenant has a pass of p already.
func (d *demo) noPass(p *player) error {
	if n := len(d.world.Tenant.Passes(p.account().user.ID)); n > 0 {
		return giveUp{fmt.Errorf("%d passes in the tenant", n)}
	}
	return nil
}

// standing is what firstpass show --json tells of a journey, as far as a story
// needs it. docs/api.md has the whole of it.
type standing struct {
	Row struct {
		Stage  jml.Stage
		Closed time.Time
	}
	IssueAt         time.Time  `json:"issue_at"`
	Pass            *endedPass `json:"last_pass"`
	Removed, Weaker []jml.Method
}

// endedPass is what it tells of the pass that ended last.
type endedPass struct {
	Use        jml.Use
	Gone       time.Time
	Registered *jml.Method
}

// shows asks firstpass show about a journey.
func (d *demo) shows(ctx context.Context, kind jml.Kind, p *player) (s standing, ref string, err error) {
	if ref, err = d.ref(kind, p); err != nil {
		return s, ref, giveUp{err}
	}
	out, err := d.firstpass(ctx, "show", ref, "--json")
	if err != nil {
		return s, ref, err
	}
	if err := json.Unmarshal(out, &s); err != nil {
		return s, ref, giveUp{err}
	}
	return s, ref, nil
}

// closes waits until a journey has ended with an outcome, and checks the rest of
// what firstpass show tells.
func (d *demo) closes(kind jml.Kind, p *player, as jml.Stage, check func(standing) error, detail string) step {
	return func(ctx context.Context) error {
		ref, err := d.ref(kind, p)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("%s closed as %s", title(string(kind)), as)
		return d.expect(ctx, 20*time.Second, what, "firstpass show "+ref+" tells of an outcome "+string(as), func() (string, error) {
			s, _, err := d.shows(ctx, kind, p)
			if err != nil {
				return "", err
			}
			if s.Row.Closed.IsZero() {
				return "", errors.New("it has not ended yet")
			}
			if s.Row.Stage != as {
				return "", giveUp{fmt.Errorf("outcome %s, pass %+v", s.Row.Stage, s.Pass)}
			}
			if err := check(s); err != nil {
				return "", giveUp{err}
			}
			return "firstpass show " + ref + detail, nil
		})
	}
}

// completed is what the end of a good story looks like.
func completed(s standing) error {
	if s.Pass == nil || s.Pass.Gone.IsZero() || s.Pass.Registered == nil {
		return fmt.Errorf("pass %+v", s.Pass)
	}
	return nil
}

func (d *demo) completes(kind jml.Kind, p *player) step {
	return d.closes(kind, p, jml.StageCompleted, completed, "")
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// stage says where the journeys stand, for a failure: nothing if that can't be
// told.
func (d *demo) stage() (says string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	runs, err := d.runs(ctx)
	if err != nil {
		return ""
	}
	for _, r := range runs {
		id := r.GetExecution().GetWorkflowId()
		kind, _, _ := strings.Cut(id, "/")
		if !slices.Contains(jml.Kinds(), jml.Kind(kind)) || r.GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
			continue
		}
		answer, err := d.client.QueryWorkflow(ctx, id, "", workflows.QueryJourney)
		var v workflows.JourneyView
		if err != nil || answer.Get(&v) != nil {
			continue
		}
		says += fmt.Sprintf("\n            the %s's stage is %s", kind, v.Stage)
		if v.Block != nil {
			says += fmt.Sprintf(": %s. %s", v.Block, v.Block.Advice)
		}
	}
	return says
}
