package entrasim

import (
	"net/http"
	"net/url"
	"testing"
	"time"
)

// FuzzHireFilter wants each filter either refused with 400 or understood in a
// way that never finds a user without a hire date.
func FuzzHireFilter(f *testing.F) {
	for _, seed := range []string{"employeeHireDate ge 2026-03-09T00:00:00Z", " and ", "employeeHireDate eq 0000-01-01T00:00:00.123456789Z",
		"employeeHireDate ge 2026-03-09T00:00:00Z and employeeHireDate le 2026-03-09T00:00:00+14:00", "employeeHireDate ge 'x' and",
		"employeeHireDate lt 9999-12-31T23:59:59-23:59 and  and ", "employeeHireDate or\x00"} {
		f.Add(seed)
	}
	at := time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC)
	dated, undated := &userRecord{User: User{EmployeeHireDate: &at}}, &userRecord{}
	f.Fuzz(func(t *testing.T, filter string) {
		c := &call{r: &http.Request{Header: http.Header{"Consistencylevel": {"eventual"}}}, query: url.Values{"$count": {"true"}}}
		match, refused := hireMatch(c, filter)
		if match == nil {
			if refused.status != http.StatusBadRequest || refused.fail == nil {
				t.Errorf("%q: %+v", filter, refused)
			}
			return
		}
		match(dated)
		if match(undated) {
			t.Errorf("%q finds a user without a hire date", filter)
		}
	})
}
