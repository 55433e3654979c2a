// Package secret holds the one value Firstpass must never write down: the
// passcode of a Temporary Access Pass.
package secret

import (
	"errors"
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// errMarshal answers every encoder. A passcode that reached one was about to
// rest somewhere; failing is the only safe answer, and a redacted placeholder
// would let the mistake live on unseen.
var errMarshal = errors.New("secret: a passcode may not be encoded")

// Passcode is the secret string of a Temporary Access Pass. It exists between
// Graph's reply to the create call and the hand-over, in one process.
//
// The value sits in a closure, not in a string or byte field: fmt prints the
// raw fields of a value it finds in an unexported field, methods or not, and
// would print those. It prints nothing of a closure but its address.
//
// The zero Passcode is empty. It is safe for concurrent use.
type Passcode struct {
	reveal func() string
}

// NewPasscode wraps s. The caller drops every other reference to s.
func NewPasscode(s string) Passcode {
	return Passcode{reveal: func() string { return s }}
}

// Reveal returns the passcode in clear. Only the code that puts it in front of
// its owner may call it; the word is chosen to be easy to search for.
func (p Passcode) Reveal() string {
	if p.reveal == nil {
		return ""
	}
	return p.reveal()
}

// Empty reports whether there is no passcode.
func (p Passcode) Empty() bool { return p.Reveal() == "" }

// Format prints [redacted] for every verb and flag.
func (Passcode) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(redacted)) }

// String returns [redacted].
func (Passcode) String() string { return redacted }

// LogValue returns [redacted] to log/slog.
func (Passcode) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON always fails.
func (Passcode) MarshalJSON() ([]byte, error) { return nil, errMarshal }

// MarshalText always fails; it covers encoding/xml, YAML and JSON map keys.
func (Passcode) MarshalText() ([]byte, error) { return nil, errMarshal }

// MarshalBinary always fails; it covers encoding/gob.
func (Passcode) MarshalBinary() ([]byte, error) { return nil, errMarshal }
