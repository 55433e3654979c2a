package invitation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"firstpass.internal/internal/codec"
)

var (
	ctx  = context.Background()
	noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
)

// memory is a Store in memory; find, if set, answers in its place.
type memory struct {
	mu    sync.Mutex
	links map[string]Link
	asked []string // hashes
	fail  error
	find  func(hash string) (Link, bool, error)
}

func (m *memory) PutLinks(_ context.Context, links ...Link) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	if m.links == nil {
		m.links = map[string]Link{}
	}
	for _, l := range links {
		m.links[l.Hash] = l
	}
	return nil
}

func (m *memory) FindLink(_ context.Context, hash string) (Link, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, hash)
	if m.find != nil {
		return m.find(hash)
	}
	l, ok := m.links[hash]
	return l, ok, m.fail
}

// fixedKey is the same in every run.
func fixedKey(name string) []byte {
	sum := sha256.Sum256([]byte(name))
	return sum[:]
}

func ring(t testing.TB) *codec.Keyring {
	t.Helper()
	k, err := codec.NewKeyring(noon)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func book(t testing.TB, change func(*Config)) *Book {
	t.Helper()
	cfg := Config{Key: fixedKey("key"), Store: &memory{}, Sealer: ring(t), URL: "https://pass.example.org/"}
	if change != nil {
		change(&cfg)
	}
	b, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func spec() Spec {
	return Spec{Kind: Collect, WorkflowID: "pass/u1", Invitation: "run1", Ref: "r1", Until: noon.Add(time.Hour)}
}

// said is what a link says, in clear.
type said struct{ Link, Reference, Hash string }

func link(t testing.TB, b *Book, s Spec) said {
	t.Helper()
	m, err := b.Link(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	return said{m.Link.Reveal(), m.Reference.Reveal(), m.Hash}
}

func tokenOf(link string) string {
	_, token, _ := strings.Cut(link, "#")
	return token
}

func TestSameSpecSameLink(t *testing.T) {
	b := book(t, nil)
	first := link(t, b, spec())
	if base, token, _ := strings.Cut(first.Link, "#"); base != "https://pass.example.org/p" || len(token) != 22 {
		t.Errorf("%q", first.Link)
	}
	// What is only told of the link does not change it; nor does another process.
	again := spec()
	again.Ref, again.Until = "r2", noon
	for name, got := range map[string]said{"again": link(t, b, spec()), "later": link(t, b, again), "elsewhere": link(t, book(t, nil), spec())} {
		if diff := cmp.Diff(first, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	seen := map[string]string{}
	for name, other := range map[string]said{
		"itself":           first,
		"other kind":       link(t, b, with(func(s *Spec) { s.Kind = Repudiate })),
		"third kind":       link(t, b, with(func(s *Spec) { s.Kind = Attest })),
		"other workflow":   link(t, b, with(func(s *Spec) { s.WorkflowID = "pass/u2" })),
		"other invitation": link(t, b, with(func(s *Spec) { s.Invitation = "run2" })),
		"other visit":      link(t, b, with(func(s *Spec) { s.Visit = "v" })),
		"moved boundary":   link(t, b, with(func(s *Spec) { s.WorkflowID, s.Invitation = "pass/u1r", "un1" })),
		"other key":        link(t, book(t, func(c *Config) { c.Key = fixedKey("other") }), spec()),
	} {
		for what, v := range map[string]string{"token": tokenOf(other.Link), "reference": other.Reference, "hash": other.Hash} {
			if old := seen[v]; old != "" {
				t.Errorf("the %s of %s is that of %s", what, name, old)
			}
			seen[v] = name
		}
	}
}

func with(change func(*Spec)) Spec {
	s := spec()
	change(&s)
	return s
}

func TestKindsLeadToPagesOfTheirOwn(t *testing.T) {
	b := book(t, nil)
	for k, want := range map[Kind]string{Collect: "/p#", Repudiate: "/not-me#", Attest: "/vouch#"} {
		if got := link(t, b, with(func(s *Spec) { s.Kind = k })).Link; !strings.HasPrefix(got, "https://pass.example.org"+want) {
			t.Errorf("%s leads to %q", k, got)
		}
	}
}

func TestFind(t *testing.T) {
	store := &memory{}
	b := book(t, func(c *Config) { c.Store = store })
	made := map[Kind]said{}
	for _, k := range []Kind{Collect, Repudiate, Attest} {
		made[k] = link(t, b, with(func(s *Spec) { s.Kind = k }))
	}
	if len(store.links) != 6 {
		t.Fatalf("%d links are kept", len(store.links))
	}
	for k, m := range made {
		want := Link{LinkHash: m.Hash, Kind: k, WorkflowID: "pass/u1", Ref: "r1", Until: noon.Add(time.Hour)}
		for _, typed := range []string{tokenOf(m.Link), " " + tokenOf(m.Link) + "\n", m.Reference, strings.ToLower(m.Reference), strings.ReplaceAll(m.Reference, "-", "")} {
			for _, asked := range []Kind{Collect, Repudiate, Attest, "", "other"} {
				got, ok, err := b.Find(ctx, asked, typed)
				if asked == k {
					want.Hash = got.Hash
					if !ok || err != nil || got != want {
						t.Errorf("%s: %+v, %v, %v", k, got, ok, err)
					}
				} else if ok || err != nil || got != (Link{}) {
					t.Errorf("a link of kind %s is one of %q", k, asked)
				}
			}
		}
	}
	// Nothing that is kept opens anything.
	for hash, l := range store.links {
		for _, k := range []Kind{Collect, Repudiate, Attest} {
			for _, typed := range []string{hash, l.LinkHash, l.WorkflowID, l.Ref} {
				if _, ok, _ := b.Find(ctx, k, typed); ok {
					t.Errorf("%q, which the store holds, is found", typed)
				}
			}
		}
		for _, m := range made {
			if strings.Contains(fmt.Sprint(l), tokenOf(m.Link)) || strings.Contains(fmt.Sprint(l), strings.ReplaceAll(m.Reference, "-", "")) {
				t.Error("the store holds a token or a reference")
			}
		}
	}
}

// A token that is bent anywhere, in any way, finds nothing; another key's
// neither.
func TestFindIsExact(t *testing.T) {
	store := &memory{}
	b := book(t, func(c *Config) { c.Store = store })
	token := tokenOf(link(t, b, spec()).Link)
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_="
	for i := range token {
		for _, c := range letters {
			if bent := token[:i] + string(c) + token[i+1:]; bent != token {
				if _, ok, _ := b.Find(ctx, Collect, bent); ok {
					t.Errorf("changed at %d to %c it is found", i, c)
				}
			}
		}
	}
	for name, typed := range map[string]string{"": "", "padded": token + "==", "cut": token[:21], "twice": token + token, "upper case": strings.ToUpper(token), "NUL": token + "\x00"} {
		if _, ok, _ := b.Find(ctx, Collect, typed); ok {
			t.Errorf("%s: found", name)
		}
	}
	other := book(t, func(c *Config) { c.Store, c.Key = store, fixedKey("other") })
	if _, ok, _ := other.Find(ctx, Collect, token); ok {
		t.Error("a book with another key finds it")
	}
	// Whatever is typed, the store is asked once, with a hash of one length.
	store.asked = nil
	for _, typed := range []string{token, "", "x", referenceOf(5), strings.Repeat("x", 1<<16)} {
		_, _, _ = b.Find(ctx, Collect, typed)
	}
	if len(store.asked) != 5 {
		t.Errorf("asked %d times for 5", len(store.asked))
	}
	for _, h := range store.asked {
		if len(h) != 32 {
			t.Errorf("asked for %q", h)
		}
	}
}

func TestFindDoesNotTrustTheStore(t *testing.T) {
	store := &memory{find: func(hash string) (Link, bool, error) { return Link{Hash: hash, Kind: Repudiate}, true, nil }}
	b := book(t, func(c *Config) { c.Store = store })
	if l, ok, err := b.Find(ctx, Collect, "x"); ok || err != nil || l != (Link{}) {
		t.Errorf("%+v, %v, %v", l, ok, err)
	}
	broken := errors.New("broken")
	store.find = func(hash string) (Link, bool, error) { return Link{Hash: hash, Kind: Collect}, true, broken }
	if l, ok, err := b.Find(ctx, Collect, "x"); ok || !errors.Is(err, broken) || l != (Link{}) {
		t.Errorf("%+v, %v, %v", l, ok, err)
	}
}

// A link that is not kept must not be sent.
func TestLinkThatIsNotKept(t *testing.T) {
	broken := errors.New("broken")
	m, err := book(t, func(c *Config) { c.Store = &memory{fail: broken} }).Link(ctx, spec())
	if !errors.Is(err, broken) || !m.Link.Empty() || !m.Reference.Empty() || m.Hash != "" {
		t.Errorf("%v, %v", m, err)
	}
}

// Without a page there are handles only.
func TestBookWithoutPage(t *testing.T) {
	b, err := New(Config{Sealer: ring(t)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Link(ctx, spec()); err == nil || b.Links() {
		t.Error("a link that leads nowhere")
	}
	if _, ok, err := b.Find(ctx, Collect, "x"); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	h := Handle{WorkflowID: "pass/u1", Invitation: "run1", N: 3}
	if got, err := b.OpenHandle(b.Handle(h)); got != h || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestNew(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no sealer":   func(c *Config) { c.Sealer = nil },
		"no store":    func(c *Config) { c.Store = nil },
		"no key":      func(c *Config) { c.Key = nil },
		"short key":   func(c *Config) { c.Key = c.Key[:31] },
		"no host":     func(c *Config) { c.URL = "/p" },
		"no URL":      func(c *Config) { c.URL = "https://%zz" },
		"just a name": func(c *Config) { c.URL = "pass.example.org" },
	} {
		cfg := Config{Key: fixedKey("key"), Store: &memory{}, Sealer: ring(t), URL: "https://pass.example.org"}
		change(&cfg)
		if b, err := New(cfg); err == nil || b != nil {
			t.Errorf("%s: a book", name)
		}
	}
}

func TestParseKey(t *testing.T) {
	raw := fixedKey("key")
	long := append(fixedKey("a"), fixedKey("b")...)
	std, url := base64.StdEncoding, base64.URLEncoding
	odd := bytes.Repeat([]byte{0xfb, 0xff}, 16) // has + and / in base64
	for name, tc := range map[string]struct {
		text string
		want []byte // nil: an error
	}{
		"as openssl writes it":   {std.EncodeToString(raw) + "\n", raw},
		"without padding":        {base64.RawStdEncoding.EncodeToString(raw), raw},
		"Windows":                {"\r\n " + std.EncodeToString(raw) + "\r\n", raw},
		"longer, on two lines":   {std.EncodeToString(long)[:64] + "\n" + std.EncodeToString(long)[64:] + "\n", long},
		"plus and slash":         {std.EncodeToString(odd), odd},
		"empty":                  {"", nil},
		"blanks":                 {" \n", nil},
		"31 bytes":               {std.EncodeToString(raw[:31]), nil},
		"the bytes themselves":   {string(raw), nil},
		"hexadecimal":            {fmt.Sprintf("%x", raw[:16]), nil},
		"base64 for URLs":        {url.EncodeToString(odd), nil},
		"something before it":    {"key: " + std.EncodeToString(raw), nil},
		"padding in the middle":  {std.EncodeToString(raw) + std.EncodeToString(raw), nil},
		"a byte order mark":      {"\ufeff" + std.EncodeToString(raw), nil},
		"a PEM block around it":  {"-----BEGIN KEY-----\n" + std.EncodeToString(raw) + "\n-----END KEY-----", nil},
		"a character is missing": {std.EncodeToString(raw)[1:43], nil},
	} {
		got, err := ParseKey(tc.text)
		if (err == nil) != (tc.want != nil) || !bytes.Equal(got, tc.want) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if err != nil && len(tc.text) > 8 && strings.Contains(err.Error(), tc.text[2:8]) {
			t.Errorf("%s: the error quotes the file", name)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add(base64.StdEncoding.EncodeToString(fixedKey("key")))
	f.Add("====")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if key, err := ParseKey(text); (err == nil) != (len(key) >= minKey) {
			t.Errorf("%d bytes, %v", len(key), err)
		}
	})
}

func TestCode(t *testing.T) {
	b := book(t, nil)
	code, hash := b.Code("pass/u1", "run1", "linkhash")
	plain := code.Reveal()
	if len(plain) != 6 || strings.Trim(plain, "0123456789") != "" {
		t.Fatalf("%d characters", len(plain))
	}
	again, hash2 := b.Code("pass/u1", "run1", "linkhash")
	if again.Reveal() != plain || hash2 != hash {
		t.Error("sent again it says something else")
	}
	for _, typed := range []string{plain, " " + plain + "\n", plain[:3] + " " + plain[3:], plain[:3] + "-" + plain[3:], plain[:3] + "\u00a0" + plain[3:], plain[:3] + "\u2013" + plain[3:], "\u200e" + plain} {
		if b.HashCode("linkhash", typed) != hash {
			t.Errorf("%q is not understood", strings.ReplaceAll(typed, plain[:3], "…"))
		}
	}
	for name, other := range map[string]string{
		"other link": b.HashCode("otherhash", plain), "empty": b.HashCode("linkhash", ""), "cut": b.HashCode("linkhash", plain[:5]),
		"longer": b.HashCode("linkhash", plain+"0"), "letters": b.HashCode("linkhash", "x"+plain[1:]),
		"a number's": b.HashNumber("linkhash", plain), "a desk's": b.HashDeskCode("linkhash", plain), "evidence": b.HashEvidence("linkhash", plain),
		"other key": book(t, func(c *Config) { c.Key = fixedKey("other") }).HashCode("linkhash", plain),
	} {
		if other == hash {
			t.Errorf("%s: the same hash", name)
		}
	}
	for name, other := range map[string]func() string{
		"workflow":   func() string { c, _ := b.Code("pass/u2", "run1", "linkhash"); return c.Reveal() },
		"invitation": func() string { c, _ := b.Code("pass/u1", "run2", "linkhash"); return c.Reveal() },
		"link":       func() string { c, _ := b.Code("pass/u1", "run1", "other"); return c.Reveal() },
	} {
		if other() == plain { // once in a million; the key is fixed
			t.Errorf("the code does not depend on the %s", name)
		}
	}
}

func TestNumber(t *testing.T) {
	b := book(t, nil)
	n := b.Number("visit1")
	if len(n) != 4 || strings.Trim(n, "0123456789") != "" || b.Number("visit1") != n || b.Number("visit2") == n {
		t.Errorf("%q", n)
	}
	if b.HashNumber("linkhash", n[:2]+" "+n[2:]) != b.HashNumber("linkhash", n) || b.HashNumber("other", n) == b.HashNumber("linkhash", n) {
		t.Error("hashes")
	}
}

// Codes are uniform: chi-square over the first three and the last three digits,
// and over every digit. The key is fixed, so the outcome is, too.
func TestCodesAreUniform(t *testing.T) {
	b := book(t, nil)
	const n = 100_000
	var front, back [1000]int
	var each [6][10]int
	for i := range n {
		code, _ := b.Code("pass/u1", fmt.Sprint(i), "linkhash")
		plain := code.Reveal()
		value := 0
		for p, c := range []byte(plain) {
			each[p][c-'0']++
			value = value*10 + int(c-'0')
		}
		front[value/1000]++
		back[value%1000]++
	}
	uniform := func(name string, counts []int) {
		expected, sum := float64(n)/float64(len(counts)), 0.0
		for _, c := range counts {
			d := float64(c) - expected
			sum += d * d / expected
		}
		// Chi-square with f degrees of freedom has mean f and variance 2f; four
		// deviations leave one chance in ten thousand.
		f := float64(len(counts) - 1)
		t.Logf("%s: chi-square %.1f with %.0f degrees of freedom", name, sum, f)
		if math.Abs(sum-f) > 4*math.Sqrt(2*f) {
			t.Errorf("%s: chi-square %.1f with %.0f degrees of freedom", name, sum, f)
		}
	}
	uniform("first half", front[:])
	uniform("second half", back[:])
	for p := range each {
		uniform(fmt.Sprint("digit ", p+1), each[p][:])
	}
}

func TestHandles(t *testing.T) {
	b := book(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		h := Handle{WorkflowID: rapid.String().Draw(t, "w"), Invitation: rapid.String().Draw(t, "i"), N: rapid.Int().Draw(t, "n")}
		s := b.Handle(h)
		if strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Fatalf("%q can't stand in a URL", s)
		}
		if got, err := b.OpenHandle(s); got != h || err != nil {
			t.Fatalf("%+v comes back as %+v, %v", h, got, err)
		}
	})
	keys := ring(t)
	b = book(t, func(c *Config) { c.Sealer = keys })
	h := Handle{WorkflowID: "pass/u1", Invitation: "run1", N: 2}
	s := b.Handle(h)
	if strings.Contains(s, "pass") || strings.Contains(s, base64.RawURLEncoding.EncodeToString([]byte("pass/u1"))) {
		t.Error("a handle shows what is in it")
	}
	refuse := func(name, bent string) {
		t.Helper()
		if got, err := b.OpenHandle(bent); err == nil || got != (Handle{}) || strings.Contains(err.Error(), bent) && bent != "" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		for bit := range 8 {
			bent := bytes.Clone(raw)
			bent[i] ^= 1 << bit
			refuse(fmt.Sprintf("bit %d of byte %d", bit, i), base64.RawURLEncoding.EncodeToString(bent))
		}
		refuse(fmt.Sprintf("cut to %d", i), base64.RawURLEncoding.EncodeToString(raw[:i]))
	}
	refuse("longer", base64.RawURLEncoding.EncodeToString(append(bytes.Clone(raw), 0)))
	refuse("no base64", "ä")
	refuse("nothing", "")
	refuse("another keyring's", book(t, nil).Handle(h))
	sealed := func(plain, label string) string {
		return base64.RawURLEncoding.EncodeToString(keys.Seal([]byte(plain), label))
	}
	refuse("sealed for another use", sealed(`{"w":"pass/u1"}`, "cookie"))
	refuse("no JSON", sealed("x", handleLabel))
	refuse("another shape", sealed(`{"w":1}`, handleLabel))
}

func FuzzOpenHandle(f *testing.F) {
	b := book(f, nil)
	good := b.Handle(Handle{WorkflowID: "pass/u1", Invitation: "run1", N: 2})
	f.Add(good)
	f.Add("")
	f.Add("AA")
	f.Add(good[:len(good)-1])
	want, err := b.OpenHandle(good)
	if err != nil {
		f.Fatal(err)
	}
	raw, _ := base64.RawURLEncoding.DecodeString(good)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := b.OpenHandle(s)
		if err != nil {
			if got != (Handle{}) {
				t.Errorf("%+v beside an error", got)
			}
			return
		}
		// Only what says the same bytes opens.
		if dec, _ := base64.RawURLEncoding.DecodeString(s); !bytes.Equal(dec, raw) || got != want {
			t.Errorf("%q opens as %+v", s, got)
		}
	})
}

// holder carries what fmt can't call methods of: unexported fields.
type holder struct {
	Open   *Book
	hidden *Book
	made   Made
	Config *Config
}

func TestNothingPrintsTheKey(t *testing.T) {
	key := []byte("c4n4ry-c4n4ry-c4n4ry-c4n4ry-c4n4")
	cfg := Config{Key: key, Store: &memory{}, Sealer: ring(t), URL: "https://pass.example.org"}
	b, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	made, err := b.Link(ctx, spec())
	if err != nil {
		t.Fatal(err)
	}
	code, hash := b.Code("pass/u1", "run1", made.Hash)
	h := holder{b, b, made, &cfg}
	var logs bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&logs, nil), slog.NewJSONHandler(&logs, nil)} {
		slog.New(handler).Info("x", "book", b, "value", *b, "config", cfg, "holder", h, "made", made, "code", code)
	}
	outputs := []string{logs.String(), hash}
	for _, v := range []any{b, *b, h, &h, cfg, &cfg, made, []*Book{b}, map[string]Config{"k": cfg}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			outputs = append(outputs, fmt.Sprintf(verb, v))
		}
		if raw, err := json.Marshal(v); err == nil {
			outputs = append(outputs, string(raw))
		}
	}
	numbers := strings.Trim(fmt.Sprintf("%d", key[:6]), "[]")
	for _, out := range outputs {
		for name, leak := range map[string]string{"key": "c4n4ry", "key in hex": fmt.Sprintf("%x", "c4n4ry"), "key in base64": base64.StdEncoding.EncodeToString(key)[:8],
			"key in numbers": numbers, "key in Go": "0x63, 0x34, 0x6e", "token": tokenOf(made.Link.Reveal()), "reference": made.Reference.Reveal(), "code": code.Reveal()} {
			if strings.Contains(out, leak) {
				t.Errorf("the %s shows in %q", name, out[:min(len(out), 200)])
			}
		}
	}
}

func TestPartsDontRunTogether(t *testing.T) {
	b := book(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SliceOfN(rapid.StringMatching(`[ab\x00]{0,3}`), 0, 4)
		one, two := part.Draw(t, "one"), part.Draw(t, "two")
		if same := cmp.Equal(one, two); same != bytes.Equal(b.derive("x", 32, one...), b.derive("x", 32, two...)) {
			t.Fatalf("%q and %q", one, two)
		}
		if bytes.Equal(b.derive("x", 32, one...), b.derive("y", 32, one...)) {
			t.Fatal("labels don't count")
		}
	})
}
