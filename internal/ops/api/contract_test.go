package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/access"
)

// calls has a request for every operation.
func calls() map[string][3]string {
	const at = "/v1/journeys/joiner/hr/abc"
	return map[string][3]string{
		"getSummary":       {"GET", "/v1/summary", ""},
		"listJourneys":     {"GET", "/v1/journeys?kind=joiner&kind=mover&stage=blocked&reason=held&source=hr&site=Rotterdam&channel=mail&needs_action=true&live=true&closed=true&lost=true&from=2031-03-01T00:00:00Z&until=2031-03-20T00:00:00Z&limit=10", ""},
		"getJourney":       {"GET", at, ""},
		"getTimeline":      {"GET", at + "/timeline", ""},
		"actOnJourney":     {"POST", at + "/actions", `{"verb":"hold","reason":"wait for it"}`},
		"askRecovery":      {"POST", "/v1/recoveries", `{"source":"hr","employee":"E-1","loss":"lost","verified":"video","ticket":"T1"}`},
		"askStaging":       {"POST", "/v1/stagings", `{"source":"hr","employee":"E-1","technician":"sam@example.com","device":"L1","window_minutes":60,"ticket":"T1"}`},
		"listPasses":       {"GET", "/v1/passes", ""},
		"listFeeds":        {"GET", "/v1/feeds", ""},
		"actOnFeed":        {"POST", "/v1/feeds/hr/actions", `{"verb":"pause","reason":"the vendor tests"}`},
		"listQuarantine":   {"GET", "/v1/quarantine", ""},
		"actOnQuarantined": {"POST", "/v1/quarantine/q1/actions", `{"verb":"drop","reason":"it is a test record"}`},
		"listHeld":         {"GET", "/v1/held", ""},
		"actOnHeld":        {"POST", "/v1/held/abc/actions", `{"verb":"heldApprove","reason":"called back"}`},
		"getHalt":          {"GET", "/v1/halt", ""},
		"setHalt":          {"PUT", "/v1/halt", `{"on":true,"reason":"break-in"}`},
		"search":           {"POST", "/v1/search", `{"q":"vos"}`},
		"listLedgerRows":   {"GET", "/v1/ledger/rows?ref=abc&actor=noor@example.com&event=pass.issued&after=3&limit=1&method_id=m1", ""},
		"getMe":            {"GET", "/v1/me", ""},
		"getSpec":          {"GET", "/v1/openapi.yaml", ""},
	}
}

// Every operation answers as described: well, to nobody, to somebody who may
// not, and when what it needs is away or breaks.
func TestOperations(t *testing.T) {
	var described []string
	for _, item := range readDoc(t, description).Paths.Map() {
		for _, op := range item.Operations() {
			described = append(described, op.OperationID)
		}
	}
	slices.Sort(described)
	if diff := cmp.Diff(described, slices.Sorted(maps.Keys(calls()))); diff != "" {
		t.Fatalf("operations without a call here (-described +called):\n%s", diff)
	}
	for id, call := range calls() {
		t.Run(id, func(t *testing.T) {
			service := willing()
			w := newWorld(t, service)
			rec := w.ask(call[0], call[1], call[2])
			want := http.StatusOK
			if strings.HasPrefix(id, "ask") {
				want = http.StatusCreated
			}
			if rec.Code != want {
				t.Fatalf("%d, want %d: %s", rec.Code, want, rec.Body)
			}
			w.id = nil
			if rec := w.ask(call[0], call[1], call[2]); rec.Code != http.StatusUnauthorized || rec.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("nobody: %d", rec.Code)
			}
			if id == "getMe" || id == "getSpec" {
				return // they ask nothing of the service
			}
			w.id = &noor
			for kind, status := range map[ops.RefusalKind]int{
				ops.RefusedSignIn: 401, ops.RefusedForbidden: 403, ops.RefusedInvalid: 400, ops.RefusedMissing: 404,
				ops.RefusedState: 409, ops.RefusedVersion: 412, ops.RefusedAway: 503, "unheard of": 500,
			} {
				*service = *refusing(&ops.Refusal{Kind: kind, What: "this is why", Do: "do that"})
				rec := w.ask(call[0], call[1], call[2])
				if rec.Code != status {
					t.Errorf("%s: %d, want %d", kind, rec.Code, status)
				}
				if p := problemIn(t, rec.Body.Bytes()); p.Detail != "this is why" || p.Do != "do that" || p.Status != status || p.RequestID == "" {
					t.Errorf("%s: %+v", kind, p)
				}
			}
			*service = *refusing(errors.New("SELECT secret"))
			if rec := w.ask(call[0], call[1], call[2]); rec.Code != 500 || strings.Contains(rec.Body.String(), "SELECT") {
				t.Errorf("an error: %d %s", rec.Code, rec.Body)
			}
			if !strings.Contains(w.log.String(), "SELECT secret") {
				t.Error("the log does not have the error")
			}
			*service = fake{} // nil functions panic
			if rec := w.ask(call[0], call[1], call[2]); rec.Code != 500 {
				t.Errorf("a panic: %d %s", rec.Code, rec.Body)
			}
			if !strings.Contains(w.log.String(), "api: panic") {
				t.Error("the log does not have the panic")
			}
		})
	}
}

func problemIn(t *testing.T, body []byte) Problem {
	t.Helper()
	var p Problem
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatalf("no problem: %v: %s", err, body)
	}
	return p
}

// The description is valid by OpenAPI 3.1, and so are its examples.
func TestDescription(t *testing.T) {
	doc := readDoc(t, description)
	if !doc.IsOpenAPI31OrLater() {
		t.Fatal("not 3.1")
	}
	if err := doc.Validate(context.Background(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
	// What would show if examples were not looked at.
	bad := bytes.Replace(description, []byte("needs_action: 3\n"), []byte("needs_action: three\n"), 1)
	if err := readDoc(t, bad).Validate(context.Background()); err == nil {
		t.Error("an example that does not fit was let through")
	}
	for at, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			name := method + " " + at
			if op.Summary == "" || len(op.Tags) != 1 {
				t.Errorf("%s: want a summary and one tag", name)
			}
			if op.Responses.Default() == nil {
				t.Errorf("%s: has no problem", name)
			}
			if body := op.RequestBody; body != nil {
				closed(t, name, body.Value.Content["application/json"].Schema.Value)
				example(t, name, body.Value.Content)
			}
			for status, r := range op.Responses.Map() {
				if status[0] == '2' && at != "/v1/openapi.yaml" {
					example(t, name, r.Value.Content)
				}
			}
		}
	}
}

func example(t *testing.T, name string, c openapi3.Content) {
	t.Helper()
	if m := c["application/json"]; m == nil || m.Example == nil && len(m.Examples) == 0 {
		t.Errorf("%s: lacks an example", name)
	}
}

// closed fails for objects of requests that take any field.
func closed(t *testing.T, at string, s *openapi3.Schema) {
	t.Helper()
	if s.Type.Is("object") && (s.AdditionalProperties.Has == nil || *s.AdditionalProperties.Has) {
		t.Errorf("%s: takes any field", at)
	}
	for name, p := range s.Properties {
		closed(t, at+"."+name, p.Value)
		if p.Value.Type.Is("string") && p.Value.MaxLength == nil && p.Value.Pattern == "" && p.Value.Enum == nil && p.Value.Format == "" {
			if len(p.Value.AllOf) == 0 {
				t.Errorf("%s.%s: takes text of any length", at, name)
			}
		}
	}
}

// The words of the description are those of the code.
func TestWords(t *testing.T) {
	doc := readDoc(t, description)
	listed := func(schema string) []string {
		s := doc.Components.Schemas[schema].Value
		list := s.Enum
		if list == nil {
			list, _ = s.Extensions["x-extensible-enum"].([]any)
		}
		var out []string
		for _, v := range list {
			out = append(out, fmt.Sprint(v))
		}
		return out
	}
	stages := slices.Concat([]jml.Stage{jml.StageScheduled, jml.StageApproval, jml.StageBlocked, jml.StagePass}, jml.Outcomes(),
		[]jml.Stage{jml.StageIssuing, jml.StageInvited, jml.StageWaiting, jml.StageSettling, jml.StageRevoking, jml.StageGone})
	for schema, want := range map[string][]string{
		"Kind": texts(jml.Kinds()), "ToldKind": texts(jml.Kinds()), "Stage": texts(stages), "ToldStage": texts(stages),
		"BlockReason": texts(jml.Reasons()), "ToldReason": texts(jml.Reasons()), "ToldVerb": texts(ops.Verbs()),
	} {
		if diff := cmp.Diff(want, listed(schema)); diff != "" {
			t.Errorf("%s (-code +description):\n%s", schema, diff)
		}
	}
	// Every verb has exactly one place where it is taken; halt and lift are a switch.
	var taken []string
	for _, schema := range []string{"JourneyAction", "QuarantineAction", "FeedAction", "HeldAction"} {
		for _, v := range doc.Components.Schemas[schema].Value.Properties["verb"].Value.Enum {
			taken = append(taken, fmt.Sprint(v))
		}
	}
	if diff := cmp.Diff(texts(ops.Verbs()), append(taken, "halt", "lift")); diff != "" {
		t.Errorf("verbs (-code +description):\n%s", diff)
	}
	roles := doc.Components.Schemas["Me"].Value.Properties["roles"].Value.Items.Value.Extensions["x-extensible-enum"].([]any)
	if len(roles) != len(access.Roles()) {
		t.Errorf("roles: %v", roles)
	}
}

func texts[T ~string](list []T) []string {
	var out []string
	for _, v := range list {
		out = append(out, string(v))
	}
	return out
}

// kinds lists all of them, in the order of docs/api.md.
func kinds() []problemKind {
	return []problemKind{"sign-in", "forbidden", kindInvalid, kindMissing, "state", "version", kindAway, kindMethod, kindTooLarge, kindMedia, kindInternal}
}

// Each kind of problem is explained where its type points people to.
func TestProblemsExplained(t *testing.T) {
	raw, err := os.ReadFile("../../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds() {
		status, _ := k.said()
		if !strings.Contains(string(raw), fmt.Sprintf("| `/problems/%s` | %d |", k, status)) {
			t.Errorf("docs/api.md does not explain /problems/%s with %d", k, status)
		}
	}
}

// The generated code is that of the description: what make generate would write.
// Its settings are named in it, so the description is all that can differ; CI
// generates it anew as well.
func TestGenerated(t *testing.T) {
	code, err := os.ReadFile("api.gen.go")
	if err != nil {
		t.Fatal(err)
	}
	doc := readDoc(t, description)
	for at, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if want := `"` + at + `", wrapper.` + strings.ToUpper(op.OperationID[:1]) + op.OperationID[1:]; !bytes.Contains(code, []byte(want)) {
				t.Errorf("%s %s is not in api.gen.go: run make generate", method, at)
			}
		}
	}
	for name := range doc.Components.Schemas {
		if !bytes.Contains(code, []byte("type "+name+" ")) {
			t.Errorf("schema %s is not in api.gen.go: run make generate", name)
		}
	}
}
