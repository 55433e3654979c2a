package intake

import (
	"regexp"
	"testing"

	"firstpass.internal/internal/jml"
)

func TestLocalDate(t *testing.T) {
	for in, want := range map[string]string{
		"2026-03-02":                     "2026-03-02",
		" 2026-03-02 ":                   "2026-03-02",
		"2026-03-02T23:59:59Z":           "2026-03-02",
		"2026-03-02T00:00:00+13:00":      "2026-03-02",
		"2026-03-02T00:00:00-1200":       "2026-03-02",
		"2026-03-02T16:56:33.000Z":       "2026-03-02",
		"2026-03-02 08:00":               "2026-03-02",
		"2026-03-02T08:00:00":            "2026-03-02",
		"2026-03-02-08:00":               "2026-03-02",
		"2026-03-02Z":                    "2026-03-02",
		"2024-02-29":                     "2024-02-29",
		"":                               "",
		"2026-02-29":                     "!no such day",
		"2026-13-01":                     "!no such day",
		"0000-00-00":                     "!no such day",
		"03/02/2026":                     "!form",
		"02.03.2026":                     "!form",
		"2026-3-2":                       "!form",
		"20260302":                       "!form",
		"1772452800":                     "!form",
		"2026-03-02T08":                  "!form",
		"2026-03-02 tomorrow":            "!form",
		"2026-03-02T16:56:33.0000000000": "!form",
	} {
		got, err := localDate(in)
		check(t, in, got, want, err)
	}
}

func TestLocalDateWithLayout(t *testing.T) {
	for _, tc := range []struct{ in, layout, want string }{
		{"04/05/2026", "MM/DD/YYYY", "2026-04-05"},
		{"04/05/2026", "DD/MM/YYYY", "2026-05-04"},
		{"4.5.2026", "D.M.YYYY", "2026-05-04"},
		{"14.12.2026", "D.M.YYYY", "2026-12-14"},
		{"2026 04 05", "YYYY MM DD", "2026-04-05"},
		{"20260405", "YYYYMMDD", "2026-04-05"},
		{"", "MM/DD/YYYY", ""},
		{"4/5/2026", "MM/DD/YYYY", "!layout"},
		{"04/05/26", "MM/DD/YYYY", "!layout"},
		{"04-05-2026", "MM/DD/YYYY", "!layout"},
		{"2026-04-05", "MM/DD/YYYY", "!layout"},
		{"02/30/2026", "MM/DD/YYYY", "!day"},
		{"13/01/2026", "MM/DD/YYYY", "!day"},
	} {
		l, err := parseDateLayout(tc.layout)
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.date(tc.in)
		check(t, tc.in+" as "+tc.layout, got, tc.want, err)
	}
	for _, layout := range []string{"", "MM/DD", "MM/DD/YY", "MM/DD/YYYY/DD", "01/02/2006", "MM.DD.YYYY HH", "YYYY-MM-DDé"} {
		if _, err := parseDateLayout(layout); err == nil {
			t.Errorf("takes the layout %q", layout)
		}
	}
}

func check(t *testing.T, in, got, want string, err error) {
	t.Helper()
	if len(want) > 0 && want[0] == '!' {
		if err == nil || !regexp.MustCompile(want[1:]).MatchString(err.Error()) {
			t.Errorf("%q = %q, %v, want an error about %s", in, got, err, want[1:])
		}
		return
	}
	if err != nil || got != want {
		t.Errorf("%q = %q, %v, want %q", in, got, err, want)
	}
}

func FuzzLocalDate(f *testing.F) {
	f.Add("2026-03-02T00:00:00+13:00", "MM/DD/YYYY")
	f.Add("04/05/2026", "D.M.YYYY")
	f.Fuzz(func(t *testing.T, s, layout string) {
		good := func(d string, err error) {
			if err != nil || d == "" {
				return
			}
			if _, err := jml.ParseDate(d); err != nil {
				t.Errorf("%q gives %q", s, d)
			}
		}
		good(localDate(s))
		if l, err := parseDateLayout(layout); err == nil {
			good(l.date(s))
		}
	})
}
