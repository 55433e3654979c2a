package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/internal/ops/board"
	"firstpass.internal/workflows"
)

func TestEverythingHasWords(t *testing.T) {
	seen := map[string]string{}
	for _, r := range jml.Reasons() {
		words := cause(r)
		if words == plain(string(r)) || words == "" {
			t.Errorf("%s has no words", r)
		}
		if other := seen[words]; other != "" {
			t.Errorf("%s says what %s says", r, other)
		}
		seen[words] = string(r)
		// What the console can do stands there in its own words.
		if a := advising().Replace(jml.Blocked(r, "").Advice); strings.Contains(a, "REF") || strings.Contains(strings.ReplaceAll(a, "firstpass check", ""), "firstpass ") {
			t.Errorf("%s: the advice is for a command line: %s", r, a)
		}
	}
	for _, v := range ops.Verbs() {
		if verbWord(v) == string(v) || lead(v) == "" {
			t.Errorf("%s has no words", v)
		}
	}
	for _, v := range verbs() {
		if v.Allowed() == nil {
			t.Errorf("%s is allowed to nobody", v)
		}
	}
}

func TestAssetsArePacked(t *testing.T) {
	s := newSite(t, &fake{})
	var sheet string
	s.get("/").elements(func(n *html.Node) {
		if n.Data == "link" && attribute(n, "rel") == "stylesheet" {
			sheet = attribute(n, "href")
		}
	})
	plain := s.get(sheet).status(200)
	for accept, want := range map[string]string{"": "", "br": "", "gzip;q=0": "", "gzip; q=0.0, br": "", "gzip": "gzip", "br, gzip;q=0.5": "gzip", "GZIP": "gzip", "xgzip": "", "gzip;q=x": ""} {
		a := s.get(sheet, "Accept-Encoding", accept).status(200)
		if got := a.Header().Get("Content-Encoding"); got != want || a.Header().Get("Vary") != "Accept-Encoding" || a.Header().Get("Content-Type") != "text/css; charset=utf-8" {
			t.Errorf("%q: %v", accept, a.Header())
		}
		body := io.Reader(a.Body)
		if want != "" {
			var err error
			if body, err = gzip.NewReader(body); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := io.ReadAll(body); err != nil || string(got) != plain.Body.String() {
			t.Errorf("%q: another file, %v", accept, err)
		}
	}
	for _, bad := range []string{"htmx.LICENSE", "README.md", "..%2fconsole.go", "pages", ""} {
		s.get(path.Dir(sheet) + "/" + bad).status(404)
	}
	// No page is: it would tell by its length what is in it.
	if a := s.get("/", "Accept-Encoding", "gzip"); a.Header().Get("Content-Encoding") != "" {
		t.Error("a page is compressed")
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		30 * time.Second: "less than a minute", time.Minute: "1 min", 61 * time.Minute: "1 h 1 min", 2 * time.Hour: "2 h", 25 * time.Hour: "1 day 1 h",
		-48 * time.Hour: "2 days", 15 * 24 * time.Hour: "15 days",
	} {
		if got := span(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}

func TestHTMXIsAsVendored(t *testing.T) {
	raw, err := assetFiles.ReadFile("assets/htmx.min.js")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("assets/README.md")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	if !strings.Contains(string(readme), hex.EncodeToString(sum[:])) {
		t.Error("the file is another one than the README names")
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("a console without a service")
	}
	for _, bad := range []string{"javascript:alert(1)", "temporal.example.com", "https://u:p@temporal.example.com", "https://x/?q=1", "ftp://x"} {
		if _, err := New(Config{Service: &fake{}, TemporalUI: bad}); err == nil {
			t.Errorf("TemporalUI %s", bad)
		}
	}
}

// everyPath is a page of each sort.
func everyPath() []string {
	list := []string{
		"/", "/?site=Oslo&q=x&page=9", "/board", here, here + "/live", "/passes", "/feeds", "/feeds/hr/pause", "/quarantine", "/quarantine/q-1/drop", "/held",
		"/held/" + ref + "/heldApprove", "/ledger?ref=" + ref, "/halt", "/search", "/runbooks", "/me", "/recover", "/stage-device", "/nowhere",
	}
	for _, v := range verbs() {
		list = append(list, here+"/"+string(v))
	}
	return list
}

func fullSite(t *testing.T) *site {
	t.Helper()
	return newSite(t, &fake{
		rows:    []board.Row{oneRow(), oneRow(func(r *board.Row) { r.Ref, r.Stage, r.Reason = "b", jml.StageBlocked, jml.ReasonUserNotFound })},
		feedsOf: []ops.Feed{{Status: intake.Status{Source: "hr", Fault: "no answer"}, Health: ops.HealthFailing, Do: "Mend it.", Paused: &ledger.Pause{Source: "hr", On: true, Actor: "ida@example.com"}}},
		kept:    []intake.Quarantined{{ID: "q-1", Source: "hr", Reason: "start_date: missing", At: noon()}},
		heldOf:  []intake.Held{{Kind: jml.HoldContact, Source: "hr", Ref: ref, Since: noon()}},
		ledger: func(ledger.RowFilter) ([]audit.Row, error) {
			return []audit.Row{{Seq: 7, Entry: audit.Entry{Time: noon(), Event: audit.EventPassIssue, Ref: ref}, Hash: []byte{1, 2, 3}}}, nil
		},
	})
}

// No page has code or style of its own: the policy forbids it, and so do we.
func TestPagesKeepThePolicy(t *testing.T) {
	s := fullSite(t)
	for _, path := range everyPath() {
		a := s.get(path)
		head := a.Header()
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Frame-Options":         "DENY", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Content-Type": "text/html; charset=utf-8",
		} {
			if got := head.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		ids := map[string]bool{}
		a.elements(func(n *html.Node) {
			for _, at := range n.Attr {
				if strings.HasPrefix(at.Key, "on") || at.Key == "style" || strings.HasPrefix(at.Key, "hx-on") || strings.HasPrefix(at.Val, "js:") || at.Key == "hx-vals" {
					t.Errorf("%s: %s=%q", path, at.Key, at.Val)
				}
				if at.Key == "id" {
					if ids[at.Val] {
						t.Errorf("%s: the id %s twice", path, at.Val)
					}
					ids[at.Val] = true
				}
			}
			if (n.Data == "script" || n.Data == "style") && n.FirstChild != nil {
				t.Errorf("%s: code in the page", path)
			}
		})
		if strings.Contains(a.Body.String(), "ZgotmplZ") {
			t.Errorf("%s: a value where none may stand", path)
		}
	}
}

func TestAssets(t *testing.T) {
	s := newSite(t, &fake{})
	var found int
	s.get("/").elements(func(n *html.Node) {
		if at := attribute(n, "src") + attribute(n, "href"); strings.HasPrefix(at, "/assets/") {
			found++
			a := s.get(at).status(200)
			if !strings.Contains(a.Header().Get("Cache-Control"), "immutable") {
				t.Errorf("%s is asked for again and again", at)
			}
		}
	})
	if found != 4 {
		t.Errorf("%d assets", found)
	}
	s.get("/assets/nothing/console.js").status(404)
	s.get(strings.TrimSuffix(assetOf(s), "console.js") + "README.md").status(404)
}

func assetOf(s *site) string {
	out := ""
	s.get("/").elements(func(n *html.Node) {
		if src := attribute(n, "src"); strings.HasSuffix(src, "console.js") {
			out = src
		}
	})
	return out
}

func TestRefusals(t *testing.T) {
	for kind, want := range map[ops.RefusalKind]int{
		ops.RefusedSignIn: 401, ops.RefusedForbidden: 403, ops.RefusedInvalid: 400, ops.RefusedMissing: 404, ops.RefusedState: 409,
		ops.RefusedVersion: 412, ops.RefusedAway: 503, "new": 500,
	} {
		s := newSite(t, &fake{err: &ops.Refusal{Kind: kind, What: "this needs the role auditor", Do: "ask whoever gives roles"}})
		for _, path := range []string{"/", here, "/passes", "/feeds", "/quarantine", "/held", "/halt", "/ledger?ref=a"} {
			s.get(path).status(want).has("This needs the role auditor.", "Ask whoever gives roles.", "<h1>"+heading(kind)+"</h1>")
		}
		s.get("/board").status(want)
	}
	s := newSite(t, &fake{err: errors.New("secret of a database")})
	s.get("/").status(500).lacks("secret of a database")
	s.who = nil
	for _, path := range everyPath() {
		s.get(path).status(401).has("/sign-in").lacks(ref)
	}
	s.post(here+"/hold", "reason", "because of it").status(401)
	if len(s.svc.acted) > 0 {
		t.Error("somebody unknown acted")
	}
}

// attack is what an HR system may send as a name.
const attack = `"><img src=x onerror=alert(1)>'><script>alert(2)</script><a href="javascript:alert(3)">{{.}}`

// poison puts the attack into every text under v.
func poison(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() && depth < 6 && v.CanSet() && v.Type() != reflect.TypeFor[*time.Location]() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		if !v.IsNil() {
			poison(v.Elem(), depth+1)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(noon().Add(time.Hour)))
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				poison(v.Field(i), depth+1)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte("canary-of-a-passcode"))
			return
		}
		if v.Len() == 0 && depth < 6 {
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		}
		for i := range v.Len() {
			poison(v.Index(i), depth+1)
		}
	case reflect.Map:
		if v.Type().Key().Kind() == reflect.String {
			v.Set(reflect.MakeMap(v.Type()))
			e := reflect.New(v.Type().Elem()).Elem()
			poison(e, depth+1)
			v.SetMapIndex(reflect.ValueOf(attack).Convert(v.Type().Key()), e)
		}
	case reflect.String:
		v.SetString(attack)
	case reflect.Int, reflect.Int64:
		v.SetInt(3)
	case reflect.Uint64:
		v.SetUint(3)
	case reflect.Bool:
		v.SetBool(true)
	}
}

func poisoned[T any]() T {
	var out T
	poison(reflect.ValueOf(&out).Elem(), 0)
	return out
}

// Whatever HR, an operator or Temporal says, it shows as text.
func TestNothingOfOthersIsMarkup(t *testing.T) {
	row := poisoned[board.Row]()
	sum := poisoned[ops.Summary]()
	f := &fake{
		rows: []board.Row{row, oneRow(func(r *board.Row) { r.Site, r.Channel, r.Reason = attack, attack, attack })}, state: poisoned[board.State](), sum: sum,
		journey: func(string) (ops.Journey, error) {
			j := poisoned[ops.Journey]()
			j.Row.Closed = time.Time{}
			j.Can, j.Cannot = verbs()[:11], map[ops.Verb]string{ops.VerbCancel: attack}
			return j, nil
		},
		feedsOf: []ops.Feed{poisoned[ops.Feed]()}, kept: []intake.Quarantined{poisoned[intake.Quarantined]()}, heldOf: []intake.Held{poisoned[intake.Held]()},
		change: poisoned[ops.HeldChange](),
		found:  []ops.Found{poisoned[ops.Found]()}, ledger: func(ledger.RowFilter) ([]audit.Row, error) { return []audit.Row{poisoned[audit.Row]()}, nil },
		act: func(ops.Action) (ops.Done, error) {
			return ops.Done{}, &ops.Refusal{Kind: ops.RefusedVersion, What: attack, Do: attack}
		},
	}
	s := newSite(t, f, func(c *Config) {
		c.Organisation, c.Version = attack, attack
		c.Channels = func(string) []string { return []string{attack} }
	})
	s.who.Name, s.who.Subject, s.who.Roles = attack, attack, append(s.who.Roles, attack)
	q := func(s string) string {
		return strings.NewReplacer(" ", "%20", `"`, "%22", "<", "%3C", ">", "%3E", "{", "%7B", "}", "%7D").Replace(s)
	}
	paths := append(everyPath(), "/?q="+q(attack)+"&site="+q(attack)+"&source="+q(attack)+"&stage="+q(attack), "/ledger?ref="+q(attack)+"&event="+q(attack)+"&from=2031-03-01",
		"/recover?ref="+q(attack)+"&source="+q(attack), "/feeds/"+q("<script>alert(2)<")+"/pause")
	check := func(path string, a answer) {
		t.Helper()
		body := a.Body.String()
		for _, not := range []string{"<img src=x", "<script>alert", "canary-of-a-passcode", base64.StdEncoding.EncodeToString([]byte("canary-of-a-passcode"))} {
			if strings.Contains(body, not) {
				t.Errorf("%s: the page has %s", path, not)
			}
		}
		a.elements(func(n *html.Node) {
			for _, at := range n.Attr {
				if strings.HasPrefix(at.Key, "on") {
					t.Errorf("%s: %s", path, at.Key)
				}
				if (at.Key == "href" || at.Key == "src" || at.Key == "action" || at.Key == "hx-get") &&
					!strings.HasPrefix(at.Val, "/") && !strings.HasPrefix(at.Val, "#") && !strings.HasPrefix(at.Val, "https://temporal.example.com/ui/") {
					t.Errorf("%s: %s leads to %s", path, at.Key, at.Val)
				}
				if strings.HasPrefix(at.Val, "//") {
					t.Errorf("%s: %s leads to another host", path, at.Key)
				}
			}
		})
	}
	for _, path := range paths {
		check(path, s.get(path))
	}
	check("search", s.post("/search", "q", attack))
	check("ledger", s.post("/ledger", "ref", attack, "actor", attack, "event", attack, "from", attack))
	check("quicker", s.post(here+"/hold", "reason", attack, "was", attack, "version", attack, "since", attack).status(412))
	check("sure", s.post(here+"/revoke", "reason", attack, "was", attack, "version", attack).status(200))
	check("wrong", s.post(here+"/link", "reason", attack, "user_id", attack[:30]).status(422))
	s.get(here).has("&lt;img src=x onerror=alert(1)&gt;")
}

// The sealed passcode is in what the service tells; no page has it.
func TestNoPasscode(t *testing.T) {
	j := oneJourney(func(j *ops.Journey) {
		j.Pass = &workflows.PassView{Issued: &workflows.IssueResult{Sealed: []byte("Wq7-kX2p")}}
		j.View.Pass = &workflows.PassResult{Issued: &workflows.IssueResult{Sealed: []byte("Wq7-kX2p")}}
	})
	s := newSite(t, &fake{journey: func(string) (ops.Journey, error) { return j, nil }})
	for _, path := range []string{here, here + "/live", here + "/reissue"} {
		s.get(path).status(200).lacks("Wq7-kX2p", base64.StdEncoding.EncodeToString([]byte("Wq7-kX2p")))
	}
}

func TestBoard(t *testing.T) {
	f := &fake{rows: []board.Row{
		oneRow(func(r *board.Row) {
			r.Ref, r.NeedsAction, r.Stage, r.Reason = "one", true, jml.StageBlocked, jml.ReasonPickupLocked
		}),
		oneRow(func(r *board.Row) {
			r.Ref, r.Stage, r.Reason, r.Starts = "two", jml.StageBlocked, jml.ReasonUserNotFound, noon().AddDate(0, 2, 0)
		}),
		oneRow(func(r *board.Row) { r.Ref, r.Starts = "three", noon().Add(-30*time.Hour) }),
		oneRow(func(r *board.Row) { r.Ref, r.Starts = "four", noon() }),
		oneRow(func(r *board.Row) { r.Ref = "five" }),
		oneRow(func(r *board.Row) { r.Ref, r.Starts = "six", noon().AddDate(0, 0, 30) }),
		oneRow(func(r *board.Row) { r.Ref, r.Starts = "seven", time.Time{} }),
	}}
	s := newSite(t, f)
	a := s.get("/").status(200).has(
		"Somebody has to act", "Too many wrong codes or proofs", "then: “Issue another pass”.", "No Entra account yet", `href="/runbooks#blocked-userNotFound"`,
		"Started before today", "Today, Monday 3 March", "Tomorrow, Tuesday 4 March", "Without a start", "/journeys/joiner/hr/one")
	a.lacks("/journeys/joiner/hr/six")
	order := []string{"/hr/one", "/hr/two", "/hr/three", "/hr/four", "/hr/five", "/hr/seven"}
	for i, at := 0, -1; i < len(order); i++ {
		next := strings.Index(a.Body.String(), order[i]+`"`)
		if next <= at {
			t.Errorf("%s is out of order", order[i])
		}
		at = next
	}
	s.get("/?days=0").has("/hr/six")
	s.get("/?site=Oslo&stage=invited").has("stage=invited").lacks(`aria-current="true">Invited`)
	for _, q := range quicks(wish{}) {
		s.get(q.Href).status(200).has(`aria-current="true">` + q.Text).lacks(`<details class="filter" open>`)
	}
	s.get("/?show=week").lacks("/hr/six", "/hr/three")
	s.get("/?site=Oslo&kind=joiner&stage=waiting&reason=userNotFound&source=hr&show=act")
	want := board.Filter{Site: "Oslo", Source: "hr", Kinds: []jml.Kind{jml.KindJoiner}, Stages: []jml.Stage{jml.StageWaiting}, Reasons: []jml.BlockReason{jml.ReasonUserNotFound}, NeedsAction: true}
	if !reflect.DeepEqual(f.filters[len(f.filters)-1], want) {
		t.Error(cmp.Diff(f.filters[len(f.filters)-1], want))
	}
}

func TestBoardPages(t *testing.T) {
	f := &fake{}
	for i := range 450 {
		f.rows = append(f.rows, oneRow(func(r *board.Row) { r.Ref = fmt.Sprintf("ref%03d", i) }))
	}
	s := newSite(t, f)
	s.get("/").has("/hr/ref000", "/hr/ref199", "1 to 200 of 450", `href="/?page=2"`, `>450</span>`).lacks("/hr/ref200")
	s.get("/?page=3").has("/hr/ref400", "401 to 450 of 450").lacks("/hr/ref399", "page=4")
	s.get("/?page=99").has("401 to 450 of 450")
	s.get("/?page=-1").has("1 to 200 of 450")
}

func TestBoardSaysWhatIsWrong(t *testing.T) {
	f := &fake{state: board.State{Read: noon().Add(-4 * time.Minute), Fault: "no answer within 5 s"}}
	f.sum.Switch = ops.Switch{On: true, Actor: "ida@example.com", Reason: "Wrong policy", Since: noon().Add(-time.Hour)}
	f.sum.Gaps = []string{"how the feeds do: the ledger can't be read"}
	f.sum.Silent = []string{"payroll"}
	newSite(t, f).get("/").has("Temporal does not answer", "11:56", "4 min ago", "No answer within 5 s.", "The kill switch is on", "Wrong policy", "the ledger can&#39;t be read", "feeds in trouble: payroll")
	newSite(t, &fake{state: board.State{Read: noon().Add(-3 * time.Minute)}}).get("/").has("Temporal does not answer")
	newSite(t, &fake{}).get("/").lacks("Temporal does not answer", "nobody gets a new pass").has("Nobody starts in this time")
}

// Names stand on the pages of those whom the service gives them, and what was
// made for them reaches nobody else, by the cache or by its tag.
func TestNamesStayWithTheirRoles(t *testing.T) {
	const name = "Astrid <b>Solbakken"
	f := &fake{rows: []board.Row{oneRow()}, names: map[string]string{"joiner/hr/" + ref: name}, heldOf: []intake.Held{{Kind: jml.HoldContact, Source: "hr", Ref: ref}}}
	var log bytes.Buffer
	s := newSite(t, f, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	operator, viewer := *s.who, access.Identity{Subject: "4e2d", Name: "ole@example.com", Roles: []access.Role{access.Viewer}}
	const shown = "Astrid &lt;b&gt;Solbakken</a>"
	var tags []string
	for range 2 { // the second time from what is kept
		for _, path := range []string{"/", "/board", "/passes", "/held"} {
			s.who = &operator
			tags = append(tags, s.get(path).status(200).has(shown, "<code>"+ref+"</code>").Header().Get("ETag"))
			for _, roles := range [][]access.Role{{access.Viewer}, {access.Viewer, access.Auditor}, {access.Auditor}} {
				viewer.Roles = roles
				s.who = &viewer
				s.get(path).status(200).has("<code>"+ref+"</code></a>").lacks("Solbakken", "Astrid")
			}
		}
	}
	for _, tag := range tags {
		s.get("/board", "If-None-Match", tag).status(200).lacks("Solbakken")
	}
	s.who = &operator
	tag := s.get("/board").Header().Get("ETag")
	f.names = nil // erased, or the ledger is away
	s.now = s.now.Add(3 * time.Second)
	s.get("/board", "If-None-Match", tag).status(200).lacks("Solbakken").has(ref)
	if strings.Contains(log.String(), "Astrid") {
		t.Error("the log has a name")
	}
}

// What the tiles count is what their lists have.
func TestFailedAndAtRiskLists(t *testing.T) {
	ended := func(ref string, stage jml.Stage, ago time.Duration, lost bool) board.Row {
		return oneRow(func(r *board.Row) { r.Ref, r.Stage, r.Closed, r.Lost = ref, stage, noon().Add(-ago), lost })
	}
	f := &fake{rows: []board.Row{
		oneRow(func(r *board.Row) { r.Ref, r.Stage, r.Reason = "stuck", jml.StageBlocked, jml.ReasonUserNotFound }), oneRow(func(r *board.Row) { r.Ref = "well" }),
		ended("timed", jml.StageTimedOut, time.Hour, false), ended("gone", jml.StageScheduled, time.Hour, true),
		ended("timed2", jml.StageTimedOut, 2*time.Hour, false), ended("old", jml.StageTimedOut, 25*time.Hour, false), ended("fine", jml.StageCompleted, time.Hour, false),
	}, sum: ops.Summary{Failed: 3}}
	s := newSite(t, f)
	s.get("/").has(`href="/?show=failed"><b>3</b> <span>failed in the last 24 hours`)
	a := s.get("/?show=failed").has("/hr/timed\"", "/hr/timed2", "/hr/gone", "Nothing was registered in time", "start a recovery").lacks("/hr/old", "/hr/fine", "/hr/stuck", "/hr/well")
	ids := map[string]bool{}
	a.elements(func(n *html.Node) {
		if id := attribute(n, "id"); id != "" && ids[id] {
			t.Errorf("two elements are called %s", id)
		} else if id != "" {
			ids[id] = true
		}
	})
	if !f.filters[len(f.filters)-1].Closed {
		t.Error("what has ended was not asked for")
	}
	s.get("/?show=risk").has("/hr/stuck", "/hr/timed\"").lacks("/hr/well", "/hr/fine")
}

// What is looked for by its reference, and is one journey, is opened at once.
func TestSearchByReference(t *testing.T) {
	s := newSite(t, &fake{found: []ops.Found{{Source: "hr", Ref: ref, Journeys: []board.Row{oneRow()}}}})
	s.get("/").has(`action="/search" method="post"`, "a name, employee id or reference").lacks(`action="/search" method="get"`)
	if to := s.post("/search", "q", ref).status(303).Header().Get("Location"); to != here {
		t.Errorf("it leads to %s", to)
	}
	s.svc.found[0].Journeys = append(s.svc.found[0].Journeys, oneRow(func(r *board.Row) { r.Kind = jml.KindRecovery }))
	s.post("/search", "q", ref).status(200)
	s.who.Roles = []access.Role{access.Viewer}
	s.get("/").has("Find a reference").lacks("a name, employee id")
}

// Fifty who look at the same cost what one does, and who has it gets it not
// again.
func TestBoardIsMadeOnce(t *testing.T) {
	f := &fake{rows: []board.Row{oneRow()}}
	s := newSite(t, f)
	first := s.get("/board").status(200)
	tag := first.Header().Get("ETag")
	for range 50 {
		if a := s.get("/board", "If-None-Match", tag).status(304); a.Body.Len() > 0 {
			t.Error("a reply that has not changed has a body")
		}
	}
	if n := f.asked.Load(); n != 1 {
		t.Errorf("the service was asked %d times", n)
	}
	s.now = s.now.Add(3 * time.Second)
	s.get("/board", "If-None-Match", tag).status(304)
	f.rows, f.state.Version = append(f.rows, oneRow(func(r *board.Row) { r.Ref = "new" })), 2
	s.now = s.now.Add(3 * time.Second)
	s.get("/board", "If-None-Match", tag).status(200).has("/hr/new")
	s.get("/").has(`data-etag="` + strings.ReplaceAll(s.get("/board").Header().Get("ETag"), `"`, "&#34;") + `"`)
}

// What somebody with other roles was told is not shown to who is refused it.
func TestBoardIsNotSharedAcrossRoles(t *testing.T) {
	f := &fake{rows: []board.Row{oneRow()}}
	s := newSite(t, f)
	s.get("/board").status(200)
	s.who.Roles = []access.Role{access.Desk}
	f.err = &ops.Refusal{Kind: ops.RefusedForbidden, What: "no"}
	s.get("/board").status(403).lacks(ref)
	if to := s.get("/").status(303).Header().Get("Location"); to != "/search" {
		t.Errorf("a desk is led to %s", to)
	}
}

func TestJourney(t *testing.T) {
	j := oneJourney(func(j *ops.Journey) {
		j.Row.Expires, j.Row.PassID = noon().Add(90*time.Minute), "pass/9d1f4f0e"
		j.Can, j.Cannot = []ops.Verb{ops.VerbHold, ops.VerbRevoke}, map[ops.Verb]string{ops.VerbResume: "nobody holds it"}
		j.Timeline = []ops.Moment{
			{At: noon().Add(-time.Hour), What: "A pass was made", RequestID: "0b9e6f0a", Seq: 17},
			{At: noon().Add(-time.Minute), What: "Held back", Who: "ida@example.com", Reason: "Laptop late"},
			{At: noon().Add(20 * time.Hour), What: "The start", Ahead: true},
		}
		j.View.Deliveries = []workflows.Delivery{{Message: jml.MessageLink, Channel: "mail", Status: jml.DeliveryBounced, At: noon()}}
	})
	s := newSite(t, &fake{journey: func(id string) (ops.Journey, error) {
		if id != "joiner/hr/"+ref {
			return ops.Journey{}, &ops.Refusal{Kind: ops.RefusedMissing, What: "there is no such journey"}
		}
		return j, nil
	}})
	a := s.get(here).status(200).has(
		"<h1>Astrid Solbakken</h1>", "E-1042", "Tue 4 Mar, 08:00", "Tue 4 Mar, 03:00", "America/New_York (UTC-05:00)", "in 20 h", "in 1 h 30 min",
		`data-until="2031-03-03T13:30:00Z"`, here+"/hold", here+"/revoke", "Nobody holds it.", "A pass was made", "0b9e6f0a", "row 17", "Laptop late", "The start", "Bounced",
		`href="https://temporal.example.com/ui/namespaces/first%20pass/workflows/joiner%2Fhr%2F`+ref+`/7f3c2b1e-0d4a/history"`, "workflows/pass%2F9d1f4f0e")
	a.lacks(here+"/resume", here+"/cancel")
	if strings.Index(a.Body.String(), "Held back") > strings.Index(a.Body.String(), "A pass was made") {
		t.Error("what happened last is not first")
	}
	s.get("/journeys/joiner/hr/other").status(404)
	tag := s.get(here + "/live").status(200).Header().Get("ETag")
	s.get(here+"/live", "If-None-Match", tag).status(304)
	j.Row.Stage = jml.StageBlocked
	s.get(here+"/live", "If-None-Match", tag).status(200)
	j = oneJourney(func(j *ops.Journey) {
		j.Stale, j.View, j.Can = true, workflows.JourneyView{}, nil
		j.Gaps = []string{"what the journey itself says is missing"}
	})
	s.get(here).status(200).has("<h1>"+ref+"</h1>", "The journey does not answer", "Your roles let you look only", "what the journey itself says is missing")
}

// A reference that holds what addresses are made of stays one part of the path.
func TestPathsAreEscaped(t *testing.T) {
	for _, ref := range []string{"a b", "../../halt", "a/b", "a?b", "a#b", "%2f", "é"} {
		path := journeyPath(jml.KindJoiner, "hr", ref)
		var got string
		f := &fake{journey: func(id string) (ops.Journey, error) { got = id; return oneJourney(), nil }}
		newSite(t, f).get(path).status(200)
		if want := "joiner/hr/" + ref; got != want {
			t.Errorf("%s leads to %s, not %s", path, got, want)
		}
	}
}

func TestAct(t *testing.T) {
	s := newSite(t, &fake{})
	s.svc.act = func(ops.Action) (ops.Done, error) { return ops.Done{What: "it is held"}, nil }
	form := s.get(here + "/hold").status(200).has("Hold: Astrid Solbakken").fields()
	if form["version"] != "7f3c2b1e-4" {
		t.Errorf("the form's version is %q", form["version"])
	}
	a := s.post(here+"/hold", "version", form["version"], "reason", " Laptop\r\n late ").status(303)
	if to := a.Header().Get("Location"); to != here {
		t.Errorf("it goes on to %s", to)
	}
	want := []ops.Action{{Verb: ops.VerbHold, Object: "joiner/hr/" + ref, Reason: "Laptop late", Version: "7f3c2b1e-4"}}
	if !reflect.DeepEqual(s.svc.acted, want) {
		t.Error(cmp.Diff(s.svc.acted, want))
	}
	cookie := a.Result().Cookies()[0]
	if !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || !strings.HasPrefix(cookie.Name, "__Host-") {
		t.Errorf("the cookie: %s", cookie)
	}
	s.get(here, "Cookie", cookie.Name+"="+cookie.Value).has("It is held.")
	s.get(here).lacks("It is held.")
}

func TestActTakesFields(t *testing.T) {
	user := "9d1f4f0e-6a57-4d0b-8a6e-3f0a6d1c2b77"
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	for verb, c := range map[ops.Verb]struct {
		form []string
		want ops.Action
	}{
		ops.VerbMove: {[]string{"start", "2031-03-09", "hour", "10:30", "until", "2031-03-08T09:00"}, ops.Action{
			Start: jml.Date{Year: 2031, Month: 3, Day: 9}, Hour: jml.Clock{Hour: 10, Minute: 30}, Until: time.Date(2031, 3, 8, 9, 0, 0, 0, newYork)}},
		ops.VerbLink:       {[]string{"user_id", user}, ops.Action{UserID: user}},
		ops.VerbReissue:    {[]string{"channel", "sms"}, ops.Action{Channel: "sms"}},
		ops.VerbRegistered: {[]string{"proof", "Methods in Entra"}, ops.Action{Proof: "Methods in Entra"}},
	} {
		s := newSite(t, &fake{})
		s.post(here+"/"+string(verb), append(c.form, "reason", "because of it", "version", "v")...).status(303)
		c.want.Verb, c.want.Object, c.want.Reason, c.want.Version = verb, "joiner/hr/"+ref, "because of it", "v"
		if got := s.svc.acted[0]; !got.Until.Equal(c.want.Until) {
			t.Errorf("%s: until %s", verb, got.Until)
		}
		s.svc.acted[0].Until, c.want.Until = time.Time{}, time.Time{}
		if !reflect.DeepEqual(s.svc.acted[0], c.want) {
			t.Errorf("%s: %+v", verb, s.svc.acted[0])
		}
	}
}

func TestActRefusesForms(t *testing.T) {
	for name, c := range map[string]struct {
		verb string
		form []string
		says string
	}{
		"no reason":      {"hold", nil, "Needed."},
		"short":          {"hold", []string{"reason", "x"}, "Too short"},
		"long":           {"hold", []string{"reason", strings.Repeat("x", maxReason+1)}, "Too long"},
		"no date":        {"move", []string{"reason", "because of it", "start", "tomorrow"}, "no date"},
		"no hour":        {"move", []string{"reason", "because of it", "start", "2031-03-09", "hour", "25:00"}, "no time"},
		"no until":       {"move", []string{"reason", "because of it", "start", "2031-03-09", "until", "soon"}, "no date and time"},
		"no user":        {"link", []string{"reason", "because of it", "user_id", "astrid@example.com"}, "no object id"},
		"no proof":       {"registered", []string{"reason", "because of it"}, "Needed."},
		"strange choice": {"resend", []string{"reason", "because of it", "channel", "fax"}, "Choose one of the list."},
	} {
		s := newSite(t, &fake{}, func(c *Config) { c.Channels = func(string) []string { return []string{"mail"} } })
		a := s.post(here+"/"+c.verb, c.form...).status(422).has(c.says, "Nothing was done", `aria-invalid="true"`)
		a.elements(func(n *html.Node) {
			if attribute(n, "aria-invalid") == "true" && !strings.Contains(attribute(n, "aria-describedby"), attribute(n, "id")+"-error") {
				t.Errorf("%s: the field does not say what is wrong with it", name)
			}
		})
		if len(s.svc.acted) > 0 {
			t.Errorf("%s: done", name)
		}
	}
	s := newSite(t, &fake{})
	s.post(here+"/erase", "reason", "because of it").status(404)
	s.get(here + "/erase").status(404)
	s.post("/feeds/hr/hold", "reason", "because of it").status(404)
	s.post(here+"/hold", "reason", strings.Repeat("x", maxBody)).status(400)
}

// What can't be taken back is asked for once more.
func TestActAsksOnceMore(t *testing.T) {
	for _, path := range []string{here + "/revoke", here + "/cancel", "/quarantine/q-1/drop"} {
		s := newSite(t, &fake{})
		form := s.post(path, "reason", "The contract was not signed", "version", "v").status(200).has("This can't be taken back.").fields()
		if len(s.svc.acted) > 0 {
			t.Errorf("%s is done at once", path)
		}
		if form["sure"] != "yes" || form["reason"] != "The contract was not signed" || form["version"] != "v" {
			t.Errorf("%s: the second form has %v", path, form)
		}
		s.post(path, "reason", form["reason"], "version", "v", "sure", "yes").status(303)
		if len(s.svc.acted) != 1 || s.svc.acted[0].Version != "v" {
			t.Errorf("%s: %+v", path, s.svc.acted)
		}
	}
}

func TestSomebodyWasQuicker(t *testing.T) {
	stage := jml.StageScheduled
	s := newSite(t, &fake{})
	s.svc.journey = func(string) (ops.Journey, error) {
		return oneJourney(func(j *ops.Journey) {
			j.Row.Stage, j.Version = stage, "7f3c2b1e-5"
			j.Timeline = []ops.Moment{
				{At: noon().Add(-time.Hour), What: "Long ago"},
				{At: noon().Add(time.Minute), What: "Held back", Who: "per@example.com", Reason: "Not yet"},
			}
		}), nil
	}
	form := s.get(here + "/cancel").fields()
	stage, s.now = jml.StageBlocked, noon().Add(2*time.Minute)
	s.svc.act = func(a ops.Action) (ops.Done, error) {
		if a.Version == "7f3c2b1e-5" {
			return ops.Done{What: "done"}, nil
		}
		return ops.Done{}, &ops.Refusal{Kind: ops.RefusedVersion, What: "the journey has changed"}
	}
	a := s.post(here+"/cancel", "version", "7f3c2b1e-4", "was", form["was"], "since", form["since"], "reason", "because of it", "sure", "yes").status(412)
	a.has("Somebody was quicker", "Scheduled", "Blocked", "Held back", "per@example.com", "Not yet", "because of it").lacks("Long ago")
	again := a.fields()
	if again["version"] != "7f3c2b1e-5" || again["sure"] != "" {
		t.Errorf("the form has %v", again)
	}
	s.post(here+"/cancel", "version", again["version"], "reason", "because of it", "sure", "yes").status(303)
}

func TestActIsRefused(t *testing.T) {
	for kind, want := range map[ops.RefusalKind]int{ops.RefusedState: 409, ops.RefusedInvalid: 400, ops.RefusedAway: 503} {
		s := newSite(t, &fake{act: func(ops.Action) (ops.Done, error) {
			return ops.Done{}, &ops.Refusal{Kind: kind, What: "the pass is gone", Do: "look again"}
		}})
		// What was typed stays.
		s.post(here+"/hold", "reason", "because of it").status(want).has("The pass is gone.", "Look again.", "because of it")
	}
	s := newSite(t, &fake{act: func(ops.Action) (ops.Done, error) {
		return ops.Done{}, &ops.Refusal{Kind: ops.RefusedForbidden, What: "this needs the role operator"}
	}})
	s.post(here+"/hold", "reason", "because of it").status(403)
	s.who.Roles = []access.Role{access.Viewer}
	for _, path := range []string{"/feeds/hr/pause", "/quarantine/q-1/replay", "/held/x/heldReject"} {
		s.get(path).status(403)
		s.post(path, "reason", "because of it").status(403)
	}
	s.post("/halt", "verb", "halt", "reason", "because of it").status(403)
	s.post("/recover", "employee", "E-1042").status(403)
	if len(s.svc.acted) != 1 {
		t.Errorf("acted: %+v", s.svc.acted)
	}
}

// A form of another page does nothing, whoever is signed in.
func TestForeignForms(t *testing.T) {
	s := newSite(t, &fake{})
	for _, head := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example.com"}} {
		r := httptest.NewRequest(http.MethodPost, "https://ops.example.com"+here+"/hold", strings.NewReader("reason=because+of+it"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(head[0], head[1])
		s.do(r).status(403).has("This came from another page")
	}
	s.get(here + "/hold?reason=because+of+it&sure=yes").status(200)
	if len(s.svc.acted) > 0 {
		t.Error("done")
	}
}

func TestObjects(t *testing.T) {
	for path, want := range map[string]ops.Action{
		"/feeds/hr/pause":               {Verb: ops.VerbPause, Object: "hr"},
		"/feeds/hr/unpause":             {Verb: ops.VerbUnpause, Object: "hr"},
		"/feeds/hr/release":             {Verb: ops.VerbRelease, Object: "hr"},
		"/quarantine/q-1/replay":        {Verb: ops.VerbReplay, Object: "q-1"},
		"/held/" + ref + "/heldApprove": {Verb: ops.VerbHeldApprove, Object: ref},
	} {
		s := newSite(t, &fake{})
		s.get(path).status(200)
		s.post(path, "reason", "because of it").status(303)
		want.Reason = "because of it"
		if !reflect.DeepEqual(s.svc.acted, []ops.Action{want}) {
			t.Errorf("%s: %+v", path, s.svc.acted)
		}
	}
}

func TestHalt(t *testing.T) {
	s := newSite(t, &fake{})
	s.post("/halt", "verb", "halt", "reason", strings.Repeat("x", maxBody)).status(400)
	s.get("/halt").has("Passes are made as usual", "Stop all new passes")
	s.post("/halt", "verb", "halt", "reason", "because of it").status(303)
	if s.svc.acted[0].Verb != ops.VerbHalt {
		t.Errorf("%+v", s.svc.acted)
	}
	s.svc.sum.Switch = ops.Switch{On: true, Actor: "per@example.com", Reason: "Wrong policy", Since: noon()}
	s.get("/halt").has("Nobody gets a new pass", "per@example.com", "Wrong policy", "Let passes go out again")
	// Who wanted it on while somebody else put it on must not lift it.
	s.post("/halt", "verb", "halt", "reason", "because of it").status(303)
	if len(s.svc.acted) != 1 {
		t.Errorf("%+v", s.svc.acted)
	}
	s.post("/halt", "verb", "lift", "reason", "because of it").status(303)
	if s.svc.acted[1].Verb != ops.VerbLift {
		t.Errorf("%+v", s.svc.acted)
	}
}

func TestSearch(t *testing.T) {
	s := newSite(t, &fake{found: []ops.Found{{Source: "hr", Ref: ref, Name: "Astrid Solbakken", Journeys: []board.Row{oneRow()}}}})
	s.get("/search?q=Astrid").status(200).lacks("Solbakken", "Astrid")
	s.post("/search", "q", "astrid").status(200).has("Astrid Solbakken", here)
	s.post("/search", "q", "a").status(422)
	s.svc.found = nil
	s.post("/search", "q", "astrid").has("Nobody is called so")
}

func TestLedger(t *testing.T) {
	var asked ledger.RowFilter
	s := newSite(t, &fake{ledger: func(f ledger.RowFilter) ([]audit.Row, error) {
		asked = f
		var out []audit.Row
		for i := range 260 {
			out = append(out, audit.Row{Seq: uint64(1000 - i), Entry: audit.Entry{Time: noon().Add(-time.Duration(i/4) * time.Second), Event: audit.EventPassIssue, Ref: ref}})
		}
		return out, nil
	}})
	page := s.post("/ledger", "ref", ref, "actor", "ida@example.com", "event", "pass.issue", "from", "2031-03-01", "until", "2031-03-02").has(">1000<", ">801<").lacks(">800<")
	if asked.Ref != ref || asked.Actor != "ida@example.com" || !asked.Newest || !asked.From.Equal(time.Date(2031, 3, 1, 0, 0, 0, 0, time.UTC)) || !asked.Until.Equal(time.Date(2031, 3, 3, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("asked for %+v", asked)
	}
	form := page.fields()
	s.post("/ledger", "ref", ref, "after", form["after"], "at", form["at"]).has(">800<").lacks(">801<")
	s.post("/ledger", "ref", ref, "order", "oldest", "after", "17")
	if asked.After != 17 || asked.Newest {
		t.Errorf("asked for %+v", asked)
	}
	// Names stand in no address.
	s.get("/ledger?actor=ida@example.com&ref=" + ref)
	if asked.Actor != "" {
		t.Error("an actor by GET")
	}
	s.who.Roles = []access.Role{access.Viewer}
	s.get("/ledger").status(200).has("name a reference").lacks("Show rows", `name="actor"`)
	s.post("/ledger", "ref", ref, "from", "yesterday").status(422)
}

func TestZone(t *testing.T) {
	s := newSite(t, &fake{rows: []board.Row{oneRow()}})
	a := s.post("/zone", "zone", "Asia/Tokyo", "back", "/passes").status(303)
	if a.Header().Get("Location") != "/passes" {
		t.Errorf("back at %s", a.Header().Get("Location"))
	}
	c := a.Result().Cookies()[0]
	s.get("/", "Cookie", c.Name+"="+c.Value).has("17:00", "Asia/Tokyo (UTC&#43;09:00)")
	s.get("/").has("08:00").lacks("Asia/Tokyo (")
	s.get(here, "Cookie", c.Name+"="+c.Value).has("Tue 4 Mar, 17:00", "Tue 4 Mar, 03:00")
	for _, bad := range []string{"Mars/Base", "../etc/passwd", "", "Local"} {
		s.post("/zone", "zone", bad).status(422)
		s.get("/", "Cookie", cookieZone+"="+bad).status(200)
	}
	for _, back := range []string{"https://evil.example.com/", "//evil.example.com", `/\evil.example.com`, "/\t/evil.example.com", "evil", ""} {
		if to := s.post("/zone", "zone", "UTC", "back", back).Header().Get("Location"); to != "/me" {
			t.Errorf("%s leads to %s", back, to)
		}
	}
}

func TestStart(t *testing.T) {
	s := newSite(t, &fake{})
	var got ops.Recovery
	s.svc.recover = func(r ops.Recovery) (ops.Started, error) {
		got = r
		return ops.Started{WorkflowID: "recovery/hr/" + ref, Profile: "standard", Approval: true}, nil
	}
	form := []string{"employee", "E-1042", "loss", "stolen", "verified", "callback", "for", "operator", "ticket", "INC-1", "sessions", "end"}
	a := s.post("/recover", form...).status(303)
	if to := a.Header().Get("Location"); to != "/journeys/recovery/hr/"+ref {
		t.Errorf("it goes on to %s", to)
	}
	want := ops.Recovery{Whom: ops.Whom{Name: "E-1042"}, Loss: jml.LossStolen, Verified: "callback", For: jml.RequesterOperator, Ticket: "INC-1", EndSessions: true}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	s.post("/recover", "employee", "E-1042", "loss", "eaten").status(422).has("Choose one of the list.", "Needed.")
	s.svc.recover = func(ops.Recovery) (ops.Started, error) {
		return ops.Started{}, &ops.Refusal{Kind: ops.RefusedState, What: "a recovery is under way", Do: "look at it"}
	}
	s.post("/recover", form...).status(409).has("A recovery is under way.", "INC-1")
	var staged ops.Staging
	s.svc.staging = func(r ops.Staging) (ops.Started, error) {
		staged = r
		return ops.Started{WorkflowID: "staging/hr/" + ref}, nil
	}
	s.post("/stage-device", "employee", "E-1042", "technician", "sam@example.com", "device", "SN-1", "window", "2h", "ticket", "INC-1").status(303)
	if staged.Window != 2*time.Hour || staged.Technician != "sam@example.com" {
		t.Errorf("%+v", staged)
	}
}

func TestRunbooks(t *testing.T) {
	r, err := render("# Operations\n\nIntro\n\n## One `two`\n\n<a id=\"blocked-userNotFound\"></a>\n\n#### A {#blocked-held}\n\n### blocked-userDisabled\n\n<script>alert(1)</script>\n\n" +
		"<img src=x onerror=alert(1)> [profiles](profiles.md) [here](#held) [x](javascript:alert(1)) [w](https://example.com)\n\n|  | b |\n|---|---|\n| c | d |\n")
	if err != nil {
		t.Fatal(err)
	}
	page := string(r.html)
	for _, not := range []string{"<script", "<img", "javascript:", "profiles.md", "<h1", "<h4", "<th></th>"} {
		if strings.Contains(page, not) {
			t.Errorf("the page has %s", not)
		}
	}
	for _, want := range []string{"profiles", `href="#held"`, `href="https://example.com"`, `<span id="blocked-userNotFound">`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for reason, want := range map[jml.BlockReason]string{
		jml.ReasonUserNotFound: "/runbooks#blocked-userNotFound", jml.ReasonHeld: "/runbooks#blocked-held", jml.ReasonUserDisabled: "/runbooks#blocked-userdisabled",
		jml.ReasonInternal: "/runbooks", "": "",
	} {
		if got := r.blocked(reason); got != want {
			t.Errorf("%s leads to %s", reason, got)
		}
	}
	if d := cmp.Diff(r.parts, []chapter{{"one-two", "One two"}}); d != "" {
		t.Error(d)
	}
	newSite(t, &fake{}, func(c *Config) { c.Runbooks = "" }).get("/").lacks("/runbooks")
}

func FuzzWish(f *testing.F) {
	f.Add("show=act&days=7&site=Oslo&q=x&page=3")
	f.Add("kind=joiner&stage=waiting&reason=held")
	f.Fuzz(func(t *testing.T, raw string) {
		r, err := http.NewRequest(http.MethodGet, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.RawQuery = raw
		w := wishOf(r.URL.Query())
		if again := wishOf(w.query()); again != w {
			t.Errorf("%+v came back as %+v", w, again)
		}
		if !local(w.at("/")) {
			t.Errorf("%s leads away", w.at("/"))
		}
	})
}

func FuzzLocal(f *testing.F) {
	for _, s := range []string{"/", "//x", `/\x`, "/a?b=c", "/%2f%2fx", "/\n/x", "/./@x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if local(s) && (!strings.HasPrefix(s, "/") || len(s) > 1 && (s[1] == '/' || s[1] == '\\') || strings.ContainsAny(s, "\r\n\t")) {
			t.Errorf("%q leads away", s)
		}
	})
}

// The runbooks that we ship have a place for every reason.
func TestRunbooksOfEveryReason(t *testing.T) {
	raw, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	r, err := render(string(raw))
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range jml.Reasons() {
		if to := r.blocked(reason); to == "/runbooks" {
			t.Errorf("%s has no runbook", reason)
		}
	}
}
