package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"firstpass.internal/internal/codec"
	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// worldOptions change the world that newWorld makes. The zero value is a world
// with short waits, a strict tenant with one person in it, and Firstpass
// running.
type worldOptions struct {
	Cohort       string // the profile of the joiners; default cohortSend
	Roles        string // of Firstpass; default: all
	Profile      func(*profileSettings)
	Tenant       func(*entrasim.Config)
	ExtraSources string                   // YAML, to the end of the list of sources
	Settings     func(yaml string) string // the last word on firstpass.yaml
	People       []employee               // in the tenant; nil: one; empty: none yet
	// OwnTemporal starts a server for this world alone, which the test may stop
	// and start. Else it shares one and has a namespace to itself.
	OwnTemporal bool
	// Idle leaves it to the test to start Firstpass.
	Idle bool
}

// testWorld is a world in a test. Its helpers fail the test.
type testWorld struct {
	*world
	Person employee      // the first of People; somebody to hire where there is none
	Client client.Client // with the payload codec

	t testing.TB

	shown     *shown
	uncounted int // actions before CountAnew
}

// CountAnew forgets what requests and actions there were so far.
func (w *testWorld) CountAnew() {
	w.t.Helper()
	w.Tenant.ResetRequests()
	w.uncounted = w.Actions()
}

// shown are the passcodes that pages showed.
type shown struct {
	mu    sync.Mutex
	codes []string
}

func (s *shown) add(code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes = append(s.codes, code)
}

func (s *shown) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.codes)
}

// newWorld returns a world that ends with the test:
//
//	w := newWorld(t, worldOptions{Profile: func(p *profileSettings) { p.OneTime = false }})
//	lost := w.Mailbox.Inject(fault.Fault{After: true})   // or w.Tenant.MustInject(entrasim.Fault{…})
//	id := w.Post(w.Joiner(w.Person, 5*time.Second))
//	<-lost.Arrived()
//	w.Restart()                                        // kill -9 of Firstpass, and a new one
//	w.Onboard(w.Person)                                // mail, sign in, register
//	result := w.Result(id)
//
// At the end it looks for every passcode that was mailed or shown, and for every
// link and code, in all files and histories, and for a user who had two live
// passes.
func newWorld(t testing.TB, o worldOptions) *testWorld {
	t.Helper()
	s := shared.use(t)
	profile := quickProfile()
	profile.Settle = time.Second
	profile.Poll = profile.Poll[:1]
	profile.Poll[0] = 2 * time.Second
	profile.Recheck = []time.Duration{time.Second}
	if o.Profile != nil {
		o.Profile(&profile)
	}
	if o.Cohort == "" {
		o.Cohort = cohortSend
	}
	cfg := worldConfig{
		Dir: t.TempDir(), Firstpass: s.binary, Cohort: o.Cohort, Roles: o.Roles, Profile: &profile, ExtraSources: o.ExtraSources, Settings: o.Settings,
		Tenant: func(c *entrasim.Config) {
			c.Strict = true
			if o.Tenant != nil {
				o.Tenant(c)
			}
		},
	}
	if !o.OwnTemporal {
		cfg.Temporal, cfg.Namespace = s.temporal, s.namespace(t)
	}
	s.keepPorts(t, cfg.Dir)
	inner, err := openWorld(t.Context(), cfg)
	for range 2 {
		// Worlds that open at the same moment may choose the same ports.
		if err == nil || !strings.Contains(err.Error(), portsFile) {
			break
		}
		if err = os.Remove(filepath.Join(cfg.Dir, portsFile)); err == nil {
			inner, err = openWorld(t.Context(), cfg)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	w := &testWorld{world: inner, t: t, shown: &shown{}}
	t.Cleanup(w.finish)
	if o.People == nil {
		o.People = firstPeople()[:1]
	}
	w.Person = slices.Concat(o.People, firstPeople())[0]
	for _, e := range o.People {
		w.must(w.Hire(e))
	}
	if w.Client, err = inner.Client(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !o.Idle {
		w.Run()
		w.watched()
	}
	return w
}

// watched waits until Firstpass has compared its profiles with the tenant, which
// it does once when it starts: no journey's request is among those.
func (w *testWorld) watched() {
	w.t.Helper()
	if w.cfg.Roles != "" && !strings.Contains(w.cfg.Roles, "work") {
		return
	}
	w.Eventually(20*time.Second, "the tenant is looked at", func() error {
		if slices.ContainsFunc(w.Tenant.Requests(), func(r entrasim.Request) bool { return r.Operation == entrasim.OpListOrganization }) ||
			strings.Contains(w.Log(), "could not be compared") {
			return nil
		}
		return errors.New("not yet")
	})
	w.Tenant.ResetRequests()
}

// must fails the test if the last of its arguments is an error.
func (w *testWorld) must(_ any, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// Run starts Firstpass and returns once it takes requests.
func (w *testWorld) Run() {
	w.t.Helper()
	w.must(nil, w.StartFirstpass(w.t.Context()))
}

// Kill is kill -9 of Firstpass.
func (w *testWorld) Kill() {
	w.t.Helper()
	w.must(nil, w.KillFirstpass())
}

// Restart is kill -9 of Firstpass, and a new one.
func (w *testWorld) Restart() {
	w.t.Helper()
	w.Kill()
	w.Run()
}

// Eventually fails the test unless check returns nil within the time. It
// returns at the first nil.
func (w *testWorld) Eventually(within time.Duration, what string, check func() error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeoutCause(w.t.Context(), within, fmt.Errorf("waited %s", within))
	defer cancel()
	if err := poll(ctx, 50*time.Millisecond, check); err != nil {
		w.t.Fatalf("%s: %v", what, err)
	}
}

// Joiner is what HR knows of an employee who starts in so long, in Copenhagen.
func (w *testWorld) Joiner(e employee, in time.Duration) record {
	w.t.Helper()
	place, err := findOffice("Copenhagen")
	w.must(nil, err)
	return record{employee: e, Start: time.Now().Add(in).Truncate(time.Second), Office: place}
}

// Post tells Firstpass of r as the BambooHR source and returns the joiner's
// workflow ID.
func (w *testWorld) Post(r record) (id string) {
	w.t.Helper()
	return w.PostAs(sourceBambooHR, r)
}

// PostAs is Post as a source of choice.
func (w *testWorld) PostAs(source string, r record) (id string) {
	w.t.Helper()
	return w.PostLater(source, r, 0)
}

// PostLater is PostAs by a source whose clock is so far ahead.
func (w *testWorld) PostLater(source string, r record, ahead time.Duration) (id string) {
	w.t.Helper()
	var (
		status int
		answer string
		err    error
	)
	w.Eventually(20*time.Second, "the post is taken", func() error {
		status, answer, err = w.HR().Post(w.t.Context(), source, r, time.Now().Add(ahead))
		if status == http.StatusServiceUnavailable {
			return errors.New(answer) // an HR system repeats it
		}
		return nil
	})
	if err != nil || status != http.StatusOK {
		w.t.Fatalf("post: %d %s %v", status, answer, err)
	}
	return w.JoinerID(source, r.ID)
}

// JoinerID is the workflow ID of an employee's joiner.
func (w *testWorld) JoinerID(source, employeeID string) string {
	w.t.Helper()
	refs, err := intake.LoadRefs(w.Keys.file(refsKey))
	w.must(nil, err)
	return workflows.JourneyID(jml.KindJoiner, source, refs.Ref(source, employeeID))
}

// User is the tenant's object of an employee.
func (w *testWorld) User(e employee) entrasim.User {
	w.t.Helper()
	for _, u := range w.Tenant.Users() {
		if u.EmployeeID == e.ID {
			return u
		}
	}
	w.t.Fatalf("no user for employee %s", e.ID)
	return entrasim.User{}
}

// View asks a joiner.
func (w *testWorld) View(id string) (v workflows.JourneyView, err error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	answer, err := w.Client.QueryWorkflow(ctx, id, "", workflows.QueryJourney)
	if err == nil {
		err = answer.Get(&v)
	}
	return v, err
}

// WaitFor asks a joiner until what it says is right.
func (w *testWorld) WaitFor(id string, within time.Duration, what string, right func(workflows.JourneyView) bool) (v workflows.JourneyView) {
	w.t.Helper()
	w.Eventually(within, what, func() (err error) {
		if v, err = w.View(id); err == nil && !right(v) {
			err = fmt.Errorf("stage %s, block %v", v.Stage, v.Block)
		}
		return err
	})
	return v
}

// Result waits until a joiner has closed.
func (w *testWorld) Result(id string) (r workflows.JourneyResult) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Minute)
	defer cancel()
	if err := w.Client.GetWorkflow(ctx, id, "").Get(ctx, &r); err != nil {
		v, viewErr := w.View(id)
		w.t.Fatalf("%s has not closed: %v; stage %s, block %v (%v)", id, err, v.Stage, v.Block, viewErr)
	}
	return r
}

// Nudge has the pass of an employee look at the registered methods now.
func (w *testWorld) Nudge(e employee) {
	w.t.Helper()
	w.must(nil, w.Client.SignalWorkflow(w.t.Context(), workflows.PassID(w.User(e).ID), "", workflows.SignalLook, nil))
}

// Passcode waits for the n-th mail (from 1) to an employee and reads it.
func (w *testWorld) Passcode(e employee, n int) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	m, err := w.Mailbox.WaitFor(ctx, e.Mail, n)
	w.must(nil, err)
	code, err := passcodeIn(m)
	w.must(nil, err)
	return code
}

// SignIn signs an employee in with a passcode once it is valid.
func (w *testWorld) SignIn(e employee, code string) (s entrasim.Session) {
	w.t.Helper()
	w.Eventually(time.Minute, "sign in", func() (err error) {
		s, err = w.Tenant.SignIn(e.UPN, code)
		if err != nil && !errors.Is(err, entrasim.RefusedNotYetValid) && !errors.Is(err, entrasim.RefusedNotReady) {
			return giveUp{err}
		}
		return err
	})
	return s
}

// Onboard does what a new employee does: reads the newest mail, signs in once
// the pass is valid, registers a passkey.
func (w *testWorld) Onboard(e employee) {
	w.t.Helper()
	w.Passcode(e, 1)
	s := w.SignIn(e, w.Passcode(e, len(w.Mailbox.MailsTo(e.Mail))))
	w.must(w.Tenant.Register(s, entrasim.Method{Kind: entrasim.KindFIDO2}))
}

// Command runs the product's command line against this world.
func (w *testWorld) Command(args ...string) (out, says string, code int) {
	w.t.Helper()
	return w.CommandWith(w.Settings(), args...)
}

// CommandWith is Command with a configuration of its own.
func (w *testWorld) CommandWith(settings string, args ...string) (out, says string, code int) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), w.cfg.Firstpass, append(args, "--config", settings)...)
	cmd.Env = plainEnvironment(os.Environ())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			w.t.Fatal(err)
		}
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// Log is what Firstpass has logged so far.
func (w *testWorld) Log() string {
	w.t.Helper()
	raw, err := os.ReadFile(w.path(firstpassLog))
	w.must(nil, err)
	return string(raw)
}

// Audit is what stands in the ledger so far; the stream of audit.file follows it.
func (w *testWorld) Audit() string {
	w.t.Helper()
	return w.Do("ledger", "list", "--limit", "0", "--json")
}

// WorkflowIDs lists every workflow of the world, closed ones too.
func (w *testWorld) WorkflowIDs() []string {
	w.t.Helper()
	var ids []string
	var page []byte
	for {
		res, err := w.Client.ListWorkflow(context.Background(), &workflowservice.ListWorkflowExecutionsRequest{PageSize: 100, NextPageToken: page})
		w.must(nil, err)
		for _, e := range res.GetExecutions() {
			ids = append(ids, e.GetExecution().GetWorkflowId())
		}
		if page = res.GetNextPageToken(); len(page) == 0 {
			return ids
		}
	}
}

// Events counts the history events of all workflows of the world.
func (w *testWorld) Events() (n int) {
	w.t.Helper()
	for _, id := range w.WorkflowIDs() {
		d, err := w.Client.DescribeWorkflowExecution(context.Background(), id, "")
		w.must(nil, err)
		n += int(d.GetWorkflowExecutionInfo().GetHistoryLength())
	}
	return n
}

// Signals counts the signals in a workflow's history.
func (w *testWorld) Signals(id string) (n int) {
	w.t.Helper()
	history := w.Client.GetWorkflowHistory(context.Background(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		w.must(nil, err)
		if event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED {
			n++
		}
	}
	return n
}

// Actions counts the Temporal actions of the world, queries left out.
func (w *testWorld) Actions() int { return w.Temporal.Actions(w.cfg.Namespace) }

// Secrets are all that messages and letters carried and pages showed so far.
func (w *testWorld) Secrets() secrets {
	w.t.Helper()
	var s secrets
	for _, m := range w.Mailbox.Mails() {
		s.fromMail(m)
	}
	for _, t := range w.Phones.Texts() {
		s.fromText(t)
	}
	for _, page := range w.Letters() {
		s.fromLetter(page)
	}
	for _, code := range w.shown.all() {
		s.add(&s.Passcodes, code)
	}
	return s
}

// Letters are the pages that wait for the print room.
func (w *testWorld) Letters() (pages []string) {
	w.t.Helper()
	names, err := filepath.Glob(filepath.Join(w.path(lettersFolder), "*.html"))
	w.must(nil, err)
	for _, name := range names {
		raw, err := os.ReadFile(name)
		w.must(nil, err)
		pages = append(pages, string(raw))
	}
	return pages
}

// Unseen fails the test if a secret stands in any file of the world, the
// ledger's among them, in Temporal's database or, decrypted, in any history. A
// link and its reference may lie in the letters' folder. What pages showed may
// not even stand in a mail or a text message.
func (w *testWorld) Unseen(s secrets) {
	w.t.Helper()
	// The ledger and its WAL are among the files of the world; were they
	// elsewhere, nothing would be found in them.
	for _, name := range []string{ledgerFile, ledgerFile + "-wal"} {
		w.must(os.Stat(w.path(name)))
	}
	passcodes, links := newCanary(s.Passcodes...), newCanary(slices.Concat(s.Tokens, s.References, plainReferences(s.References))...)
	codes := newDigitCanary(s.Codes...)
	all := canaries{passcodes, links, codes}
	found, _, _, err := all.Files(w.cfg.Dir)
	w.must(nil, err)
	found = slices.DeleteFunc(found, func(path string) bool {
		raw, err := os.ReadFile(path)
		w.must(nil, err)
		return filepath.Dir(path) == w.path(lettersFolder) && !passcodes.In(raw)
	})
	if w.cfg.Temporal != nil {
		more, _, _, err := all.Files(filepath.Join(shared.dir, "temporal"))
		w.must(nil, err)
		found = append(found, more...)
	}
	if len(found) > 0 {
		w.t.Errorf("a secret stands in %s", strings.Join(found, ", "))
	}
	payloads, err := codec.New(codec.Config{Keyring: w.Keys.Payloads, Namespace: w.cfg.Namespace})
	w.must(nil, err)
	for _, id := range w.WorkflowIDs() {
		if _, err := all.History(context.Background(), w.Client, payloads, id); err != nil {
			w.t.Error(err)
		}
	}
	raw, err := json.Marshal([]any{w.Mailbox.Mails(), w.Phones.Texts()})
	w.must(nil, err)
	if newCanary(w.shown.all()...).In(raw) {
		w.t.Error("a passcode that a page showed stands in a mail or a text message")
	}
}

// finish checks what must hold after every story, then ends the world.
func (w *testWorld) finish() {
	w.t.Helper()
	if w.t.Failed() && w.Firstpass() != nil {
		w.t.Logf("Firstpass said:\n%s", w.Log())
	}
	if !w.t.Failed() && w.Client != nil {
		s := w.Secrets()
		// Whoever is asked for a yes is sent nothing secret.
		if sent := len(w.Mailbox.Mails()) - len(w.Mailbox.MailsTo(securityMail)) + len(w.Letters()); sent > 0 && len(s.Passcodes)+len(s.Tokens)+len(s.References) == 0 {
			w.t.Errorf("nothing secret found in %d messages: the search would prove nothing", sent)
		}
		w.Unseen(s)
	}
	for _, u := range w.Tenant.Users() {
		if n := w.Tenant.MaxLivePasses(u.ID); n > 1 {
			w.t.Errorf("user %s had %d live passes at once", u.UPN, n)
		}
	}
	for _, v := range w.Tenant.ContractViolations() {
		w.t.Errorf("contract violation by the %s of %s %s: %s", v.Side, v.Method, v.Path, v.Problem)
	}
	if w.Client != nil {
		w.Client.Close()
	}
	if err := w.world.Close(); err != nil {
		w.t.Error(err)
	}
}
