package intake

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
)

func fill(t testing.TB, w *world, n int) {
	t.Helper()
	var list []ledger.Employee
	for i := range n {
		s := jml.Snapshot{EmployeeID: fmt.Sprint(i), GivenName: "Ada", FamilyName: canary + fmt.Sprint(i), Status: jml.StatusScheduled, PersonalMail: "ada@example.org"}
		state, err := json.Marshal(jml.Known{Told: s, Said: s})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, ledger.Employee{Source: "hr", Ref: fmt.Sprintf("ref%06d", i), State: state, Start: "2026-04-01", Open: i%2 == 0, ObservedAt: noon, SeenAt: noon})
	}
	if err := w.book.PutEmployees(t.Context(), list); err != nil {
		t.Fatal(err)
	}
}

func TestEverybody(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr")})
	fill(t, w, 5)
	got, err := w.desk.Everybody(t.Context(), 4)
	if err != nil || len(got) != 4 {
		t.Fatalf("got %d, %v", len(got), err)
	}
	// Those with a journey before them come first.
	if got[0].Ref != "ref000000" || got[2].Ref != "ref000004" || got[3].Ref != "ref000001" || got[0].Snapshot.FamilyName != canary+"0" {
		t.Errorf("got %+v", got)
	}
}

func BenchmarkEverybody(b *testing.B) {
	w := newWorld(b, []config.Source{hook(b, "hr")})
	fill(b, w, 20000)
	b.ReportMetric(20000, "people")
	for b.Loop() {
		start := time.Now()
		if got, err := w.desk.Everybody(b.Context(), 20000); err != nil || len(got) != 20000 {
			b.Fatal(len(got), err, time.Since(start))
		}
	}
}
