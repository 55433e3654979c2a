package intake

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
)

// parseTimestamp reads a moment as HR systems write them: unix seconds or
// milliseconds, RFC 3339, and ISO 8601 with an offset without its colon.
func parseTimestamp(s string) (time.Time, error) {
	if n := len(s); n > 0 && n <= 15 && strings.Trim(s, "0123456789") == "" {
		v, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return time.Time{}, errTimestamp
		}
		// Twelve digits of seconds are the year 5138; of milliseconds, 1973.
		if n >= 12 {
			return time.UnixMilli(v).UTC(), nil
		}
		return time.Unix(v, 0).UTC(), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05-0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errTimestamp
}

// isoDate is a calendar date, alone, with an offset (xsd:date), or with a time.
var isoDate = regexp.MustCompile(`^(\d{4}-\d{2}-\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)?(?:Z|[+-]\d{2}(?::?\d{2})?)?$`)

var (
	errDateForm   = errors.New("not a date of a known form; give its layout: localDate(x, \"MM/DD/YYYY\")")
	errDateDay    = errors.New("no such day")
	errDateLayout = errors.New("not a date of the given layout")
)

// localDate reads a date and keeps the calendar day as it is written, whatever
// offset follows: an HR system that writes 2026-03-02T00:00:00+13:00 means the
// second of March. An empty text stays empty.
func localDate(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", nil
	}
	m := isoDate.FindStringSubmatch(s)
	if m == nil {
		return "", errDateForm
	}
	return realDay(m[1])
}

func realDay(s string) (string, error) {
	d, err := jml.ParseDate(s)
	if err != nil {
		return "", errDateDay
	}
	return d.String(), nil
}

// dateLayout is a parsed layout of localDate. Orders such as 04/05/2026 mean
// different days in different countries, so none is ever guessed.
type dateLayout struct {
	form  *regexp.Regexp
	order [3]int // group numbers of year, month and day
}

// parseDateLayout reads layouts of YYYY, MM or M, DD or D, each once, and the
// separators dot, slash, hyphen and blank.
func parseDateLayout(layout string) (dateLayout, error) {
	bad := errors.New("a layout has YYYY, MM or M, and DD or D, each once, between / . - or blanks")
	var (
		out  dateLayout
		form strings.Builder
		n    int
	)
	form.WriteByte('^')
	for rest := layout; rest != ""; {
		which, width, pattern := -1, 0, ""
		for _, t := range []struct {
			word    string
			which   int
			pattern string
		}{
			{"YYYY", 0, `(\d{4})`}, {"MM", 1, `(\d{2})`}, {"M", 1, `(\d{1,2})`}, {"DD", 2, `(\d{2})`}, {"D", 2, `(\d{1,2})`},
		} {
			if strings.HasPrefix(rest, t.word) {
				which, width, pattern = t.which, len(t.word), t.pattern
				break
			}
		}
		switch {
		case which >= 0 && out.order[which] == 0:
			n++
			out.order[which] = n
			form.WriteString(pattern)
			rest = rest[width:]
		case which < 0 && strings.ContainsRune("/.- ", rune(rest[0])):
			form.WriteString(regexp.QuoteMeta(rest[:1]))
			rest = rest[1:]
		default:
			return dateLayout{}, bad
		}
	}
	if n != 3 {
		return dateLayout{}, bad
	}
	form.WriteByte('$')
	re, err := regexp.Compile(form.String())
	if err != nil {
		return dateLayout{}, bad
	}
	out.form = re
	return out, nil
}

func (l dateLayout) date(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", nil
	}
	m := l.form.FindStringSubmatch(s)
	if m == nil {
		return "", errDateLayout
	}
	pad := func(v string) string {
		if len(v) == 1 {
			return "0" + v
		}
		return v
	}
	return realDay(m[l.order[0]] + "-" + pad(m[l.order[1]]) + "-" + pad(m[l.order[2]]))
}
