package delivery

import (
	"strings"
	"time"

	"firstpass.internal/internal/jml"
)

// locale is one language a message can be written in. To add one: a line in
// locales, and two template files named after its key.
type locale struct {
	lang   string // BCP 47, for the HTML lang attribute
	moment func(time.Time) string
	either func([]jml.MethodKind) string // "a passkey or Windows Hello"
}

// fallback is the locale for everybody whose own there is not.
const fallback = "en"

// locales is keyed by tag in lower case.
func locales() map[string]locale {
	return map[string]locale{
		"en": {lang: "en", moment: momentEnglish, either: eitherEnglish},
	}
}

// choose looks a BCP 47 tag up (RFC 4647, 3.4): it drops subtags from the end
// until something fits. Underscores are taken for hyphens, since HR systems
// write en_GB.
func choose[T any](known map[string]T, tag string) T {
	tag = strings.ToLower(strings.ReplaceAll(tag, "_", "-"))
	for tag != "" {
		if v, ok := known[tag]; ok {
			return v
		}
		i := strings.LastIndexByte(tag, '-')
		tag = tag[:max(i, 0)]
	}
	return known[fallback]
}

// momentEnglish tells a time so that nobody can misread it: weekday, month in
// letters, 24-hour clock, and the zone twice. The abbreviation alone says which
// of the two 02:30 of an autumn night is meant; the name alone is understood.
func momentEnglish(t time.Time) string {
	abbreviation, _ := t.Zone()
	if strings.HasPrefix(abbreviation, "+") || strings.HasPrefix(abbreviation, "-") {
		abbreviation = "UTC" + abbreviation // zones without letters of their own
	}
	s := t.Format("Monday 2 January 2006, 15:04 ") + abbreviation
	if name := t.Location().String(); name != abbreviation {
		s += " (" + strings.ReplaceAll(name, "_", " ") + ")"
	}
	return s
}

func eitherEnglish(kinds []jml.MethodKind) string {
	var labels []string
	for _, k := range kinds {
		labels = append(labels, k.Label())
	}
	switch n := len(labels); n {
	case 0:
		return "whichever the page offers you"
	case 1:
		return labels[0]
	default:
		return strings.Join(labels[:n-1], ", ") + " or " + labels[n-1]
	}
}
