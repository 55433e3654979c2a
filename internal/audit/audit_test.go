package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var noon = time.Date(2026, 3, 2, 13, 0, 0, 0, time.FixedZone("", 3600))

func full() Entry {
	return Entry{Time: noon, Event: EventPassIssued, Ref: "ref", UserID: "user", MethodID: "method",
		RequestID: "request", Outcome: "ok", Reason: "start", Actor: "ops", Detail: "lifetime 8h",
		UsableFrom: noon.Add(time.Hour), UsableUntil: noon.Add(9 * time.Hour), Used: "none", DeleteRequestID: "deletion"}
}

// stored makes a row of e as the ledger does.
func stored(t testing.TB, seq uint64, e Entry) Stored {
	t.Helper()
	e, err := e.Cleaned()
	if err != nil {
		t.Fatal(err)
	}
	entry, personal := Split(e)
	b := Body{Seq: seq, Entry: entry}
	if personal != nil {
		if b.Personal, err = personal.Commitment(); err != nil {
			t.Fatal(err)
		}
	}
	text, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return Stored{Seq: seq, Body: text, Prev: Genesis(), Hash: Link(Genesis(), text), Personal: personal}
}

func TestBodyIsCanonicalAndNotPersonal(t *testing.T) {
	e := full()
	e.Reason, e.Ref = "because <b>", "r\u00e9f & <x>"
	s := stored(t, 7, e)
	commitment, err := s.Personal.Commitment()
	if err != nil {
		t.Fatal(err)
	}
	// Sorted keys, no spaces, nothing escaped that need not be: RFC 8785.
	want := `{"delete_request_id":"deletion","event":"pass.issued","method_id":"method","outcome":"ok","personal":"` + commitment +
		`","ref":"r` + "\u00e9" + `f & <x>","request_id":"request","seq":7,"time":"2026-03-02T12:00:00Z","usable_from":"2026-03-02T13:00:00Z","usable_until":"2026-03-02T21:00:00Z","used":"none","user_id":"user"}`
	if d := cmp.Diff(want, string(s.Body)); d != "" {
		t.Error(d)
	}
	if _, err := (Body{Entry: e}).Encode(); err == nil {
		t.Error("a row may hold who and why")
	}
}

func TestRowComesBack(t *testing.T) {
	s := stored(t, 7, full())
	r, err := s.Row()
	if err != nil {
		t.Fatal(err)
	}
	want, _ := full().Cleaned()
	if d := cmp.Diff(want, r.Entry); d != "" || r.Erased || r.Seq != 7 {
		t.Errorf("%+v\n%s", r, d)
	}
	s.Personal = nil
	if r, err = s.Row(); err != nil || !r.Erased || r.Actor+r.Reason+r.Detail != "" || r.Ref != "ref" {
		t.Errorf("erased: %+v, %v", r, err)
	}
	if r, err = stored(t, 8, Entry{Time: noon, Event: EventPassGone}).Row(); err != nil || r.Erased {
		t.Errorf("nothing personal: %+v, %v", r, err)
	}
	if _, err := (Stored{Body: []byte("{")}).Row(); err == nil {
		t.Error("reads what is no JSON")
	}
}

func TestCommitment(t *testing.T) {
	_, a := Split(full())
	_, b := Split(full())
	own, _ := a.Commitment()
	other, _ := b.Commitment()
	if own == other {
		t.Error("the same words have the same commitment: they can be guessed")
	}
	if !a.Matches(own) || a.Matches(other) {
		t.Error("a commitment matches another personal part than its own")
	}
	for name, change := range map[string]func(*Salted){
		"actor": func(s *Salted) { s.Actor = "x" }, "reason": func(s *Salted) { s.Reason += " " }, "detail": func(s *Salted) { s.Detail = "" },
		"salt": func(s *Salted) { s.Salt[0]++ }, "short salt": func(s *Salted) { s.Salt = s.Salt[1:] },
	} {
		c := *a
		c.Salt = bytes.Clone(a.Salt)
		if change(&c); c.Matches(own) {
			t.Errorf("%s can be changed", name)
		}
	}
}

func TestCleaned(t *testing.T) {
	for _, e := range []Entry{{}, {Time: noon}, {Event: EventPassGone}} {
		if _, err := e.Cleaned(); err == nil {
			t.Errorf("takes %+v", e)
		}
	}
	got, err := Entry{Time: noon, Event: EventPassRevoke,
		Ref:    "a\nb\x00c\x1b[31m\u2028d\u202ee",
		Reason: strings.Repeat("\u00fc", 600),
		Detail: "bad \xff byte",
		Actor:  strings.Repeat("x", maxField),
	}.Cleaned()
	if err != nil {
		t.Fatal(err)
	}
	if got.Ref != "a b c [31m d e" || got.Detail != "bad \uFFFD byte" || len(got.Actor) != maxField {
		t.Errorf("got %+q", got)
	}
	if len(got.Reason) > maxField || !strings.HasSuffix(got.Reason, "\u00fc"+cut) || !utf8.ValidString(got.Reason) {
		t.Errorf("reason = %d bytes, %q", len(got.Reason), got.Reason[len(got.Reason)-16:])
	}
}

func FuzzClean(f *testing.F) {
	f.Add("plain")
	f.Add(strings.Repeat("\u00e9", 300))
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		if len(got) > maxField || !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n\x1b") {
			t.Errorf("%q", got)
		}
	})
}

// Whatever stands in an entry becomes a row that reads the same.
func FuzzRow(f *testing.F) {
	f.Add("ref", "reason", uint64(3))
	f.Add("\u2028<>&\"", "\U0001F600\ud7ff", uint64(1<<53-1))
	f.Fuzz(func(t *testing.T, ref, reason string, seq uint64) {
		seq %= 1 << 53
		e, err := Entry{Time: noon, Event: EventPassGone, Ref: ref, Reason: reason}.Cleaned()
		if err != nil {
			t.Fatal(err)
		}
		s := stored(t, seq, e)
		r, err := s.Row()
		if err != nil || r.Seq != seq || r.Entry != e {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestHead(t *testing.T) {
	private, public, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParsePrivate(private)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ParsePublic(public)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Sign(Head{Chain: "c", Seq: 9, Hash: "h", Time: noon.UTC(), Previous: &HeadRef{3, "g"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	line, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ReadHead(line)
	if err != nil || !again.SignedBy([]ed25519.PublicKey{pub}) {
		t.Fatalf("%v, %+v", err, again)
	}
	if again.SignedBy(nil) {
		t.Error("signed by nobody")
	}
	_, otherPEM, _ := NewKey()
	other, _ := ParsePublic(otherPEM)
	if again.SignedBy([]ed25519.PublicKey{other}) || !again.SignedBy([]ed25519.PublicKey{other, pub}) {
		t.Error("who signed is not told apart")
	}
	for name, change := range map[string]func(*SignedHead){
		"chain": func(s *SignedHead) { s.Head.Chain = "d" }, "seq": func(s *SignedHead) { s.Head.Seq++ },
		"hash": func(s *SignedHead) { s.Head.Hash = "i" }, "time": func(s *SignedHead) { s.Head.Time = s.Head.Time.Add(1) },
		"previous": func(s *SignedHead) { s.Head.Previous = nil }, "signature": func(s *SignedHead) { s.Signature[0]++ },
		"key": func(s *SignedHead) { s.Key = KeyID(other) },
	} {
		c, err := ReadHead(line)
		if err != nil {
			t.Fatal(err)
		}
		if change(&c); c.SignedBy([]ed25519.PublicKey{pub}) {
			t.Errorf("%s can be changed", name)
		}
	}
	for _, bad := range []string{"", "{}x", string(line) + " ", strings.Replace(string(line), `"head"`, `"HEAD"`, 1), strings.Replace(string(line), "{", `{"more":1,`, 1)} {
		if _, err := ReadHead([]byte(bad)); err == nil {
			t.Errorf("reads %q", bad)
		}
	}
}

func TestKeysAreRefusedWithoutQuotingThem(t *testing.T) {
	for _, bad := range []string{"", "hunter2", "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n"} {
		if _, err := ParsePrivate([]byte(bad)); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", bad, err)
		}
		if _, err := ParsePublic([]byte(bad)); err == nil {
			t.Errorf("%q is a public key", bad)
		}
	}
}

func TestLinesFitTheSchema(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("row.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("row.json")
	if err != nil {
		t.Fatal(err)
	}
	fits := func(v any) error {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(value)
	}
	everything, err := stored(t, 7, full()).Row()
	if err != nil {
		t.Fatal(err)
	}
	first := Row{Entry: Entry{Time: noon.UTC(), Event: EventLedgerOpened}, Chain: NewChain(), Hash: Genesis()}
	erased := Row{Seq: 2, Entry: Entry{Time: noon.UTC(), Event: EventPersonalErased}, Erased: true, Cleared: [][2]uint64{{1, 1}, {5, 9}}, Hash: Genesis()}
	for _, r := range []Row{everything, first, erased} {
		if err := fits(r); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{`{}`, `{"seq":-1}`, `{"seq":1,"hash":"x","time":"2026-03-02T12:00:00Z","event":"pass.gone"}`} {
		if fits(json.RawMessage(bad)) == nil {
			t.Errorf("%s fits", bad)
		}
	}
	// A field that is added to a line is added to the schema.
	described := doc.(map[string]any)["properties"].(map[string]any)
	for _, name := range jsonNames(reflect.TypeFor[Line]()) {
		if _, ok := described[name]; !ok {
			t.Errorf("the schema lacks %s", name)
		}
		delete(described, name)
	}
	for name := range described {
		t.Errorf("no line has %s", name)
	}
}

func TestSchemaIsInTheDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/ledger.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), strings.TrimSpace(Schema())) {
		t.Error("docs/ledger.md has another schema than row.schema.json")
	}
}

func jsonNames(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			out = append(out, jsonNames(f.Type)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		out = append(out, name)
	}
	return out
}
