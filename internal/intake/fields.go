package intake

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
)

// fieldNames are the keys of a source's map.
func fieldNames() []string {
	return []string{
		"employee_id", "status", "start_date", "start_time", "zone", "given_name", "family_name", "upn",
		"match_attribute", "match_value", "personal_mail", "phone", "manager_id", "locale", "observed_at",
	}
}

// fields is a snapshot before it is checked: texts by field name, absent ones
// left out.
type fields map[string]string

// canonical reads an item that claims the published form.
func canonical(s *schema, item any) (fields, error) {
	m, ok := item.(map[string]any)
	if !ok {
		return nil, errors.New("want a JSON object")
	}
	m = present(m)
	if err := s.validate(m); err != nil {
		return nil, err
	}
	out := fields{}
	for k, v := range m {
		switch v := v.(type) {
		case string:
			out[k] = v
		case map[string]any: // match is the only one
			out["match_attribute"], _ = v["attribute"].(string)
			out["match_value"], _ = v["value"].(string)
		}
	}
	return out, nil
}

// present returns m without what is null or empty.
func present(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		if v != nil && v != "" {
			out[k] = v
		}
	}
	return out
}

// tree gives f the published form.
func (f fields) tree() map[string]any {
	out := map[string]any{}
	match := map[string]any{}
	for k, v := range f {
		if name, ok := strings.CutPrefix(k, "match_"); ok {
			match[name] = v
		} else {
			out[k] = v
		}
	}
	if len(match) > 0 {
		out["match"] = match
	}
	return out
}

// maxAhead bounds how far ahead of our clock a snapshot may claim to have been
// seen. One from the far future would make every later one look old.
const maxAhead = 5 * time.Minute

// snapshot builds the snapshot that f describes. seen is its time of
// observation unless f says otherwise.
func (f fields) snapshot(seen, now time.Time) (jml.Snapshot, error) {
	out := jml.Snapshot{
		EmployeeID:   f["employee_id"],
		Status:       jml.Status(f["status"]),
		Zone:         f["zone"],
		GivenName:    f["given_name"],
		FamilyName:   f["family_name"],
		UPN:          f["upn"],
		PersonalMail: f["personal_mail"],
		Phone:        f["phone"],
		ManagerID:    f["manager_id"],
		Locale:       f["locale"],
		ObservedAt:   seen.UTC(),
	}
	var errs []string
	bad := func(field, what string) { errs = append(errs, field+": "+what) }
	if s := f["start_date"]; s != "" {
		d, err := jml.ParseDate(s)
		if err != nil {
			bad("start_date", "no such day")
		}
		out.StartDate = d
	}
	if s := f["start_time"]; s != "" {
		c, err := jml.ParseClock(s)
		if err != nil {
			bad("start_time", err.Error())
		}
		out.StartTime = &c
	}
	if a, v := f["match_attribute"], f["match_value"]; a != "" || v != "" {
		out.Match = &jml.Match{Attribute: a, Value: v}
	}
	if s := f["observed_at"]; s != "" {
		t, err := parseTimestamp(s)
		if err != nil {
			bad("observed_at", "not a moment in RFC 3339 or unix time")
		} else {
			out.ObservedAt = t
		}
	}
	if out.ObservedAt.After(now.Add(maxAhead)) {
		bad("observed_at", "lies in the future")
	}
	if len(errs) == 0 {
		err := out.Validate()
		if err == nil {
			return out, nil
		}
		// Snapshot.Validate joins its findings by line ends; a reason is a line.
		errs = strings.Split(err.Error(), "\n")
	}
	slices.Sort(errs)
	return jml.Snapshot{}, fmt.Errorf("%s", strings.Join(errs, "; "))
}
