package proof

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"firstpass.internal/config"
)

// TestVectors holds the recipes of vendors with invented keys and bodies. Those
// written out were computed outside this program (openssl dgst -hmac).
func TestVectors(t *testing.T) {
	const (
		bamboo = `{"employees":[{"id":"7","changedFields":["Hire Date"],"fields":{"Hire Date":{"value":"2026-04-01"}}}]}`
		lever  = `{"id":"x","event":"candidateHired","triggeredAt":1772452800000,"token":"3f1","signature":"%s","data":{"opportunityId":"7"}}`
	)
	stamp := strconv.FormatInt(noon.Unix(), 10)
	std, url := base64.StdEncoding, base64.RawURLEncoding
	workable := mac(sha256.New, secret, `{"event_type":"employee_created"}`)
	for _, tc := range []struct {
		name   string
		verify config.Verify
		header http.Header
		body   string
		signed bool // with a time
		hint   bool // the body isn't covered
	}{
		// https://documentation.bamboohr.com/docs/webhooks: the body, then the
		// timestamp, nothing between.
		{name: "BambooHR", verify: config.Verify{Message: "{body}{header:X-BambooHR-Timestamp}",
			SignatureHeader: "X-BambooHR-Signature", TimestampHeader: "X-BambooHR-Timestamp"},
			header: header("X-BambooHR-Timestamp", stamp, "X-BambooHR-Signature", "7c716b1d1d7e0d492180e37e376f6a03fc4eb594419c0ce2f181c70a546e03ca"),
			body:   bamboo, signed: true},
		{name: "BambooHR, ISO time", verify: config.Verify{Message: "{body}{header:X-BambooHR-Timestamp}",
			SignatureHeader: "X-BambooHR-Signature", TimestampHeader: "X-BambooHR-Timestamp"},
			header: header("X-BambooHR-Timestamp", "2026-03-02T12:00:00+0000",
				"X-BambooHR-Signature", strings.ToUpper(hexMAC(sha256.New, secret, bamboo+"2026-03-02T12:00:00+0000"))),
			body: bamboo, signed: true},
		{name: "Greenhouse", verify: config.Verify{Message: "{body}", SignatureHeader: "Signature", SignaturePrefix: "sha256 "},
			header: header("Signature", "sha256 e7d707c83c0430ddc54f40e3da38ef3100714662bd6337b1d60c101f03b88cb1"), body: `{"action":"hire"}`},
		{name: "HiBob", verify: config.Verify{Algorithm: "sha512", Encoding: "base64", Message: "{body}", SignatureHeader: "Bob-Signature"},
			header: header("Bob-Signature", "AVGZorSsnT0BHIqA65FM/cZegyxxaedG7x6heU+jRpAv3VqERvQMcNGecmCigjOxApA2L/HxSeqR5xD4uyNmkg=="), body: `{"type":"employee.created"}`},
		{name: "Gusto", verify: config.Verify{Message: "{body}", SignatureHeader: "X-Gusto-Signature"},
			header: header("X-Gusto-Signature", "3aee5eb1e12781d395588a5591741339da563315ebad60caf1ea556ae5e1972d"), body: `{"uuid":"1"}`},
		{name: "Gusto, time in the body", verify: config.Verify{Message: "{body}", SignatureHeader: "X-Gusto-Signature", TimestampField: "timestamp"},
			header: header("X-Gusto-Signature", hexMAC(sha256.New, secret, `{"timestamp":1772452800}`)), body: `{"timestamp":1772452800}`, signed: true},
		{name: "Deel", verify: config.Verify{Message: "POST{body}", SignatureHeader: "x-deel-signature"},
			header: header("x-deel-signature", "01306a30f787838f9b498dc646645466a26759a8efe2c59ce955309c2430604f"), body: `{"data":{}}`},
		{name: "Workable, hex", verify: config.Verify{Message: "{body}", SignatureHeader: "X-Workable-Signature"},
			header: header("X-Workable-Signature", hex.EncodeToString(workable)), body: `{"event_type":"employee_created"}`},
		{name: "Workable, base64", verify: config.Verify{Encoding: "base64", Message: "{body}", SignatureHeader: "X-Workable-Signature"},
			header: header("X-Workable-Signature", std.EncodeToString(workable)), body: `{"event_type":"employee_created"}`},
		{name: "base64 for URLs", verify: config.Verify{Encoding: "base64", Message: "{body}", SignatureHeader: "S"},
			header: header("S", url.EncodeToString(workable)), body: `{"event_type":"employee_created"}`},
		{name: "Lever", verify: config.Verify{Message: "{json:token}{json:triggeredAt}", SignatureField: "signature", TimestampField: "triggeredAt"},
			body: fmt.Sprintf(lever, "cf650e05667020452681e4f3f696cb6882b08a26b36512bd1c7a4fec873b247f"), signed: true, hint: true},
		{name: "t= and v1=", verify: config.Verify{Message: "{timestamp}.{body}", SignatureHeader: "X-Signature", SignaturePrefix: "v1=", SignatureList: ",", TimestampPrefix: "t="},
			header: header("X-Signature", "t="+stamp+", v0=00,v1="+hexMAC(sha256.New, old, stamp+".{}")+",v1=6a38ac936c4a0ef97d85a73e872fe70bd8056eb71676c69b2f030fe10aedbecb"), body: `{}`, signed: true},
		{name: "HireHive", verify: config.Verify{Kind: config.VerifyStandardWebhooks},
			header: header("webhook-id", "msg_1", "webhook-timestamp", stamp,
				"webhook-signature", "v1,"+std.EncodeToString(mac(sha256.New, "invented-key-of-32-bytes-for-test", "msg_1."+stamp+".{}"))), body: `{}`, signed: true},
	} {
		keys := []string{"another-key-of-16-bytes", secret + "\n"}
		if tc.verify.Kind == config.VerifyStandardWebhooks {
			keys = []string{hookKey}
		}
		v := verifier(t, tc.verify, keys...)
		signed := judge(t, tc.name, v, Request{Header: tc.header, Body: []byte(tc.body)}, nil)
		if want := tc.signed; want != signed.Equal(noon) {
			t.Errorf("%s: signed at %s", tc.name, signed)
		}
		if v.CoversBody() == tc.hint || !v.Ready() {
			t.Errorf("%s: covers %t, ready %t", tc.name, v.CoversBody(), v.Ready())
		}
		want := errSignature
		if tc.hint {
			want = nil // that is why it is a hint
		}
		judge(t, tc.name+", changed body", v, Request{Header: tc.header, Body: []byte(tc.body + " ")}, want)
		if tc.verify.Kind == config.VerifyHMAC || tc.verify.Kind == "" {
			judge(t, tc.name+", wrong key", verifier(t, tc.verify, old+old), Request{Header: tc.header, Body: []byte(tc.body)}, errSignature)
		}
	}
}

func TestKeyEncodings(t *testing.T) {
	key := strings.Repeat("\xfb\x01", 16)
	r := Request{Header: header("S", hexMAC(sha256.New, key, "{}")), Body: []byte("{}")}
	for encoding, text := range map[string]string{
		"hex": hex.EncodeToString([]byte(key)), "base64": base64.StdEncoding.EncodeToString([]byte(key)), "text": key,
	} {
		judge(t, encoding, verifier(t, config.Verify{Message: "{body}", SignatureHeader: "S", KeyEncoding: encoding}, text+" \r\n"), r, nil)
	}
	judge(t, "the key's spelling as key", verifier(t, config.Verify{Message: "{body}", SignatureHeader: "S"}, hex.EncodeToString([]byte(key))), r, errSignature)
}

func TestDecodeBase64(t *testing.T) {
	for in, want := range map[string]string{
		"+/8=": "\xfb\xff", "+/8": "\xfb\xff", "-_8=": "\xfb\xff", "-_8": "\xfb\xff", "": "",
	} {
		if got, err := decodeBase64(in); err != nil || string(got) != want {
			t.Errorf("%q = %q, %v", in, got, err)
		}
	}
	// Two alphabets, bits too many, padding too much, line breaks: a value has
	// one spelling in each alphabet.
	for _, in := range []string{"+_8=", "+/9=", "-_9", "+/8==", "+/\n8=", "+/8=\r\n", "=", "+"} {
		if got, err := decodeBase64(in); err == nil {
			t.Errorf("%q = %q", in, got)
		}
	}
}

func TestAttacksOnHMAC(t *testing.T) {
	stamp := strconv.FormatInt(noon.Unix(), 10)
	later := strconv.FormatInt(noon.Unix()+1, 10)
	body := `{"name":"` + canary + `"}`
	good := hexMAC(sha256.New, secret, body+stamp)
	both := verifier(t, config.Verify{Message: "{body}{header:T}", SignatureHeader: "S", TimestampHeader: "T"}, old, secret)
	for name, tc := range map[string]struct {
		header http.Header
		want   error
	}{
		"good":                  {header("T", stamp, "S", good), nil},
		"the other key":         {header("T", stamp, "S", hexMAC(sha256.New, old, body+stamp)), nil},
		"both keys at once":     {header("T", stamp, "S", good[:32]+hexMAC(sha256.New, old, body+stamp)[32:]), errSignature},
		"one key for the other": {header("T", stamp, "S", hexMAC(sha256.New, old+secret, body+stamp)), errSignature},
		"a key as message":      {header("T", stamp, "S", hexMAC(sha256.New, body+stamp, secret)), errSignature},
		"no key":                {header("T", stamp, "S", hexMAC(sha256.New, "", body+stamp)), errSignature},
		"changed time":          {header("T", later, "S", good), errSignature},
		"same time, respelt":    {header("T", "2026-03-02T12:00:00Z", "S", good), errSignature},
		"no time":               {header("S", good), errHeader},
		"two times":             {header("T", stamp, "T", later, "S", good), errHeader},
		"the same time twice":   {header("T", stamp, "T", stamp, "S", good), errHeader},
		"no signature":          {header("T", stamp), errHeader},
		"empty signature":       {header("T", stamp, "S", ""), errHeader},
		"two signatures":        {header("T", stamp, "S", "00", "S", good), errHeader},
		"short":                 {header("T", stamp, "S", good[:62]), errEncoding},
		"one digit":             {header("T", stamp, "S", good[:63]), errEncoding},
		"long":                  {header("T", stamp, "S", good+"00"), errEncoding},
		"blank before":          {header("T", stamp, "S", " "+good), errEncoding},
		"no hex":                {header("T", stamp, "S", strings.Repeat("g", 64)), errEncoding},
		"base64":                {header("T", stamp, "S", base64.StdEncoding.EncodeToString(mac(sha256.New, secret, body+stamp))), errEncoding},
		"another hash":          {header("T", stamp, "S", hexMAC(sha512.New, secret, body+stamp)), errEncoding},
		"hash without key":      {header("T", stamp, "S", fmt.Sprintf("%x", sha256.Sum256([]byte(secret+body+stamp)))), errSignature},
		"unsigned nonsense":     {header("T", canary, "S", good), errSignature},
		"signed nonsense":       {header("T", canary, "S", hexMAC(sha256.New, secret, body+canary)), errTimestamp},
		"signed without a time": {header("T", "2026-03-02", "S", hexMAC(sha256.New, secret, body+"2026-03-02")), errTimestamp},
	} {
		judge(t, name, both, Request{Header: tc.header, Body: []byte(body)}, tc.want)
	}

	// What stands in the configuration as prefix must be there.
	prefixed := verifier(t, config.Verify{Message: "{body}", SignatureHeader: "S", SignaturePrefix: "sha256 "}, secret)
	for text, want := range map[string]error{
		"sha256 " + hexMAC(sha256.New, secret, body): nil,
		hexMAC(sha256.New, secret, body):             errEncoding,
		"sha1 " + hexMAC(sha256.New, secret, body):   errEncoding,
		"sha256 ": errEncoding,
	} {
		judge(t, text, prefixed, Request{Header: header("S", text), Body: []byte(body)}, want)
	}
}

func TestTolerance(t *testing.T) {
	v := verifier(t, config.Verify{Message: "{body}{header:T}", SignatureHeader: "S", TimestampHeader: "T"}, secret)
	for age, want := range map[time.Duration]error{
		0: nil, 5 * time.Minute: nil, 5*time.Minute + time.Second: errStale, -5 * time.Minute: nil, -5*time.Minute - time.Second: errFuture,
		200 * 365 * 24 * time.Hour: errStale, -200 * 365 * 24 * time.Hour: errFuture,
	} {
		stamp := noon.Add(-age).Format(time.RFC3339)
		judge(t, age.String(), v, Request{Header: header("T", stamp, "S", hexMAC(sha256.New, secret, stamp))}, want)
	}
}

func TestSignatureLists(t *testing.T) {
	stamp := strconv.FormatInt(noon.Unix(), 10)
	good := "v1=" + hexMAC(sha256.New, secret, stamp+".{}")
	wrong := "v1=" + hexMAC(sha256.New, old, stamp+".{}")
	v := verifier(t, config.Verify{Message: "{timestamp}.{body}", SignatureHeader: "S", SignaturePrefix: "v1=", SignatureList: ",", TimestampPrefix: "t="}, secret)
	at := "t=" + stamp
	for _, tc := range []struct {
		name, list string
		want       error
	}{
		{"good", at + "," + good, nil},
		{"blanks and gaps", " , " + good + " ,, " + at + " ,", nil},
		{"behind a wrong one", at + "," + wrong + "," + good, nil},
		{"behind one of no length", at + ",v1=," + good, nil},
		{"the sixteenth", at + strings.Repeat(","+wrong, 14) + "," + good, nil},
		{"the seventeenth", at + strings.Repeat(","+wrong, 15) + "," + good, errSignature},
		{"the last of 10,000", at + strings.Repeat(","+wrong, 10_000) + "," + good, errSignature},
		{"10,000 of another scheme", at + strings.Repeat(",v0=00", 10_000) + "," + good, errEncoding},
		{"only commas", strings.Repeat(",", 10_000), errTimestamp},
		{"no time", good, errTimestamp},
		{"empty time", "t=," + good, errTimestamp},
		{"two times", at + "," + at + "," + good, errTimestamp},
		{"a later time as well", at + ",t=1772452801," + good, errTimestamp},
		{"a later time", "t=1772452801," + good, errSignature},
		{"no signature", at, errEncoding},
		{"another scheme", at + "," + strings.Replace(good, "v1", "v0", 1), errEncoding},
	} {
		judge(t, tc.name, v, Request{Header: header("S", tc.list), Body: []byte("{}")}, tc.want)
	}
}

// Parts of a JSON body are needed before anything is known of it.
func TestFields(t *testing.T) {
	v := verifier(t, config.Verify{Message: "{json:a.token}{json:at}", SignatureField: "sig.0", TimestampField: "at"}, secret)
	sig := hexMAC(sha256.New, secret, "x1772452800")
	for body, want := range map[string]error{
		`{"a":{"token":"x"},"at":1772452800,"sig":["` + sig + `"]}`:                 nil,
		`{"a":{"token":"x"},"at":"1772452800","sig":["` + sig + `"]}`:               nil,
		`{"a":{"token":"x"},"at":1772452801,"sig":["` + sig + `"]}`:                 errSignature,
		`{"a":{"token":"y"},"at":1772452800,"sig":["` + sig + `"]}`:                 errSignature,
		`{"a":{"token":"x"},"at":1772452800.0,"sig":["` + sig + `"]}`:               errField,
		`{"a":{"token":"x"},"at":1.7724528e9,"sig":["` + sig + `"]}`:                errField,
		`{"a":{"token":["x"]},"at":1772452800,"sig":["` + sig + `"]}`:               errField,
		`{"a":{"token":""},"at":1772452800,"sig":["` + sig + `"]}`:                  errField,
		`{"a":{"token":null},"at":1772452800,"sig":["` + sig + `"]}`:                errField,
		`{"a":{"token":true},"at":1772452800,"sig":["` + sig + `"]}`:                errField,
		`{"a":{"token":"x"},"at":1772452800,"sig":[]}`:                              errField,
		`{"a":{"token":"x"},"at":1772452800}`:                                       errField,
		`{"a":{"token":"x"},"at":1772452800,"at":1772452800,"sig":["` + sig + `"]}`: errBody,
		`{"a":{"token":"x"},"at":1772452800,"sig":["` + sig + `"]}{}`:               errBody,
		`[]`:                         errField,
		`null`:                       errField,
		`"` + canary + `"`:           errField,
		``:                           errBody,
		`<a>` + canary + `</a>`:      errBody,
		"{\"a\":\"" + "\xff" + "\"}": errBody,
		strings.Repeat(`[`, 1<<20):   errBody,
	} {
		judge(t, body[:min(len(body), 80)], v, Request{Body: []byte(body)}, want)
	}
	// The header of the same name is not the field.
	judge(t, "header", v, Request{Header: header("sig.0", sig), Body: []byte(`{"a":{"token":"x"},"at":1772452800}`)}, errField)
}

func TestMessages(t *testing.T) {
	r := &reading{request: Request{Header: header("A", "1", "B", "2", "B", "3"), Body: []byte(`{"a":{"b":["x",7]}}`)}, timestamp: "99"}
	for in, want := range map[string]string{
		"{body}":            `{"a":{"b":["x",7]}}`,
		"{header:A}.{body}": `1.{"a":{"b":["x",7]}}`,
		"v0:{header:a}:{json:a.b.0}{json:a.b.1}{timestamp}": "v0:1:x799",
		"{header:A}":              "1",
		"POST {timestamp}":        "POST 99",
		"v0:{header:a}:{body}:{}": "",
		"{body}{header:B}":        "",
		"{body}{header:C}":        "",
		"{json:a}":                "",
		"{json:b}":                "",
		"":                        "",
		"literal":                 "",
		"{body":                   "",
		"body}{body}":             "",
		"{body}{json:}":           "",
		"{body}{json:a..b}":       "",
		"{body}{json:a{b}":        "",
		"{body}{header:}":         "",
		"{body}{header:A B}":      "",
		"{body}{query:x}":         "",
		"{body:x}":                "",
		"{timestamp:x}":           "",
		"{Body}":                  "",
	} {
		m, err := parseMessage(in)
		var got []byte
		if err == nil {
			got, err = m.compose(r)
		}
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%s = %q, %v", in, got, err)
		}
	}
}

func hook(id string, at time.Time, sig string) http.Header {
	return header("webhook-id", id, "webhook-timestamp", strconv.FormatInt(at.Unix(), 10), "webhook-signature", sig)
}

// TestStandardWebhooks holds our verifier against the scheme's own library.
func TestStandardWebhooks(t *testing.T) {
	oracle, err := standardwebhooks.NewWebhook(hookKey)
	if err != nil {
		t.Fatal(err)
	}
	const id, body = "msg_1", `{"employee_id":"7"}`
	sig, err := oracle.Sign(id, noon, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	iso := "2026-03-02T12:00:00Z"
	isoSig := "v1," + base64.StdEncoding.EncodeToString(mac(sha256.New, "invented-key-of-32-bytes-for-test", id+"."+iso+"."+body))
	wrong := "v1," + base64.StdEncoding.EncodeToString(make([]byte, 32))
	v := verifier(t, config.Verify{Kind: config.VerifyStandardWebhooks}, "whsec_"+strings.Repeat("AAAA", 8), hookKey)
	for _, tc := range []struct {
		name   string
		header http.Header
		body   string
		want   error
		differ bool // from the library, on purpose
	}{
		{name: "good", header: hook(id, noon, sig), body: body},
		{name: "one of a list", header: hook(id, noon, wrong+" v1a,AAAA  "+sig), body: body},
		{name: "another version", header: hook(id, noon, "v2"+strings.TrimPrefix(sig, "v1")), body: body, want: errEncoding},
		{name: "no version", header: hook(id, noon, strings.TrimPrefix(sig, "v1,")), body: body, want: errEncoding},
		{name: "wrong", header: hook(id, noon, wrong), body: body, want: errSignature},
		{name: "no base64", header: hook(id, noon, "v1,???"), body: body, want: errEncoding},
		{name: "another body", header: hook(id, noon, sig), body: body + " ", want: errSignature},
		{name: "another id", header: hook("msg_2", noon, sig), body: body, want: errSignature},
		{name: "another time", header: hook(id, noon.Add(time.Second), sig), body: body, want: errSignature},
		{name: "no id", header: hook("", noon, sig), body: body, want: errHeader},
		{name: "no signature", header: hook(id, noon, ""), body: body, want: errHeader},
		// The library fixes the form of times, has no bound, and knows one alphabet.
		{name: "ISO time", header: header("webhook-id", id, "webhook-timestamp", iso, "webhook-signature", isoSig), body: body, want: errTimestamp, differ: true},
		{name: "too many", header: hook(id, noon, strings.Repeat(wrong+" ", maxSignatures)+sig), body: body, want: errSignature, differ: true},
		{name: "unpadded", header: hook(id, noon, strings.TrimRight(sig, "=")), body: body, differ: true},
	} {
		signed := judge(t, tc.name, v, Request{Header: tc.header, Body: []byte(tc.body)}, tc.want)
		if tc.want == nil && !signed.Equal(noon) {
			t.Errorf("%s: signed at %s", tc.name, signed)
		}
		if theirs := oracle.VerifyIgnoringTimestamp([]byte(tc.body), tc.header); !tc.differ && (theirs == nil) != (tc.want == nil) {
			t.Errorf("%s: the library says %v", tc.name, theirs)
		}
	}
	for later, want := range map[time.Duration]error{
		5 * time.Minute: nil, 5*time.Minute + time.Second: errStale, -5 * time.Minute: nil, -5*time.Minute - time.Second: errFuture,
	} {
		_, err := v.Verify(context.Background(), Request{Header: hook(id, noon, sig), Body: []byte(body)}, noon.Add(later))
		if !errors.Is(err, want) {
			t.Errorf("%s later: %v, want %v", later, err, want)
		}
	}
}

func TestWebhookKeys(t *testing.T) {
	of := func(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for n, ok := range map[int]bool{0: false, 1: false, 23: false, 24: true, 64: true, 65: false} {
		if _, err := webhookKey(config.Verify{}, of(n)); (err == nil) != ok {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func FuzzMessage(f *testing.F) {
	for _, s := range []string{"{body}", "{header:A}.{body}", "{json:a.0}{timestamp}", "POST{body}", "{", "}{", "{json:..}", "{header:{}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := parseMessage(s)
		if err != nil {
			return
		}
		// The parts written again are the template.
		var again strings.Builder
		for _, p := range m {
			switch p.kind {
			case literal:
				again.WriteString(p.text)
			case wholeBody:
				again.WriteString("{body}")
			case headerValue:
				again.WriteString("{header:" + p.text + "}")
			case jsonValue:
				again.WriteString("{json:" + p.text + "}")
			case timestampText:
				again.WriteString("{timestamp}")
			}
		}
		if again.String() != s {
			t.Errorf("%q is read as %q", s, again.String())
		}
		_, _ = m.compose(&reading{request: Request{Body: []byte(`{"a":[1]}`)}})
	})
}

// FuzzVerify forges requests for every scheme; none may be taken.
func FuzzVerify(f *testing.F) {
	key := strings.Repeat(secret, 2)
	schemes := []*Verifier{
		verifier(f, config.Verify{Message: "{body}{header:T}", SignatureHeader: "S", TimestampHeader: "T"}, key),
		verifier(f, config.Verify{Message: "{timestamp}.{body}", SignatureHeader: "S", SignaturePrefix: "v1=", SignatureList: ",", TimestampPrefix: "t="}, key),
		verifier(f, config.Verify{Message: "{json:token}{json:at}", SignatureField: "sig", TimestampField: "at", Encoding: "base64"}, key),
		verifier(f, config.Verify{Kind: config.VerifyStandardWebhooks}, hookKey),
		verifier(f, config.Verify{Kind: config.VerifyBearer}, key),
		verifier(f, config.Verify{Kind: config.VerifyBasic, User: "hr"}, key),
		verifier(f, config.Verify{Kind: config.VerifyURLSecret}, key),
		verifier(f, config.Verify{Kind: config.VerifyJWT, Issuer: "http://127.0.0.1:1", Audience: "firstpass"}),
	}
	f.Add("1772452800", strings.Repeat("0", 64), "Bearer x", []byte("{}"))
	f.Add("2026-03-02T12:00:00+0000", "v1,AAAA v1,", "Basic aHI6eA==", []byte(`{"token":"a","at":1,"sig":"AAAA"}`))
	f.Add("1", "t=1772452800,v1="+strings.Repeat("0", 64), "basic ????", []byte(`{"token":[]}`))
	f.Add("", "", "Bearer eyJhbGciOiJub25lIn0.e30.", []byte(`[[`))
	f.Fuzz(func(t *testing.T, stamp, sig, auth string, body []byte) {
		r := Request{
			Header: header("T", stamp, "S", sig, "webhook-id", "m", "webhook-timestamp", stamp, "webhook-signature", sig, "Authorization", auth),
			Body:   body, URLSecret: sig,
		}
		for i, v := range schemes {
			if signed, err := v.Verify(context.Background(), r, noon); err == nil || !signed.IsZero() {
				t.Errorf("scheme %d takes %q %q %q %q", i, stamp, sig, auth, body)
			}
		}
	})
}
