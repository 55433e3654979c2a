package audit

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// life makes rows of one pass, a minute apart.
func life(entries ...Entry) []Row {
	rows := make([]Row, len(entries))
	for i, e := range entries {
		e.Time = noon.UTC().Add(time.Duration(i) * time.Minute)
		if e.MethodID == "" {
			e.MethodID = "m"
		}
		if e.UserID == "" {
			e.UserID = "u"
		}
		e.Ref = "ref"
		rows[i] = Row{Seq: uint64(i + 1), Entry: e}
	}
	return rows
}

var (
	issued = Entry{Event: EventPassIssued, RequestID: "r1", UsableFrom: noon.UTC().Add(time.Hour), UsableUntil: noon.UTC().Add(9 * time.Hour)}
	revoke = Entry{Event: EventPassRevoke, Used: "used"}
	gone   = Entry{Event: EventPassGone, RequestID: "r3", DeleteRequestID: "r2"}
	listed = Entry{Event: EventPassListed, RequestID: "r4"}
	again  = Entry{Event: EventPassRevoke, Outcome: Listed}
)

func TestReceipt(t *testing.T) {
	got := Receipts(life(issued, Entry{Event: EventPassHandover}, Entry{Event: EventPassHandedOver, RequestID: "mail"}, revoke, gone,
		Entry{Event: EventMethodGone, MethodID: "a-key"}))
	want := []Receipt{{
		MethodID: "m", UserID: "u", Ref: "ref", IssuedAt: noon.UTC(), UsableFrom: noon.UTC().Add(time.Hour), UsableUntil: noon.UTC().Add(9 * time.Hour),
		Used: "used", RevokedAt: noon.UTC().Add(3 * time.Minute), GoneAt: noon.UTC().Add(4 * time.Minute),
		Requests: Requests{Issue: "r1", Delete: "r2", Look: "r3"}, Verdict: Proven, Rows: []uint64{1, 2, 3, 4, 5},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestVerdicts(t *testing.T) {
	noDelete, noLook := gone, gone
	noDelete.DeleteRequestID, noLook.RequestID = "", ""
	other := gone
	other.UserID = "v"
	for name, tc := range map[string]struct {
		rows []Row
		why  string // of "not proven"; empty: proven
	}{
		"as it should be":                {life(issued, revoke, gone), ""},
		"the reply of issue was lost":    {life(again, gone), ""},
		"asked for twice":                {life(issued, revoke, revoke, gone), ""},
		"the look lagged behind":         {life(issued, revoke, listed, revoke, gone), ""},
		"the same again, after a crash":  {life(issued, revoke, gone, revoke, gone), ""},
		"live":                           {life(issued), "nobody has asked for its deletion"},
		"no gone row":                    {life(issued, revoke), "no look has shown that it is gone"},
		"204, and listed still":          {life(issued, revoke, listed), "took the deletion and still listed it at 2026-03-02T12:02:00Z"},
		"a stale look, and listed later": {life(issued, revoke, gone, listed), "a later look, at 2026-03-02T12:03:00Z, listed it again"},
		"listed later, and gone again":   {life(issued, revoke, gone, again, gone), "a later look, at 2026-03-02T12:03:00Z, listed it again"},
		"nobody asked":                   {life(issued, gone), "no row asks for its deletion"},
		"no request id of the deletion":  {life(issued, revoke, noDelete), "request id of the deletion is missing"},
		"no request id of the look":      {life(issued, revoke, noLook), "request id of the look is missing"},
		"handed over when gone":          {life(issued, revoke, gone, Entry{Event: EventPassHandedOver}), "handed over after it was gone"},
		"made when gone":                 {life(revoke, gone, issued), "made after it was gone"},
		"of two users":                   {life(issued, revoke, other), "different users"},
		"made twice":                     {life(issued, issued, revoke, gone), "made twice"},
	} {
		list := Receipts(tc.rows)
		if len(list) != 1 {
			t.Fatalf("%s: %d receipts", name, len(list))
		}
		r := list[0]
		switch why := strings.Join(r.Why, "; "); {
		case tc.why == "" && (r.Verdict != Proven || why != ""):
			t.Errorf("%s: %s: %s", name, r.Verdict, why)
		case tc.why != "" && (r.Verdict != NotProven || !strings.Contains(why, tc.why)):
			t.Errorf("%s: %s: %q, want %q", name, r.Verdict, why, tc.why)
		}
	}
}

func TestReceiptsTellPassesApart(t *testing.T) {
	b := issued
	b.MethodID = "n"
	list := Receipts(life(issued, b, revoke, gone))
	if len(list) != 2 || list[0].Verdict != Proven || list[1].Verdict != NotProven || list[1].MethodID != "n" || list[1].Used != "unknown" {
		t.Errorf("%+v", list)
	}
	if len(Receipts(nil)) != 0 {
		t.Error("a receipt of nothing")
	}
}
