// Package locale holds what messages and pages need of a language: which of
// those there are suits a reader, which way it runs, and how it tells a moment
// or a choice.
//
// A language is a catalogue, one YAML file. Those in the folder catalogues are
// part of the binary; an overlay replaces them or adds others.
package locale

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
)

// Directions of writing, as the HTML attribute dir has them.
const (
	LeftToRight = "ltr"
	RightToLeft = "rtl"
)

// Locale is a language to write in. Get one from a Set.
type Locale struct {
	Tag   string // BCP 47, such as en or pt-BR; for the HTML attribute lang
	Name  string // what its readers call it
	Dir   string // LeftToRight or RightToLeft
	words catalogue
}

// Moment tells t in zone so that nobody can misread it: weekday, month in
// letters, 24-hour clock, and the zone twice. The abbreviation alone says which
// of the two 02:30 of an autumn night is meant; the name alone is understood.
func (l Locale) Moment(t time.Time, zone *time.Location) string {
	return l.tell(l.words.Moment, l.words.Months, t.In(zone), true)
}

// Brief tells t in zone for text messages: no weekday, and the zone by its
// abbreviation only.
func (l Locale) Brief(t time.Time, zone *time.Location) string {
	return l.tell(l.words.Brief, l.words.BriefMonths, t.In(zone), false)
}

func (l Locale) tell(pattern string, months []string, t time.Time, zoneName bool) string {
	abbreviation, _ := t.Zone()
	if strings.HasPrefix(abbreviation, "+") || strings.HasPrefix(abbreviation, "-") {
		abbreviation = "UTC" + abbreviation // zones without letters of their own
	}
	zone := abbreviation
	if own, ok := l.words.Zones[abbreviation]; ok {
		zone = own
	}
	if name := t.Location().String(); zoneName && name != abbreviation {
		zone += " (" + strings.ReplaceAll(name, "_", " ") + ")"
	}
	day := fmt.Sprint(t.Day())
	if t.Day() == 1 {
		day = l.words.FirstDay
	}
	return strings.NewReplacer(
		"{weekday}", l.words.Weekdays[t.Weekday()],
		"{day}", day,
		"{month}", months[t.Month()-1],
		"{year}", fmt.Sprintf("%04d", t.Year()),
		"{clock}", t.Format("15:04"),
		"{zone}", zone,
	).Replace(pattern)
}

// Method returns the words a reader knows k by.
func (l Locale) Method(k jml.MethodKind) string {
	if s, ok := l.words.Methods[k]; ok {
		return s
	}
	return k.Label()
}

// Either tells which methods will do, in the order given: "a passkey or Windows
// Hello". Without any it says to take what the page offers.
func (l Locale) Either(kinds []jml.MethodKind) string {
	if len(kinds) == 0 {
		return l.words.AnyMethod
	}
	var labels []string
	for _, k := range kinds {
		labels = append(labels, l.Method(k))
	}
	return l.Or(labels)
}

// Several is Either where count methods are wanted, and says so; below 2 it is the
// same.
func (l Locale) Several(kinds []jml.MethodKind, count int) string {
	if count < 2 {
		return l.Either(kinds)
	}
	return strings.NewReplacer("{methods}", l.Either(kinds), "{count}", strconv.Itoa(count)).Replace(l.words.Several)
}

// Or joins alternatives: "a, b or c".
func (l Locale) Or(words []string) string {
	n := len(words)
	if n < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:n-1], l.words.Comma) + l.words.Or + words[n-1]
}

// SignInPage is Microsoft's own wording on the page where a pass is typed, in
// the language that page has for the reader.
type SignInPage struct {
	Pass      string `yaml:"pass"`       // what the page calls a Temporary Access Pass
	EnterPass string `yaml:"enter_pass"` // the heading over the field
	UsePass   string `yaml:"use_pass"`   // the link beside a password field
	OtherWays string `yaml:"other_ways"` // where the other ways to sign in are listed
}

// SignInPage returns that wording.
func (l Locale) SignInPage() SignInPage { return l.words.SignInPage }
