package mapping

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"firstpass.internal/internal/jml"
)

// checkDate compares a result of localDate with want: a date, or ! and a part of
// the error.
func checkDate(t *testing.T, in, got, want string, err error) {
	t.Helper()
	if part, bad := strings.CutPrefix(want, "!"); bad {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q = %q, %v, want an error about %s", in, got, err, part)
		}
		return
	}
	if err != nil || got != want {
		t.Errorf("%q = %q, %v, want %q", in, got, err, want)
	}
}

func TestLocalDate(t *testing.T) {
	for in, want := range map[string]string{
		"2026-03-02":                     "2026-03-02",
		" 2026-03-02 ":                   "2026-03-02",
		"2026-03-02T23:59:59Z":           "2026-03-02",
		"2026-03-02T00:00:00+13:00":      "2026-03-02",
		"2026-03-02T00:00:00-1200":       "2026-03-02",
		"2026-03-02T00:00:00+0000":       "2026-03-02",
		"2026-03-02T16:56:33.000Z":       "2026-03-02",
		"2026-03-02 08:00":               "2026-03-02",
		"2026-03-02T08:00:00":            "2026-03-02",
		"2026-03-02-08:00":               "2026-03-02",
		"2026-03-02Z":                    "2026-03-02",
		"2024-02-29":                     "2024-02-29",
		"/Date(1460592000000)/":          "2016-04-14",
		"/Date(1460592000000+0000)/":     "2016-04-14",
		"/Date(-86400000)/":              "1969-12-31",
		"/Date(-62135596800000)/":        "0001-01-01",
		"1772409600":                     "2026-03-02",
		"1772409600000":                  "2026-03-02",
		"86400000000":                    "1972-09-27", // eleven digits: milliseconds
		"":                               "",
		" \t":                            "",
		"9999-12-31":                     "",
		"4712-12-31":                     "",
		"4712-12-31T00:00:00Z":           "",
		"4000-01-01":                     "",
		"3999-12-31":                     "3999-12-31",
		"/Date(253402214400000)/":        "",
		"253402214400000":                "",
		"999993600000000":                "", // the year 33658
		"2026-02-29":                     "!no such day",
		"9999-99-99":                     "!no such day",
		"2026-13-01":                     "!no such day",
		"0000-00-00":                     "!no such day",
		"/Date(1442289263000+0000)/":     "!is a moment",
		"/Date(1442289263000)/":          "!is a moment",
		"/Date(1460592000000+0060)/":     "!is a moment", // minutes to some, hours and minutes to others
		"/Date(1460592000000-0100)/":     "!is a moment",
		"1772452800":                     "!is a moment",
		"1772452800000":                  "!is a moment",
		"03/02/2026":                     "!form",
		"02.03.2026":                     "!form",
		"2026-3-2":                       "!form",
		"20260302":                       "!form",
		"0":                              "!form",
		"86400":                          "!form",
		"-86400000":                      "!form",
		"1772409600.0":                   "!form",
		"1772409600000000":               "!form",
		"2026-03-02T08":                  "!form",
		"2026-03-02 tomorrow":            "!form",
		"2026-03-02T16:56:33.0000000000": "!form",
		"/Date(1460592000000":            "!form",
		"/Date(99999999999999999999)/":   "!form",
		"٢٠٢٦-٠٣-٠٢":                     "!form",
	} {
		got, err := localDate(in)
		checkDate(t, in, got, want, err)
	}
}

func TestLocalDateByZone(t *testing.T) {
	for _, tc := range []struct{ in, zone, want string }{
		{"2026-03-01T23:30:00Z", "Europe/Berlin", "2026-03-02"},
		{"2026-03-01 23:30:00.5Z", "Europe/Berlin", "2026-03-02"},
		{"2026-03-01T23:30Z", "Europe/Berlin", "2026-03-02"},
		{"2026-03-02T00:30:00+0100", "America/New_York", "2026-03-01"},
		{"2026-03-02T00:30:00,25+01", "America/New_York", "2026-03-01"},
		{"2026-03-02T00:30:00+01:00", "Europe/Berlin", "2026-03-02"},
		{"1772406000", "Europe/Berlin", "2026-03-02"}, // midnight in Berlin, 23:00 in UTC
		{"1772406000000", "UTC", "2026-03-01"},
		{"/Date(1442289263000+0000)/", "Asia/Tokyo", "2015-09-15"},
		{"/Date(1442289263000+0900)/", "America/Los_Angeles", "2015-09-14"},
		{"/Date(253402214400000)/", "Asia/Tokyo", ""},
		{"2026-03-02", "Pacific/Honolulu", "2026-03-02"},          // a day is a day
		{"2026-03-02-08:00", "Asia/Tokyo", "2026-03-02"},          // xsd:date as well
		{"2026-03-02T01:00:00", "Pacific/Honolulu", "2026-03-02"}, // and a local time
		{"", "Europe/Berlin", ""},
		{"2026-03-02T25:00:00Z", "Europe/Berlin", "!no such day"},
		{"2026-02-30T01:00:00Z", "Europe/Berlin", "!no such day"},
		{"04/05/2026", "Europe/Berlin", "!form"},
		{"2026-03-02", "Europe/Atlantis", "!neither a layout"},
		{"2026-03-02", "Local", "!neither a layout"},
		{"2026-03-02", "", "!neither a layout"},
	} {
		got, err := localDateBy(tc.in, tc.zone, jml.LoadZone)
		checkDate(t, tc.in+" in "+tc.zone, got, tc.want, err)
	}
}

func TestLocalDateByLayout(t *testing.T) {
	for _, tc := range []struct{ in, layout, want string }{
		{"04/05/2026", "MM/DD/YYYY", "2026-04-05"},
		{"04/05/2026", "DD/MM/YYYY", "2026-05-04"},
		{" 4.5.2026 ", "D.M.YYYY", "2026-05-04"},
		{"14.12.2026", "D.M.YYYY", "2026-12-14"},
		{"4. 5. 2026", "D. M. YYYY", "2026-05-04"},
		{"2026 04 05", "YYYY MM DD", "2026-04-05"},
		{"20260405", "YYYYMMDD", "2026-04-05"},
		{"02-Mar-2026", "DD-MMM-YYYY", "2026-03-02"},
		{"02-MAR-2026", "DD-MMM-YYYY", "2026-03-02"},
		{"2 dec 2026", "D MMM YYYY", "2026-12-02"},
		{"2026Jun2", "YYYYMMMD", "2026-06-02"},
		{"31-DEC-4712", "DD-MMM-YYYY", ""},
		{"12/31/9999", "MM/DD/YYYY", ""},
		{"", "MM/DD/YYYY", ""},
		{"4/5/2026", "MM/DD/YYYY", "!layout"},
		{"04/05/26", "MM/DD/YYYY", "!layout"},
		{"04-05-2026", "MM/DD/YYYY", "!layout"},
		{"2026-04-05", "MM/DD/YYYY", "!layout"},
		{"04/05/2026 00:00", "MM/DD/YYYY", "!layout"},
		{"014.5.2026", "D.M.YYYY", "!layout"},
		{"D.5.2026", "D.M.YYYY", "!layout"},
		{"02-Mär-2026", "DD-MMM-YYYY", "!layout"},
		{"02-Sept-2026", "DD-MMM-YYYY", "!layout"},
		{"02-Ma", "DD-MMM-YYYY", "!layout"},
		{"02/30/2026", "MM/DD/YYYY", "!day"},
		{"13/01/2026", "MM/DD/YYYY", "!day"},
		{"0.0.2026", "D.M.YYYY", "!day"},
	} {
		got, err := localDateBy(tc.in, tc.layout, jml.LoadZone)
		checkDate(t, tc.in+" as "+tc.layout, got, tc.want, err)
	}
	for _, layout := range []string{"MM/DD", "MM/DD/YY", "MM/DD/YYYY/DD", "MMMM/DD/YYYY", "01/02/2006", "MM.DD.YYYY HH", "YYYY-MM-DDé", "DMYYYY", "YYYYMDD", "YYYYDM", "/", "Y"} {
		if got, err := localDateBy("1112026", layout, jml.LoadZone); err == nil || !strings.Contains(err.Error(), "neither a layout") {
			t.Errorf("the layout %q gives %q, %v", layout, got, err)
		}
	}
}

// Any spelling of a day gives that day, wherever the program runs.
func TestLocalDateProperties(t *testing.T) {
	local := time.Local
	defer func() { time.Local = local }()
	places := []string{"UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Berlin", "America/Santiago"}
	rapid.Check(t, func(t *rapid.T) {
		var err error
		if time.Local, err = time.LoadLocation(rapid.SampledFrom(places).Draw(t, "local")); err != nil {
			t.Fatal(err)
		}
		day := time.Date(1974, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 80000).Draw(t, "day"))
		want := day.Format(time.DateOnly)
		offset := rapid.IntRange(-12*60, 14*60).Draw(t, "offset")
		at := time.Date(day.Year(), day.Month(), day.Day(), rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute"), 0, 0, time.FixedZone("", offset*60))
		for _, s := range []string{
			want, at.Format(time.RFC3339), at.Format("2006-01-02T15:04:05-0700"), at.Format("2006-01-02T15:04:05.000Z07:00"), at.Format("2006-01-02 15:04"),
			at.Format("2006-01-02Z07:00"), fmt.Sprint(day.Unix()), fmt.Sprint(day.UnixMilli()), fmt.Sprintf("/Date(%d)/", day.UnixMilli()), fmt.Sprintf("/Date(%d+0000)/", day.UnixMilli()),
		} {
			if got, err := localDate(s); got != want || err != nil {
				t.Fatalf("%q = %q, %v, want %q", s, got, err, want)
			}
		}
		for layout, form := range map[string]string{"YYYY-MM-DD": "2006-01-02", "DD.MM.YYYY": "02.01.2006", "D/M/YYYY": "2/1/2006", "MM/DD/YYYY": "01/02/2006", "DD-MMM-YYYY": "02-Jan-2006", "YYYYMMDD": "20060102"} {
			if got, err := localDateBy(day.Format(form), layout, jml.LoadZone); got != want || err != nil {
				t.Fatalf("%q by %s = %q, %v, want %q", day.Format(form), layout, got, err, want)
			}
		}
		name := rapid.SampledFrom(places).Draw(t, "zone")
		loc, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		there := at.In(loc).Format(time.DateOnly)
		for _, s := range []string{at.Format(time.RFC3339), fmt.Sprint(at.Unix()), fmt.Sprintf("/Date(%d)/", at.UnixMilli())} {
			if got, err := localDateBy(s, name, jml.LoadZone); got != there || err != nil {
				t.Fatalf("%q in %s = %q, %v, want %q", s, name, got, err, there)
			}
		}
	})
}

func FuzzLocalDate(f *testing.F) {
	f.Add("2026-03-02T00:00:00+13:00", "MM/DD/YYYY")
	f.Add("04/05/2026", "D.M.YYYY")
	f.Add("/Date(1442289263000+0000)/", "Europe/Berlin")
	f.Add("02-Mar-2026", "DD-MMM-YYYY")
	f.Add("253402214400000", "YYYYMMDD")
	f.Fuzz(func(t *testing.T, s, by string) {
		good := func(d string, err error) {
			if err != nil {
				if strings.ContainsAny(err.Error(), "\r\n") {
					t.Errorf("an error of several lines: %v", err)
				}
				return
			}
			if d == "" {
				return
			}
			if day, err := jml.ParseDate(d); err != nil || day.Year >= openYear {
				t.Errorf("%q gives %q", s, d)
			}
		}
		good(localDate(s))
		good(localDateBy(s, by, jml.LoadZone))
	})
}
