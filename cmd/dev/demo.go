package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"firstpass.internal/internal/codec"
	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// startAhead is how far ahead of the webhook the joiner starts: long enough to
// see that the pass does not work before.
const startAhead = 28 * time.Second

// logFiles are where to look when something does not come out.
const logFiles = firstpassLog + ", audit.jsonl, temporal/temporal.log"

// limits that the story has to keep to. They are what was measured when they
// were set, and what one more try of something costs.
type limits struct{ graph, actions, events int }

// limitTime is how long a demo may take from its first line to its last.
const limitTime = 2 * time.Minute

// limitsOf returns the limits of one joiner of a cohort.
//
// Mode send takes two actions more than before there were notices (16): one
// sends the notice, one is Twilio's word that it arrived.
//
// A pick-up sends three messages where mode send sends two, and hears of each;
// link, code and proof are an update each, and so is a wrong code; and preflight
// runs again when the pass is made. Measured: 14 requests, 29 actions, 103
// events, with one wrong code.
func limitsOf(cohort string) limits {
	if cohort == cohortSend {
		return limits{graph: 12, actions: 18, events: 70}
	}
	return limits{graph: 16, actions: 30, events: 115}
}

type demoCmd struct {
	Firstpass string `help:"The product's binary." default:"bin/firstpass" placeholder:"FILE"`
	Send      bool   `help:"Mode send: the passcode goes by mail. Default: the employee collects it at the pick-up page."`
	Keep      bool   `help:"Keep the folder with logs, database and audit."`
}

// Run implements the command.
func (d *demoCmd) Run(ctx context.Context, t terminal) error {
	began := time.Now()
	dir, err := os.MkdirTemp("", "firstpass-demo-")
	if err != nil {
		return err
	}
	demo := &demo{terminal: t, dir: dir, story: &story{out: t.out, style: t.style}, began: began, cohort: cohortPickup}
	if d.Send {
		demo.cohort = cohortSend
	}
	err = demo.play(ctx, d.Firstpass)
	if ctx.Err() != nil {
		err = errInterrupted
	}
	if failed := (*failure)(nil); errors.As(err, &failed) {
		fmt.Fprintln(t.out)
		return fmt.Errorf("%w\n  logs      %s in %s, which is kept", err, logFiles, dir)
	}
	if d.Keep {
		fmt.Fprintf(t.out, "\nKept: %s in %s\n", logFiles, dir)
		return err
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// demo is one joiner's story in a fresh world.
type demo struct {
	terminal
	dir    string
	cohort string
	story  *story
	began  time.Time

	world  *world
	client client.Client
	closed bool

	joiner  record
	user    entrasim.User
	invited invitation // mode pickup
	page    *visitor   // mode pickup
	code    string     // the passcode
	session entrasim.Session
	id      string // of the joiner's workflow

	actions int // used by the namespace before the webhook
	spent   figures
}

// figures are what the story cost.
type figures struct {
	graph, tokens    int
	actions, queries int
	joiner, pass     int // history events
}

// failure is a step that did not come out.
type failure struct{ step, expected, seen string }

func (f *failure) Error() string {
	return fmt.Sprintf("this did not come out: %s\n  expected  %s\n  seen      %s", f.step, f.expected, f.seen)
}

func (d *demo) play(ctx context.Context, binary string) (err error) {
	if err := d.open(ctx, binary); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	handOver := []func(context.Context) error{d.seeLink, d.seeCode, d.tryWrongCode, d.enter, d.prove, d.collect, d.seeIssued, d.seeNotice}
	if d.cohort == cohortSend {
		handOver = []func(context.Context) error{d.seeIssued, d.readMail, d.seeNotice}
	}
	for _, step := range slices.Concat([]func(context.Context) error{d.hire, d.postWebhook}, handOver, []func(context.Context) error{
		d.tryEarly, d.waitForStart, d.signIn, d.register, d.nudge, d.seeRevoked, d.tryLate, d.seeCompleted, d.readHistories, d.readMessages,
	}) {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := d.close(); err != nil {
		return err
	}
	if err := d.scanFiles(); err != nil {
		return err
	}
	return d.account()
}

func (d *demo) open(ctx context.Context, binary string) (err error) {
	p := newProgress(d.out)
	defer func() {
		if err != nil {
			p.failed()
		}
	}()
	if d.world, err = openWorld(ctx, worldConfig{Dir: d.dir, Firstpass: binary, Cohort: d.cohort, Progress: p.part}); err != nil {
		return err
	}
	p.part("Firstpass")
	if err := d.world.StartFirstpass(ctx); err != nil {
		return errors.Join(&failure{"starting firstpass", "it answers on " + loopback(d.world.Ports.Intake), lastLines(d.world.path(firstpassLog), err)}, d.world.Close())
	}
	if d.client, err = d.world.Client(ctx); err != nil {
		return errors.Join(err, d.world.Close())
	}
	p.done()
	fmt.Fprintf(d.out, "While it runs: mailbox %s, phones %s, pick-up page %s/p\n\n", d.world.Mailbox.PageURL(), d.world.Phones.PageURL(), d.world.PickupURL())
	return nil
}

func (d *demo) close() error {
	if d.closed {
		return nil
	}
	d.closed = true
	d.client.Close()
	return d.world.Close()
}

// expect checks until it comes out or time is up; check returns the detail to
// tell.
func (d *demo) expect(ctx context.Context, within time.Duration, what, expected string, check func() (string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var detail string
	err := poll(ctx, 100*time.Millisecond, func() (err error) {
		if c := d.world.Firstpass(); c != nil {
			select {
			case <-c.Done():
				return giveUp{errors.New("firstpass has ended by itself")}
			default:
			}
		}
		detail, err = check()
		return err
	})
	if err != nil {
		seen := strings.TrimSuffix(err.Error(), "\n"+context.DeadlineExceeded.Error())
		return &failure{what, fmt.Sprintf("%s, within %s", expected, within), seen + d.stage()}
	}
	d.story.tell(what, detail)
	return nil
}

func (d *demo) hire(ctx context.Context) (err error) {
	e := invented("1042", "Signe", "Holm")
	if d.user, err = d.world.Hire(e); err != nil {
		return err
	}
	copenhagen, err := findOffice("Copenhagen")
	if err != nil {
		return err
	}
	d.joiner = record{employee: e, Office: copenhagen}
	return d.expect(ctx, time.Second, "IT has made the user", "a user without pass or sign-in method", func() (string, error) {
		if passes, methods := len(d.world.Tenant.Passes(d.user.ID)), len(d.world.Tenant.Methods(d.user.ID)); passes+methods > 0 {
			return "", giveUp{fmt.Errorf("%d passes, %d methods", passes, methods)}
		}
		return e.UPN + ", no pass and no sign-in method but a password nobody knows", nil
	})
}

func (d *demo) postWebhook(ctx context.Context) error {
	d.world.Tenant.ResetRequests()
	d.actions = d.world.Temporal.Actions("default")
	d.joiner.Start = time.Now().Add(startAhead).Truncate(time.Second)
	date, clock, err := d.joiner.local()
	if err != nil {
		return err
	}
	d.story.opened = time.Now()
	return d.expect(ctx, 10*time.Second, "HR posts the new employee, Firstpass answers 200", "200 and one record accepted", func() (string, error) {
		status, answer, err := d.world.HR().Post(ctx, sourceBambooHR, d.joiner, time.Now())
		if err != nil {
			return "", err
		}
		var took struct{ Accepted, Quarantined int }
		if status != http.StatusOK || json.Unmarshal([]byte(answer), &took) != nil || took.Accepted != 1 || took.Quarantined != 0 {
			return "", giveUp{fmt.Errorf("%d %s", status, answer)}
		}
		return fmt.Sprintf("%s starts on %s at %s in %s", d.joiner.name(), date, clock, d.joiner.Office.Name), nil
	})
}

func (d *demo) seeIssued(ctx context.Context) error {
	return d.expect(ctx, 20*time.Second, "Pass in the tenant", "one live pass in the tenant that starts with the employee", func() (string, error) {
		passes := d.world.Tenant.Passes(d.user.ID)
		if len(passes) == 0 {
			return "", errors.New("no pass in the tenant")
		}
		p := passes[0]
		_, from, err := d.joiner.local()
		if err != nil {
			return "", giveUp{err}
		}
		if len(passes) > 1 || !p.Start.Equal(d.joiner.Start) || !p.Once || p.Lifetime != 60 {
			return "", giveUp{fmt.Errorf("%d passes, the first from %s for %d minutes, one-time %t", len(passes), p.Start.Format(time.RFC3339), p.Lifetime, p.Once)}
		}
		return fmt.Sprintf("works once, from %s in %s for %d minutes", from, d.joiner.Office.Name, p.Lifetime), nil
	})
}

func (d *demo) readMail(ctx context.Context) error {
	return d.expect(ctx, 15*time.Second, "Mail received", "one mail at "+d.joiner.Mail+" with the passcode in its text and nowhere in its subject, untracked", func() (_ string, err error) {
		mails := d.world.Mailbox.MailsTo(d.joiner.Mail)
		if len(mails) == 0 {
			return "", errors.New("no mail")
		}
		mail := mails[0]
		if d.code, err = passcodeIn(mail); err != nil {
			return "", giveUp{err}
		}
		switch {
		case len(mails) > 1:
			return "", giveUp{fmt.Errorf("%d mails", len(mails))}
		case strings.Contains(mail.Subject, d.code):
			return "", giveUp{errors.New("the passcode stands in the subject")}
		case mail.ClickTracking || mail.OpenTracking:
			return "", giveUp{errors.New("clicks or opening are tracked")}
		}
		return fmt.Sprintf("%q to %s, passcode %s", mail.Subject, d.joiner.Mail, masked(d.code)), nil
	})
}

// refused checks that signing in is refused for one reason.
func (d *demo) refused(ctx context.Context, what string, why entrasim.SignInRefusal, detail string) error {
	return d.expect(ctx, time.Second, what, "the tenant refuses: "+string(why), func() (string, error) {
		switch _, err := d.world.Tenant.SignIn(d.joiner.UPN, d.code); {
		case err == nil:
			return "", giveUp{errors.New("the tenant let the person in")}
		case !errors.Is(err, why):
			return "", giveUp{err}
		}
		return detail, nil
	})
}

func (d *demo) tryEarly(ctx context.Context) error {
	left := time.Until(d.joiner.Start).Round(time.Second)
	return d.refused(ctx, "Sign-in refused, the pass is not valid yet", entrasim.RefusedNotYetValid, fmt.Sprintf("the start is %s away", left))
}

func (d *demo) waitForStart(ctx context.Context) error {
	return d.expect(ctx, startAhead+10*time.Second, "Start time, the pass is valid", "the tenant calls the pass usable", func() (string, error) {
		passes := d.world.Tenant.Passes(d.user.ID)
		if len(passes) != 1 {
			return "", giveUp{fmt.Errorf("%d passes", len(passes))}
		}
		if passes[0].Reason != entrasim.ReasonEnabled {
			return "", errors.New("the tenant says " + passes[0].Reason)
		}
		return "", nil
	})
}

func (d *demo) signIn(ctx context.Context) error {
	return d.expect(ctx, 5*time.Second, d.joiner.Given+" signs in with it", "the tenant lets the person in", func() (_ string, err error) {
		d.session, err = d.world.Tenant.SignIn(d.joiner.UPN, d.code)
		return "as " + d.joiner.UPN, err
	})
}

func (d *demo) register(ctx context.Context) error {
	return d.expect(ctx, 5*time.Second, d.joiner.Given+" registers a passkey", "the tenant takes the method", func() (string, error) {
		m, err := d.world.Tenant.Register(d.session, entrasim.Method{Kind: entrasim.KindFIDO2, DisplayName: "Signe's phone"})
		return "method " + string(m.Kind), err
	})
}

func (d *demo) nudge(ctx context.Context) (err error) {
	if d.id, err = d.find(ctx); err != nil {
		return err
	}
	ref := workflows.RefOf(d.id)
	return d.expect(ctx, 15*time.Second, "The helpdesk has Firstpass look now", "firstpass nudge "+ref+" succeeds", func() (string, error) {
		_, err := d.firstpass(ctx, "nudge", ref)
		return "firstpass nudge " + ref, err
	})
}

func (d *demo) seeRevoked(ctx context.Context) error {
	return d.expect(ctx, 30*time.Second, "Pass revoked", "no pass left in the tenant, deleted by Firstpass", func() (string, error) {
		for _, e := range d.world.Tenant.PassEvents() {
			if e.UserID == d.user.ID && e.Kind == entrasim.PassDeleted && len(d.world.Tenant.Passes(d.user.ID)) == 0 {
				return "the tenant has none for " + d.joiner.Given + " any more", nil
			}
		}
		return "", errors.New("the pass is still there")
	})
}

func (d *demo) tryLate(ctx context.Context) error {
	return d.refused(ctx, "Sign-in refused, the pass is gone", entrasim.RefusedDeleted, "with the same passcode")
}

func (d *demo) seeCompleted(ctx context.Context) error {
	ref := workflows.RefOf(d.id)
	return d.expect(ctx, 20*time.Second, "Joiner closed as completed", "firstpass show "+ref+" tells of an outcome completed", func() (string, error) {
		out, err := d.firstpass(ctx, "show", ref, "--json")
		if err != nil {
			return "", err
		}
		var shown struct {
			Result *workflows.JourneyResult `json:"result"`
		}
		if err := json.Unmarshal(out, &shown); err != nil {
			return "", giveUp{err}
		}
		if shown.Result == nil {
			return "", errors.New("no result yet")
		}
		if r := shown.Result; r.Outcome != jml.StageCompleted || r.Pass == nil || r.Pass.Revoked == nil || r.Pass.Registered == nil {
			return "", giveUp{fmt.Errorf("outcome %s, pass %+v", r.Outcome, r.Pass)}
		}
		return "firstpass show " + ref, nil
	})
}

func (d *demo) readHistories(ctx context.Context) error {
	counts := d.world.Tenant.Counts()
	kinds := d.world.Temporal.ActionsByKind("default")
	d.spent = figures{graph: counts.Graph, tokens: counts.Token, actions: d.world.Temporal.Actions("default") - d.actions}
	for kind, n := range kinds {
		if isQuery(kind) {
			d.spent.queries += n
		}
	}
	payloads, err := codec.New(codec.Config{Keyring: d.world.Keys.Payloads, Namespace: "default"})
	if err != nil {
		return err
	}
	return d.expect(ctx, 15*time.Second, "No secret in Temporal's history", "two histories that can be decrypted and hold no passcode, link or code", func() (_ string, err error) {
		c := d.canaries()
		if d.spent.joiner, err = c.History(ctx, d.client, payloads, d.id); err != nil {
			return "", giveUp{err}
		}
		if d.spent.pass, err = c.History(ctx, d.client, payloads, workflows.PassID(d.user.ID)); err != nil {
			return "", giveUp{err}
		}
		return fmt.Sprintf("%d events read, decrypted", d.spent.joiner+d.spent.pass), nil
	})
}

// canaries look for everything secret in the story.
func (d *demo) canaries() canaries {
	var s secrets
	for _, m := range d.world.Mailbox.Mails() {
		s.fromMail(m)
	}
	for _, t := range d.world.Phones.Texts() {
		s.fromText(t)
	}
	return canaries{
		newCanary(slices.Concat(s.Passcodes, []string{d.code}, s.Tokens, s.References, plainReferences(s.References))...),
		newDigitCanary(s.Codes...),
	}
}

// scanFiles runs after everything has stopped, so that nothing waits in memory
// to be written.
func (d *demo) scanFiles() error {
	found, files, size, err := d.canaries().Files(d.dir)
	if err != nil {
		return err
	}
	const what, expected = "No secret in any file", "no file in the state folder holds passcode, link or code"
	if len(found) > 0 {
		return &failure{what, expected, strings.Join(found, ", ")}
	}
	if files < 10 {
		return &failure{what, "at least ten files to look into", fmt.Sprint(files)}
	}
	d.story.tell(what, fmt.Sprintf("%d files, %.1f MB: database, logs, audit, configuration, state", files, float64(size)/1e6))
	return nil
}

func (d *demo) account() error {
	f, most, took := d.spent, limitsOf(d.cohort), time.Since(d.began)
	fmt.Fprintln(d.out)
	tokens := fmt.Sprintf("and %d for a token", f.tokens)
	queries := "queries of the command line not counted"
	table(d.out, [][]string{
		{"", "this joiner", "limit", ""},
		{"Graph requests", fmt.Sprint(f.graph), fmt.Sprint(most.graph), tokens},
		{"Temporal actions", fmt.Sprint(f.actions), fmt.Sprint(most.actions), fmt.Sprintf("%s: %d", queries, f.queries)},
		{"History events", fmt.Sprint(f.joiner + f.pass), fmt.Sprint(most.events), fmt.Sprintf("joiner %d, pass %d", f.joiner, f.pass)},
		{"Seconds", fmt.Sprintf("%.0f", took.Seconds()), fmt.Sprintf("%.0f", limitTime.Seconds()), "from the first line to this one"},
	})
	if f.graph > most.graph || f.actions > most.actions || f.joiner+f.pass > most.events || took > limitTime {
		return &failure{"keeping to the limits", "nothing over its limit", "see the table"}
	}
	fmt.Fprintln(d.out, "\nEverything came out as it should.")
	return nil
}

// find returns the workflow ID of the one joiner there is.
func (d *demo) find(ctx context.Context) (string, error) {
	res, err := d.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: "WorkflowType = '" + workflows.TypeJoiner + "'"})
	if err != nil {
		return "", err
	}
	if n := len(res.GetExecutions()); n != 1 {
		return "", &failure{"finding the joiner", "one joiner in Temporal", fmt.Sprint(n)}
	}
	return res.GetExecutions()[0].GetExecution().GetWorkflowId(), nil
}

// stage says where the joiner stands, for a failure: nothing if that can't be
// told.
func (d *demo) stage() string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	id, err := d.find(ctx)
	if err != nil {
		return ""
	}
	answer, err := d.client.QueryWorkflow(ctx, id, "", workflows.QueryJourney)
	var v workflows.JourneyView
	if err != nil || answer.Get(&v) != nil {
		return ""
	}
	if v.Block != nil {
		return fmt.Sprintf("\n            the joiner is blocked: %s. %s", v.Block, v.Block.Advice)
	}
	return fmt.Sprintf("\n            the joiner's stage is %s", v.Stage)
}

// firstpass runs a command of the product as somebody at a terminal does.
func (d *demo) firstpass(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, d.world.cfg.Firstpass, append(args, "--config", d.world.Settings())...)
	cmd.Env = plainEnvironment(os.Environ())
	var out, says bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &says
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("firstpass %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(says.String()))
	}
	return out.Bytes(), nil
}

// lastLines returns err and the end of a log.
func lastLines(path string, err error) string {
	f, openErr := os.Open(filepath.Clean(path))
	if openErr != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }()
	const tail = 2000
	if size, seekErr := f.Seek(0, io.SeekEnd); seekErr == nil {
		_, _ = f.Seek(max(0, size-tail), io.SeekStart)
	}
	raw, readErr := io.ReadAll(f)
	if readErr != nil {
		return err.Error()
	}
	return strings.TrimSpace(err.Error() + "\n" + string(raw))
}
