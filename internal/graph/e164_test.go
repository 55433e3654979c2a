package graph

import (
	"strings"
	"testing"
)

func TestE164(t *testing.T) {
	for written, want := range map[string]string{
		"+4915155501001":            "+4915155501001",
		" +49 151 555 010-01 ":      "+4915155501001",
		"+1 (555) 555-0100":         "+15555550100",
		"+1.555.555.0100":           "+15555550100",
		"+46\u00a08\u2011555/01002": "+46855501002",
		"+123456789012345":          "+123456789012345",
		"":                          "",
		"0151 55501001":             "", // of which country?
		"0049 151 55501001":         "", // 00 leads abroad in some countries only
		"+49 (0) 151 55501001":      "",
		"+49 (0)151 55501001":       "",
		"+0151 55501001":            "",
		"+1 555 555 0100 x12":       "",
		"+1 555 555 0100;ext=12":    "",
		"+1 555 555 0100, +1 5":     "",
		"tel:+15555550100":          "",
		"++15555550100":             "",
		"+1555+5550100":             "",
		"+12345":                    "",
		"+1234567890123456":         "",
		"+\u0661\u0665\u0665\u0665\u0665\u0665\u0665\u0660": "",
		"+15555550100\n": "",
	} {
		if got := e164(written); got != want {
			t.Errorf("%q is read as %q, want %q", written, got, want)
		}
	}
}

// FuzzE164 wants nothing, or a number with exactly the digits that were written.
func FuzzE164(f *testing.F) {
	for _, s := range []string{"+49 151 555-010 01", "+1 (555) 555-0100", "0151", "+49 (0) 30", "+\u0661", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, written string) {
		got := e164(written)
		if got == "" {
			return
		}
		digits := strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, written)
		if got != "+"+digits || len(digits) > 15 || digits[0] == '0' || strings.Count(written, "+") != 1 {
			t.Errorf("%q is read as %q", written, got)
		}
		if e164(got) != got {
			t.Errorf("%q is not read as itself", got)
		}
	})
}
