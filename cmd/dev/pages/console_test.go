package pages

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"firstpass.internal/cmd/dev/browser"
	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/internal/ops/board"
	"firstpass.internal/internal/ops/console"
	"firstpass.internal/workflows"
)

// opsDesk is an operations service with an invented morning: what it answers is
// written out here, so that pictures of it stay the same.
type opsDesk struct {
	mu    sync.Mutex
	rows  []board.Row
	state board.State
	sum   ops.Summary
	acted []ops.Action
	no    error // what Act answers
	now   func() time.Time
}

func morning() time.Time { return time.Date(2031, 3, 3, 8, 12, 0, 0, time.UTC) }

func morningRow(kind jml.Kind, ref, site string, stage jml.Stage, starts time.Duration, change ...func(*board.Row)) board.Row {
	r := board.Row{
		WorkflowID: workflows.JourneyID(kind, "workday", ref), RunID: "7f3c2b1e-0d4a-4c7e-9a52-1f0f6f6b7a10", Kind: kind, Source: "workday", Ref: ref, Site: site,
		Stage: stage, Starts: morning().Truncate(24 * time.Hour).Add(starts), Began: morning().Add(-50 * time.Hour), Changed: morning().Add(-47 * time.Minute),
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

func out(stage jml.Stage, channel string, left time.Duration) func(*board.Row) {
	return func(r *board.Row) {
		r.Stage, r.Pass, r.Channel, r.PassID = jml.StagePass, stage, channel, workflows.PassID("9d1f4f0e-6a57-4d0b-8a6e-3f0a6d1c2b77")
		if left > 0 {
			r.Expires = morning().Add(left)
		}
	}
}

func stuck(reason jml.BlockReason) func(*board.Row) {
	return func(r *board.Row) { r.Reason, r.NeedsAction = reason, reason.NeedsSomebody() }
}

func newOpsDesk() *opsDesk {
	const day = 24 * time.Hour
	d := &opsDesk{now: morning, state: board.State{Read: morning(), Rows: 214, Version: 1}}
	d.rows = []board.Row{
		morningRow(jml.KindJoiner, "a91b77c04f7a", "Oslo", jml.StageBlocked, 8*time.Hour, stuck(jml.ReasonPickupLocked)),
		morningRow(jml.KindRecovery, "5e20aa917c31", "Bergen", jml.StageApproval, 0, func(r *board.Row) { r.NeedsAction, r.Starts = true, time.Time{} }),
		morningRow(jml.KindJoiner, "0c44d19be2f8", "Trondheim", jml.StageBlocked, day+7*time.Hour, stuck(jml.ReasonUserNotFound)),
		morningRow(jml.KindJoiner, "c7710fd2ab09", "Oslo", jml.StageBlocked, 3*day+7*time.Hour, stuck(jml.ReasonNoRecipient)),
		morningRow(jml.KindJoiner, "1fb0e6a3d5c2", "Bergen", jml.StagePass, -16*time.Hour, out(jml.StageWaiting, "sms", 90*time.Minute)),
		morningRow(jml.KindJoiner, "e3a7719fb4c0", "Oslo", jml.StagePass, 7*time.Hour, out(jml.StageInvited, "mail", 0)),
		morningRow(jml.KindJoiner, "7bb3c5f81d22", "Oslo", jml.StagePass, 7*time.Hour, out(jml.StageSettling, "mail", 4*time.Hour)),
		morningRow(jml.KindMover, "92d4e0c7b6a1", "Stavanger", jml.StagePass, 8*time.Hour, out(jml.StageWaiting, "mail", 6*time.Hour)),
		morningRow(jml.KindJoiner, "4d09ce7712fa", "Trondheim", jml.StageScheduled, day+7*time.Hour),
		morningRow(jml.KindJoiner, "b18c6a0e93d7", "Oslo", jml.StageScheduled, day+8*time.Hour),
		morningRow(jml.KindJoiner, "6af2d7c1e458", "Bergen", jml.StageScheduled, 4*day+7*time.Hour),
		morningRow(jml.KindStaging, "d5c8b39f1e70", "Oslo", jml.StageScheduled, 7*day+7*time.Hour),
		morningRow(jml.KindJoiner, "f00c6e1a29b4", "Bergen", jml.StageTimedOut, -14*day, func(r *board.Row) { r.Closed = morning().Add(-9 * time.Hour) }),
	}
	d.sum = ops.Summary{
		State:  d.state,
		Stages: map[jml.Stage]int{jml.StageBlocked: 3, jml.StageScheduled: 190, jml.StageInvited: 12, jml.StageWaiting: 7}, Needs: 2, Live: 3, Failed: 1,
		Week: ops.Starting{Total: 31, Ready: 25, AtRisk: 4}, Feeds: 3, Silent: []string{"payroll"}, Quarantine: 2, Held: 1,
	}
	return d
}

func (d *opsDesk) Board(_ context.Context, f board.Filter) ([]board.Row, board.State, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []board.Row
	for _, r := range d.rows {
		if (f.Site == "" || f.Site == r.Site) && (!f.Lost || r.Lost) && (f.Closed || r.Closed.IsZero()) {
			out = append(out, r)
		}
	}
	return out, d.state, nil
}

// Names are those of whom HR told; of one it has not told yet.
func (d *opsDesk) Names(ctx context.Context, ids []string) map[string]string {
	out := map[string]string{}
	if who, _ := access.From(ctx); !who.Has(access.Operator, access.Approver, access.Desk) {
		return out
	}
	names := []string{"Astrid Marie Solbakken", "Ole Brandvik", "Ingrid Holte", "Mehmet Yıldırım", "Nora Lunde", "Søren Aagaard", "Agnieszka Wójcik-Kowalczyk", "Liv Berntsen", "Tariq Haddad", "Eva Marit Nygård", "Jonas Ek"}
	for i, r := range d.rows[:min(len(d.rows), len(names))] {
		if slices.Contains(ids, r.WorkflowID) {
			out[r.WorkflowID] = names[i]
		}
	}
	return out
}

func (d *opsDesk) Passes(context.Context) ([]board.Row, board.State, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []board.Row
	for _, r := range d.rows {
		if !r.Expires.IsZero() {
			out = append(out, r)
		}
	}
	return out, d.state, nil
}

func (d *opsDesk) Summary(context.Context) (ops.Summary, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sum, nil
}

func (d *opsDesk) Switch(context.Context) (ops.Switch, error) { return d.sum.Switch, nil }

func (d *opsDesk) Journey(_ context.Context, id string) (ops.Journey, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.rows {
		if r.WorkflowID == id {
			return d.told(r), nil
		}
	}
	return ops.Journey{}, &ops.Refusal{Kind: ops.RefusedMissing, What: "there is no such journey", Do: "look for it by its reference, or list closed ones too"}
}

// told is a journey in full.
func (d *opsDesk) told(r board.Row) ops.Journey {
	ago := func(minutes int) time.Time { return morning().Add(-time.Duration(minutes) * time.Minute) }
	j := ops.Journey{Row: r, Version: "7f3c2b1e-4", View: workflows.JourneyView{
		Kind: r.Kind, Ref: r.Ref, Source: r.Source, Profile: "standard", Stage: r.Stage, Start: r.Starts, IssueAt: r.Starts.Add(-2 * time.Hour), Deadline: r.Starts.AddDate(0, 0, 14),
		Facts: jml.Snapshot{
			EmployeeID: "E-1042", Status: jml.StatusScheduled, Zone: "America/New_York", GivenName: "Astrid Marie", FamilyName: "Solbakken", ManagerID: "E-0007",
			JobTitle: "Nurse", Department: "Ward 3", Site: r.Site, Country: "NO", PersonalMail: "astrid@example.org", Phone: "+4790000000", Locale: "nb",
		},
		User: &jml.User{ID: "9d1f4f0e-6a57-4d0b-8a6e-3f0a6d1c2b77", UPN: "astrid.solbakken@example.com", Enabled: true},
		Deliveries: []workflows.Delivery{
			{N: 0, Message: jml.MessageLink, Channel: "mail", To: jml.RecipientPersonalMail, Status: jml.DeliveryDelivered, At: ago(180), MessageID: "m-20417"},
			{N: 1, Message: jml.MessageCode, Channel: "sms", To: jml.RecipientPersonalPhone, Status: jml.DeliveryBounced, At: ago(179), Detail: "30005", MessageID: "s-99120"},
		},
		Version: 4,
	}}
	if r.Reason != "" {
		j.View.Block = jml.Blocked(r.Reason, "5 wrong codes")
	}
	if r.Kind.Asked() {
		j.View.Request = &jml.Request{Actor: "ida.operator@example.com", Ticket: "INC-20417", Verified: "callback", Loss: jml.LossStolen, Note: "Phone taken on the train"}
		j.View.Approval = &jml.Approval{AskedAt: ago(47)}
	}
	j.Timeline = []ops.Moment{
		{At: ago(4000), What: "HR told of the employee", Event: "", Seq: 0},
		{At: ago(181), What: "A pass was invited", Event: audit.EventMessageSend, Seq: 20411, RequestID: "m-20417"},
		{At: ago(90), What: "The link was opened", Seq: 20415},
		{At: ago(60), What: "The start was moved", Who: "ida.operator@example.com", Reason: "The laptop comes a day late", Seq: 20418},
		{At: ago(47), What: "Five wrong codes: the pick-up is locked", Outcome: "blocked", Seq: 20421, RequestID: "0b9e6f0a-27a4-4e0d-93c5-f1a7c1c0f7b1"},
		{At: r.Starts, What: "The start", Ahead: true},
		{At: r.Starts.AddDate(0, 0, 14), What: "The journey gives up", Ahead: true},
	}
	if r.Starts.IsZero() {
		j.Timeline = j.Timeline[:5]
		j.View.Start, j.View.IssueAt, j.View.Deadline = time.Time{}, time.Time{}, morning().Add(26*time.Hour)
	}
	j.Can = []ops.Verb{ops.VerbNudge, ops.VerbReissue, ops.VerbHold, ops.VerbMove, ops.VerbLink, ops.VerbRegistered, ops.VerbCancel}
	j.Cannot = map[ops.Verb]string{ops.VerbResend: "the link is locked; another pass brings another link", ops.VerbRevoke: "there is no pass to revoke; cancel keeps it from getting one"}
	return j
}

func (d *opsDesk) Act(_ context.Context, a ops.Action) (ops.Done, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.no != nil {
		return ops.Done{}, d.no
	}
	d.acted = append(d.acted, a)
	return ops.Done{What: "done as you said"}, nil
}

func (d *opsDesk) Feeds(context.Context) ([]ops.Feed, error) {
	at := morning()
	return []ops.Feed{
		{Status: intake.Status{Source: "workday", Kind: "webhook", LastSeen: at.Add(-4 * time.Minute), LastGood: at.Add(-4 * time.Minute), Lag: 95, Counts: map[string]int{"taken": 214, "same": 1020}, Known: 4211}, Health: ops.HealthOK},
		{Status: intake.Status{Source: "payroll", Kind: "files", LastSeen: at.Add(-26 * time.Hour), LastGood: at.Add(-26 * time.Hour), NextRead: at.Add(20 * time.Minute), Fault: "the server does not answer", Counts: map[string]int{"failed": 26}, ErrorRate: 1, Known: 812, Waiting: 2, Silent: true}, Health: ops.HealthFailing, Do: "Mend what its fault names; it is read again by itself."},
		{Status: intake.Status{Source: "students", Kind: "scim", LastSeen: at.Add(-3 * time.Hour), Counts: map[string]int{"taken": 3}, Known: 90}, Health: ops.HealthPaused, Paused: &ledger.Pause{Source: "students", On: true, Actor: "ida.operator@example.com", Reason: "Term data are being corrected", Since: at.Add(-150 * time.Minute)}, Do: "Unpause it when the reason for the pause is gone; what it sent meanwhile is kept."},
	}, nil
}

func (d *opsDesk) Quarantine(context.Context) ([]intake.Quarantined, error) {
	return []intake.Quarantined{
		{ID: "0195a3c2-77d1-7f3a-8a41-6f1f20417aa0", Source: "payroll", Reason: "start_date: missing; zone: no such zone", At: morning().Add(-3 * time.Hour), Size: 1204},
		{ID: "0195a3c2-91b0-7c55-9d0e-1b7be0f3c411", Source: "payroll", Reason: "employee_id: missing", At: morning().Add(-20 * time.Minute), Size: 980},
	}, nil
}

func (d *opsDesk) Held(context.Context) ([]intake.Held, error) {
	return []intake.Held{{Kind: jml.HoldContact, Source: "workday", Ref: "a91b77c04f7a", Since: morning().Add(-5 * time.Hour)}}, nil
}

func (d *opsDesk) HeldChange(_ context.Context, ref string) (ops.HeldChange, error) {
	return ops.HeldChange{
		Held: intake.Held{Kind: jml.HoldContact, Source: "workday", Ref: ref, Since: morning().Add(-5 * time.Hour)},
		Name: "Runa Vestli", Version: "v1",
		Differs: []ops.Difference{{What: "Private mail", InForce: "runa@example.org", Waiting: "r.vestli@example.net"}},
	}, nil
}

func (d *opsDesk) Search(_ context.Context, q string) ([]ops.Found, error) {
	if q == "nobody" {
		return nil, nil
	}
	return []ops.Found{{Source: "workday", Ref: "a91b77c04f7a", Name: "Astrid Marie Solbakken", Starts: jml.Date{Year: 2031, Month: 3, Day: 3}, Journeys: d.rows[:1]}}, nil
}

func (d *opsDesk) Ledger(_ context.Context, f ledger.RowFilter) ([]audit.Row, error) {
	var rows []audit.Row
	for i := range uint64(6) {
		r := audit.Row{Seq: 20421 - i, Entry: audit.Entry{
			Time: morning().Add(-time.Duration(i) * time.Minute), Event: audit.EventPassIssue, Ref: "a91b77c04f7a", UserID: "9d1f4f0e-6a57-4d0b-8a6e-3f0a6d1c2b77",
			RequestID: "0b9e6f0a-27a4-4e0d-93c5-f1a7c1c0f7b1", Outcome: "made",
		}, Hash: []byte{0xd3, 0xd2, 0x45, 0x6f, 0x76, byte(i)}}
		if i == 2 {
			r.Entry = audit.Entry{Time: r.Time, Event: "journey.hold", Ref: "a91b77c04f7a", Actor: "ida.operator@example.com", Reason: "The laptop comes a day late"}
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func (d *opsDesk) Recover(context.Context, ops.Recovery) (ops.Started, error) {
	return ops.Started{WorkflowID: d.rows[1].WorkflowID, Ref: d.rows[1].Ref, Profile: "standard", Approval: true}, nil
}

func (d *opsDesk) StageDevice(context.Context, ops.Staging) (ops.Started, error) {
	return ops.Started{WorkflowID: d.rows[11].WorkflowID, Ref: d.rows[11].Ref, Profile: "standard", Approval: true}, nil
}

// newConsole serves the console over TLS to somebody with the given roles.
func newConsole(t *testing.T, d *opsDesk, roles ...access.Role) string {
	t.Helper()
	runbooks, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	h, err := console.New(console.Config{
		Service: d, Organisation: "Nordlys", TemporalUI: "https://temporal.example.com", Namespace: "firstpass", Runbooks: string(runbooks),
		Verifications: []string{"callback", "video"}, Version: "1.4.0", Now: d.now,
		Channels: func(string) []string { return []string{"mail", "sms"} },
	})
	if err != nil {
		t.Fatal(err)
	}
	who := access.Identity{Subject: "3f1c0d2e-5b6a-4f70-9d0e-1b7be0f3c411", Name: "ida.operator@example.com", Roles: roles}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(roles) > 0 {
			r = r.WithContext(access.With(r.Context(), who))
		}
		h.ServeHTTP(w, r)
	}))
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	_, port, _ := strings.Cut(srv.Listener.Addr().String(), ":")
	return "https://localhost:" + port
}

type consoleScene struct {
	path   string
	h1     string
	change func(*opsDesk)
	act    func(*testing.T, *browser.Tab)
	roles  []access.Role
}

func consoleScenes() map[string]consoleScene {
	const journey = "/journeys/joiner/workday/a91b77c04f7a"
	send := func(pairs ...string) func(*testing.T, *browser.Tab) {
		return func(t *testing.T, tab *browser.Tab) {
			for i := 0; i < len(pairs); i += 2 {
				if err := tab.Type(t.Context(), pairs[i], pairs[i+1]); err != nil {
					t.Fatal(err)
				}
			}
			if err := tab.Follow(t.Context(), "form.task button"); err != nil {
				t.Fatal(err)
			}
		}
	}
	return map[string]consoleScene{
		"board":        {path: "/", h1: "Board"},
		"board-site":   {path: "/?site=Oslo&days=30", h1: "Board"},
		"board-failed": {path: "/?show=failed", h1: "Board"},
		"board-viewer": {path: "/", h1: "Board", roles: []access.Role{access.Viewer}},
		"board-empty":  {path: "/", h1: "Board", change: func(d *opsDesk) { d.rows, d.sum = nil, ops.Summary{} }},
		"board-away": {path: "/", h1: "Board", change: func(d *opsDesk) {
			d.state.Read, d.state.Fault = morning().Add(-4*time.Minute), "no answer within 5 s"
			d.sum.Switch = ops.Switch{On: true, Actor: "ida.operator@example.com", Reason: "Wrong policy rolled out", Since: morning().Add(-9 * time.Minute)}
			d.sum.Gaps = []string{"how the feeds do: the ledger can't be read"}
		}},
		"journey":         {path: journey, h1: "Astrid Marie Solbakken"},
		"journey-live":    {path: "/journeys/joiner/workday/1fb0e6a3d5c2", h1: "Astrid Marie Solbakken"},
		"journey-request": {path: "/journeys/recovery/workday/5e20aa917c31", h1: "Astrid Marie Solbakken"},
		"move":            {path: journey + "/move", h1: "Move the start: Astrid Marie Solbakken"},
		"reissue":         {path: journey + "/reissue", h1: "Issue another pass: Astrid Marie Solbakken"},
		"move-empty": {path: journey + "/link", h1: "Link to an Entra user: Astrid Marie Solbakken", act: func(t *testing.T, tab *browser.Tab) {
			if _, err := browser.Eval[bool](t.Context(), tab, `document.querySelector("form.task").noValidate = true`); err != nil {
				t.Fatal(err)
			}
			send("#f-user_id", "astrid")(t, tab)
		}},
		"cancel-sure": {path: journey + "/cancel", h1: "Cancel the journey: Astrid Marie Solbakken", act: send("#f-reason", "The contract was not signed")},
		"quicker": {path: journey + "/hold", h1: "Hold: Astrid Marie Solbakken", act: send("#f-reason", "The laptop comes a day late"), change: func(d *opsDesk) {
			d.no = &ops.Refusal{Kind: ops.RefusedVersion, What: "the journey has changed"}
		}},
		"done":       {path: journey + "/hold", h1: "Astrid Marie Solbakken", act: send("#f-reason", "The laptop comes a day late")},
		"passes":     {path: "/passes", h1: "Live passes"},
		"feeds":      {path: "/feeds", h1: "Feeds"},
		"quarantine": {path: "/quarantine", h1: "Quarantine"},
		"held":       {path: "/held", h1: "Held changes"},
		"ledger":     {path: "/ledger?ref=a91b77c04f7a", h1: "Ledger"},
		"halt":       {path: "/halt", h1: "Kill switch"},
		"halt-on": {path: "/halt", h1: "Kill switch", change: func(d *opsDesk) {
			d.sum.Switch = ops.Switch{On: true, Actor: "ida.operator@example.com", Reason: "Wrong policy rolled out", Since: morning().Add(-9 * time.Minute)}
		}},
		"search":       {path: "/search", h1: "Search"},
		"search-found": {path: "/search", h1: "Search", act: send("#f-q", "solb")},
		"recover":      {path: "/recover", h1: "Start a recovery"},
		"stage-device": {path: "/stage-device", h1: "Stage a device"},
		"runbooks":     {path: "/runbooks", h1: "Runbooks"},
		"me":           {path: "/me", h1: "You"},
		"forbidden":    {path: "/feeds/payroll/pause", h1: "Your roles do not allow this", roles: []access.Role{access.Viewer}},
		"missing":      {path: "/nowhere", h1: "There is no such page"},
	}
}

// Every page of the console in light and dark, on a desk and at 320 pixels:
// nothing that axe-core minds, and nowhere to scroll sideways.
func TestConsolePages(t *testing.T) {
	b := browser.Start(t)
	folder := os.Getenv("SHOTS")
	for name, s := range consoleScenes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newOpsDesk()
			if s.change != nil {
				s.change(d)
			}
			roles := s.roles
			if roles == nil {
				roles = []access.Role{access.Operator, access.Auditor}
			}
			url := newConsole(t, d, roles...)
			tab := b.Tab(t, browser.Desktop())
			ctx := t.Context()
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			must(tab.Open(ctx, url+s.path))
			if s.act != nil {
				s.act(t, tab)
			}
			h1, err := browser.Eval[string](ctx, tab, `document.querySelector("h1").innerText`)
			if must(err); h1 != s.h1 {
				t.Fatalf("the page is %q, not %q", h1, s.h1)
			}
			narrow := browser.View{Width: 320, Height: 640, Touch: true}
			// Colours don't depend on the width, nor does the width on colours: two
			// views have all of both. Pictures are of all four.
			views := []browser.View{browser.Desktop(), narrow.InDark()}
			if folder != "" {
				views = append(views, browser.Desktop().InDark(), narrow)
			}
			for _, v := range views {
				must(tab.Look(ctx, v))
				found, err := tab.Axe(ctx)
				must(err)
				for _, f := range found {
					t.Errorf("%s: %s", v, f)
				}
				if over, err := tab.Overflow(ctx); err != nil || over > 0 {
					t.Errorf("%s: %d pixels wider than the window, %v", v, over, err)
				}
				if folder != "" {
					must(tab.Shot(ctx, folder, "console-"+name))
				}
			}
			must(tab.Look(ctx, browser.Phone()))
			_, err = browser.Eval[bool](ctx, tab, large)
			must(err)
			if over, err := tab.Overflow(ctx); err != nil || over > 0 {
				t.Errorf("with large letters: %d pixels wider than the window, %v", over, err)
			}
			for _, trouble := range tab.Trouble() {
				if !strings.Contains(trouble, "status of 4") {
					t.Errorf("the browser minds: %s", trouble)
				}
			}
		})
	}
}

// On paper there is what was looked at, in columns and not as on a phone, and
// nothing to press.
func TestConsolePrints(t *testing.T) {
	b := browser.Start(t)
	url := newConsole(t, newOpsDesk(), access.Operator)
	tab := b.Tab(t, browser.View{Width: 703, Height: 1030}) // A4 less its margins
	for name, path := range map[string]string{"board": "/", "journey": "/journeys/joiner/workday/a91b77c04f7a"} {
		ctx := t.Context()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(tab.Open(ctx, url+path))
		left, err := browser.Eval[string](ctx, tab, `(() => {
			for (const sheet of document.styleSheets) for (const rule of sheet.cssRules)
				if (rule.media) rule.media.mediaText = rule.media.mediaText.includes("print") ? "all" : "not all";
			return [...document.querySelectorAll("main button, main input, main .button, header nav")].filter(e => e.checkVisibility()).map(e => e.outerHTML).join() +
				[...document.querySelectorAll("main td")].filter(e => getComputedStyle(e).display !== "table-cell").length;
		})()`)
		if must(err); left != "0" {
			t.Errorf("%s: on paper there is %s", name, left)
		}
		if over, err := tab.Overflow(ctx); err != nil || over > 0 {
			t.Errorf("%s: %d pixels wider than the paper, %v", name, over, err)
		}
		if folder := os.Getenv("SHOTS"); folder != "" {
			must(tab.Shot(ctx, folder, "console-print-"+name))
		}
	}
}

// The board updates itself, and leaves alone where the operator is: what has
// the focus, what is typed, and how far the page is scrolled.
func TestConsoleUpdatesItself(t *testing.T) {
	b := browser.Start(t)
	d, began := newOpsDesk(), time.Now()
	d.now = func() time.Time { return morning().Add(time.Since(began)) }
	for i := range 60 {
		d.rows = append(d.rows, morningRow(jml.KindJoiner, fmt.Sprintf("ffff%08d", i), "Oslo", jml.StageScheduled, 12*24*time.Hour))
	}
	tab := b.Tab(t, browser.Desktop())
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	url := newConsole(t, d, access.Operator)
	must(tab.Open(ctx, url+"/"))
	must(tab.Type(ctx, "#q", "half a wor"))
	_, err := browser.Eval[bool](ctx, tab, `scrollTo(0, 900), document.querySelector('a[href$="0c44d19be2f8"]').focus({preventScroll: true}), true`)
	must(err)
	d.mu.Lock()
	d.rows[2].Stage, d.rows[2].Reason, d.state.Version = jml.StageScheduled, "", 2
	d.sum.Needs = 7
	d.mu.Unlock()
	var got string
	for until := time.Now().Add(15 * time.Second); time.Now().Before(until); {
		got, err = browser.Eval[string](ctx, tab, `[document.querySelector('a.tile b').innerText, document.activeElement.innerText, document.querySelector("#q").value, scrollY > 800].join("|")`)
		if must(err); strings.HasPrefix(got, "7") {
			break
		}
		must(tab.Settle(ctx))
	}
	if want := "7|Ingrid Holte|half a wor|true"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, trouble := range tab.Trouble() {
		t.Errorf("the browser minds: %s", trouble)
	}
}
