package identity

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"firstpass.internal/internal/jml"
)

// The facts a proof may ask for.
const (
	FactBirthDate  = "birth_date"
	FactEmployeeID = "employee_id"
)

// Fact is what a visitor typed. It prints nothing.
type Fact struct {
	BirthDate  jml.Date
	EmployeeID string
}

// Format prints [redacted] for every verb.
func (Fact) Format(s fmt.State, _ rune) { redact(s) }

func redact(s fmt.State) { _, _ = s.Write([]byte("[redacted]")) }

func checkAsk(ask []string) error {
	if len(ask) == 0 {
		return errors.New("asks for nothing; list birth_date, employee_id or both")
	}
	for i, fact := range ask {
		if fact != FactBirthDate && fact != FactEmployeeID || slices.Contains(ask[:i], fact) {
			return fmt.Errorf("entry %d is none of birth_date and employee_id, or twice there", i+1)
		}
	}
	return nil
}

// CheckFact reports whether all that the proof asks for is right. What HR does
// not have is wrong whatever is typed; Ready tells that beforehand. It takes the
// same time whether one fact is wrong or all.
//
// Employee ids are compared without the blanks around them, without case, and
// with wide digits as plain ones. Leading zeros count.
func (v *Verifier) CheckFact(name string, got Fact, e jml.Snapshot) bool {
	ask := v.facts[name]
	right := 1
	for _, fact := range ask {
		var typed, known string
		switch fact {
		case FactBirthDate:
			typed, known = got.BirthDate.String(), e.BirthDate.String()
			right &= truth(!e.BirthDate.IsZero())
		case FactEmployeeID:
			typed, known = plainID(got.EmployeeID), plainID(e.EmployeeID)
			right &= truth(known != "")
		}
		right &= same(typed, known)
	}
	return len(ask) > 0 && right == 1
}

// same is 1 if a and b are equal. It compares digests, so that neither length
// nor content shows in the time.
func same(a, b string) int {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:])
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

func plainID(s string) string { return strings.ToLower(strings.TrimSpace(norm.NFKC.String(s))) }
