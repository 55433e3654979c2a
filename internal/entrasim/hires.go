package entrasim

import (
	"strings"
	"time"
)

const hireDate = "employeeHireDate"

// advanced reports whether c is an advanced query of the directory: it wants
// the header as well as the parameter, with each page.
//
// Source: learn.microsoft.com/graph/aad-advanced-queries
func (c *call) advanced() bool {
	return strings.EqualFold(c.r.Header.Get("ConsistencyLevel"), "eventual") && c.query.Get("$count") == "true"
}

// hireMatch reads comparisons of employeeHireDate with an instant, joined by
// and. Graph answers them in an advanced query only, and that does not go
// together with $expand: the filter is refused then in the same words.
//
// Of the operators, gt and lt are not on Graph's list for this property (eq,
// ne, not, ge, le, in). Whether the real one takes them is not known.
//
// Source: learn.microsoft.com/graph/api/resources/user
func hireMatch(c *call, filter string) (func(*userRecord) bool, reply) {
	if !c.advanced() || c.query.Has("$expand") {
		return nil, unsupportedFilter(hireDate)
	}
	var tests []func(time.Time) bool
	for term := range strings.SplitSeq(filter, " and ") {
		word := strings.Fields(term)
		if len(word) != 3 {
			return nil, badRequest(directory, "Invalid filter clause: a comparison is property, operator and value.")
		}
		if word[0] != hireDate {
			return nil, unsupportedFilter(word[0]) // the real one knows more of them
		}
		test := hireTest(word[1])
		if test == nil {
			return nil, unsupportedFilter(hireDate)
		}
		at, err := time.Parse(time.RFC3339, word[2])
		if err != nil { // a text in quotes, for one
			return nil, badRequest(directory, "Invalid filter clause: the value is not of type Edm.DateTimeOffset.")
		}
		tests = append(tests, func(hired time.Time) bool { return test(hired.Compare(at)) })
	}
	return func(u *userRecord) bool {
		if u.EmployeeHireDate == nil {
			return false
		}
		for _, test := range tests {
			if !test(*u.EmployeeHireDate) {
				return false
			}
		}
		return true
	}, reply{}
}

// hireTest returns what the operator wants of a comparison's result, or nil for
// an operator that is not known.
func hireTest(operator string) func(int) bool {
	switch operator {
	case "eq":
		return func(c int) bool { return c == 0 }
	case "ge":
		return func(c int) bool { return c >= 0 }
	case "gt":
		return func(c int) bool { return c > 0 }
	case "le":
		return func(c int) bool { return c <= 0 }
	case "lt":
		return func(c int) bool { return c < 0 }
	}
	return nil
}
