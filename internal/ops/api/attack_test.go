package api

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/internal/ops/board"
)

var _ Service = (*ops.Service)(nil)

const journeyActions = "/v1/journeys/joiner/hr/abc/actions"

// untouched is a service that nothing may reach.
func untouched() *fake { return &fake{} }

// What is no request of the description never reaches the service, and the
// problem names the place and not the value.
func TestAttacks(t *testing.T) {
	query := func(name, value string) string { return "/v1/journeys?" + url.Values{name: {value}}.Encode() }
	long := strings.Repeat("x", 600)
	for name, a := range map[string]struct {
		method, target, body string
		header               []string
		status               int
		at                   string // where, by the first of errors
	}{
		// Words that another language would read.
		"query in source":     {target: query("source", "hr' OR 'a'='a"), status: 400, at: "query.source"},
		"query in stage":      {target: query("stage", "blocked' OR WorkflowType != '"), status: 400, at: "query.stage.0"},
		"query in kind":       {target: query("kind", "joiner' OR 1=1 --"), status: 400, at: "query.kind.0"},
		"query in reason":     {target: query("reason", `held" OR ""="`), status: 400, at: "query.reason.0"},
		"query in ref":        {target: "/v1/ledger/rows?" + url.Values{"ref": {"abc' OR '1'='1"}}.Encode(), status: 400, at: "query.ref"},
		"query in event":      {target: "/v1/ledger/rows?" + url.Values{"event": {"pass.issued'; DROP TABLE rows"}}.Encode(), status: 400, at: "query.event.0"},
		"control in site":     {target: query("site", "Rotterdam\r\nX: y"), status: 400, at: "query.site"},
		"nul in actor":        {target: "/v1/ledger/rows?actor=a%00b", status: 400, at: "query.actor"},
		"no UTF-8":            {target: "/v1/journeys?source=%ff%fe", status: 400, at: "query.source"},
		"another parameter":   {target: "/v1/journeys?role=operator", status: 400, at: "query.role"},
		"parameter with HTML": {target: query("<script>alert(1)</script>", "1"), status: 400, at: "query.?"},
		"twice":               {target: "/v1/journeys?source=hr&source=other", status: 400, at: "query.source"},
		"semicolon":           {target: "/v1/journeys?source=hr;live=true", status: 400, at: "query"},
		"bad escape":          {target: "/v1/journeys?source=%zz", status: 400, at: "query"},

		// Numbers.
		"huge limit":     {target: query("limit", "2001"), status: 400, at: "query.limit"},
		"endless limit":  {target: query("limit", strings.Repeat("9", 400)), status: 400, at: "query.limit"},
		"no limit":       {target: query("limit", "0"), status: 400, at: "query.limit"},
		"negative limit": {target: query("limit", "-1"), status: 400, at: "query.limit"},
		"limit as 1e3":   {target: query("limit", "1e3"), status: 400, at: "query.limit"},
		"limit as +5":    {target: query("limit", "+5"), status: 400, at: "query.limit"},
		"after below":    {target: "/v1/ledger/rows?after=-1", status: 400, at: "query.after"},
		"long wait":      {target: query("wait", "61s"), status: 400, at: "query.wait"},
		"longer wait":    {target: query("wait", "24h"), status: 400, at: "query.wait"},
		"yes":            {target: query("live", "yes"), status: 400, at: "query.live"},
		"no date":        {target: query("from", "tomorrow"), status: 400, at: "query.from"},
		"many kinds":     {target: "/v1/journeys?" + strings.Repeat("kind=joiner&", 5), status: 400, at: "query.kind"},
		"foreign cursor": {target: query("cursor", "eyJpZCI6MX0"), status: 400, at: "query.cursor"},
		"long cursor":    {target: query("cursor", long), status: 400, at: "query.cursor"},

		// Paths.
		"dots":              {target: "/v1/journeys/joiner/../../etc", status: 404},
		"encoded dots":      {target: "/v1/journeys/joiner/%2e%2e/abc", status: 404},
		"slash in ref":      {target: "/v1/journeys/joiner/hr/a%2fb", status: 400, at: "path.ref"},
		"dots in ref":       {target: "/v1/journeys/joiner/hr/..%2f..%2fetc", status: 404},
		"dot ref":           {target: "/v1/journeys/joiner/hr/.hidden", status: 400, at: "path.ref"},
		"nul in ref":        {target: "/v1/journeys/joiner/hr/a%00", status: 400, at: "path.ref"},
		"newline in ref":    {target: "/v1/journeys/joiner/hr/a%0d%0aX-Role:%20operator", status: 400, at: "path.ref"},
		"slash in source":   {target: "/v1/journeys/joiner/h%2fr/abc", status: 400, at: "path.source"},
		"upper-case source": {target: "/v1/journeys/joiner/HR/abc", status: 400, at: "path.source"},
		"another kind":      {target: "/v1/journeys/pass/hr/abc", status: 400, at: "path.kind"},
		"long ref":          {target: "/v1/journeys/joiner/hr/" + long, status: 400, at: "path.ref"},
		"double slash":      {target: "//v1/journeys", status: 404},
		"slash at the end":  {target: "/v1/journeys/", status: 404},
		"quarantine id":     {method: "POST", target: "/v1/quarantine/..%5c..%5cx/actions", body: `{"verb":"drop","reason":"because"}`, status: 400, at: "path.id"},
		"elsewhere":         {target: "/admin", status: 404},
		"nothing":           {target: "/", status: 404},

		// Headers.
		"If-Match without quotes": {method: "POST", target: journeyActions, body: `{"verb":"hold","reason":"because"}`, header: []string{"If-Match", "7"}, status: 400, at: "header.If-Match"},
		"If-Match weak":           {method: "POST", target: journeyActions, body: `{"verb":"hold","reason":"because"}`, header: []string{"If-Match", `W/"7"`}, status: 400, at: "header.If-Match"},
		"If-Match of two":         {method: "POST", target: journeyActions, body: `{"verb":"hold","reason":"because"}`, header: []string{"If-Match", `"7", "8"`}, status: 400, at: "header.If-Match"},
		"idempotency key":         {method: "POST", target: journeyActions, body: `{"verb":"hold","reason":"because"}`, header: []string{"Idempotency-Key", "a b'; --"}, status: 400, at: "header.Idempotency-Key"},
		"long If-None-Match":      {target: "/v1/journeys", header: []string{"If-None-Match", long}, status: 400, at: "header.If-None-Match"},

		// Bodies.
		"10 MB":             {method: "POST", target: "/v1/search", body: `{"q":"` + strings.Repeat("a", 10<<20) + `"}`, status: 413},
		"deep":              {method: "POST", target: "/v1/search", body: strings.Repeat(`{"q":`, 5000) + "1" + strings.Repeat("}", 5000), status: 400, at: "body"},
		"deep list":         {method: "POST", target: "/v1/search", body: strings.Repeat(`[`, 30000), status: 400, at: "body"},
		"twice in body":     {method: "PUT", target: "/v1/halt", body: `{"on":true,"on":false,"reason":"because"}`, status: 400, at: "body.on"},
		"twice by escape":   {method: "PUT", target: "/v1/halt", body: `{"on":true,"\u006fn":false,"reason":"because"}`, status: 400, at: "body.on"},
		"upper case":        {method: "PUT", target: "/v1/halt", body: `{"On":true,"reason":"because"}`, status: 400, at: "body.On"},
		"two values":        {method: "POST", target: "/v1/search", body: `{"q":"vos"}{"q":"other"}`, status: 400, at: "body"},
		"no JSON":           {method: "POST", target: "/v1/search", body: `q=vos`, status: 400, at: "body"},
		"half":              {method: "POST", target: "/v1/search", body: `{"q":"vo`, status: 400, at: "body"},
		"a list":            {method: "POST", target: "/v1/search", body: `[]`, status: 400, at: "body"},
		"null":              {method: "POST", target: "/v1/search", body: `null`, status: 400, at: "body"},
		"null field":        {method: "POST", target: "/v1/search", body: `{"q":null}`, status: 400, at: "body.q"},
		"a number":          {method: "POST", target: "/v1/search", body: `{"q":12}`, status: 400, at: "body.q"},
		"body without text": {method: "POST", target: "/v1/search", header: []string{"Content-Type", "application/json"}, status: 400, at: "body"},
		"body of bytes":     {method: "POST", target: "/v1/search", body: "{\"q\":\"\xff\xfe\xfd\"}", status: 400, at: "body"},
		"role":              {method: "POST", target: journeyActions, body: `{"verb":"approve","reason":"because","role":"approver"}`, status: 400, at: "body.role"},
		"roles":             {method: "POST", target: journeyActions, body: `{"verb":"approve","reason":"because","roles":["approver"]}`, status: 400, at: "body.roles"},
		"actor":             {method: "POST", target: journeyActions, body: `{"verb":"approve","reason":"because","actor":"boss@example.com"}`, status: 400, at: "body.actor"},
		"object":            {method: "POST", target: journeyActions, body: `{"verb":"hold","reason":"because","object":"joiner/hr/other"}`, status: 400, at: "body.object"},
		"field with HTML":   {method: "POST", target: journeyActions, body: `{"verb":"hold","reason":"because","<img src=x>":1}`, status: 400, at: "body.?"},
		"verb of another":   {method: "POST", target: journeyActions, body: `{"verb":"halt","reason":"because"}`, status: 400, at: "body.verb"},
		"verb by the feed":  {method: "POST", target: "/v1/feeds/hr/actions", body: `{"verb":"lift","reason":"because"}`, status: 400, at: "body.verb"},
		"no reason":         {method: "POST", target: journeyActions, body: `{"verb":"hold"}`, status: 400, at: "body.reason"},
		"long reason":       {method: "POST", target: journeyActions, body: `{"verb":"hold","reason":"` + long + `"}`, status: 400, at: "body.reason"},
		"no object id":      {method: "POST", target: journeyActions, body: `{"verb":"link","reason":"because","user_id":"me'/delete"}`, status: 400, at: "body.user_id"},
		"no such hour":      {method: "POST", target: journeyActions, body: `{"verb":"move","reason":"because","start":"2031-03-10","hour":"24:61"}`, status: 400, at: "body.hour"},
		"no such day":       {method: "POST", target: journeyActions, body: `{"verb":"move","reason":"because","start":"2031-02-30"}`, status: 400, at: "body.start"},
		"a form":            {method: "POST", target: "/v1/search", body: `q=vos`, header: []string{"Content-Type", "application/x-www-form-urlencoded"}, status: 415},
		"plain text":        {method: "POST", target: "/v1/search", body: `{"q":"vos"}`, header: []string{"Content-Type", "text/plain"}, status: 415},
		"another charset":   {method: "POST", target: "/v1/search", body: `{"q":"vos"}`, header: []string{"Content-Type", "application/json; charset=utf-16"}, status: 415},
		"a parameter":       {method: "POST", target: "/v1/search", body: `{"q":"vos"}`, header: []string{"Content-Type", "application/json; x=y"}, status: 415},
		"packed":            {method: "POST", target: "/v1/search", body: `{"q":"vos"}`, header: []string{"Content-Encoding", "gzip"}, status: 415},
		"no type":           {method: "POST", target: "/v1/search", body: `{"q":"vos"}`, header: []string{"Content-Type", ""}, status: 415},

		// Methods.
		"delete":         {method: "DELETE", target: "/v1/journeys/joiner/hr/abc", status: 405},
		"get an action":  {method: "GET", target: journeyActions, status: 405},
		"patch the halt": {method: "PATCH", target: "/v1/halt", body: `{"on":false}`, status: 405},
		"trace":          {method: "TRACE", target: "/v1/me", status: 405},
		"connect":        {method: "PROPFIND", target: "/v1/journeys", status: 405},
		"override":       {method: "POST", target: "/v1/halt", body: `{"on":false,"reason":"because"}`, header: []string{"X-HTTP-Method-Override", "PUT"}, status: 405},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, untouched())
			method := a.method
			if method == "" {
				method = "GET"
			}
			rec := w.ask(method, a.target, a.body, a.header...)
			if rec.Code != a.status {
				t.Fatalf("%d, want %d: %s", rec.Code, a.status, rec.Body)
			}
			p := problemIn(t, rec.Body.Bytes())
			if a.at != "" && (len(p.Errors) == 0 || p.Errors[0].Path != a.at) {
				t.Errorf("errors %+v, want one at %s", p.Errors, a.at)
			}
			for _, foreign := range []string{"OR 1=1", "OR '", "<script", "<img", "DROP", "/delete", "boss@", "\xff", "xxxxxx", "/etc"} {
				if strings.Contains(rec.Body.String(), foreign) || strings.Contains(w.log.String(), foreign) {
					t.Errorf("%q is told again: %s%s", foreign, rec.Body, w.log)
				}
			}
			if a.status == 405 && rec.Header().Get("Allow") == "" {
				t.Error("no Allow")
			}
			if strings.Contains(w.log.String(), "panic") {
				t.Errorf("it reached the service: %s", w.log)
			}
		})
	}
}

// What may look like an attack and is none gets through, as it is.
func TestStrangeButTrue(t *testing.T) {
	var filter board.Filter
	var rows ledger.RowFilter
	var reason, sought string
	s := willing()
	s.board = func(_ context.Context, f board.Filter) ([]board.Row, board.State, error) {
		filter = f
		return nil, board.State{}, nil
	}
	s.ledger = func(_ context.Context, f ledger.RowFilter) ([]audit.Row, error) { rows = f; return nil, nil }
	s.act = func(_ context.Context, a ops.Action) (ops.Done, error) {
		reason = a.Reason
		return ops.Done{What: "done"}, nil
	}
	s.search = func(_ context.Context, q string) ([]ops.Found, error) { sought = q; return nil, nil }
	w := newWorld(t, s)
	w.ask("GET", "/v1/journeys?"+url.Values{"site": {"L'Aquila, Édifice \"B\" %2f"}}.Encode(), "")
	w.ask("GET", "/v1/ledger/rows?"+url.Values{"actor": {"o'brien@example.com"}}.Encode(), "")
	w.ask("POST", journeyActions, `{"verb":"hold","reason":"she's <here>; DROP \u2028 it"}`, "Content-Type", "application/json; charset=UTF-8")
	w.ask("POST", "/v1/search", `{"q":"O'Brien"}`)
	for got, want := range map[string]string{
		filter.Site: "L'Aquila, Édifice \"B\" %2f", rows.Actor: "o'brien@example.com", reason: "she's <here>; DROP \u2028 it", sought: "O'Brien",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A verb that the roles do not allow is the service's to refuse, and is 403.
func TestForbidden(t *testing.T) {
	s := willing()
	s.act = func(ctx context.Context, a ops.Action) (ops.Done, error) {
		if who, _ := access.From(ctx); !who.Has(a.Verb.Allowed()...) {
			return ops.Done{}, &ops.Refusal{Kind: ops.RefusedForbidden, What: "this needs the role approver"}
		}
		return ops.Done{What: "done"}, nil
	}
	w := newWorld(t, s)
	rec := w.ask("POST", journeyActions, `{"verb":"approve","reason":"I say so"}`, "X-Role", "approver", "X-Forwarded-User", "boss@example.com")
	if p := problemIn(t, rec.Body.Bytes()); rec.Code != 403 || p.Type != "/problems/forbidden" {
		t.Errorf("%d %+v", rec.Code, p)
	}
}

// No page of another origin is let in, whatever it asks.
func TestNoCORS(t *testing.T) {
	w := newWorld(t, willing())
	for _, r := range []*http.Request{
		asking(t, "OPTIONS", "/v1/halt", "", "Origin", "https://evil.example", "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "content-type"),
		asking(t, "GET", "/v1/me", "", "Origin", "https://evil.example"),
		asking(t, "PUT", "/v1/halt", `{"on":false,"reason":"because"}`, "Origin", "null"),
	} {
		rec := w.send(r)
		for name := range rec.Header() {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: %s", r.Method, name)
			}
		}
		if r.Method == "OPTIONS" && rec.Code != http.StatusMethodNotAllowed {
			t.Errorf("preflight: %d", rec.Code)
		}
	}
}

// A request id is taken if it may stand in a header and a log.
func TestRequestID(t *testing.T) {
	w := newWorld(t, willing())
	for given, kept := range map[string]bool{"abc-1.2_3": true, "": false, strings.Repeat("a", 65): false, "a b": false, "a\x01": false, "<b>": false, "a;b": false, "ü": false} {
		rec := w.ask("GET", "/v1/me", "", "X-Request-Id", given)
		if got := rec.Header().Get("X-Request-Id"); (got == given) != kept {
			t.Errorf("%q: %q", given, got)
		}
	}
	if !strings.Contains(w.log.String(), "request_id=abc-1.2_3") {
		t.Error("the log does not have it")
	}
	r := asking(t, "GET", "/v1/me", "")
	r.Header["X-Request-Id"] = []string{"one", "two"}
	if got := w.send(r).Header().Get("X-Request-Id"); got == "one" || got == "two" {
		t.Errorf("of two: %q", got)
	}
}

// Who the log is about is not in it: no names, addresses or what was sought.
func TestLogIsBlind(t *testing.T) {
	w := newWorld(t, willing())
	for _, c := range calls() {
		w.ask(c[0], c[1], c[2], "X-Request-Id", "r") // a random one may hold any word
	}
	for _, personal := range []string{"vos", "Mila", "example.com", "E-1", "abc", "Rotterdam"} {
		if strings.Contains(w.log.String(), personal) {
			t.Errorf("the log holds %q: %s", personal, w.log)
		}
	}
	if n := strings.Count(w.log.String(), "api: answered"); n != len(calls()) {
		t.Errorf("%d lines for %d requests", n, len(calls()))
	}
}

// A panic in the middle of a reply breaks it off.
func TestPanicHalfway(t *testing.T) {
	f := &front{mux: http.NewServeMux(), logger: newLogger(&bytes.Buffer{})}
	f.mux.HandleFunc("GET /half", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("{"))
		panic("mila.vos@example.com")
	})
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("%v", p)
		}
	}()
	f.ServeHTTP(httptest.NewRecorder(), asking(t, "GET", "/half", "").WithContext(access.With(t.Context(), noor)))
}

// Whatever a body is, it is refused or fits, and never breaks.
func FuzzBody(f *testing.F) {
	for _, c := range calls() {
		if c[2] != "" {
			f.Add([]byte(c[2]))
		}
	}
	f.Add([]byte(`{"a":[{"b":{}}],"a":1}`))
	doc, err := readSpec(description)
	if err != nil {
		f.Fatal(err)
	}
	check, err := doc.operation("POST", "/v1/journeys/{kind}/{source}/{ref}/actions")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		tree, bad := parse(raw)
		if bad != nil {
			if strings.ContainsAny(bad.path, "<>\"'\n ") {
				t.Errorf("path %q", bad.path)
			}
			return
		}
		for _, w := range fit(check.body, tree, "body") {
			if strings.ContainsAny(w.path, "<>\"'\n ") {
				t.Errorf("path %q", w.path)
			}
		}
	})
}
