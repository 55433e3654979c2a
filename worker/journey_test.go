package worker_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"firstpass.internal/activities"
	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
	"firstpass.internal/internal/graph"
	"firstpass.internal/internal/invitation"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
	"firstpass.internal/worker"
	"firstpass.internal/workflows"
)

// These tests run the production workflows, activities and Graph client against
// the simulated tenant over TLS, under Temporal's skipped clock: a fortnight
// takes milliseconds. Only the channel and the heartbeats are stand-ins.

var (
	begin = time.Date(2026, 11, 29, 7, 0, 0, 0, time.UTC)
	first = time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)
)

const upn = "freja.lind@firstpass.example"

// journey is one joiner in one tenant.
type journey struct {
	t      *testing.T
	env    *testsuite.TestWorkflowEnvironment
	tenant *entrasim.Tenant
	user   entrasim.User
	mail   *mailbox
	audit  *memoryAudit
	prof   jml.Profile
	logs   *bytes.Buffer
	views  []workflows.JourneyView
	graph  *graph.Client
}

func newJourney(t *testing.T, prepare ...func(*entrasim.User)) *journey {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	j := &journey{t: t, env: suite.NewTestWorkflowEnvironment(), logs: &bytes.Buffer{}, audit: &memoryAudit{}}
	j.env.SetStartTime(begin)
	j.env.SetTestTimeout(time.Minute)
	clock := func() time.Time { return j.env.Now().UTC() }
	j.mail = &mailbox{}
	j.tenant = entrasimtest.Start(t, func(c *entrasim.Config) {
		c.Now = clock
		// Lets two passes live side by side, which no real tenant is known to
		// do: a second one would otherwise hide the first.
		c.Behaviour = entrasim.Behaviour{SecondPass: entrasim.SecondPassKeepsBoth}
	})
	u := entrasim.User{EmployeeID: "4711", UPN: upn}
	for _, f := range prepare {
		f(&u)
	}
	j.user = entrasimtest.User(t, j.tenant, u)
	j.prof = jml.Profile{
		Name: "default", LeadTime: 24 * time.Hour, StartHour: jml.Clock{Hour: 9}, Lifetime: 8 * time.Hour, OneTime: true,
		Mode: jml.ModeSend, PassTo: []jml.Route{{Channel: "mail", Recipient: jml.RecipientPersonalMail}},
		CompleteOn: []jml.MethodKind{jml.MethodFIDO2}, Settle: 10 * time.Minute, Timeout: 24 * time.Hour,
		Poll:    []time.Duration{2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute},
		Recheck: []time.Duration{time.Minute, 2 * time.Minute, 10 * time.Minute},
	}
	dir := t.TempDir()
	ca, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "secret")
	write(t, ca, j.tenant.CAPEM())
	write(t, key, []byte(j.tenant.ClientSecret()))
	directory, err := graph.New(graph.Config{
		Endpoint: j.tenant.URL(), Authority: j.tenant.URL(), TenantID: j.tenant.TenantID(), ClientID: j.tenant.ClientID(), CAFile: ca,
		Credential: graph.Credential{Kind: graph.ClientSecret, SecretFile: key},
		CacheFor:   time.Nanosecond, // the policy changes under our feet in these tests
	})
	if err != nil {
		t.Fatal(err)
	}
	j.graph = directory
	acts, err := activities.New(activities.Config{
		Directory: directory, Sender: j.mail, Invitations: noPage{}, Profiles: noPage{}, Audit: j.audit, Checkpoints: &heartbeats{},
		Now: clock, Pause: func(context.Context, time.Duration) {}, Logger: slog.New(slog.NewTextHandler(j.logs, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	worker.Register(j.env, acts)
	return j
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// at does f when the test's clock shows when.
func (j *journey) at(when time.Time, f func()) { j.env.RegisterDelayedCallback(f, when.Sub(begin)) }

// watch keeps a view of the joiner as it is then.
func (j *journey) watch(when time.Time) {
	j.at(when, func() {
		v, err := j.env.QueryWorkflow(workflows.QueryJourney)
		if err != nil {
			j.t.Error(err)
			return
		}
		var view workflows.JourneyView
		if err := v.Get(&view); err != nil {
			j.t.Error(err)
		}
		j.views = append(j.views, view)
	})
}

// personRegisters has the person sign in with the newest mail and register a
// passkey.
func (j *journey) personRegisters(when time.Time) {
	j.at(when, func() {
		code := j.mail.last()
		s, err := j.tenant.SignIn(upn, code)
		if err != nil {
			j.t.Errorf("sign-in at %s: %v", when, err)
			return
		}
		if _, err := j.tenant.Register(s, entrasim.Method{Kind: entrasim.KindFIDO2}); err != nil {
			j.t.Errorf("register: %v", err)
		}
	})
}

func (j *journey) run() workflows.JourneyResult {
	j.t.Helper()
	j.at(begin, func() {
		j.env.SignalWorkflow(workflows.SignalFacts, jml.Snapshot{
			EmployeeID: "4711", Status: jml.StatusScheduled, StartDate: jml.Date{Year: 2026, Month: 12, Day: 1},
			Zone: "Europe/Copenhagen", GivenName: "Freja", PersonalMail: "freja@example.org", ObservedAt: begin,
		})
	})
	j.env.ExecuteWorkflow(workflows.TypeJoiner, workflows.JourneyInput{Ref: "ref", Source: "hr", Profile: j.prof, Shows: workflows.ShowsAll})
	var res workflows.JourneyResult
	if err := j.env.GetWorkflowError(); err != nil {
		j.t.Fatal(err)
	}
	if err := j.env.GetWorkflowResult(&res); err != nil {
		j.t.Fatal(err)
	}
	return res
}

// promises checks what must hold whatever happened.
func (j *journey) promises() {
	j.t.Helper()
	entrasimtest.NoViolations(j.t, j.tenant)
	if n := j.tenant.MaxLivePasses(j.user.ID); n > 1 {
		j.t.Errorf("%d passes were live at once", n)
	}
	if n := j.tenant.PassLive(j.user.ID); n != 0 {
		j.t.Errorf("%d passes are live after the journey", n)
	}
	kept := j.logs.String() + fmt.Sprintf("%+v", j.audit.lines)
	for _, code := range j.mail.codes {
		if strings.Contains(kept, code) {
			j.t.Error("a passcode stands in the log or the audit")
		}
	}
}

func (j *journey) expect(got workflows.JourneyResult, want jml.Stage) {
	j.t.Helper()
	if got.Outcome != want {
		j.t.Errorf("outcome %s (block %v), want %s\n%s", got.Outcome, got.Block, want, j.logs)
	}
	j.promises()
}

// noPage is a configuration without a pick-up page.
type noPage struct{ activities.Invitations }

func (noPage) Choose(jml.Kind, string, jml.Snapshot, *jml.User) jml.Choice { return jml.Choice{} }
func (noPage) Links() bool                                                 { return false }
func (noPage) Handle(invitation.Handle) string                             { return "" }
func (noPage) MessageID(invitation.Handle) string                          { return "" }

// mailbox stands for the channel and for the person's mailbox.
type mailbox struct {
	mu       sync.Mutex
	refuse   []*jml.Fault // answers to the next sends, nil accepts
	probes   int
	codes    []string
	replaces []bool
}

func (*mailbox) Address(string) (jml.AddressKind, bool) { return jml.AddressMail, true }

func (m *mailbox) Check(context.Context, jml.Notice) error { return nil }

func (m *mailbox) Probe(context.Context, string, *jml.Notice) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.probes++
	if len(m.refuse) > 0 && m.refuse[0] != nil {
		f := m.refuse[0]
		m.refuse = m.refuse[1:]
		return f
	}
	return nil
}

func (m *mailbox) Send(_ context.Context, n jml.Notice, c secret.Contents) (jml.Receipt, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.refuse) > 0 {
		f := m.refuse[0]
		m.refuse = m.refuse[1:]
		if f != nil {
			return jml.Receipt{}, f
		}
	}
	m.codes = append(m.codes, c.Passcode.Reveal())
	m.replaces = append(m.replaces, n.Replaces)
	return jml.Receipt{MessageID: "m"}, nil
}

func (m *mailbox) last() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.codes) == 0 {
		return ""
	}
	return m.codes[len(m.codes)-1]
}

type memoryAudit struct {
	mu    sync.Mutex
	lines []audit.Entry
}

func (a *memoryAudit) Append(_ context.Context, e audit.Entry) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lines = append(a.lines, e)
	return nil
}

// heartbeats keeps the checkpoint of the one issue activity a test runs at a
// time.
type heartbeats struct {
	mu   sync.Mutex
	mark activities.Checkpoint
}

func (h *heartbeats) Keep(context.Context) func() { return func() {} }

func (h *heartbeats) Load(context.Context) (activities.Checkpoint, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mark, nil
}

func (h *heartbeats) Save(_ context.Context, v activities.Checkpoint) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mark = v
	return nil
}
