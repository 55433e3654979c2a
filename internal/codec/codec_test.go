package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

var update = flag.Bool("update", false, "write the golden payload anew; old histories become unreadable if this is needed")

const canary = "canary-7f3a"

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// fixed returns a ring with one key that never changes.
func fixed(t testing.TB) *Keyring {
	t.Helper()
	k, err := parseKeyring([]byte(`{"primary":"golden","keys":[{"id":"golden","key":"` +
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" + `","created":"2026-03-02T12:00:00Z"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func codecOf(t testing.TB, k *Keyring, namespace string) converter.PayloadCodec {
	t.Helper()
	c, err := New(Config{Keyring: k, Namespace: namespace})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type person struct{ Name, Mail string }

func TestRoundTrip(t *testing.T) {
	c := codecOf(t, fixed(t), "default")
	dc := DataConverter(c)
	in := person{"Ada " + canary, canary + "@example.org"}
	payloads, err := dc.ToPayloads(in, "text "+canary, nil, []byte(canary))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range payloads.Payloads {
		wire, err := proto.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(wire, []byte(canary)) || bytes.Contains(wire, []byte("json/plain")) {
			t.Errorf("in clear: %q", wire)
		}
	}
	var (
		out  person
		text string
		none *person
		raw  []byte
	)
	if err := dc.FromPayloads(payloads, &out, &text, &none, &raw); err != nil {
		t.Fatal(err)
	}
	if out != in || text != "text "+canary || none != nil || string(raw) != canary {
		t.Errorf("got %+v %q %v %q", out, text, none, raw)
	}
}

func TestClientOptions(t *testing.T) {
	var o client.Options
	ClientOptions(&o, codecOf(t, fixed(t), "default"))
	if o.DataConverter == nil || o.FailureConverter == nil {
		t.Errorf("options = %+v", o)
	}
}

func TestNothingIsNoPayload(t *testing.T) {
	c := codecOf(t, fixed(t), "default")
	for _, list := range [][]*commonpb.Payload{nil, {}} {
		enc, err := c.Encode(list)
		if err != nil || len(enc) != 0 {
			t.Errorf("encode = %v, %v", enc, err)
		}
		dec, err := c.Decode(list)
		if err != nil || len(dec) != 0 {
			t.Errorf("decode = %v, %v", dec, err)
		}
	}
	enc, err := c.Encode([]*commonpb.Payload{{}})
	if err != nil {
		t.Fatal(err)
	}
	dec, err := c.Decode(enc)
	if err != nil || len(dec) != 1 || len(dec[0].Data) != 0 {
		t.Errorf("empty payload = %v, %v", dec, err)
	}
}

func TestNew(t *testing.T) {
	for _, cfg := range []Config{{}, {Keyring: fixed(t)}, {Namespace: "default"}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("New(%v) succeeds", cfg)
		}
	}
}

func TestDecodeFailsClosed(t *testing.T) {
	c := codecOf(t, fixed(t), "default")
	good := func() *commonpb.Payload {
		enc, err := c.Encode([]*commonpb.Payload{{Data: []byte(canary)}})
		if err != nil {
			t.Fatal(err)
		}
		return enc[0]
	}
	for _, tc := range []struct {
		name string
		edit func(*commonpb.Payload)
		want string
	}{
		{"plain", func(p *commonpb.Payload) {
			p.Reset()
			p.Metadata = map[string][]byte{"encoding": []byte("json/plain")}
			p.Data = []byte(canary)
		}, "not encrypted"},
		{"no metadata", func(p *commonpb.Payload) { p.Metadata = nil }, "not encrypted"},
		{"no key id", func(p *commonpb.Payload) { delete(p.Metadata, metadataKeyID) }, "malformed"},
		{"odd key id", func(p *commonpb.Payload) { p.Metadata[metadataKeyID] = []byte("a\nb") }, "malformed"},
		{"unknown key", func(p *commonpb.Payload) { p.Metadata[metadataKeyID] = []byte("other") }, "no key other"},
		{"nonce", func(p *commonpb.Payload) { p.Data[0] ^= 1 }, "damaged"},
		{"text", func(p *commonpb.Payload) { p.Data[12] ^= 1 }, "damaged"},
		{"tag", func(p *commonpb.Payload) { p.Data[len(p.Data)-1] ^= 0x80 }, "damaged"},
		{"cut", func(p *commonpb.Payload) { p.Data = p.Data[:len(p.Data)-1] }, "damaged"},
		{"short", func(p *commonpb.Payload) { p.Data = p.Data[:5] }, "damaged"},
		{"longer", func(p *commonpb.Payload) { p.Data = append(p.Data, 0) }, "damaged"},
		{"empty", func(p *commonpb.Payload) { p.Data = nil }, "damaged"},
		{"a file's", func(p *commonpb.Payload) { p.Data = fixed(t).Seal([]byte(canary), "default") }, "damaged"},
	} {
		p := good()
		tc.edit(p)
		_, err := c.Decode([]*commonpb.Payload{good(), p})
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: err = %v, want %q", tc.name, err, tc.want)
		}
	}
	if _, err := codecOf(t, fixed(t), "staging").Decode([]*commonpb.Payload{good()}); err == nil {
		t.Error("another namespace reads it")
	}
}

func TestEqualTextsDiffer(t *testing.T) {
	c := codecOf(t, fixed(t), "default")
	enc, err := c.Encode([]*commonpb.Payload{{Data: []byte("x")}, {Data: []byte("x")}})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(enc[0].Data, enc[1].Data) {
		t.Error("the same text gives the same ciphertext")
	}
}

func TestRotationKeepsOldPayloads(t *testing.T) {
	k := fixed(t)
	c := codecOf(t, k, "default")
	old, err := c.Encode([]*commonpb.Payload{{Data: []byte("old")}})
	if err != nil {
		t.Fatal(err)
	}
	id, err := k.Add(noon)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := c.Encode([]*commonpb.Payload{{Data: []byte("new")}})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(fresh[0].Metadata[metadataKeyID]); got != id {
		t.Errorf("encrypts with %s, want %s", got, id)
	}
	dec, err := c.Decode(append(old, fresh...))
	if err != nil || string(dec[0].Data) != "old" || string(dec[1].Data) != "new" {
		t.Errorf("decode = %v, %v", dec, err)
	}
	// The id is bound too: an old text must not pass as the new key's.
	old[0].Metadata[metadataKeyID] = []byte(id)
	if _, err := c.Decode(old); err == nil {
		t.Error("a payload passes under another key's id")
	}
}

func TestFailuresAreEncrypted(t *testing.T) {
	c := codecOf(t, fixed(t), "default")
	fc := FailureConverter(c)
	f := fc.ErrorToFailure(temporal.NewApplicationError("no mail for "+canary, "noRecipient", errors.New(canary), canary))
	wire, err := protojson.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(wire), canary) {
		t.Errorf("in clear: %s", wire)
	}
	back := fc.FailureToError(f)
	if !strings.Contains(back.Error(), canary) {
		t.Errorf("lost: %v", back)
	}
}

// TestGolden proves that what was written earlier can still be read.
func TestGolden(t *testing.T) {
	const golden, goldenFile = "testdata/payload.json", "testdata/sealed.bin"
	k := fixed(t)
	dc := DataConverter(codecOf(t, k, "default"))
	if *update {
		p, err := dc.ToPayload(person{"Ada", "ada@example.org"})
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := json.MarshalIndent(p, "", "  ")
		if err := errors.Join(os.WriteFile(golden, append(raw, '\n'), 0o644),
			os.WriteFile(goldenFile, k.Seal([]byte("at rest"), "label"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var p commonpb.Payload
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	var got person
	if err := dc.FromPayload(&p, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(person{"Ada", "ada@example.org"}, got); d != "" {
		t.Error(d)
	}
	sealed, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := k.Open(sealed, "label"); err != nil || string(plain) != "at rest" {
		t.Errorf("open = %q, %v", plain, err)
	}
}

func FuzzDecode(f *testing.F) {
	c := codecOf(f, fixed(f), "default")
	enc, err := c.Encode([]*commonpb.Payload{{Data: []byte("seed")}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("binary/encrypted", []byte("golden"), enc[0].Data)
	f.Add("json/plain", []byte(nil), []byte(`"x"`))
	f.Fuzz(func(t *testing.T, encoding string, id, data []byte) {
		dec, err := c.Decode([]*commonpb.Payload{{
			Metadata: map[string][]byte{"encoding": []byte(encoding), metadataKeyID: id}, Data: data}})
		// The fuzzer hands the first seed to other processes, whose own differs.
		if err == nil && string(dec[0].Data) != "seed" {
			t.Errorf("forged: %v", dec)
		}
	})
}
