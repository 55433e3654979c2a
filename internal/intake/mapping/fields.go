package mapping

import (
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"firstpass.internal/internal/jml"
)

// fields is a snapshot before it is checked: values by field name, absent ones
// left out. Those that a mapping gives are texts; those of a canonical item are
// what the sender wrote, until the schema has seen them.
type fields map[string]any

// text returns a field, empty if it is absent.
func (f fields) text(name string) string {
	s, _ := f[name].(string)
	return s
}

// canonical reads an item that claims the published form.
func canonical(item any) (fields, error) {
	m, ok := item.(map[string]any)
	if !ok {
		return nil, errors.New("want a JSON object")
	}
	return present(m), nil
}

// present returns m without what is null or empty, and without the blanks
// around texts.
func present(m map[string]any) fields {
	out := make(fields, len(m))
	for k, v := range m {
		switch v := v.(type) {
		case nil:
		case string:
			if v = strings.TrimSpace(v); v != "" {
				out[k] = v
			}
		case map[string]any:
			out[k] = map[string]any(present(v))
		default:
			out[k] = v
		}
	}
	return out
}

// match moves what a mapping gives as two fields to where the published form
// has it.
func (f fields) match() {
	m := map[string]any{}
	for _, name := range []string{"attribute", "value"} {
		if v, ok := f["match_"+name]; ok {
			m[name] = v
			delete(f, "match_"+name)
		}
	}
	if len(m) > 0 {
		f["match"] = m
	}
}

// maxAhead bounds how far ahead of our clock a snapshot may claim to have been
// seen. One from the far future would make every later one look old.
const maxAhead = 5 * time.Minute

// snapshot builds the snapshot that f, which fits the schema, describes. seen is
// its time of observation unless f says otherwise.
func (f fields) snapshot(z zones, seen, now time.Time) (jml.Snapshot, error) {
	out := jml.Snapshot{
		EmployeeID:   f.text("employee_id"),
		Status:       jml.Status(f.text("status")),
		GivenName:    f.text("given_name"),
		FamilyName:   f.text("family_name"),
		UPN:          f.text("upn"),
		PersonalMail: f.text("personal_mail"),
		Phone:        f.text("phone"),
		ManagerID:    f.text("manager_id"),
		Locale:       f.text("locale"),
		Department:   f.text("department"),
		EmployeeType: f.text("employee_type"),
		JobTitle:     f.text("job_title"),
		Device:       f.text("device"),
		PreviousID:   f.text("previous_id"),
		Site:         f.text("site"),
		ObservedAt:   seen.UTC(),
	}
	var found findings
	if s := f.text("start_date"); s != "" {
		d, err := jml.ParseDate(s)
		if err != nil {
			found.add("start_date", "no such day")
		}
		out.StartDate = d
	}
	if s := f.text("effective_date"); s != "" {
		d, err := jml.ParseDate(s)
		if err != nil {
			found.add("effective_date", "no such day")
		}
		out.EffectiveDate = d
	}
	out.Rehire, _ = f["rehire"].(bool)
	if out.PreviousID == out.EmployeeID {
		out.PreviousID = "" // HR systems fill it with the id itself
	}
	if s := f.text("birth_date"); s != "" {
		d, err := birthDate(s, now)
		if err != nil {
			found.add("birth_date", err.Error())
		}
		out.BirthDate = d
	}
	if s := f.text("start_time"); s != "" {
		c, err := jml.ParseClock(s)
		if err != nil {
			found.add("start_time", err.Error())
		}
		out.StartTime = &c
	}
	if m, ok := f["match"].(map[string]any); ok {
		out.Match = &jml.Match{Attribute: fields(m).text("attribute"), Value: fields(m).text("value")}
	}
	var err error
	if out.Country, err = countryCode(f.text("country")); err != nil {
		found.add("country", err.Error())
	}
	if out.Zone, out.ZoneRule, err = z.of(f.text("zone"), out.Site, out.Country); err != nil {
		found.add("zone", err.Error())
	} else if out.Zone == "" && out.Status == jml.StatusScheduled {
		found.add("zone", z.unknown(out.Site, out.Country))
	}
	if s := f.text("observed_at"); s != "" {
		if t, err := moment(s); err != nil {
			found.add("observed_at", err.Error())
		} else {
			out.ObservedAt = t
		}
	}
	switch {
	case out.ObservedAt.After(now.Add(maxAhead)):
		found.add("observed_at", "lies in the future")
	case out.ObservedAt.After(now):
		out.ObservedAt = now.UTC()
	}
	if err := out.Validate(); err != nil {
		found.addLines(err.Error())
	}
	if len(found) > 0 {
		return jml.Snapshot{}, found.err()
	}
	return out, nil
}

// birthDate reads a date of birth. A proof compares with it: what can't be one
// must not get as far as that.
func birthDate(s string, now time.Time) (jml.Date, error) {
	d, err := jml.ParseDate(s)
	switch {
	case err != nil:
		return jml.Date{}, errors.New("no such day")
	case d.Year < 1900:
		// HR systems spell "unknown" as 0001 or 1753.
		return jml.Date{}, errors.New("no real date of birth")
	case d.String() > now.UTC().Format(time.DateOnly):
		return jml.Date{}, errors.New("lies in the future")
	}
	return d, nil
}

// findings are texts of the form "field: what is wrong".
type findings []string

func (f *findings) add(field, what string) { *f = append(*f, field+": "+what) }

// addLines adds what jml.Snapshot.Validate found, a line each, for fields that
// have no finding yet: ours say more.
func (f *findings) addLines(text string) {
	for line := range strings.Lines(text) {
		field, _, _ := strings.Cut(line, ":")
		if !slices.ContainsFunc(*f, func(have string) bool { return strings.HasPrefix(have, field+":") }) {
			*f = append(*f, strings.TrimSpace(line))
		}
	}
}

// err joins the findings to one line.
func (f findings) err() error {
	slices.Sort(f)
	return errors.New(strings.Join(f, "; "))
}

var errCountry = errors.New("want an ISO 3166 code, such as DE, DEU or 276; map names with a CEL map")

// countryCode gives the ISO 3166-1 alpha-2 code for an alpha-2, alpha-3 or
// numeric one.
func countryCode(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	r, err := language.ParseRegion(s)
	if err != nil {
		return "", errCountry // the cause quotes s
	}
	// UK becomes GB; what ISO has withdrawn becomes what is there now.
	r = r.Canonicalize()
	if code := r.String(); r.IsCountry() && len(code) == 2 {
		return code, nil
	}
	return "", errCountry
}
