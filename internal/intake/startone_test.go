package intake

import (
	"testing"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
)

// What an operator says is known afterwards: it can be recovered, and ends when
// HR says that the employee left.
func TestStartOne(t *testing.T) {
	w := newWorld(t, []config.Source{hook(t, "hr")})
	own := jml.Choice{Profile: jml.Profile{Name: "own"}}
	got, err := w.desk.StartOne(t.Context(), StartOneConfig{Source: "hr", Snapshot: facts(), Choice: own, Again: true})
	if err != nil {
		t.Fatal(err)
	}
	last := w.errands[len(w.errands)-1]
	if !last.Again || last.Choice.Profile.Name != "own" || last.Ref != got.Ref {
		t.Errorf("told %+v, answered %+v", last, got)
	}
	if _, k := w.known(t, "hr", "E-1"); !k.Told.SameContent(facts()) {
		t.Errorf("the ledger has %+v", k.Told)
	}
	if list, err := w.desk.Employee(t.Context(), "hr", got.Ref); err != nil || len(list) != 1 {
		t.Errorf("found %v, %v", list, err)
	}
	// HR says the same: nobody has to hear of it.
	before := len(w.errands)
	w.take(t, facts(seen(1)))
	if len(w.errands) != before {
		t.Errorf("told again: %+v", w.errands[before:])
	}
}
