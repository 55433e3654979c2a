package mapping

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
)

var (
	errDateForm   = errors.New("not a date of a known form; give its layout: localDate(x, \"MM/DD/YYYY\")")
	errDateDay    = errors.New("no such day")
	errDateLayout = errors.New("not a date of the given layout")
	errDateBy     = errors.New("neither a layout (YYYY, M, MM or MMM, and D or DD, each once, between / . - or blanks) nor an IANA time zone")
	errDateMoment = errors.New("is a moment, not a day; say where it is to be read: localDate(x, \"Europe/Berlin\")")
)

// openYear is where dates begin to mean "no end": 4712-12-31 at Oracle,
// 9999-12-31 elsewhere.
const openYear = 4000

// isoDate is a calendar date, alone, with an offset (xsd:date), or with a time.
var isoDate = regexp.MustCompile(`^(\d{4}-\d{2}-\d{2})(?:([T ])\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)?(Z|[+-]\d{2}(?::?\d{2})?)?$`)

// localDate reads a date and gives it as YYYY-MM-DD; "" for an empty text and
// for an open date, from the year 4000.
//
// A day that is written out is kept as it is written, whatever time and offset
// follow: an HR system that writes 2026-03-02T00:00:00+13:00 means the second of
// March.
//
// A number (unix seconds of up to 10 digits, milliseconds of 11 or more, and
// /Date(milliseconds)/ of OData V2, also with +0000) has no written day. Systems
// that spell a day so write its midnight in UTC, and only that is taken.
// Anything else is a moment, whose day depends on where one stands: localDateBy.
func localDate(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", nil
	}
	if m := isoDate.FindStringSubmatch(s); m != nil {
		return realDay(m[1])
	}
	t, offset, ok := epoch(s)
	switch {
	case !ok:
		return "", errDateForm
	// OData writes the offset in minutes, .NET in hours and minutes. Only zero
	// is the same in both.
	case !t.Equal(t.Truncate(24 * time.Hour)), strings.Trim(offset, "+-0") != "":
		return "", errDateMoment
	}
	return realDay(t.Format(time.DateOnly))
}

// localDateBy is localDate for what by tells how to read.
//
// By an IANA time zone, a moment (a number, or a text with time and offset)
// gives the day it is there; a day that is written without either stays.
//
// By a layout, a text gives the day it spells. A layout has YYYY, MM or M or
// MMM (English, of three letters) and DD or D, each once, and the separators
// dot, slash, hyphen and blank. Orders such as 04/05/2026 mean different days
// in different countries, so none is ever guessed.
func localDateBy(s, by string, load func(zone string) (*time.Location, error)) (string, error) {
	s = strings.TrimSpace(s)
	if goodLayout(by) {
		if s == "" {
			return "", nil
		}
		return readLayout(s, by)
	}
	loc, err := load(by)
	if err != nil {
		return "", errDateBy
	}
	if s == "" {
		return "", nil
	}
	if m := isoDate.FindStringSubmatch(s); m != nil {
		if m[2] == "" || m[3] == "" {
			return realDay(m[1])
		}
		t, err := isoMoment(s)
		if err != nil {
			return "", err
		}
		return realDay(t.In(loc).Format(time.DateOnly))
	}
	t, _, ok := epoch(s)
	if !ok {
		return "", errDateForm
	}
	return realDay(t.In(loc).Format(time.DateOnly))
}

func isoMoment(s string) (time.Time, error) {
	s = strings.Replace(s, " ", "T", 1)
	for _, layout := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04Z07:00", "2006-01-02T15:04Z0700", "2006-01-02T15:04Z07"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errDateDay
}

var odataDate = regexp.MustCompile(`^/Date\((-?\d{1,15})([+-]\d{4})?\)/$`)

// epoch reads a count of seconds or milliseconds since 1970, and the offset
// that OData may add.
func epoch(s string) (t time.Time, offset string, ok bool) {
	if m := odataDate.FindStringSubmatch(s); m != nil {
		ms, err := strconv.ParseInt(m[1], 10, 64)
		return time.UnixMilli(ms).UTC(), m[2], err == nil
	}
	// Eight digits are YYYYMMDD, which needs its layout; nine are the seventies.
	if n := len(s); n < 9 || n > 15 || strings.Trim(s, "0123456789") != "" {
		return time.Time{}, "", false
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, "", false
	}
	if len(s) <= 10 {
		return time.Unix(v, 0).UTC(), "", true
	}
	return time.UnixMilli(v).UTC(), "", true
}

// realDay checks that the day of YYYY-MM-DD exists; an open one gives "".
func realDay(s string) (string, error) {
	if len(s) > len(time.DateOnly) { // milliseconds may name the year 30000
		return "", nil
	}
	d, err := jml.ParseDate(s)
	if err != nil {
		return "", errDateDay
	}
	if d.Year >= openYear {
		return "", nil
	}
	return d.String(), nil
}

// layoutParts are the words of a layout, longer ones first.
func layoutParts() []string { return []string{"YYYY", "MMM", "MM", "M", "DD", "D"} }

const separators = "/.- "

// goodLayout reports whether layout names each of year, month and day once. A
// part of one or two digits must end at a separator: DMYYYY would read 1112026
// in two ways.
func goodLayout(layout string) bool {
	seen := map[byte]bool{}
	for rest := layout; rest != ""; {
		if strings.IndexByte(separators, rest[0]) >= 0 {
			rest = rest[1:]
			continue
		}
		part := nextPart(rest)
		if part == "" || seen[part[0]] {
			return false
		}
		seen[part[0]] = true
		rest = rest[len(part):]
		if len(part) == 1 && rest != "" && strings.IndexByte(separators, rest[0]) < 0 {
			return false
		}
	}
	return len(seen) == 3
}

func nextPart(layout string) string {
	for _, p := range layoutParts() {
		if strings.HasPrefix(layout, p) {
			return p
		}
	}
	return ""
}

// readLayout reads s by a good layout.
func readLayout(s, layout string) (string, error) {
	var year, month, day string
	for layout != "" {
		part := nextPart(layout)
		if part == "" {
			if s == "" || s[0] != layout[0] {
				return "", errDateLayout
			}
			s, layout = s[1:], layout[1:]
			continue
		}
		layout = layout[len(part):]
		n := len(part)
		if n == 1 && len(s) > 1 && digits(s[:2]) {
			n = 2
		}
		if len(s) < n || part != "MMM" && !digits(s[:n]) {
			return "", errDateLayout
		}
		word := s[:n]
		s = s[n:]
		switch part[0] {
		case 'Y':
			year = word
		case 'D':
			day = "0"[:2-n] + word
		case 'M':
			if part == "MMM" {
				if word = monthNumber(word); word == "" {
					return "", errDateLayout
				}
			}
			month = "0"[:2-len(word)] + word
		}
	}
	if s != "" {
		return "", errDateLayout
	}
	return realDay(year + "-" + month + "-" + day)
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// monthNumber gives the two digits of a month of three English letters.
func monthNumber(s string) string {
	for m := time.January; m <= time.December; m++ {
		if strings.EqualFold(m.String()[:3], s) {
			return strconv.Itoa(100 + int(m))[1:]
		}
	}
	return ""
}
