package intake

import (
	"bytes"
	"context"
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/intake/mapping"
	"firstpass.internal/internal/intake/tree"
	"firstpass.internal/internal/jml"
)

// Rows reads a CSV text as the source's files would be read.
func (r *Reader) Rows(ctx context.Context, text []byte, c config.File, now time.Time) ([]Record, error) {
	table := tree.CSV{Encoding: c.Encoding}
	if d := []rune(c.Delimiter); len(d) == 1 {
		table.Delimiter = d[0]
	}
	var out []Record
	err := table.Each(bytes.NewReader(text), func(_ int, row map[string]any) error {
		vars := mapping.Vars{Source: r.name, Settings: r.cfg.Settings, Item: row}
		out = append(out, r.record(ctx, vars, nil, now, now))
		return nil
	})
	return out, err
}

// Field is one value of a snapshot, by the name that a source's map gives it.
type Field struct{ Name, Value string }

// Fields lists a snapshot's values in the order in which people read them.
func Fields(s jml.Snapshot) []Field {
	date, clock, born, effective, rehire := "", "", "", "", ""
	if !s.StartDate.IsZero() {
		date = s.StartDate.String()
	}
	if s.StartTime != nil {
		clock = s.StartTime.String()
	}
	if !s.BirthDate.IsZero() {
		born = s.BirthDate.String()
	}
	if !s.EffectiveDate.IsZero() {
		effective = s.EffectiveDate.String()
	}
	if s.Rehire {
		rehire = "true"
	}
	match := s.UserMatch()
	zone := s.Zone
	if zone != "" && s.ZoneRule != "" {
		zone += " (by " + string(s.ZoneRule) + ")"
	}
	return []Field{
		{"employee_id", s.EmployeeID}, {"status", string(s.Status)}, {"start_date", date}, {"start_time", clock},
		{"zone", zone}, {"site", s.Site}, {"country", s.Country}, {"given_name", s.GivenName}, {"family_name", s.FamilyName},
		{"personal_mail", s.PersonalMail}, {"phone", s.Phone}, {"birth_date", born}, {"upn", s.UPN}, {"entra user", match.Attribute + "=" + match.Value}, {"manager_id", s.ManagerID},
		{"department", s.Department}, {"employee_type", s.EmployeeType}, {"job_title", s.JobTitle}, {"device", s.Device},
		{"effective_date", effective}, {"previous_id", s.PreviousID}, {"rehire", rehire}, {"locale", s.Locale},
		{"observed_at", s.ObservedAt.UTC().Format(time.RFC3339)},
	}
}
