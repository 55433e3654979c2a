package mapping

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
)

// FieldNames lists the keys a source's map may have, sorted. The zone rule and
// the hold of a snapshot are ours and not among them.
func FieldNames() []string {
	return []string{
		"birth_date", "country", "department", "device", "effective_date", "employee_id", "employee_type", "family_name",
		"given_name", "job_title", "locale", "manager_id", "match_attribute", "match_value", "observed_at", "personal_mail",
		"phone", "previous_id", "rehire", "site", "start_date", "start_time", "status", "upn", "zone",
	}
}

// Mapper turns the items of one source into snapshots. It may be used by many
// goroutines at once.
type Mapper struct {
	fields []field // sorted; nil: items are canonical
	schema *schema
	zones  zones
}

// fieldRehire is the one field that is no text.
const fieldRehire = "rehire"

type field struct {
	name string
	expr *Expr
}

// Mapper compiles the mapping of src for scope, which is ScopeItem, ScopeFetched
// or ScopeHint. The error joins everything that is wrong as *config.Error, with
// paths under at.
func (c *Compiler) Mapper(at string, src config.Source, scope Scope) (*Mapper, error) {
	out := &Mapper{schema: c.schema, zones: zones{sites: src.Sites, fallback: src.DefaultZone}}
	var errs []error
	bad := func(path, problem string) {
		errs = append(errs, &config.Error{Path: at + "." + path, Problem: problem})
	}
	need := func(name, problem string) {
		if src.Map[name] == "" {
			bad("map."+name, problem)
		}
	}
	switch {
	case src.Map != nil:
		for _, name := range []string{"employee_id", "status", "start_date"} {
			need(name, "missing")
		}
		if src.Map["zone"] == "" && src.Map["site"] == "" && src.Map["country"] == "" && src.DefaultZone == "" {
			bad("map.zone", "missing; map zone, site (and name the sites) or country, or set default_zone")
		}
		if src.Map["match_attribute"] != "" {
			need("match_value", "missing; match_attribute says what it is")
		}
		if src.Map["match_value"] != "" {
			need("match_attribute", "missing; match_value needs to be of "+strings.Join(jml.MatchAttributes(), ", "))
		}
	case scope == ScopeHint:
		bad("map", "missing; "+scope.why())
	}
	for _, name := range slices.Sorted(maps.Keys(src.Map)) {
		if !slices.Contains(FieldNames(), name) {
			bad("map."+name, "no field of a snapshot; fields: "+strings.Join(FieldNames(), ", "))
			continue
		}
		if src.Map[name] == "" {
			continue
		}
		compile := c.Text
		if name == fieldRehire {
			compile = c.Bool
		}
		e, err := compile(scope, src.Map[name])
		if err != nil {
			bad("map."+name, err.Error())
		}
		out.fields = append(out.fields, field{name, e})
	}
	for _, name := range slices.Sorted(maps.Keys(src.Sites)) {
		if _, err := jml.LoadZone(src.Sites[name].Zone); err != nil {
			bad("sites."+name+".zone", err.Error())
		}
	}
	if src.DefaultZone != "" {
		if _, err := jml.LoadZone(src.DefaultZone); err != nil {
			bad("default_zone", err.Error())
		}
	}
	if len(errs) > 0 {
		slices.SortStableFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return nil, errors.Join(errs...)
	}
	return out, nil
}

// Snapshot maps v.Item. seen is when it was observed unless it says so itself;
// what lies after now is taken for now, as clocks differ, up to five minutes.
//
// The error is one line that names every field that is wrong, and no value. One
// that wraps ctx.Err() says that ctx ended, and nothing of the item.
func (m *Mapper) Snapshot(ctx context.Context, v Vars, seen, now time.Time) (jml.Snapshot, error) {
	var (
		f   fields
		err error
	)
	if m.fields == nil {
		f, err = canonical(v.Item)
	} else {
		f, err = m.mapped(ctx, &v)
	}
	if err != nil {
		return jml.Snapshot{}, err
	}
	if err := m.schema.validate(map[string]any(f)); err != nil {
		return jml.Snapshot{}, err
	}
	return f.snapshot(m.zones, seen, now)
}

// mapped evaluates the expressions. One time limit holds for all of them.
func (m *Mapper) mapped(ctx context.Context, v *Vars) (fields, error) {
	limited, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	out := make(fields, len(m.fields))
	var errs []string
	for _, f := range m.fields {
		var (
			text string
			yes  bool
			err  error
		)
		if f.name == fieldRehire {
			yes, err = f.expr.truth(limited, v)
		} else {
			text, err = f.expr.text(limited, v)
		}
		if ctx.Err() != nil {
			return nil, ended(ctx, ctx.Err())
		}
		switch {
		case err != nil:
			errs = append(errs, f.name+": "+err.Error())
		case yes:
			out[f.name] = true
		case text != "":
			out[f.name] = text
		}
	}
	if len(errs) > 0 {
		return nil, errors.New(strings.Join(errs, "; "))
	}
	out.match()
	return out, nil
}

// SchemaJSON returns the published form of a snapshot, a JSON Schema.
func SchemaJSON() []byte { return slices.Clone(schemaJSON) }
