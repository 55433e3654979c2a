package mapping

import (
	"errors"
	"strings"
	"time"

	"firstpass.internal/internal/intake/proof"
)

var errMoment = errors.New("not a moment in RFC 3339 or unix time")

// moment reads a moment as HR systems write them: what proof.ParseTimestamp takes, and
// /Date(milliseconds+0000)/ of OData V2, whose milliseconds count in UTC whatever
// offset follows.
func moment(s string) (time.Time, error) {
	if strings.HasPrefix(s, "/") {
		if t, _, ok := epoch(s); ok {
			return t, nil
		}
	}
	t, err := proof.ParseTimestamp(s)
	if err != nil {
		return time.Time{}, errMoment
	}
	return t, nil
}
