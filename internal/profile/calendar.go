package profile

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
)

// A profile takes the holidays of these days with it into its journey. Longer
// would only make the journey's inputs larger: nobody is told of a start more
// than a year ahead, and one that is gets the news of the day he is asked about
// again.
const (
	daysBack  = 30
	daysAhead = 400
)

// calendars tell who works when.
type calendars struct {
	all              []*calendar
	sites, countries map[string]*calendar
}

// calendar is one of the configuration's, with what its iCalendar file says.
type calendar struct {
	name    string
	weekend []time.Weekday
	days    []jml.Date // holidays, in order
	events  []event

	mu    sync.Mutex
	day   jml.Date      // that about was made on
	about *jml.Calendar // that day; read by many, changed by none
}

// readCalendars reads the iCalendar files of list. The error joins a
// *config.Error for each that can't be read.
func readCalendars(list []config.Calendar) (*calendars, error) {
	out := &calendars{sites: map[string]*calendar{}, countries: map[string]*calendar{}}
	var errs []error
	for i, c := range list {
		cal := &calendar{name: c.Name, days: slices.Clone(c.Holidays)}
		for _, name := range c.Weekend {
			if day, ok := config.Weekday(name); ok {
				cal.weekend = append(cal.weekend, day)
			}
		}
		if c.ICalFile != "" {
			var err error
			if cal.events, err = readICal(c.ICalFile); err != nil {
				errs = append(errs, &config.Error{Path: "calendars[" + strconv.Itoa(i) + "].ical_file", Problem: err.Error()})
			}
		}
		out.all = append(out.all, cal)
		for _, s := range c.Sites {
			out.sites[s] = cal
		}
		for _, s := range c.Countries {
			out.countries[s] = cal
		}
	}
	return out, errors.Join(errs...)
}

func readICal(path string) ([]event, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, errors.New("can't be read: " + errors.Unwrap(err).Error())
	}
	defer func() { _ = f.Close() }()
	return parseICal(f)
}

// of returns the calendar of a site, else that of the country; nil if there is
// none, and then every day is a working day.
func (c *calendars) of(site, country string, now time.Time) *jml.Calendar {
	cal, ok := c.sites[site]
	if !ok {
		cal, ok = c.countries[country]
	}
	if !ok {
		return nil
	}
	return cal.on(today(now))
}

func today(now time.Time) jml.Date {
	now = now.UTC()
	return jml.Date{Year: now.Year(), Month: now.Month(), Day: now.Day()}
}

// runOut lists the calendars that have holidays, but none from day on: somebody
// forgot to add those of another year.
func (c *calendars) runOut(day jml.Date) []string {
	var out []string
	for _, cal := range c.all {
		ahead := slices.ContainsFunc(cal.on(day).Holidays, func(d jml.Date) bool { return before(day, d) })
		if !ahead && len(cal.days)+len(cal.events) > 0 {
			out = append(out, cal.name)
		}
	}
	return out
}

// on returns c as it is of use on day.
func (c *calendar) on(day jml.Date) *jml.Calendar {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.about != nil && c.day == day {
		return c.about
	}
	from, to := day.AddDays(-daysBack), day.AddDays(daysAhead)
	holidays := []jml.Date{}
	for _, d := range c.days {
		if !before(d, from) && !before(to, d) {
			holidays = append(holidays, d)
		}
	}
	for _, e := range c.events {
		holidays = append(holidays, e.within(from, to)...)
	}
	// A Sunday is no holiday worth carrying about.
	holidays = slices.DeleteFunc(holidays, func(d jml.Date) bool { return slices.Contains(c.weekend, d.Weekday()) })
	slices.SortFunc(holidays, compare)
	c.day, c.about = day, &jml.Calendar{Weekend: c.weekend, Holidays: slices.Compact(holidays)}
	return c.about
}

func compare(a, b jml.Date) int {
	switch {
	case a.Year != b.Year:
		return a.Year - b.Year
	case a.Month != b.Month:
		return int(a.Month - b.Month)
	}
	return a.Day - b.Day
}

func before(a, b jml.Date) bool { return compare(a, b) < 0 }
