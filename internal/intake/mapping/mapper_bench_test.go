package mapping

import (
	"testing"

	"firstpass.internal/config"
)

// bambooLike is a source in the shape of BambooHR's field-based webhook, with an
// invented employee.
func bambooLike() (config.Source, map[string]any) {
	v := func(s string) any { return map[string]any{"value": s} }
	item := map[string]any{"id": "17", "changedFields": []any{"Hire Date"}, "fields": map[string]any{
		"Employee #": v("4711"), "Status": v("Active"), "Hire Date": v("2026-04-01"), "First name": v("Ada"), "Last name": v("Muster"),
		"Work Email": v("ada.muster@example.org"), "Home Email": v("ada@example.com"), "Mobile Phone": v("+4930555010"), "Supervisor EID": v("12"),
		"Location": v("Berlin"), "Department": v("Finance"), "Country": v("DE"),
	}}
	opt := func(name string) string { return `item.fields[?"` + name + `"].?value.orValue("")` }
	return config.Source{
		Name: "bamboohr",
		Map: map[string]string{
			"employee_id": `item.fields["Employee #"].value`,
			"status":      `item.fields[?"Status"].?value.orValue("") == "Inactive" ? "left" : "scheduled"`,
			"start_date":  `localDate(item.fields["Hire Date"].value)`,
			"given_name":  opt("First name"), "family_name": opt("Last name"), "upn": opt("Work Email"), "personal_mail": opt("Home Email"),
			"phone": opt("Mobile Phone"), "manager_id": opt("Supervisor EID"), "site": opt("Location"), "department": opt("Department"),
			"country": opt("Country"),
		},
		Sites: map[string]config.Site{"Berlin": {Zone: "Europe/Berlin"}},
	}, item
}

func BenchmarkSnapshot(b *testing.B) {
	src, item := bambooLike()
	m := newMapper(b, src, ScopeItem)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Snapshot(b.Context(), Vars{Item: item}, noon, noon); err != nil {
			b.Fatal(err)
		}
	}
}
