package worker_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/workflow"
	"pgregory.net/rapid"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// These flags belong to TestLives. CI plays ten thousand lives:
//
//	go test ./worker -run TestLives -lives 10000 -timeout 20m
//
// A seed is printed for each life that breaks a promise. To play it again, with
// an account of it, and have rapid look for a smaller one:
//
//	go test ./worker -run TestLives -v -lives 1 -lives.seed SEED
var (
	lives     = flag.Int("lives", 200, "how many random lives TestLives plays; a tenth of them with -short")
	livesSeed = flag.Uint64("lives.seed", 0, "seed of the first of them; 0 draws one")
	livesAt   = flag.Int("lives.parallel", 4, "how many at a time")
)

// life is one random history: who, under which rules, and what happens.
type life struct {
	Seed    uint64
	Kind    jml.Kind
	Profile jml.Profile
	Other   jml.Profile // what another position brings
	Open    bool        // the rules are asked again when the user is known
	Late    bool        // HR tells after the start
	Rehire  bool
	Sees    bool // recovery: also end sessions
	Owned   []entrasim.MethodKind

	UserLate, DeleteLag         time.Duration
	Throttle, Unavailable, Lost float64
	Slow                        bool // activities take their time

	Events []event
}

// event is something that happens. What names an entry of happenings.
type event struct {
	At   time.Duration
	What string
	N    int
}

func (e event) String() string { return fmt.Sprintf("%s %s %d", e.At, e.What, e.N) }

func (l life) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %s, profile %+v, other %v %d %s, open %t, late %t, rehire %t, owned %v, user late %s, delete lag %s, faults %.2f %.2f %.2f, slow %t, approval %+v",
		l.Seed, l.Kind, l.Profile, l.Other.CompleteOn, l.Other.Devices, l.Other.Remove, l.Open, l.Late, l.Rehire, l.Owned, l.UserLate, l.DeleteLag, l.Throttle, l.Unavailable, l.Lost, l.Slow, l.Profile.Approval)
	for _, e := range l.Events {
		fmt.Fprintf(&b, "\n  %s %s %d", begin.Add(e.At).Format("01-02 15:04:05"), e.What, e.N)
	}
	return b.String()
}

func (l life) profileFor(department string) jml.Profile {
	if department == "labs" {
		return l.Other
	}
	return l.Profile
}

const (
	keyA = "90a3ccdf-635c-4729-a248-9b709135078f"
	keyB = "0bb43545-fd2c-4185-87dd-feb0b2916ace"
)

func route(channel string, to jml.RecipientKind) []jml.Route {
	r := jml.Route{Channel: channel, Recipient: to}
	if to == jml.RecipientDesk {
		r.Desk = "it"
	}
	return []jml.Route{r}
}

func aProfile(t *rapid.T, kind jml.Kind) jml.Profile {
	coin := func(name string) bool { return rapid.Bool().Draw(t, name) }
	seldom := func(name string) bool { return rapid.IntRange(0, 3).Draw(t, name) == 3 }
	mail := route("mail", jml.RecipientPersonalMail)
	p := jml.Profile{
		Name: "default", LeadTime: 24 * time.Hour, StartHour: jml.Clock{Hour: 9}, Mode: jml.ModeSend, PassTo: mail,
		Lifetime: rapid.SampledFrom([]time.Duration{8 * time.Hour, time.Hour}).Draw(t, "lifetime"), OneTime: coin("one time"),
		CompleteOn: rapid.SampledFrom([][]jml.MethodKind{
			{jml.MethodFIDO2}, {jml.MethodFIDO2, jml.MethodAuthenticator}, {jml.MethodWindowsHello, jml.MethodAuthenticator},
		}).Draw(t, "complete on"),
		Timeout: rapid.SampledFrom([]time.Duration{24 * time.Hour, 60 * time.Hour}).Draw(t, "timeout"),
		Poll:    []time.Duration{5 * time.Minute, time.Hour}, Recheck: []time.Duration{2 * time.Minute, 20 * time.Minute, time.Hour},
		NoticeTo: mail, ChangeTo: mail, MissedTo: route("mail", jml.RecipientManager), AlertTo: route("mail", jml.RecipientDesk),
	}
	if seldom("makes") {
		p.AAGUIDs = []string{keyA}
	}
	if seldom("two devices") {
		p.Devices = 2
	}
	if coin("settle") {
		p.Settle = 10 * time.Minute
	}
	if seldom("working days") {
		p.LeadDays, p.LeadTime = 1, 0
		p.Calendar = &jml.Calendar{Weekend: []time.Weekday{time.Saturday, time.Sunday}}
	}
	p.Unfinished = rapid.SampledFrom([]jml.UnfinishedRule{"", jml.UnfinishedOffer, jml.UnfinishedReissue}).Draw(t, "unfinished")
	p.Reissues = rapid.IntRange(0, 2).Draw(t, "reissues")
	p.Approval = &jml.ApprovalRule{To: route("mail", jml.RecipientDesk), Within: rapid.SampledFrom([]time.Duration{24 * time.Hour, 4 * time.Hour}).Draw(t, "within")}
	p.Approve = seldom("approve")
	p.Privileged = coin("privileged")
	if seldom("reminders") {
		p.Reminders = []jml.Reminder{{Anchor: jml.AnchorStart, Offset: time.Hour, To: mail}, {Anchor: jml.AnchorExpiry, Offset: -30 * time.Minute, To: route("mail", jml.RecipientManager)}}
	}
	if seldom("second route") {
		p.PassTo = append(slices.Clone(mail), route("mail", jml.RecipientManager)...)
	}
	switch kind {
	case jml.KindJoiner:
		p.Late = rapid.SampledFrom([]jml.LateRule{"", jml.LateAsk, jml.LateBlock}).Draw(t, "late")
		p.Remove = rapid.SampledFrom([]jml.RemoveRule{"", jml.RemoveOlder}).Draw(t, "remove")
	case jml.KindMover:
		p.Remove = rapid.SampledFrom([]jml.RemoveRule{"", jml.RemoveOlder}).Draw(t, "remove")
	case jml.KindRecovery:
		p.Remove = rapid.SampledFrom([]jml.RemoveRule{"", jml.RemoveLost}).Draw(t, "remove")
	case jml.KindStaging:
		p.Remove = rapid.SampledFrom([]jml.RemoveRule{"", jml.RemoveRegistered}).Draw(t, "remove")
		p.OneTime, p.PassTo = false, route("mail", jml.RecipientTechnician)
		if coin("word alone") {
			p.CompleteOn, p.AAGUIDs, p.Devices = nil, nil, 0
		}
	}
	if kind != jml.KindStaging && coin("pick-up") {
		p.Mode, p.PassTo = jml.ModePickup, nil
		p.LinkTo, p.CodeTo = mail, route("sms", jml.RecipientPersonalPhone)
		p.LinkValid, p.Window = 72*time.Hour, 30*time.Minute
		if coin("proof") {
			p.Proofs = []jml.Proof{{Name: "birth date", Kind: jml.ProofFact}}
		}
	}
	return p
}

var aLife = rapid.Custom(func(t *rapid.T) life {
	l := life{Kind: rapid.SampledFrom(jml.Kinds()).Draw(t, "kind")}
	l.Profile = aProfile(t, l.Kind)
	l.Other = l.Profile
	l.Other.Name = "labs"
	l.Other.CompleteOn, l.Other.AAGUIDs = []jml.MethodKind{jml.MethodFIDO2}, rapid.SampledFrom([][]string{nil, {keyB}}).Draw(t, "other makes")
	l.Other.Approve = rapid.IntRange(0, 3).Draw(t, "other approves") == 3
	l.Other.LeadTime = rapid.SampledFrom([]time.Duration{24 * time.Hour, 2 * time.Hour}).Draw(t, "other lead")
	l.Open = rapid.IntRange(0, 3).Draw(t, "open") == 3
	switch l.Kind {
	case jml.KindJoiner:
		l.Late = rapid.IntRange(0, 5).Draw(t, "late") == 5
		l.Rehire = rapid.IntRange(0, 3).Draw(t, "rehire") == 3
	case jml.KindRecovery:
		l.Sees = rapid.Bool().Draw(t, "sessions")
	}
	l.Owned = rapid.SliceOfN(rapid.SampledFrom([]entrasim.MethodKind{entrasim.KindAuthenticator, entrasim.KindFIDO2, entrasim.KindPhone, entrasim.KindWindowsHello}), 0, 2).Draw(t, "owned")
	if l.Kind == jml.KindJoiner && !l.Rehire && rapid.IntRange(0, 9).Draw(t, "known") < 8 {
		l.Owned = nil
	}
	some := func(name string, of ...time.Duration) time.Duration {
		if rapid.IntRange(0, 5).Draw(t, name+"?") < 5 {
			return 0
		}
		return rapid.SampledFrom(of).Draw(t, name)
	}
	l.UserLate = some("user late", 30*time.Hour, 24*time.Hour+3*time.Minute)
	l.DeleteLag = some("delete lag", 20*time.Second, time.Minute)
	if rapid.IntRange(0, 3).Draw(t, "faults?") == 3 {
		l.Throttle, l.Unavailable, l.Lost = 0.03, 0.03, 0.03
	}
	// The person mostly does what is hoped for.
	start := first.Sub(begin)
	if l.Kind.Asked() || l.Late {
		start = time.Hour
	}
	if rapid.IntRange(0, 9).Draw(t, "as hoped") < 8 {
		when := start + time.Duration(rapid.IntRange(1, 70).Draw(t, "when"))*time.Minute
		n := fits(l.Profile)
		l.Events = append(l.Events, event{when, "person collects", 0}, event{when + 2*time.Minute, "person registers", n})
		for range l.Profile.Devices {
			l.Events = append(l.Events, event{when + 3*time.Minute, "person adds another", n})
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "approved") < 8 {
		asked := start - 24*time.Hour - l.Profile.Approval.Within
		word := rapid.SampledFrom([]string{
			"somebody approves", "somebody approves", "somebody approves", "somebody approves", "somebody approves", "somebody refuses", "two decide at once",
		}).Draw(t, "word")
		l.Events = append(l.Events, event{max(asked, 0) + time.Duration(rapid.IntRange(1, 55).Draw(t, "minute"))*time.Minute, word, rapid.IntRange(0, 1).Draw(t, "which")})
	}
	names := slices.Sorted(maps.Keys(happenings()))
	anchors := []time.Duration{0, start - 24*time.Hour, start, start + l.Profile.Lifetime, start + l.Profile.Timeout}
	minutes := []int{0, 1, 3, 8, 15, 60, 200, -1, -60, -200, 600}
	for range rapid.IntRange(0, 6).Draw(t, "events") {
		at := rapid.SampledFrom(anchors).Draw(t, "anchor") + time.Duration(rapid.SampledFrom(minutes).Draw(t, "minutes"))*time.Minute +
			time.Duration(rapid.IntRange(0, 50).Draw(t, "seconds"))*time.Second
		l.Events = append(l.Events, event{max(at, 0), rapid.SampledFrom(names).Draw(t, "what"), rapid.IntRange(0, 5).Draw(t, "n")})
	}
	slices.SortStableFunc(l.Events, func(a, b event) int { return int(a.At - b.At) })
	l.Slow = rapid.IntRange(0, 3).Draw(t, "slow") == 3
	return l
})

// fits returns the number of a method that p asks for, see aMethod.
func fits(p jml.Profile) int {
	if slices.Contains(p.CompleteOn, jml.MethodFIDO2) {
		return 0
	}
	return 2
}

// TestLives plays random lives against the promises that promises_test.go
// spells out, each in a world of its own.
func TestLives(t *testing.T) {
	n := *lives
	if testing.Short() {
		n = max(n/10, 1)
	}
	end, bounded := t.Deadline()
	base := *livesSeed
	if base == 0 {
		base = rand.Uint64N(1 << 40)
	}
	t.Logf("%d lives from seed %d", n, base)
	k, err := newKeys(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := warmUp(k); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var next, broken atomic.Int64
	var mu sync.Mutex
	outcomes, seen, reached := map[string]int{}, map[string]int{}, map[move]int{}
	var failed []life
	var slow []pace
	var wg sync.WaitGroup
	for range *livesAt {
		wg.Go(func() {
			for {
				i := uint64(next.Add(1) - 1)
				if i >= uint64(n) || broken.Load() >= 3 && n > 1 {
					return
				}
				l := aLife.Example(int(base + i))
				l.Seed = base + i
				started := time.Now()
				if bounded && started.Add(time.Minute).After(end) {
					return
				}
				w := play(l, k)
				mu.Lock()
				slow = append(slow, pace{time.Since(started), w.requests, l.Seed})
				outcomes[string(l.Kind)+" "+string(w.outcome)]++
				for s, c := range w.seen {
					seen[s] += c
				}
				for _, s := range w.moves {
					reached[move{l.Kind, s[0], s[1]}]++
				}
				if n == 1 {
					t.Logf("%s\n%s", l, w.account)
				}
				if len(w.problems) > 0 {
					broken.Add(1)
					failed = append(failed, l)
					t.Errorf("%s\n%s", strings.Join(w.problems, "\n"), l)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	t.Logf("%d lives in %s, %.0f a second", len(slow), took.Round(time.Millisecond), float64(len(slow))/took.Seconds())
	if len(slow) < n && len(failed) == 0 {
		t.Errorf("time was up after %d lives of %d: see -timeout", len(slow), n)
	}
	slices.SortFunc(slow, func(a, b pace) int { return int(b.took - a.took) })
	t.Logf("the slowest: %v", slow[:min(5, len(slow))])
	for _, o := range slices.Sorted(maps.Keys(outcomes)) {
		t.Logf("%6d %s", outcomes[o], o)
	}
	for _, o := range slices.Sorted(maps.Keys(seen)) {
		t.Logf("%6d %s", seen[o], o)
	}
	for _, kind := range jml.Kinds() {
		for _, m := range jml.Transitions(kind) {
			if reached[move{kind, m.From, m.To}] == 0 {
				t.Logf("no %s went from %q to %s", kind, m.From, m.To)
			}
		}
	}
	for _, l := range failed[:min(len(failed), 1)] {
		smaller(t, l, k)
	}
}

// smaller lets rapid find a smaller life that breaks a promise too.
func smaller(t *testing.T, l life, k keys) {
	t.Helper()
	for name, v := range map[string]string{"rapid.seed": fmt.Sprint(l.Seed), "rapid.checks": "1", "rapid.nofailfile": "true", "rapid.shrinktime": "40s"} {
		if err := flag.Set(name, v); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("smaller", rapid.MakeCheck(func(t *rapid.T) {
		small := aLife.Draw(t, "life")
		small.Seed = l.Seed
		if w := play(small, k); len(w.problems) > 0 {
			t.Fatalf("%s\n%s", strings.Join(w.problems, "\n"), small)
		}
	}))
}

// pace is how long a life took, for how many requests.
type pace struct {
	took     time.Duration
	requests int
	seed     uint64
}

// move is a change of stage that was seen.
type move struct {
	kind     jml.Kind
	from, to jml.Stage
}

// ended is what is left of a life.
type ended struct {
	problems []string
	outcome  jml.Stage
	seen     map[string]int
	moves    [][2]jml.Stage
	requests int                   // to Graph
	counts   counts                // of actions
	account  string                // what was recorded, sent and logged
	kept     []entrasim.MethodKind // that the user has
}

// warmUp makes the certificate authority that all worlds share.
func warmUp(k keys) error {
	w, err := newWorld(life{Kind: jml.KindJoiner, Profile: jml.Profile{Name: "none"}}, k)
	if err != nil {
		return err
	}
	return w.close()
}

// play lives one life.
func play(l life, k keys) (out ended) {
	w, err := newWorld(l, k)
	if w != nil && w.tenant != nil {
		defer func() { _ = w.close() }()
	}
	if err != nil {
		return ended{problems: []string{err.Error()}}
	}
	defer func() {
		if r := recover(); r != nil {
			w.problem("the world stood still: %.2000v", r)
			out.problems = w.problems
		}
	}()
	w.post.now, w.post.passes = w.now, func() int { return len(w.tenant.PassEvents()) }
	in := w.start()
	for _, e := range l.Events {
		w.at(begin.Add(e.At), func() { happenings()[e.What](w, e.N) })
		w.at(begin.Add(e.At+30*time.Minute), w.check)
	}
	for h := range 40 {
		w.at(begin.Add(time.Duration(h)*6*time.Hour+7*time.Minute), w.check)
	}
	for {
		w.env.ExecuteWorkflow(workflows.Type(l.Kind), in)
		var next *workflow.ContinueAsNewError
		if !errors.As(w.env.GetWorkflowError(), &next) {
			return w.judge()
		}
		in = workflows.JourneyInput{}
		if err := w.tapped().FromPayloads(next.Input, &in); err != nil {
			return ended{problems: []string{err.Error()}}
		}
		w.begun = append(w.begun, w.now())
		w.renew(w.now())
	}
}

// start returns what the journey begins with.
func (w *world) start() workflows.JourneyInput {
	l := w.life
	s := jml.Snapshot{
		EmployeeID: "4711", Status: jml.StatusScheduled, StartDate: jml.Date{Year: 2026, Month: 12, Day: 1}, Zone: "Europe/Copenhagen",
		GivenName: "Freja", PersonalMail: "freja@example.org", Phone: "+4520000000", ObservedAt: begin, Rehire: l.Rehire, Department: "sales",
	}
	if l.Late {
		s.StartDate.Day, s.StartDate.Month = 27, 11
	}
	in := workflows.JourneyInput{Ref: "ref", Source: "hr", Profile: l.Profile, Open: l.Open, Shows: workflows.ShowsAll}
	switch l.Kind {
	case jml.KindMover:
		s.StartDate = jml.Date{Year: 2024, Month: 3, Day: 1}
		s.EffectiveDate = jml.Date{Year: 2026, Month: 12, Day: 1}
	case jml.KindRecovery:
		s.StartDate = jml.Date{Year: 2024, Month: 3, Day: 1}
		w.request = &jml.Request{ID: "r", Actor: requester, For: jml.RequesterOperator, At: begin, Ticket: "T-1", Verified: "call back", Loss: jml.LossLost, EndSessions: l.Sees}
		if len(w.methods) > 0 {
			w.request.Methods = []string{w.methods[0].ID}
		}
	case jml.KindStaging:
		s.StartDate = jml.Date{Year: 2024, Month: 3, Day: 1}
		w.request = &jml.Request{ID: "r", Actor: requester, For: jml.RequesterOperator, At: begin, Device: "PC-1", Until: begin.Add(l.Profile.Timeout),
			Technician: jml.User{ID: w.technician.ID, UPN: w.technician.UPN, Enabled: true}}
	}
	in.Request, in.Facts = w.request, &s
	w.told = []heard{{at: begin, s: s}}
	return in
}

// facts returns what HR said last.
func (w *world) facts() jml.Snapshot { return w.told[len(w.told)-1].s }

// say has HR say something.
func (w *world) say(s jml.Snapshot, c *jml.Choice) {
	s.ObservedAt = w.now()
	w.hear(s, c)
}

func (w *world) hear(s jml.Snapshot, c *jml.Choice) {
	if s.Supersedes(w.facts()) {
		w.told = append(w.told, heard{w.now(), s, !w.startAt(s).Equal(w.startAt(w.facts()))})
		if c != nil {
			w.choices = append(w.choices, choice{w.now(), *c})
		}
	}
	w.env.SignalWorkflow(workflows.SignalFacts, workflows.Facts{Snapshot: s, Choice: c})
}
