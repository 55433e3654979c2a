package intake

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"firstpass.internal/config"
)

func header(kv ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(kv); i += 2 {
		h.Add(kv[i], kv[i+1])
	}
	return h
}

// TestVectors holds the recipes of vendors, with invented keys and bodies, all
// computed outside this program (openssl dgst -hmac).
func TestVectors(t *testing.T) {
	for _, tc := range []struct {
		name   string
		verify config.Verify
		key    string
		header http.Header
		body   string
	}{
		// https://documentation.bamboohr.com/docs/webhooks: the body, then the
		// timestamp, nothing between.
		{"BambooHR", config.Verify{Encoding: "hex", Message: "{body}{header:X-BambooHR-Timestamp}",
			SignatureHeader: "X-BambooHR-Signature", TimestampHeader: "X-BambooHR-Timestamp"},
			"invented-private-key-of-a-webhook",
			header("X-BambooHR-Timestamp", "1772452800", "X-BambooHR-Signature", "7afef9382f3897ee8ffa45c04bc26992f9718686161addfc4f3803f0570617b6"),
			`{"employees":[{"id":"7","changedFields":["Hire Date"],"fields":{"Hire Date":{"value":"2026-04-01"}}}]}`},
		{"Greenhouse", config.Verify{Encoding: "hex", Message: "{body}", SignatureHeader: "Signature", SignaturePrefix: "sha256 "},
			"invented-secret-key", header("Signature", "sha256 e7d707c83c0430ddc54f40e3da38ef3100714662bd6337b1d60c101f03b88cb1"), `{"action":"hire"}`},
		{"HiBob", config.Verify{Algorithm: "sha512", Encoding: "base64", Message: "{body}", SignatureHeader: "Bob-Signature"},
			"invented-secret-key", header("Bob-Signature", "AVGZorSsnT0BHIqA65FM/cZegyxxaedG7x6heU+jRpAv3VqERvQMcNGecmCigjOxApA2L/HxSeqR5xD4uyNmkg=="), `{"type":"employee.created"}`},
		{"Deel", config.Verify{Encoding: "hex", Message: "POST{body}", SignatureHeader: "x-deel-signature"},
			"invented-secret-key", header("x-deel-signature", "01306a30f787838f9b498dc646645466a26759a8efe2c59ce955309c2430604f"), `{"data":{}}`},
	} {
		tc.verify.Tolerance = 5 * time.Minute
		v, err := newHMAC(tc.verify, [][]byte{[]byte("wrong"), []byte(tc.key)})
		if err != nil {
			t.Fatal(err)
		}
		signed, err := v.verify(tc.header, []byte(tc.body), noon)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if want := tc.verify.TimestampHeader != ""; want != signed.Equal(noon) {
			t.Errorf("%s: signed at %s", tc.name, signed)
		}
		if _, err := v.verify(tc.header, []byte(tc.body+" "), noon); !errors.Is(err, errSignature) {
			t.Errorf("%s: a changed body gives %v", tc.name, err)
		}
	}
}

func TestMessages(t *testing.T) {
	h := header("A", "1", "B", "2", "B", "3")
	for in, want := range map[string]string{
		"{body}":                  "BODY",
		"{header:A}.{body}":       "1.BODY",
		"v0:{header:a}:{body}:{}": "",
		"{body}{header:B}":        "",
		"{body}{header:C}":        "",
		"{header:A}":              "",
		"":                        "",
		"{body":                   "",
		"body}{body}":             "",
		"{body}{json:x}":          "",
		"{body}{header:}":         "",
	} {
		m, err := parseMessage(in)
		var got []byte
		if err == nil {
			got, err = m.compose(h, []byte("BODY"))
		}
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%s = %q, %v", in, got, err)
		}
	}
}

func TestTimestamps(t *testing.T) {
	for _, s := range []string{
		"1772452800", "1772452800000", "2026-03-02T12:00:00Z", "2026-03-02T13:00:00+01:00",
		"2026-03-02T12:00:00+0000", "2026-03-02T12:00:00.000Z", "2026-03-02T07:00:00-0500",
	} {
		if got, err := parseTimestamp(s); err != nil || !got.Equal(noon) {
			t.Errorf("%s = %s, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "-1", "1e9", "2026-03-02", "2026-03-02T12:00:00", "1772452800000000", "noon", " 1772452800"} {
		if got, err := parseTimestamp(s); err == nil {
			t.Errorf("%q = %s", s, got)
		}
	}
}

func webhookRequest(id string, at time.Time, sig string) http.Header {
	return header(webhookID, id, webhookTimestamp, strconv.FormatInt(at.Unix(), 10), webhookSignature, sig)
}

// TestStandardWebhooks holds our verifier against the scheme's own library.
func TestStandardWebhooks(t *testing.T) {
	key, err := parseWebhookKey(hookKey)
	if err != nil {
		t.Fatal(err)
	}
	oracle, err := standardwebhooks.NewWebhook(hookKey)
	if err != nil {
		t.Fatal(err)
	}
	const id, body = "msg_1", `{"employee_id":"7"}`
	sig, err := oracle.Sign(id, noon, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	wrong := "v1," + base64.StdEncoding.EncodeToString(make([]byte, 32))
	v := &standardWebhooks{tolerance: 5 * time.Minute, keys: [][]byte{make([]byte, 32), key}}
	for _, tc := range []struct {
		name   string
		header http.Header
		body   string
		want   error
	}{
		{"good", webhookRequest(id, noon, sig), body, nil},
		{"one of a list", webhookRequest(id, noon, wrong+" v1a,AAAA  "+sig), body, nil},
		{"another version", webhookRequest(id, noon, "v2"+strings.TrimPrefix(sig, "v1")), body, errSignature},
		{"no version", webhookRequest(id, noon, strings.TrimPrefix(sig, "v1,")), body, errSignature},
		{"wrong", webhookRequest(id, noon, wrong), body, errSignature},
		{"no base64", webhookRequest(id, noon, "v1,???"), body, errSignature},
		{"another body", webhookRequest(id, noon, sig), body + " ", errSignature},
		{"another id", webhookRequest("msg_2", noon, sig), body, errSignature},
		{"another time", webhookRequest(id, noon.Add(time.Second), sig), body, errSignature},
		{"no id", webhookRequest("", noon, sig), body, errHeader},
		{"no signature", webhookRequest(id, noon, ""), body, errHeader},
		{"ISO time", header(webhookID, id, webhookTimestamp, "2026-03-02T12:00:00Z", webhookSignature, sig), body, errTimestamp},
		{"too many", webhookRequest(id, noon, strings.Repeat(wrong+" ", maxSignatures)+sig), body, errSignature},
	} {
		signed, err := v.verify(tc.header, []byte(tc.body), noon)
		if !errors.Is(err, tc.want) || err == nil && !signed.Equal(noon) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
		// The library fixes clock and form of times; the rest must agree.
		if !errors.Is(tc.want, errTimestamp) && tc.name != "too many" {
			if theirs := oracle.VerifyIgnoringTimestamp([]byte(tc.body), tc.header); (theirs == nil) != (tc.want == nil) {
				t.Errorf("%s: the library says %v", tc.name, theirs)
			}
		}
	}
	for at, want := range map[time.Duration]error{
		5 * time.Minute: nil, 5*time.Minute + time.Second: errStale, -5 * time.Minute: nil, -5*time.Minute - time.Second: errFuture,
	} {
		if _, err := v.verify(webhookRequest(id, noon, sig), []byte(body), noon.Add(at)); !errors.Is(err, want) {
			t.Errorf("%s later: %v, want %v", at, err, want)
		}
	}
}

func TestWebhookKeys(t *testing.T) {
	of := func(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for n, ok := range map[int]bool{0: false, 1: false, 23: false, 24: true, 64: true, 65: false} {
		if _, err := parseWebhookKey(of(n)); (err == nil) != ok {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	const secret = "invented-secret-key"
	v, err := newHMAC(config.Verify{Encoding: "hex", Message: "{body}{header:T}", SignatureHeader: "S", TimestampHeader: "T",
		Tolerance: time.Hour}, [][]byte{[]byte(secret)})
	if err != nil {
		f.Fatal(err)
	}
	key, err := parseWebhookKey(hookKey)
	if err != nil {
		f.Fatal(err)
	}
	w := &standardWebhooks{tolerance: time.Hour, keys: [][]byte{key}}
	oracle, err := standardwebhooks.NewWebhook(hookKey)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("1772452800", "00", []byte("{}"))
	f.Add("2026-03-02T12:00:00+0000", "v1,AAAA", []byte(""))
	f.Fuzz(func(t *testing.T, stamp, sig string, body []byte) {
		if _, err := v.verify(header("T", stamp, "S", sig), body, noon); err == nil &&
			!strings.EqualFold(sig, hexMAC(secret, string(body)+stamp)) {
			t.Errorf("forged: %q %q %q", stamp, sig, body)
		}
		h := header(webhookID, "m", webhookTimestamp, stamp, webhookSignature, sig)
		if _, err := w.verify(h, body, noon); err == nil && oracle.VerifyIgnoringTimestamp(body, h) != nil {
			t.Errorf("forged: %q %q %q", stamp, sig, body)
		}
	})
}
