package jml

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var monday = time.Date(2026, 11, 16, 9, 0, 0, 0, time.UTC)

// hire is somebody who starts on the first of December in Berlin.
func hire(edit ...func(*Snapshot)) Snapshot {
	s := Snapshot{
		EmployeeID: "4711", Status: StatusScheduled, StartDate: Date{2026, 12, 1}, Zone: "Europe/Berlin", ZoneRule: ZoneFromSite,
		GivenName: "Zaphod", PersonalMail: "z@example.org", Phone: "+4930555", ManagerID: "1", Department: "Ships", Country: "DE",
		ObservedAt: monday,
	}
	for _, e := range edit {
		e(&s)
	}
	return s
}

func on(y, m, d int) func(*Snapshot) {
	return func(s *Snapshot) { s.StartDate = Date{y, time.Month(m), d} }
}
func status(v Status) func(*Snapshot)    { return func(s *Snapshot) { s.Status = v } }
func mail(v string) func(*Snapshot)      { return func(s *Snapshot) { s.PersonalMail = v } }
func phone(v string) func(*Snapshot)     { return func(s *Snapshot) { s.Phone = v } }
func hold(v Hold) func(*Snapshot)        { return func(s *Snapshot) { s.Hold = v } }
func again(s *Snapshot)                  { s.Rehire = true }
func at(d time.Duration) func(*Snapshot) { return func(s *Snapshot) { s.ObservedAt = monday.Add(d) } }

func TestFacts(t *testing.T) {
	for _, tc := range []struct {
		name     string
		old, now Snapshot
		first    bool
		want     []Fact
	}{
		{"new", Snapshot{}, hire(), true, []Fact{FactScheduled}},
		{"new and left", Snapshot{}, hire(status(StatusLeft)), true, []Fact{FactLeft}},
		{"new and cancelled", Snapshot{}, hire(status(StatusCancelled)), true, []Fact{FactCancelled}},
		{"the same", hire(), hire(at(time.Hour)), false, nil},
		{"by another zone rule", hire(), hire(func(s *Snapshot) { s.ZoneRule = ZoneFromDefault }), false, nil},
		{"date moved", hire(), hire(on(2026, 12, 8)), false, []Fact{FactStartMoved}},
		{"zone moved", hire(), hire(func(s *Snapshot) { s.Zone = "Asia/Tokyo" }), false, []Fact{FactStartMoved}},
		{"time moved", hire(), hire(func(s *Snapshot) { s.StartTime = &Clock{Hour: 7} }), false, []Fact{FactStartMoved}},
		{"cancelled", hire(), hire(status(StatusCancelled)), false, []Fact{FactCancelled}},
		{"left", hire(), hire(status(StatusLeft)), false, []Fact{FactLeft}},
		{"rehired for another day", hire(status(StatusLeft)), hire(on(2027, 1, 4)), false, []Fact{FactRehired, FactStartMoved}},
		{"contact", hire(), hire(phone("+4930666")), false, []Fact{FactContactChanged}},
		{"department", hire(), hire(func(s *Snapshot) { s.Department = "Towels" }), false, []Fact{FactMoved}},
		{"manager", hire(), hire(func(s *Snapshot) { s.ManagerID = "2" }), false, []Fact{FactMoved}},
		{"country", hire(), hire(func(s *Snapshot) { s.Country = "AT" }), false, []Fact{FactMoved}},
		{"type", hire(), hire(func(s *Snapshot) { s.EmployeeType = "Intern" }), false, []Fact{FactMoved}},
		{"name", hire(), hire(func(s *Snapshot) { s.GivenName = "Ford" }), false, []Fact{FactCorrected}},
		{"vanished", hire(), hire(hold(HoldVanished)), false, []Fact{FactVanished}},
		{"returned", hire(hold(HoldVanished)), hire(), false, []Fact{FactReturned}},
		{"several", hire(), hire(on(2026, 12, 8), mail("y@example.org")), false, []Fact{FactStartMoved, FactContactChanged}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			old := &tc.old
			if tc.first {
				old = nil
			}
			if d := cmp.Diff(tc.want, tc.now.Facts(old, false)); d != "" {
				t.Error(d)
			}
		})
	}
	if got := hire().Facts(nil, true); !slices.Equal(got, []Fact{FactScheduled, FactLate}) {
		t.Errorf("late = %v", got)
	}
}

func rules() Rules {
	return Rules{
		Profile: Profile{StartHour: Clock{Hour: 9}, LeadTime: 48 * time.Hour, Timeout: 7 * 24 * time.Hour},
		Guard:   72 * time.Hour, LateLimit: 7 * 24 * time.Hour,
	}
}

func TestConsider(t *testing.T) {
	// The hand-over is on 29 November, 9:00 in Berlin; the guard begins on the 26th.
	early, guarded := monday, time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	told := func(s Snapshot) *Known { return &Known{Said: s, Told: s} }
	held := &Known{Said: hire(mail("new@example.org")), Told: hire(hold(HoldContact)), Held: true}
	for _, tc := range []struct {
		name string
		old  *Known
		said Snapshot
		now  time.Time
		want Known
		tell bool
	}{
		{"new", nil, hire(), early, *told(hire()), true},
		{"new and long past", nil, hire(on(2026, 10, 1)), early, *told(hire(on(2026, 10, 1))), false},
		{"new and a little late", nil, hire(on(2026, 11, 9)), early, *told(hire(on(2026, 11, 9))), true},
		{"a deletion without a date", nil, hire(status(StatusCancelled), on(0, 0, 0)), early, *told(hire(status(StatusCancelled), on(0, 0, 0))), true},
		{"the same", told(hire()), hire(), guarded, *told(hire()), false},
		{"contact in time", told(hire()), hire(mail("new@example.org")), early,
			Known{Said: hire(mail("new@example.org")), Told: hire(mail("new@example.org")), Replaced: &Contact{"z@example.org", "+4930555", early}}, true},
		{"contact too late", told(hire()), hire(mail("new@example.org")), guarded, *held, true},
		{"held and said again", held, hire(mail("new@example.org")), guarded, *held, false},
		{"held and taken back", held, hire(), guarded, *told(hire()), true},
		{"held and yet another", held, hire(mail("newer@example.org")), early, Known{Said: hire(mail("newer@example.org")), Told: hire(hold(HoldContact)), Held: true}, false},
		{"held, and the start moves", held, hire(mail("new@example.org"), on(2027, 1, 4)), early,
			Known{Said: hire(mail("new@example.org"), on(2027, 1, 4)), Told: hire(hold(HoldContact), on(2027, 1, 4)), Held: true}, true},
		{"refused and said again", &Known{Said: hire(mail("new@example.org")), Told: hire()}, hire(mail("new@example.org")), guarded,
			Known{Said: hire(mail("new@example.org")), Told: hire()}, false},
		{"an address where there was none", told(hire(mail(""))), hire(), guarded, *told(hire()), true},
		{"contact and start at once", told(hire()), hire(mail("new@example.org"), on(2027, 6, 1)), guarded,
			Known{Said: hire(mail("new@example.org"), on(2027, 6, 1)), Told: hire(hold(HoldContact), on(2027, 6, 1)), Held: true}, true},
		{"the start moves back after the contact changed", &Known{Said: hire(mail("new@example.org"), on(2027, 3, 1)), Told: hire(mail("new@example.org"), on(2027, 3, 1)),
			Replaced: &Contact{"z@example.org", "+4930555", guarded}}, hire(mail("new@example.org")), guarded, *held, true},
		{"contact of somebody cancelled", told(hire(status(StatusCancelled))), hire(status(StatusCancelled), mail("n@example.org")), guarded,
			Known{Said: hire(status(StatusCancelled), mail("n@example.org")), Told: hire(status(StatusCancelled), mail("n@example.org")),
				Replaced: &Contact{"z@example.org", "+4930555", guarded}}, true},
		{"a name long after the start", told(hire(on(2026, 10, 1))), hire(on(2026, 10, 1), phone("1")), early,
			Known{Said: hire(on(2026, 10, 1), phone("1")), Told: hire(on(2026, 10, 1), phone("1")), Replaced: &Contact{"z@example.org", "+4930555", early}}, false},
		{"rehired", told(hire(on(2020, 1, 1), status(StatusLeft))), hire(), early, Known{Said: hire(), Told: hire(again)}, true},
		{"a rehire, said again otherwise", &Known{Said: hire(), Told: hire(again)}, hire(on(2026, 12, 8)), early, Known{Said: hire(on(2026, 12, 8)), Told: hire(again, on(2026, 12, 8))}, true},
		{"a rehire whose journey has reached its goal", &Known{Said: hire(), Told: hire(), Returned: true}, hire(again, on(2026, 12, 8)), early,
			Known{Said: hire(again, on(2026, 12, 8)), Told: hire(on(2026, 12, 8)), Returned: true}, true},
		{"left after that", &Known{Said: hire(), Told: hire(), Returned: true}, hire(status(StatusLeft)), early, *told(hire(status(StatusLeft))), true},
		{"rescinded, and expected again", told(hire(status(StatusCancelled))), hire(), early, *told(hire()), true},
		{"said to have left before the start", told(hire(status(StatusLeft))), hire(), early, *told(hire()), true},
		{"HR says that it is a rehire", nil, hire(again), early, *told(hire(again)), true},
		{"left long after the start", told(hire(on(2020, 1, 1))), hire(on(2020, 1, 1), status(StatusLeft)), early, *told(hire(on(2020, 1, 1), status(StatusLeft))), true},
		{"back in the feed", &Known{Said: hire(), Told: hire(hold(HoldVanished), at(time.Hour))}, hire(at(2 * time.Hour)), early,
			*told(hire(at(2 * time.Hour))), true},
		{"back, but said before the feed was", &Known{Said: hire(), Told: hire(hold(HoldVanished), at(3*time.Hour))}, hire(at(2 * time.Hour)), early,
			Known{Said: hire(at(2 * time.Hour)), Told: hire(at(3 * time.Hour))}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := Consider(tc.old, tc.said, rules(), tc.now)
			if d := cmp.Diff(tc.want, got.Known); d != "" {
				t.Errorf("known (-want +got):\n%s", d)
			}
			if got.Tell != tc.tell {
				t.Errorf("tell = %v", got.Tell)
			}
			if again := Consider(&got.Known, tc.said, rules(), tc.now); again.Tell || len(again.Facts) > 0 || !cmp.Equal(again.Known, got.Known) {
				t.Errorf("said twice, it comes to %+v", again)
			}
		})
	}
}

func TestDecisionsAboutHeldContacts(t *testing.T) {
	k := Known{Said: hire(mail("new@example.org")), Told: hire(hold(HoldContact)), Held: true}
	if got := k.Approve(); got.Told.PersonalMail != "new@example.org" || got.Told.Hold != "" || got.Held {
		t.Errorf("approved: %+v", got)
	}
	if got := k.Reject(); got.Told.PersonalMail != "z@example.org" || got.Told.Hold != "" || got.Held {
		t.Errorf("rejected: %+v", got)
	}
	v := k.Vanish(false, monday.Add(time.Hour))
	if v.Told.Hold != HoldVanished || !v.Held || v.Told.Status != StatusScheduled {
		t.Errorf("vanished: %+v", v)
	}
	back := Consider(&v, hire(mail("new@example.org"), at(2*time.Hour)), rules(), monday)
	if back.Known.Told.Hold != HoldContact || !back.Tell {
		t.Errorf("a contact that waited does not wait any more: %+v", back)
	}
	if got := k.Vanish(true, monday.Add(time.Hour)); got.Told.Status != StatusCancelled || got.Told.Hold != "" {
		t.Errorf("confirmed: %+v", got)
	}
}

// TestNoContactSlipsThrough: whatever HR says in whatever order, a joiner whose
// hand-over is near is told no address that replaced the first one within the
// guard before it, unless somebody approved it. Moving the start away and back
// does not help.
func TestNoContactSlipsThrough(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		k := Consider(nil, hire(), rules(), monday).Known
		for i := range rapid.IntRange(1, 12).Draw(t, "steps") {
			s := hire(at(time.Duration(i+1) * time.Minute))
			s.PersonalMail = rapid.SampledFrom([]string{"z@example.org", "evil@example.org", "other@example.org"}).Draw(t, "mail")
			s.StartDate = rapid.SampledFrom([]Date{{2026, 12, 1}, {2026, 12, 2}, {2027, 3, 1}}).Draw(t, "start")
			s.Department = rapid.SampledFrom([]string{"Ships", "Towels"}).Draw(t, "department")
			k = Consider(&k, s, rules(), now).Known
			if rapid.Bool().Draw(t, "vanishes") {
				k = k.Vanish(false, now)
			}
			if near := k.Told.StartDate.Year == 2026; near && k.Told.PersonalMail != "z@example.org" && k.Told.Hold == "" {
				t.Fatalf("told %q", k.Told.PersonalMail)
			}
		}
	})
}
