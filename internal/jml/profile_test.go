package jml

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPassRoutes(t *testing.T) {
	two := []Route{{Channel: "mail", Recipient: RecipientPersonalMail}, {Channel: "relay", Recipient: RecipientManager}}
	for _, tc := range []struct {
		name string
		p    Profile
		want []Route
	}{
		{"routes", Profile{PassTo: two}, two},
		{"a journey of old", Profile{Channel: "mail", Recipient: RecipientPersonalMail}, two[:1]},
		{"routes win over what is old", Profile{PassTo: two, Channel: "x", Recipient: RecipientDesk}, two},
		{"mode pickup", Profile{LinkTo: two}, nil},
	} {
		if d := cmp.Diff(tc.want, tc.p.PassRoutes()); d != "" {
			t.Errorf("%s: %s", tc.name, d)
		}
	}
}

// TestProfileOfOld reads what a journey of the first release carries.
func TestProfileOfOld(t *testing.T) {
	var p Profile
	old := `{"name":"default","lead_time":172800000000000,"start_hour":"09:00:00","lifetime":28800000000000,"one_time":false,"mode":"send","channel":"mail","recipient":"personal_mail","complete_on":["fido2"],"settle":1,"timeout":1,"poll":[1],"recheck":[1]}`
	if err := json.Unmarshal([]byte(old), &p); err != nil {
		t.Fatal(err)
	}
	want := Profile{
		Name: "default", LeadTime: 48 * time.Hour, StartHour: Clock{Hour: 9}, Lifetime: 8 * time.Hour, Mode: ModeSend,
		CompleteOn: []MethodKind{"fido2"}, Settle: 1, Timeout: 1, Poll: []time.Duration{1}, Recheck: []time.Duration{1},
		Channel: "mail", Recipient: RecipientPersonalMail,
	}
	if d := cmp.Diff(want, p); d != "" {
		t.Error(d)
	}
}

func TestRecipients(t *testing.T) {
	for _, k := range Recipients() {
		if k.Employee() && k.InTenant() != (k == RecipientWorkMail) {
			t.Errorf("%s: employee, in tenant %t", k, k.InTenant())
		}
		// HR gives what is private; the tenant the rest; desks are configured.
		byHR := hire().Recipient(k) != ""
		if from := byHR || k.InTenant() || k == RecipientDesk; !from || byHR && k.InTenant() {
			t.Errorf("%s: nobody, or two, know the address", k)
		}
	}
}
