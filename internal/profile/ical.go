package profile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"

	"firstpass.internal/internal/jml"
)

// Bounds of an iCalendar file. A country's holidays of ten years are 100 KiB.
const (
	maxICal  = 1 << 20
	maxSpan  = 366 // days of one event
	maxEvery = 100 // years between two of a yearly event
)

// event is an all-day event (RFC 5545, 3.6.1), once or each so many years.
type event struct {
	from  jml.Date
	days  int      // how many, from then on
	every int      // years; 0: once
	count int      // how often, at most; 0: for ever
	until jml.Date // the last day it may begin; zero: none
}

// within returns the days of e from one date to another, both included.
func (e event) within(from, to jml.Date) []jml.Date {
	var out []jml.Date
	begun := 0
	for year := e.from.Year; year <= to.Year; year += e.every {
		first := jml.Date{Year: year, Month: e.from.Month, Day: e.from.Day}
		// 29 February is there in some years only; the others are left out and
		// do not count (RFC 5545, 3.3.10).
		if first == first.AddDays(0) {
			if begun++; e.count > 0 && begun > e.count || !e.until.IsZero() && before(e.until, first) {
				break
			}
			for n := range e.days {
				if d := first.AddDays(n); !before(d, from) && !before(to, d) {
					out = append(out, d)
				}
			}
		}
		if e.every == 0 {
			break
		}
	}
	return out
}

// parseICal reads the all-day events of an iCalendar file (RFC 5545) of up to
// 1 MiB: one day or more, once or yearly on the same date. Cancelled events are
// passed over. Anything else is refused by its line: a holiday that is left out
// without a word is noticed on the day.
//
// Errors quote nothing of the file.
func parseICal(r io.Reader) ([]event, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxICal+1))
	switch {
	case err != nil:
		return nil, errors.New("can't be read to its end")
	case len(raw) > maxICal:
		return nil, errors.New("is larger than 1 MiB; leave out the years gone by")
	}
	cal, err := ics.ParseCalendar(bytes.NewReader(raw))
	if err != nil {
		return nil, errors.New("is no iCalendar file (RFC 5545)")
	}
	lines := eventLines(raw)
	var out []event
	for i, e := range cal.Events() {
		if p := e.GetProperty(ics.ComponentPropertyStatus); p != nil && p.Value == "CANCELLED" {
			continue
		}
		one, err := readEvent(e)
		if err != nil {
			return nil, fmt.Errorf("the event in line %d %w", lines[min(i, len(lines)-1)], err)
		}
		out = append(out, one)
	}
	if len(out) == 0 {
		return nil, errors.New("holds no event")
	}
	return out, nil
}

// eventLines returns the lines, from 1, in which the events of raw begin.
func eventLines(raw []byte) []int {
	out := []int{}
	s := bufio.NewScanner(bytes.NewReader(raw))
	s.Buffer(nil, maxICal+1)
	for n := 1; s.Scan(); n++ {
		if strings.TrimSpace(s.Text()) == "BEGIN:VEVENT" {
			out = append(out, n)
		}
	}
	return append(out, 1)
}

func readEvent(e *ics.VEvent) (event, error) {
	for _, p := range []ics.ComponentProperty{ics.ComponentPropertyExdate, ics.ComponentPropertyRdate, ics.ComponentPropertyExrule, ics.ComponentPropertyRecurrenceId} {
		if e.HasProperty(p) {
			return event{}, fmt.Errorf("has exceptions (%s), which are not read; write its days out", p)
		}
	}
	from, err := readDay(e.GetProperty(ics.ComponentPropertyDtStart))
	if err != nil {
		return event{}, err
	}
	out := event{from: from, days: 1}
	end, lasts := e.GetProperty(ics.ComponentPropertyDtEnd), e.GetProperty(ics.ComponentPropertyDuration)
	switch {
	case end != nil:
		to, err := readDay(end)
		if err != nil {
			return event{}, err
		}
		// DTEND is the day after (RFC 5545, 3.6.1). Some calendars write the same
		// day twice and mean that one.
		out.days = max(daysBetween(from, to), 1)
		if before(to, from) {
			return event{}, errors.New("ends before it begins")
		}
	case lasts != nil:
		if out.days, err = readDays(lasts.Value); err != nil {
			return event{}, err
		}
	}
	if out.days > maxSpan {
		return event{}, errors.New("lasts longer than a year")
	}
	if rules := e.GetProperties(ics.ComponentPropertyRrule); len(rules) > 1 {
		return event{}, errors.New("has more than one RRULE")
	} else if len(rules) == 1 {
		err = out.repeat(rules[0].Value)
	}
	return out, err
}

func daysBetween(from, to jml.Date) int {
	at := func(d jml.Date) time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }
	return int(at(to).Sub(at(from)) / (24 * time.Hour))
}

// readDay reads DTSTART or DTEND of VALUE=DATE.
func readDay(p *ics.IANAProperty) (jml.Date, error) {
	if p == nil {
		return jml.Date{}, errors.New("has no DTSTART")
	}
	if !slices.Equal(p.ICalParameters["VALUE"], []string{"DATE"}) {
		return jml.Date{}, errors.New("is not an all-day one (VALUE=DATE)")
	}
	return readDate(p.Value)
}

func readDate(text string) (jml.Date, error) {
	t, err := time.Parse("20060102", text)
	if err != nil || t.Year() < 1 {
		return jml.Date{}, errors.New("has a date that is none")
	}
	return jml.Date{Year: t.Year(), Month: t.Month(), Day: t.Day()}, nil
}

// readDays reads a duration of whole days or weeks: P1D, P2W.
func readDays(text string) (int, error) {
	bad := errors.New("has a DURATION that is not in whole days")
	number, ok := strings.CutPrefix(text, "P")
	unit := 1
	if rest, weeks := strings.CutSuffix(number, "W"); weeks {
		number, unit = rest, 7
	} else if rest, days := strings.CutSuffix(number, "D"); days {
		number = rest
	} else {
		ok = false
	}
	n, err := strconv.Atoi(number)
	if !ok || err != nil || n < 1 || n > maxSpan {
		return 0, bad
	}
	return n * unit, nil
}

// repeat reads an RRULE (RFC 5545, 3.3.10) that gives the same date each year.
func (e *event) repeat(rule string) error {
	bad := errors.New("repeats otherwise than yearly on the same date, which is not read; write its days out")
	e.every = 1
	yearly := false
	for part := range strings.SplitSeq(rule, ";") {
		name, value, _ := strings.Cut(part, "=")
		n, notNumber := strconv.Atoi(value)
		switch name {
		case "FREQ":
			yearly = value == "YEARLY"
		case "INTERVAL":
			if notNumber != nil || n < 1 || n > maxEvery {
				return bad
			}
			e.every = n
		case "COUNT":
			if notNumber != nil || n < 1 {
				return bad
			}
			e.count = n
		case "UNTIL":
			day, _, _ := strings.Cut(value, "T")
			var err error
			if e.until, err = readDate(day); err != nil {
				return err
			}
		case "BYMONTH":
			if notNumber != nil || n != int(e.from.Month) {
				return bad
			}
		case "BYMONTHDAY":
			if notNumber != nil || n != e.from.Day {
				return bad
			}
		case "WKST": // where a week begins says nothing of a year
		default:
			return bad
		}
	}
	if !yearly {
		return bad
	}
	return nil
}
