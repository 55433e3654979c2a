package locale

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"firstpass.internal/internal/jml"
)

// catalogue is the file of a language. Every key is needed.
type catalogue struct {
	Name        string                    `yaml:"name"`
	Weekdays    []string                  `yaml:"weekdays"` // from Sunday
	Months      []string                  `yaml:"months"`   // as they stand in a date
	BriefMonths []string                  `yaml:"brief_months"`
	FirstDay    string                    `yaml:"first_day"` // the number of a month's first day
	Moment      string                    `yaml:"moment"`    // {weekday} {day} {month} {year} {clock} {zone}
	Brief       string                    `yaml:"brief"`     // {day} {month} {year} {clock} {zone}
	Zones       map[string]string         `yaml:"zones"`     // own abbreviations of zones; may be empty
	Comma       string                    `yaml:"comma"`     // between alternatives
	Or          string                    `yaml:"or"`        // before the last one
	Methods     map[jml.MethodKind]string `yaml:"methods"`
	AnyMethod   string                    `yaml:"any_method"`
	Several     string                    `yaml:"several"` // {methods} {count}
	SignInPage  SignInPage                `yaml:"sign_in_page"`
}

// parse reads a catalogue. Its errors name keys and lines.
func parse(raw []byte) (catalogue, error) {
	var c catalogue
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	if err := dec.Decode(&c); err != nil {
		if errors.Is(err, io.EOF) {
			return c, errors.New("empty")
		}
		return c, err
	}
	if err := dec.Decode(&struct{}{}); !errors.Is(err, io.EOF) {
		return c, errors.New("more than one document")
	}
	return c, c.check()
}

// check reports everything that is missing at once.
func (c catalogue) check() error {
	var errs []error
	bad := func(key, what string) { errs = append(errs, fmt.Errorf("%s: %s", key, what)) }
	text := func(key, s string) {
		if strings.TrimSpace(s) == "" || strings.ContainsAny(s, "\r\n") {
			bad(key, "missing, or not one line of text")
		}
	}
	list := func(key string, words []string, n int) {
		if len(words) != n {
			bad(key, fmt.Sprintf("%d words, want %d", len(words), n))
		}
		for i, w := range words {
			text(fmt.Sprintf("%s, number %d", key, i+1), w)
		}
	}
	pattern := func(key, s string, parts ...string) {
		text(key, s)
		rest := s
		for _, p := range parts {
			if strings.Count(s, p) != 1 {
				bad(key, "want "+p+" once")
			}
			rest = strings.Replace(rest, p, "", 1)
		}
		if strings.ContainsAny(rest, "{}") {
			bad(key, "holds a part that is not known, or too often")
		}
	}
	text("name", c.Name)
	list("weekdays", c.Weekdays, 7)
	list("months", c.Months, 12)
	list("brief_months", c.BriefMonths, 12)
	text("first_day", c.FirstDay)
	pattern("moment", c.Moment, "{weekday}", "{day}", "{month}", "{year}", "{clock}", "{zone}")
	pattern("brief", c.Brief, "{day}", "{month}", "{year}", "{clock}", "{zone}")
	if c.Zones == nil {
		bad("zones", "missing; {} if there are none")
	}
	for k, s := range c.Zones {
		text("zones."+k, s)
	}
	text("comma", c.Comma)
	text("or", c.Or)
	for _, k := range jml.StrongMethods() {
		text("methods."+string(k), c.Methods[k])
	}
	if len(c.Methods) > len(jml.StrongMethods()) {
		bad("methods", "holds one that is not known")
	}
	text("any_method", c.AnyMethod)
	pattern("several", c.Several, "{methods}", "{count}")
	text("sign_in_page.pass", c.SignInPage.Pass)
	text("sign_in_page.enter_pass", c.SignInPage.EnterPass)
	text("sign_in_page.use_pass", c.SignInPage.UsePass)
	text("sign_in_page.other_ways", c.SignInPage.OtherWays)
	return errors.Join(errs...)
}
