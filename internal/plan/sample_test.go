package plan

import (
	"fmt"
	"os"
	"testing"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
)

// TestPlanSample writes a page to look at, if FIRSTPASS_PLAN_PAGE names a file.
func TestPlanSample(t *testing.T) {
	to := os.Getenv("FIRSTPASS_PLAN_PAGE")
	if to == "" {
		t.Skip("FIRSTPASS_PLAN_PAGE names no file")
	}
	w := newWorld(t)
	w.choose = func(s jml.Snapshot) jml.Choice {
		p := picks()
		if s.Site == "north" {
			p = sends1()
		}
		if s.Site == "bank" {
			p.Name, p.Approve, p.Approval = "bank", true, &jml.ApprovalRule{To: p.LinkTo, Within: p.LeadTime}
		}
		return jml.Choice{Profile: p}
	}
	var people []Person
	for i := range 420 {
		id := fmt.Sprint(1000 + i)
		p := person(id)
		if i%17 != 0 {
			p = w.joiner(id, func(u *entrasim.User) { u.Disabled = i%41 == 1 })
		}
		p.Facts.StartDate = jml.Date{Year: 2026, Month: 3, Day: 3 + i*i%12}
		p.Facts.Site = []string{"", "north", "bank", "", ""}[i%5]
		p.Facts.Zone = []string{"Europe/Copenhagen", "America/Chicago", "Asia/Kolkata"}[i%3]
		if i%23 == 2 {
			p.Facts.PersonalMail = ""
		}
		if i%60 == 3 {
			p.Facts.Hold = jml.HoldContact
		}
		if i == 400 {
			p = Person{Where: "line 1400", Source: "hr", Problem: "start_date: missing"}
		}
		people = append(people, p)
	}
	f, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := w.plan(people...)
	if err := HTML(f, p); err != nil {
		t.Fatal(err)
	}
	Text(os.Stdout, p)
}
