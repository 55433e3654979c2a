package ops

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/internal/ops/board"
	"firstpass.internal/workflows"
)

func filter() board.Filter { return board.Filter{} }

func TestWhoSeesWhat(t *testing.T) {
	see := map[string]func(*Service, access.Role) error{
		"board":   func(s *Service, r access.Role) error { _, _, err := s.Board(as(s.life, r), filter()); return err },
		"passes":  func(s *Service, r access.Role) error { _, _, err := s.Passes(as(s.life, r)); return err },
		"feeds":   func(s *Service, r access.Role) error { _, err := s.Feeds(as(s.life, r)); return err },
		"journey": func(s *Service, r access.Role) error { _, err := s.Journey(as(s.life, r), joinerID); return err },
		"rows of one": func(s *Service, r access.Role) error {
			_, err := s.Ledger(as(s.life, r), ledger.RowFilter{Ref: "abc"})
			return err
		},
		"all rows": func(s *Service, r access.Role) error {
			_, err := s.Ledger(as(s.life, r), ledger.RowFilter{})
			return err
		},
		"rows by actor": func(s *Service, r access.Role) error {
			_, err := s.Ledger(as(s.life, r), ledger.RowFilter{Actor: "olga@example.com"})
			return err
		},
		"by name": func(s *Service, r access.Role) error { _, err := s.Search(as(s.life, r), "Ada"); return err },
		"by ref":  func(s *Service, r access.Role) error { _, err := s.Search(as(s.life, r), "abc"); return err },
	}
	all := []access.Role{access.Viewer, access.Operator, access.Approver, access.Auditor}
	want := map[string][]access.Role{
		"board": all, "passes": all, "feeds": all, "rows of one": all, "all rows": {access.Auditor}, "rows by actor": {access.Auditor},
		"journey": access.Roles(), "by ref": access.Roles(), "by name": {access.Operator, access.Desk},
	}
	for name, do := range see {
		for _, r := range append(access.Roles(), "admin") {
			w := newWorld(t)
			if err := do(w.service(), r); (err == nil) != slices.Contains(want[name], r) {
				t.Errorf("%s by %s: %v", name, r, err)
			}
		}
	}
}

func TestJourney(t *testing.T) {
	w := newWorld(t)
	j := w.out(joinerID, jml.StageInvited)
	j.pass.NextLook = noon.Add(5 * time.Minute)
	j.pass.Deliveries = []workflows.Delivery{
		{N: 1, Message: jml.MessageLink, Channel: "mail", To: jml.RecipientPersonalMail, Status: jml.DeliveryDelivered, At: noon.Add(-time.Minute)},
		{N: 2, Message: jml.MessageCode, Channel: "sms", Status: jml.DeliveryAccepted, At: noon.Add(-time.Minute)},
	}
	l := (*fakeLedger)(w)
	for i, e := range []audit.Event{audit.EventMessageSend, audit.Event(workflows.StepResent), "from.thefuture"} {
		_ = l.Append(t.Context(), audit.Entry{Time: noon.Add(time.Duration(i-10) * time.Minute), Event: e, Ref: "abc", RequestID: "rq"})
	}
	_ = l.Append(t.Context(), audit.Entry{Time: noon, Event: audit.EventPassIssued, Ref: "somebody else"})
	got, err := w.service().Journey(as(t.Context(), access.Operator), "abc")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for i, m := range got.Timeline {
		if i > 0 && m.At.Before(got.Timeline[i-1].At) {
			t.Error("not in order")
		}
		if m.Ahead != m.At.After(noon) {
			t.Errorf("%s: ahead %t", m.What, m.Ahead)
		}
		lines = append(lines, m.What)
	}
	want := []string{
		"HR told of the start", "About to send a message", "An operator had the invitation sent again", "from.thefuture",
		"Arrived: message link to personal mail by mail", "The next look at the registered methods", "The start",
		"A reminder, if nothing is registered by then", "The link lapses", "Firstpass gives up, if nothing is registered by then",
	}
	// The reminder's anchor has nobody to remind, which is an employee's.
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s", strings.Join(lines, "\n"))
	}
	if got.Version != "01234567-3" || got.Row.Pass != jml.StageInvited || got.Pass == nil || got.Stale {
		t.Errorf("got %+v", got)
	}
	if !got.View.Facts.BirthDate.IsZero() || got.View.Facts.PersonalMail == "" {
		t.Errorf("facts %+v", got.View.Facts)
	}
	seen, err := w.service().Journey(as(t.Context(), access.Viewer), joinerID)
	if err != nil || seen.View.Facts.PersonalMail+seen.View.Facts.Phone != "" || len(seen.Can) != 0 || len(seen.Cannot) != 0 {
		t.Errorf("a viewer sees %+v, can %v, %v", seen.View.Facts, seen.Can, err)
	}
}

func TestJourneyWithGaps(t *testing.T) {
	w := newWorld(t)
	_ = (*fakeLedger)(w).Append(t.Context(), audit.Entry{Time: noon, Event: audit.EventPassIssued, Ref: "abc"})
	w.away = serviceerror.NewUnavailable("gone")
	got, err := w.service().Journey(as(t.Context(), access.Operator), joinerID)
	if err != nil || !got.Stale || len(got.Gaps) != 1 || len(got.Timeline) != 1 || len(got.Can) != 0 || len(got.Cannot) == 0 || got.Row.Ref != "abc" {
		t.Errorf("without Temporal: %+v, %v", got, err)
	}
	// What the board has not heard of either.
	if _, err := w.service().Journey(as(t.Context(), access.Operator), "joiner/hr/xyz"); kindOf(t, err) != RefusedAway {
		t.Errorf("got %v", err)
	}
	w.away, w.ledgerErr = nil, errors.New("gone")
	got, err = w.service().Journey(as(t.Context(), access.Operator), joinerID)
	if err != nil || got.Stale || len(got.Gaps) != 1 || got.View.Ref != "abc" {
		t.Errorf("without ledger: %+v, %v", got, err)
	}
	// What only Temporal knows yet.
	w.add("mover/hr/new", jml.StageScheduled)
	w.table = w.table[:1]
	if got, err = w.service().Journey(as(t.Context(), access.Operator), "mover/hr/new"); err != nil || got.Row.Kind != jml.KindMover {
		t.Errorf("got %+v, %v", got.Row, err)
	}
	if _, err = w.service().Journey(as(t.Context(), access.Operator), "mover/hr/none"); kindOf(t, err) != RefusedMissing {
		t.Errorf("got %v", err)
	}
}

func TestClosedJourney(t *testing.T) {
	w := newWorld(t)
	j := w.journeys[joinerID]
	j.closed, j.result = true, workflows.JourneyResult{Outcome: jml.StageCompleted, Facts: jml.Snapshot{GivenName: "Ada"}}
	w.table[0].Stage, w.table[0].Closed = jml.StageCompleted, noon
	got, err := w.service().Journey(as(t.Context(), access.Operator), joinerID)
	if err != nil || got.View.Stage != jml.StageCompleted || got.View.Facts.GivenName != "Ada" || len(got.Can) != 0 || got.Cannot[VerbCancel] == "" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestMeantByReference(t *testing.T) {
	w := newWorld(t)
	w.add("recovery/hr/abc", jml.StageApproval)
	s := w.service()
	if _, err := s.Journey(as(t.Context(), access.Operator), "abc"); kindOf(t, err) != RefusedState {
		t.Errorf("two run: %v", err)
	}
	w.table[0].Closed = noon
	if got, err := s.Journey(as(t.Context(), access.Operator), "abc"); err != nil || got.Row.Kind != jml.KindRecovery {
		t.Errorf("one runs: %+v, %v", got.Row, err)
	}
}

func TestCan(t *testing.T) {
	own := &jml.Request{Actor: "Olga@example.com"}
	for name, c := range map[string]struct {
		change func(*world, *fakeJourney)
		can    []Verb
		cannot []Verb
	}{
		"scheduled": {func(*world, *fakeJourney) {}, []Verb{VerbHold, VerbMove, VerbCancel, VerbLink, VerbNudge, VerbRegistered}, []Verb{VerbResume, VerbResend, VerbReissue, VerbRevoke, VerbApprove, VerbDeviceDone}},
		"held":      {func(_ *world, j *fakeJourney) { j.view.Held = &workflows.Word{} }, []Verb{VerbResume}, []Verb{VerbHold}},
		"invited":   {func(w *world, _ *fakeJourney) { w.out(joinerID, jml.StageInvited) }, []Verb{VerbResend, VerbReissue, VerbRevoke}, nil},
		"collected": {func(w *world, _ *fakeJourney) {
			w.out(joinerID, jml.StageWaiting).pass.Issued = &workflows.IssueResult{}
		}, []Verb{VerbReissue, VerbRevoke}, []Verb{VerbResend}},
		"sent": {func(w *world, _ *fakeJourney) {
			p := w.out(joinerID, jml.StageWaiting).pass
			p.Issued, p.Pickup = &workflows.IssueResult{}, nil
		}, []Verb{VerbReissue}, []Verb{VerbResend}},
		"locked":        {func(w *world, _ *fakeJourney) { w.out(joinerID, jml.StageInvited).pass.Pickup.Locked = true }, []Verb{VerbReissue}, []Verb{VerbResend}},
		"lapsed link":   {func(w *world, _ *fakeJourney) { w.out(joinerID, jml.StageInvited).pass.Pickup.LinkUntil = noon }, []Verb{VerbReissue}, []Verb{VerbResend}},
		"no more":       {func(w *world, j *fakeJourney) { w.out(joinerID, jml.StageInvited); j.view.Reissues = 2 }, nil, []Verb{VerbReissue}},
		"undeliverable": {func(_ *world, j *fakeJourney) { j.view.Block = jml.Blocked(jml.ReasonUndeliverable, "") }, []Verb{VerbReissue}, []Verb{VerbRevoke}},
		"ending":        {func(_ *world, j *fakeJourney) { j.view.Stopping = &jml.Stop{} }, nil, journeyVerbs()},
		"to approve": {func(_ *world, j *fakeJourney) {
			j.view.Approval = &jml.Approval{AskedAt: noon, Until: noon.Add(time.Hour)}
		}, []Verb{VerbApprove, VerbRefuse}, nil},
		"lapsed": {func(_ *world, j *fakeJourney) { j.view.Approval = &jml.Approval{AskedAt: noon, Until: noon} }, nil, []Verb{VerbApprove, VerbRefuse}},
		"own request": {func(_ *world, j *fakeJourney) {
			j.view.Approval, j.view.Request = &jml.Approval{AskedAt: noon, Until: noon.Add(time.Hour)}, own
		}, nil, []Verb{VerbApprove, VerbRefuse}},
		"own hands": {func(_ *world, j *fakeJourney) {
			j.view.Approval, j.view.Request = &jml.Approval{AskedAt: noon, Until: noon.Add(time.Hour)}, &jml.Request{Actor: "x", Technician: jml.User{UPN: "OLGA@example.com"}}
		}, nil, []Verb{VerbApprove, VerbRefuse}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.change(w, w.journeys[joinerID])
			got, err := w.service().Journey(as(t.Context(), access.Operator, access.Approver), joinerID)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range c.can {
				if !slices.Contains(got.Can, v) {
					t.Errorf("can't %s: %s", v, got.Cannot[v])
				}
			}
			for _, v := range c.cannot {
				if slices.Contains(got.Can, v) || got.Cannot[v] == "" {
					t.Errorf("can %s", v)
				}
			}
			if len(got.Can)+len(got.Cannot) != len(journeyVerbs()) {
				t.Errorf("can %v, cannot %v", got.Can, got.Cannot)
			}
		})
	}
}

// constants returns the values of the string constants of a type in a package.
func constants(t *testing.T, dir, typ string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files in %s: %v", len(files), dir, err)
	}
	var out []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if id, ok := v.Type.(*ast.Ident); !ok || id.Name != typ {
				return true
			}
			for _, x := range v.Values {
				if s, err := strconv.Unquote(x.(*ast.BasicLit).Value); err == nil {
					out = append(out, s)
				}
			}
			return true
		})
	}
	return out
}

func TestEveryEventHasWords(t *testing.T) {
	events := append(constants(t, "../audit", "Event"), constants(t, "../../workflows", "Step")...)
	if len(events) < 40 {
		t.Fatalf("only %d events found", len(events))
	}
	for _, e := range events {
		if w := Words(audit.Event(e)); w == e || w == "" {
			t.Errorf("%s has no words", e)
		}
	}
}

func people(n int) []intake.Employee {
	out := []intake.Employee{
		{Source: "hr", Ref: "abc", Snapshot: jml.Snapshot{EmployeeID: "4711", GivenName: "José", FamilyName: "Müller-" + canary, PersonalMail: "j@example.org"}},
		{Source: "hr", Ref: "def", Snapshot: jml.Snapshot{EmployeeID: "4712", GivenName: "Ada", FamilyName: "Muller"}},
	}
	for i := range n - len(out) {
		out = append(out, intake.Employee{Source: "hr", Ref: fmt.Sprint("r", i), Snapshot: jml.Snapshot{EmployeeID: fmt.Sprint(i), GivenName: "Vorname", FamilyName: fmt.Sprint("Familie", i)}})
	}
	return out
}

func TestSearch(t *testing.T) {
	w := newWorld(t)
	w.desk.people = people(100)
	s := w.service()
	for query, want := range map[string]int{
		"abc": 1, joinerID: 1, "joiner/hr/zzz": 0, "4711": 1, "jose mull": 1, "MULLER": 2, "mü": 2, "qux": 1, "nobody here": 0, "Vorname": maxFound, "uller": 0, "' OR 1=1 --": 0,
	} {
		got, err := s.Search(as(t.Context(), access.Desk), query)
		if err != nil || len(got) != want {
			t.Errorf("%q: %d found, %v", query, len(got), err)
		}
	}
	if w.desk.opened != 1 {
		t.Errorf("names were opened %d times", w.desk.opened)
	}
	got, _ := s.Search(as(t.Context(), access.Operator), "4711")
	if len(got) != 1 || got[0].Name != "José Müller-"+canary || len(got[0].Journeys) != 1 {
		t.Errorf("got %+v", got)
	}
	for _, r := range w.rows {
		if r.Event != audit.EventAccessSearched || r.Detail+r.Ref+r.Reason != "" || r.Actor == "" {
			t.Errorf("row %+v", r)
		}
	}
	if len(w.rows) != 10 {
		t.Errorf("%d rows", len(w.rows))
	}
	for _, bad := range []string{"", "a", "a\nb", strings.Repeat("x", 200), "\xff\xff"} {
		if _, err := s.Search(as(t.Context(), access.Operator), bad); kindOf(t, err) != RefusedInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	w.ledgerErr = errors.New("disk full")
	if _, err := s.Search(as(t.Context(), access.Operator), "ada"); kindOf(t, err) != RefusedAway {
		t.Errorf("without a row: %v", err)
	}
	if strings.Contains(w.log.String(), canary) {
		t.Error("the log has a name")
	}
}

func TestSummary(t *testing.T) {
	w := newWorld(t)
	w.table = nil
	row := func(id string, in time.Duration, stage, pass jml.Stage) *board.Row {
		w.table = append(w.table, board.Row{WorkflowID: id, Kind: jml.KindJoiner, Stage: stage, Pass: pass, Starts: noon.Add(in), Source: "hr"})
		return &w.table[len(w.table)-1]
	}
	row("a", time.Hour, jml.StagePass, jml.StageInvited).PassID = "p"
	row("b", 2*time.Hour, jml.StageBlocked, "").Reason = jml.ReasonUserNotFound
	row("c", 3*time.Hour, jml.StageScheduled, "")
	row("d", 3*24*time.Hour, jml.StagePass, jml.StageWaiting).PassID = "p"
	row("e", time.Hour, jml.StageCompleted, "").Closed = noon
	row("f", time.Hour, jml.StageCancelled, "").Closed = noon
	row("g", -time.Hour, jml.StageApproval, "").NeedsAction = true
	lost := row("h", time.Hour, jml.StagePass, "")
	lost.Closed, lost.Lost = noon, true
	w.desk.status = []intake.Status{
		{Source: "hr", Waiting: 2, LastSeen: noon}, {Source: "quiet", Silent: true}, {Source: "stopped", LastSeen: noon}, {Source: "braked", Braked: "too much"},
	}
	w.pauses = []ledger.Pause{{Source: "stopped", On: true}}
	w.desk.held = []intake.Held{{}}
	s := w.service()
	got, err := s.Summary(as(t.Context(), access.Viewer))
	if err != nil {
		t.Fatal(err)
	}
	if got.Day != (Starting{5, 2, 2}) || got.Week != (Starting{6, 3, 2}) || got.Live != 1 || got.Needs != 1 || got.Lost != 1 {
		t.Errorf("got %+v", got)
	}
	if got.Stages[jml.StageInvited] != 1 || got.Stages[jml.StageWaiting] != 1 || got.Reasons[jml.ReasonUserNotFound] != 1 {
		t.Errorf("got %v, %v", got.Stages, got.Reasons)
	}
	if !slices.Equal(got.Silent, []string{"quiet", "braked"}) || !slices.Equal(got.Paused, []string{"stopped"}) || got.Quarantine != 2 || got.Held != 1 || got.Switch.On {
		t.Errorf("got %+v", got)
	}
	// Fifty operators cost what one does; the kill switch shows at once.
	w.halted = ledger.Halt{On: true, Actor: "olga@example.com"}
	for range 50 {
		if got, _ = s.Summary(as(t.Context(), access.Viewer)); !got.Switch.On {
			t.Fatal("the kill switch is not shown")
		}
	}
	if w.desk.asked != 1 {
		t.Errorf("feeds were read %d times", w.desk.asked)
	}
	w.now, w.ledgerErr = noon.Add(time.Minute), errors.New("gone")
	if got, err = s.Summary(as(t.Context(), access.Viewer)); err != nil || len(got.Gaps) != 3 || got.Live != 1 {
		t.Errorf("without ledger: %+v, %v", got, err)
	}
}

func TestReadiness(t *testing.T) {
	w := newWorld(t)
	w.table = nil
	add := func(id string, ago time.Duration, stage, pass jml.Stage, changedAfter bool) {
		r := board.Row{WorkflowID: "joiner/hr/" + id, Kind: jml.KindJoiner, Source: "hr", Ref: id, Stage: stage, Pass: pass, Starts: noon.Add(-ago), Changed: noon.Add(-ago - time.Hour)}
		if changedAfter {
			r.Changed = r.Starts.Add(time.Second)
		}
		w.table = append(w.table, r)
	}
	row := func(ref string, ago time.Duration, e audit.Event, detail string) {
		_ = (*fakeLedger)(w).Append(t.Context(), audit.Entry{Time: noon.Add(-ago), Event: e, Ref: ref, Detail: detail})
	}
	add("invited", 10*time.Minute, jml.StagePass, jml.StageInvited, false)
	add("done", 10*time.Minute, jml.StageCompleted, "", false)
	add("blocked", 10*time.Minute, jml.StageBlocked, "", false)
	add("approval", 10*time.Minute, jml.StageApproval, "", false)
	add("rescinded", 10*time.Minute, jml.StageCancelled, "", false)
	add("tomorrow", -time.Hour, jml.StageBlocked, "", false)
	add("long ago", 40*24*time.Hour, jml.StageBlocked, "", false)
	// These changed since: the ledger tells what was.
	add("collected late", 10*time.Minute, jml.StageCompleted, "", true)
	row("collected late", 20*time.Minute, audit.EventMessageSend, "link by mail")
	row("collected late", 5*time.Minute, audit.EventPassHandedOver, "")
	add("issued late", 10*time.Minute, jml.StagePass, jml.StageWaiting, true)
	row("issued late", 30*time.Minute, audit.EventPreflightRefused, "")
	row("issued late", 5*time.Minute, audit.EventPassHandedOver, "")
	add("bounced", 10*time.Minute, jml.StagePass, jml.StageInvited, true)
	row("bounced", 30*time.Minute, audit.EventMessageSend, "link by mail")
	row("bounced", 29*time.Minute, audit.Event(workflows.StepBounced), "")
	s := w.service()
	s.watch(t.Context())
	want := []Readiness{{"hr", 3, 4}}
	if got := s.Readiness(); !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
	w.now = noon.Add(time.Minute)
	s.watch(t.Context())
	if got := s.Readiness(); !slices.Equal(got, want) {
		t.Errorf("counted twice: %+v", got)
	}
	w.now = noon.Add(61 * time.Minute)
	s.watch(t.Context())
	if got := s.Readiness(); got[0].Late != 5 {
		t.Errorf("tomorrow's is not counted: %+v", got)
	}
}

func TestRecoverAndStage(t *testing.T) {
	fido := jml.Method{ID: "m1", Kind: jml.MethodFIDO2}
	recovery := Recovery{Whom: Whom{Name: "4711"}, Loss: jml.LossStolen, Verified: "video", Ticket: "T1", Methods: []string{"m1"}}
	staging := Staging{Whom: Whom{Name: "4711"}, Technician: "sam@example.com", Device: "SN1", Window: time.Hour, Ticket: "T1"}
	for name, c := range map[string]struct {
		change  func(*world, *Recovery, *Staging)
		recover RefusalKind
		stage   RefusalKind
	}{
		"fit":            {func(*world, *Recovery, *Staging) {}, "", ""},
		"unknown":        {func(_ *world, r *Recovery, s *Staging) { r.Name, s.Name = "nobody", "nobody" }, RefusedMissing, RefusedMissing},
		"no ticket":      {func(_ *world, r *Recovery, s *Staging) { r.Ticket, s.Ticket = "", "" }, RefusedInvalid, RefusedInvalid},
		"unverified":     {func(_ *world, r *Recovery, _ *Staging) { r.Verified = "trust me" }, RefusedInvalid, ""},
		"no such method": {func(_ *world, r *Recovery, _ *Staging) { r.Methods = []string{"m2"} }, RefusedInvalid, ""},
		"under way": {func(w *world, _ *Recovery, _ *Staging) {
			w.add("recovery/hr/abc", jml.StagePass)
			w.add("staging/hr/abc", jml.StagePass)
		}, RefusedState, RefusedState},
		"capped": {func(w *world, _ *Recovery, _ *Staging) {
			w.desk.askErr = &intake.Refusal{Kind: intake.RefusedCap, What: "too often", Until: noon}
		}, RefusedState, RefusedState},
		"away":         {func(w *world, _ *Recovery, _ *Staging) { w.away = serviceerror.NewUnavailable("x") }, RefusedAway, RefusedAway},
		"himself":      {func(_ *world, _ *Recovery, s *Staging) { s.Technician = "jose@example.com" }, "", RefusedInvalid},
		"stranger":     {func(_ *world, _ *Recovery, s *Staging) { s.Technician = "x@example.net" }, "", RefusedInvalid},
		"no window":    {func(_ *world, _ *Recovery, s *Staging) { s.Window = -time.Hour }, "", RefusedInvalid},
		"both":         {func(_ *world, r *Recovery, _ *Staging) { r.EndSessions, r.KeepSessions = true, true }, RefusedInvalid, ""},
		"two sources":  {func(w *world, _ *Recovery, _ *Staging) { w.desk.people = append(w.desk.people, w.desk.people[0]) }, RefusedInvalid, RefusedInvalid},
		"keeps all":    {func(w *world, _ *Recovery, _ *Staging) { w.desk.profile.Remove = "" }, RefusedInvalid, ""},
		"begun before": {func(w *world, _ *Recovery, _ *Staging) { w.add("recovery/hr/abc", jml.StagePass).closed = true }, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.desk.people, w.desk.profile, w.desk.methods = people(2), jml.Profile{Name: "office", Remove: jml.RemoveLost}, []jml.Method{fido}
			w.desk.users = map[string][]jml.User{"4711": {{ID: "u1", Enabled: true}}, "sam@example.com": {{ID: "u2", Enabled: true}}, "jose@example.com": {{ID: "u1", Enabled: true}}}
			r, st := recovery, staging
			c.change(w, &r, &st)
			s := w.service()
			_, err := s.Recover(as(t.Context(), access.Operator), r)
			if got := kindOf(t, err); got != c.recover {
				t.Errorf("recovery: %v", err)
			}
			_, err = s.StageDevice(as(t.Context(), access.Operator), st)
			if got := kindOf(t, err); got != c.stage {
				t.Errorf("staging: %v", err)
			}
			if asked := len(w.did()); (c.recover != "" && c.stage != "" && name != "capped") && asked != 0 {
				t.Errorf("did %v", w.did())
			}
			for _, role := range []access.Role{access.Viewer, access.Approver, access.Auditor, access.Desk} {
				if _, err := s.Recover(as(t.Context(), role), r); kindOf(t, err) != RefusedForbidden {
					t.Errorf("%s: %v", role, err)
				}
			}
		})
	}
}

func FuzzResolve(f *testing.F) {
	for _, s := range []string{"abc", joinerID, "../x", "joiner/hr/'", "", "joiner/hr/a/b", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, id string) {
		w := newWorld(t)
		s := w.service()
		got, err := s.resolve(id)
		if err == nil && (!isJourneyID(got) || strings.ContainsAny(got, "'\"\\\n ")) {
			t.Errorf("%q means %q", id, got)
		}
		if _, n, err := parseVersion(id); err == nil && n < 0 {
			t.Errorf("version %d", n)
		}
		if text, err := words("x", id, 0, 50); err == nil && strings.ContainsAny(text, "\n\x1b\u202e") {
			t.Errorf("%q is fit", text)
		}
	})
}

func BenchmarkSearchByName(b *testing.B) {
	w := newWorld(b)
	w.desk.people = people(maxScan)
	s := w.service()
	ctx := as(b.Context(), access.Operator)
	b.ReportMetric(maxScan, "people")
	for b.Loop() {
		if _, err := s.Search(ctx, "familie1999"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSummary(b *testing.B) {
	w := newWorld(b)
	for i := range 20000 {
		w.table = append(w.table, board.Row{WorkflowID: fmt.Sprint("joiner/hr/", i), Kind: jml.KindJoiner, Stage: jml.StageScheduled, Starts: noon.Add(time.Duration(i) * time.Minute)})
	}
	s := w.service()
	ctx := as(b.Context(), access.Viewer)
	for b.Loop() {
		if _, err := s.Summary(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
