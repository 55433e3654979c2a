package mapping

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// schemaJSON is the published form of a snapshot.
//
//go:embed schema/snapshot.v1.json
var schemaJSON []byte

// schema checks snapshots against the published form, whether they came in it
// or were mapped to it.
type schema struct {
	compiled *jsonschema.Schema
}

func newSchema() (*schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaJSON))
	if err != nil {
		return nil, fmt.Errorf("mapping: schema: %w", err)
	}
	const name = "urn:firstpass:snapshot:v1"
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, doc); err != nil {
		return nil, fmt.Errorf("mapping: schema: %w", err)
	}
	s, err := c.Compile(name)
	if err != nil {
		return nil, fmt.Errorf("mapping: schema: %w", err)
	}
	return &schema{s}, nil
}

// validate reports everything in which v differs from the form, naming fields
// of the form. The library's own texts quote values and foreign keys.
func (s *schema) validate(v any) error {
	err := s.compiled.Validate(v)
	if err == nil {
		return nil
	}
	var ve *jsonschema.ValidationError
	if !errors.As(err, &ve) {
		return errors.New("can't be held against the schema")
	}
	var found []string
	collect(ve, &found)
	slices.Sort(found)
	found = slices.Compact(found)
	if len(found) == 0 {
		found = []string{"does not fit the schema"}
	}
	return errors.New(strings.Join(found, "; "))
}

func collect(ve *jsonschema.ValidationError, found *[]string) {
	for _, c := range ve.Causes {
		collect(c, found)
	}
	if len(ve.Causes) > 0 {
		return
	}
	// Only names of the form get here: below a foreign key nothing is looked at.
	at := strings.Join(ve.InstanceLocation, ".")
	add := func(field, what string) {
		if field == "" {
			*found = append(*found, what)
			return
		}
		*found = append(*found, field+": "+what)
	}
	switch k := ve.ErrorKind.(type) {
	case *kind.Required:
		for _, name := range k.Missing {
			add(strings.TrimPrefix(at+"."+name, "."), "missing")
		}
	case *kind.AdditionalProperties:
		add(at, fmt.Sprintf("unknown fields: %d", len(k.Properties)))
	case *kind.Type:
		add(at, "want "+strings.Join(k.Want, " or "))
	case *kind.Enum:
		var want []string
		for _, w := range k.Want {
			want = append(want, fmt.Sprint(w))
		}
		add(at, "want "+strings.Join(want, " or "))
	case *kind.MaxLength:
		add(at, fmt.Sprintf("longer than %d characters", k.Want))
	case *kind.MinLength:
		add(at, "empty")
	case *kind.Pattern:
		add(at, wantedForm(at))
	default:
		add(at, "does not fit the schema")
	}
}

// wantedForm tells what the pattern of a field means.
func wantedForm(field string) string {
	switch field {
	case "start_date", "birth_date", "effective_date":
		return "not of the right form; want YYYY-MM-DD, as localDate gives it"
	case "start_time":
		return "not of the right form; want HH:MM"
	case "zone":
		return "not of the right form; want an IANA time zone such as Europe/Berlin"
	case "country":
		return errCountry.Error()
	}
	return "holds control characters"
}
