package proof

import (
	"strconv"
	"strings"
	"time"
)

// ParseTimestamp reads a moment as HR systems write them: unix seconds or
// milliseconds of up to 15 digits, RFC 3339, and ISO 8601 with an offset
// without its colon, as BambooHR writes it. The result is in UTC. Dates, local
// times and anything around the value are refused with one error that quotes
// nothing.
func ParseTimestamp(s string) (time.Time, error) {
	if n := len(s); n > 0 && n <= 15 && digits(s) {
		v, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return time.Time{}, errTimestamp
		}
		// Twelve digits of seconds are the year 5138; of milliseconds, 1973.
		if n >= 12 {
			return time.UnixMilli(v).UTC(), nil
		}
		return time.Unix(v, 0).UTC(), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05-0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errTimestamp
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }
