package workflows_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

func taken[O any](t *testing.T, then func(O)) *testsuite.TestUpdateCallback {
	return &testsuite.TestUpdateCallback{
		OnAccept: func() {}, OnReject: func(err error) { t.Error(err) },
		OnComplete: func(res any, err error) {
			if err != nil {
				t.Error(err)
				return
			}
			then(res.(O))
		},
	}
}

// shown is one upsert of search attributes.
type shown struct {
	workflow string
	at       time.Time
	temporal.SearchAttributes
}

func (s shown) keyword(name string) string {
	v, _ := s.GetKeyword(temporal.NewSearchAttributeKeyKeyword(name))
	return v
}

// gallery keeps what workflows show.
type gallery struct {
	interceptor.WorkerInterceptorBase
	upserts  []shown
	children []temporal.SearchAttributes
}

func (g *gallery) watch(r *run) *gallery {
	r.env.SetWorkerOptions(sdkworker.Options{Interceptors: []interceptor.WorkerInterceptor{g}})
	return g
}

func (g *gallery) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &galleryIn{interceptor.WorkflowInboundInterceptorBase{Next: next}, g}
}

type galleryIn struct {
	interceptor.WorkflowInboundInterceptorBase
	g *gallery
}

func (i *galleryIn) Init(next interceptor.WorkflowOutboundInterceptor) error {
	return i.Next.Init(&galleryOut{interceptor.WorkflowOutboundInterceptorBase{Next: next}, i.g})
}

type galleryOut struct {
	interceptor.WorkflowOutboundInterceptorBase
	g *gallery
}

func (o *galleryOut) UpsertTypedSearchAttributes(ctx workflow.Context, up ...temporal.SearchAttributeUpdate) error {
	o.g.upserts = append(o.g.upserts, shown{workflow.GetInfo(ctx).WorkflowType.Name, workflow.Now(ctx), temporal.NewSearchAttributes(up...)})
	return o.Next.UpsertTypedSearchAttributes(ctx, up...)
}

func (o *galleryOut) ExecuteChildWorkflow(ctx workflow.Context, name string, args ...any) workflow.ChildWorkflowFuture {
	o.g.children = append(o.g.children, workflow.GetChildWorkflowOptions(ctx).TypedSearchAttributes)
	return o.Next.ExecuteChildWorkflow(ctx, name, args...)
}

// stages tells what was shown of workflows of a type.
func (g *gallery) stages(workflow string) (out []string) {
	for _, u := range g.upserts {
		if u.workflow == workflow {
			out = append(out, u.keyword(workflows.AttributeStage))
		}
	}
	return out
}

// TestShown: what can be searched, at the price that is promised.
func TestShown(t *testing.T) {
	for name, tt := range map[string]struct {
		shows    workflows.Shows
		profile  jml.Profile
		journey  string
		pass     string
		children int // attributes that a pass begins with
	}{
		"all, sent":          {workflows.ShowsAll, profile(), "blocked pass completed", "waiting revoking", 3},
		"all, picked up":     {workflows.ShowsAll, pickupProfile(), "blocked pass completed", "invited waiting revoking", 3},
		"from before, sent":  {workflows.ShowsFirst, profile(), "blocked pass completed", "", 1},
		"from before, other": {workflows.ShowsFirst, pickupProfile(), "blocked pass completed", "", 1},
		"none":               {workflows.ShowsNone, profile(), "", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRun(t)
			g := (&gallery{}).watch(r)
			r.prof = tt.profile
			r.fake.look = registered(first)
			if tt.profile.Mode == jml.ModePickup {
				r.fake.look = func(in workflows.LookInput) (workflows.LookResult, error) {
					if in.MethodID == "" {
						return workflows.LookResult{}, nil
					}
					return registered(first)(in)
				}
				at := first.Add(-24 * time.Hour)
				r.updatePass(at, workflows.UpdateVisit, workflows.VisitRequest{Visit: "v", LinkHash: linkHash, CodeHash: codeHash, PublicKey: []byte{1}})
				r.updatePass(at.Add(time.Second), workflows.UpdateReveal, workflows.RevealRequest{Visit: "v"})
			}
			r.fake.preflight = func(workflows.PreflightInput) (jml.Verdict, error) {
				if r.env.Now().Before(first.Add(-47 * time.Hour)) {
					return jml.Verdict{Block: jml.Blocked(jml.ReasonUserDisabled, "")}, nil
				}
				return jml.Verdict{User: user}, nil
			}
			s := snapshot()
			r.env.ExecuteWorkflow(workflows.TypeJoiner, workflows.JourneyInput{Ref: "ref", Source: "hr", Profile: r.prof, Facts: &s, Shows: tt.shows})
			if got := strings.Join(g.stages(workflows.TypeJoiner), " "); got != tt.journey {
				t.Errorf("journey showed %q, want %q", got, tt.journey)
			}
			if got := strings.Join(g.stages(workflows.TypePass), " "); got != tt.pass {
				t.Errorf("pass showed %q, want %q", got, tt.pass)
			}
			if len(g.children) != 1 || g.children[0].Size() != tt.children {
				t.Errorf("passes began with %+v", g.children)
			}
			if tt.shows < workflows.ShowsAll {
				for _, u := range g.upserts {
					if _, ok := u.GetBool(temporal.NewSearchAttributeKeyBool(workflows.AttributeNeeds)); ok {
						t.Error("sets what may not be registered")
					}
				}
				return
			}
			// A reason, what it asks for and since when come in one upsert.
			u := g.upserts[0]
			needs, there := u.GetBool(temporal.NewSearchAttributeKeyBool(workflows.AttributeNeeds))
			changed, _ := u.GetTime(temporal.NewSearchAttributeKeyTime(workflows.AttributeChanged))
			if u.keyword(workflows.AttributeReason) != "userDisabled" || !there || !needs || !changed.Equal(u.at) {
				t.Errorf("blocked: %+v", u)
			}
			for _, u := range g.upserts {
				if u.workflow == workflows.TypePass && u.keyword(workflows.AttributeStage) == "waiting" {
					expires, _ := u.GetTime(temporal.NewSearchAttributeKeyTime(workflows.AttributeExpires))
					if !expires.Equal(first.Add(8*time.Hour)) || u.keyword(workflows.AttributeChannel) != "mail" {
						t.Errorf("handed over: expires %s, by %q", expires, u.keyword(workflows.AttributeChannel))
					}
				}
			}
		})
	}
}

// TestNothingPersonalIsShown: search attributes and details are stored in clear.
func TestNothingPersonalIsShown(t *testing.T) {
	r := newRun(t)
	g := (&gallery{}).watch(r)
	r.fake.look = registered(first)
	var texts []string
	for _, at := range []time.Time{begin.Add(time.Minute), first.Add(-time.Hour), first.Add(time.Minute)} {
		r.at(at, func() { texts = append(texts, r.details("")) })
	}
	r.at(first.Add(-time.Hour), func() { texts = append(texts, r.details(workflows.PassID(user.ID))) })
	r.says(begin.Add(time.Hour), workflows.UpdateHold, workflows.HoldRequest{Word: word(), Hold: true})
	r.at(begin.Add(2*time.Hour), func() { texts = append(texts, r.details("")) })
	r.says(begin.Add(3*time.Hour), workflows.UpdateHold, workflows.HoldRequest{Word: word()})
	s := snapshot()
	r.env.ExecuteWorkflow(workflows.TypeJoiner, workflows.JourneyInput{Ref: "ref", Source: "hr", Profile: r.prof, Facts: &s, Shows: workflows.ShowsAll})
	for _, u := range g.upserts {
		for key, v := range u.GetUntypedValues() {
			if text, ok := v.(string); ok {
				texts = append(texts, key.GetName()+"="+text)
			}
		}
	}
	personal := regexp.MustCompile(`(?i)freja|lind|4711|@|op@example|asked to`)
	for _, text := range texts {
		if personal.MatchString(text) {
			t.Errorf("personal: %s", text)
		}
	}
	if len(texts) < 8 {
		t.Errorf("%d texts", len(texts))
	}
	for _, part := range []string{"**Scheduled** since 2026-11-17 08:00 UTC", "- start: 2026-12-01 08:00 UTC", "- pass due from: 2026-11-29 08:00 UTC", "`firstpass show ref`"} {
		if !strings.Contains(texts[0], part) {
			t.Errorf("details lack %q:\n%s", part, texts[0])
		}
	}
	t.Log(strings.Join(texts[:5], "\n----\n"))
}

// details is what Temporal's UI shows of a workflow.
func (r *run) details(id string) string {
	r.t.Helper()
	query := r.env.QueryWorkflow
	if id != "" {
		query = func(name string, args ...any) (converter.EncodedValue, error) {
			return r.env.QueryWorkflowByID(id, name, args...)
		}
	}
	v, err := query("__temporal_workflow_metadata")
	if err != nil {
		r.t.Fatal(err)
	}
	var meta sdk.WorkflowMetadata
	if err := v.Get(&meta); err != nil {
		r.t.Fatal(err)
	}
	return meta.GetCurrentDetails()
}

func TestOpenSite(t *testing.T) {
	for site, want := range map[string]string{
		"Hamburg":               "Hamburg",
		" Berlin, Hall 3 ":      "Berlin, Hall 3",
		"freja@example.org":     "",
		"two\nlines":            "",
		strings.Repeat("x", 65): "",
		strings.Repeat("x", 64): strings.Repeat("x", 64),
		"":                      "",
	} {
		if got := workflows.OpenSite(site); got != want {
			t.Errorf("%q is shown as %q", site, got)
		}
	}
}

func TestShowsOf(t *testing.T) {
	all := workflows.Attributes()
	if got := workflows.ShowsOf(all); got != workflows.ShowsAll {
		t.Errorf("all: %d", got)
	}
	all[workflows.AttributeNeeds] = enums.INDEXED_VALUE_TYPE_KEYWORD
	if got := workflows.ShowsOf(all); got != workflows.ShowsFirst {
		t.Errorf("one of another type: %d", got)
	}
	delete(all, workflows.AttributeStage)
	if got := workflows.ShowsOf(all); got != workflows.ShowsNone {
		t.Errorf("no stage: %d", got)
	}
}
