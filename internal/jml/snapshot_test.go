package jml

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func born(y, m, d int) func(*Snapshot) {
	return func(s *Snapshot) { s.BirthDate = Date{y, time.Month(m), d} }
}

func TestBirthDate(t *testing.T) {
	s, other := hire(born(1990, 5, 17)), hire(born(1990, 5, 18))
	if !s.SameContent(hire(born(1990, 5, 17))) || s.SameContent(other) || s.SameContent(hire()) {
		t.Error("the date of birth is not part of the content")
	}
	if got := other.Facts(&s, false); !slices.Equal(got, []Fact{FactCorrected}) {
		t.Errorf("a corrected date of birth is %v", got)
	}
	if other.Restarts(s) {
		t.Error("a corrected date of birth starts another journey")
	}
	raw, err := json.Marshal(s)
	if err != nil || !strings.Contains(string(raw), `"birth_date":"1990-05-17"`) {
		t.Errorf("%v, %s", err, raw)
	}
	var back Snapshot
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s, back); d != "" {
		t.Error(d)
	}
	// Who needs none stores none.
	if raw, _ := json.Marshal(hire()); strings.Contains(string(raw), "birth_date") {
		t.Errorf("%s", raw)
	}
}

func TestRecipient(t *testing.T) {
	for k, want := range map[RecipientKind]string{
		RecipientPersonalMail: "z@example.org", RecipientPersonalPhone: "+4930555",
		RecipientWorkMail: "", RecipientManager: "", RecipientSponsor: "", RecipientDesk: "", "pigeon": "",
	} {
		// The sign-in name often is an address, but never a mailbox HR vouches for.
		if got := hire(func(s *Snapshot) { s.UPN = "z@corp.example.org" }).Recipient(k); got != want {
			t.Errorf("%s: got %q, want %q", k, got, want)
		}
	}
}
