package proof

import (
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func TestParseTimestamp(t *testing.T) {
	for _, s := range []string{
		"1772452800", "1772452800000", "2026-03-02T12:00:00Z", "2026-03-02T13:00:00+01:00",
		"2026-03-02T12:00:00+0000", "2026-03-02T12:00:00.000Z", "2026-03-02T07:00:00-0500",
	} {
		if got, err := ParseTimestamp(s); err != nil || !got.Equal(noon) || got.Location() != time.UTC {
			t.Errorf("%s = %s, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "-1", "1e9", "2026-03-02", "2026-03-02T12:00:00", "1772452800000000", "noon", " 1772452800", "1772452800.5", "１７７２４５２８００"} {
		if got, err := ParseTimestamp(s); err == nil {
			t.Errorf("%q = %s", s, got)
		}
	}
}

func FuzzParseTimestamp(f *testing.F) {
	for _, s := range []string{"1772452800", "1772452800000", "2026-03-02T12:00:00+0000", "2026-03-02T12:00:00.5Z", "999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := ParseTimestamp(s)
		if err != nil {
			if err.Error() != errTimestamp.Error() {
				t.Errorf("the error for %q says more than it may: %v", s, err)
			}
			return
		}
		// Written in the form of the wire it must be the same moment again.
		again, err := ParseTimestamp(at.Format(time.RFC3339Nano))
		if y := at.Year(); y >= 0 && y <= 9999 && (err != nil || !again.Equal(at)) {
			t.Errorf("%q is %s, then %s, %v", s, at, again, err)
		}
	})
}
