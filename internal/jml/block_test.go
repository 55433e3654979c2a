package jml

import (
	"slices"
	"strings"
	"testing"
)

func TestEveryReasonHasAdvice(t *testing.T) {
	unforeseen := Blocked("nothing we know", "").Advice
	seen := map[string]BlockReason{}
	for _, r := range Reasons() {
		b := Blocked(r, "")
		if b.Reason != r || b.Advice == "" {
			t.Errorf("%s: %+v", r, b)
		}
		if b.Advice == unforeseen && r != ReasonInternal {
			t.Errorf("%s has no advice of its own", r)
		}
		if other, taken := seen[b.Advice]; taken {
			t.Errorf("%s says what %s says", r, other)
		}
		seen[b.Advice] = r
		if !strings.HasSuffix(b.Advice, ".") {
			t.Errorf("%s: no sentence", r)
		}
	}
}

func TestNeedsSomebody(t *testing.T) {
	var got []BlockReason
	for _, r := range Reasons() {
		if r.NeedsSomebody() {
			got = append(got, r)
		}
	}
	want := []BlockReason{ReasonContactHeld, ReasonVanished, ReasonUndeliverable, ReasonPickupLocked, ReasonRepudiated, ReasonReissueCap,
		ReasonFactsContradict, ReasonLateHire}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	// What nobody but a person can end must say what that person does.
	for _, r := range want {
		if a := Blocked(r, "").Advice; !strings.Contains(a, "firstpass ") && !strings.Contains(a, "HR") {
			t.Errorf("%s: %q names nothing to do", r, a)
		}
	}
	if BlockReason("nothing we know").NeedsSomebody() {
		t.Error("a reason of tomorrow would never be looked at again")
	}
}

func TestBlockString(t *testing.T) {
	for want, b := range map[string]*Block{
		"userDisabled":           Blocked(ReasonUserDisabled, ""),
		"messageRefused (21211)": Blocked(ReasonMessageRefused, "21211"),
	} {
		if b.String() != want {
			t.Errorf("got %s, want %s", b, want)
		}
	}
}

func TestHoldBlock(t *testing.T) {
	for h, want := range map[Hold]BlockReason{HoldContact: ReasonContactHeld, HoldVanished: ReasonVanished, HoldContradiction: ReasonFactsContradict} {
		if b := HoldBlock(h); b == nil || b.Reason != want {
			t.Errorf("%s: %v", h, b)
		}
	}
	if b := HoldBlock(""); b != nil {
		t.Errorf("no hold: %v", b)
	}
}

// TestPasses: what goes away by itself is nothing that somebody has to end, and
// what nobody knows yet is looked at.
func TestPasses(t *testing.T) {
	for _, r := range Reasons() {
		if r.Passes() && r.NeedsSomebody() {
			t.Errorf("%s passes, and needs somebody", r)
		}
	}
	if !ReasonHalted.Passes() || ReasonHeld.Passes() || ReasonUserDisabled.Passes() || BlockReason("nothing we know").Passes() {
		t.Error("a switch is lifted for all at once; a hold, a disabled account and what is unknown are somebody's work")
	}
}
