package channel

import (
	"net/http"
	"net/textproto"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"firstpass.internal/internal/jml"
)

// Whatever a service answers: a Fault holds words that we know the form of, and
// nothing of the message.
func FuzzReplies(f *testing.F) {
	for _, body := range []string{
		complaint, `{"sid":"` + messageID + `"}`, `{"code":21211}`, `{"code":-1}`, `{"status":"closed"}`, "no_service", "", "null", "[]", `{"errors":[null]}`,
		`{"errors":[{"field":"733221"}]}`, canary,
	} {
		f.Add(400, body, "7", 550)
		f.Add(503, body, body, 451)
	}
	form := regexp.MustCompile(`^[A-Za-z0-9_.,:-]{0,410}$`)
	f.Fuzz(func(t *testing.T, status int, body, header string, reply int) {
		status = max(100, min(status, 599))
		m := texted()
		r := answered(status, body, header)
		tw := &twilio{now: func() time.Time { return noon }}
		faults := []*jml.Fault{
			tw.fault("op", r),
			failed("rcpt", &textproto.Error{Code: reply, Msg: body}).fault("op"),
			graphFault("op", m, &jml.Fault{Kind: jml.FaultRefused, Code: body, RequestID: header, Text: body}),
		}
		for _, kind := range httpKinds() {
			faults = append(faults, httpFault(kind, "op", status))
		}
		words := []string{wrongFields(m, body), messageSID(r.body), said(m, body), said(m, header), slack{}.code(r)}
		for _, f := range faults {
			words = append(words, f.Code, f.RequestID, f.Text)
			if f.RetryAfter < 0 || f.RetryAfter > 24*time.Hour || f.Kind == "" || f.Reason == "" {
				t.Errorf("%+v", f)
			}
		}
		if err := asleep("op", r.body); err != nil {
			words = append(words, err.(*jml.Fault).Code)
		}
		for _, w := range words {
			low := strings.ToLower(w)
			if !form.MatchString(w) || strings.Contains(low, "733221") || strings.Contains(low, "robin") || strings.Contains(low, "tok3n") {
				t.Errorf("%q of %q", w, body)
			}
		}
	})
}

func answered(status int, body, header string) reply {
	return reply{status, http.Header{"Retry-After": {header}, "X-Ratelimit-Reset": {header}}, []byte(body)}
}

func FuzzAddresses(f *testing.F) {
	for _, s := range []string{"robin.vale@example.org", "a@b", "<a@b.c>", "a@b.c\r\n", "a@b.c,d@e.f", `"a b"@c.de`, "ø@example.org", "a@[127.0.0.1]", "a(b)@c.de", "a@b.c>", "+4915550001234", "+0", "=?utf-8?q?a?=@b.c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if bareAddress(s) {
			if strings.Count(s, "@") != 1 || strings.ContainsAny(s, "<>(),:;\\\"[] \t\r\n") || strings.ContainsFunc(s, unicode.IsControl) {
				t.Errorf("%q passes for a mail address", s)
			}
		}
		if phoneNumber(s) && (len(s) < 8 || len(s) > 16 || strings.Trim(s, "+0123456789") != "") {
			t.Errorf("%q passes for a number", s)
		}
	})
}
