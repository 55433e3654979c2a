package plan

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"firstpass.internal/activities"
	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
	"firstpass.internal/internal/graph"
	"firstpass.internal/internal/invitation"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

var now = time.Date(2026, 3, 2, 7, 0, 0, 0, time.UTC)

// world is a tenant, a configuration and who looks at them.
type world struct {
	t      testing.TB
	tenant *entrasim.Tenant
	client *graph.Client
	choose func(jml.Snapshot) jml.Choice
	pauses []time.Duration
	sent   *sends
}

// newWorld starts a tenant whose clock stands at now.
func newWorld(t testing.TB, options ...func(*entrasim.Config)) *world {
	w := &world{t: t, sent: &sends{}}
	w.tenant = entrasimtest.Start(t, append([]func(*entrasim.Config){func(c *entrasim.Config) { c.Now = func() time.Time { return now } }}, options...)...)
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	var err error
	w.client, err = graph.New(graph.Config{
		Endpoint: w.tenant.URL(), Authority: w.tenant.URL(), TenantID: w.tenant.TenantID(), ClientID: w.tenant.ClientID(),
		CAFile: write("ca.pem", string(w.tenant.CAPEM())), Credential: graph.Credential{Kind: graph.ClientSecret, SecretFile: write("secret", w.tenant.ClientSecret())},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.choose = func(jml.Snapshot) jml.Choice { return jml.Choice{Profile: sends1()} }
	return w
}

// sends1 is a profile that sends the passcode.
func sends1() jml.Profile {
	return jml.Profile{
		Name: "default", LeadTime: 24 * time.Hour, StartHour: jml.Clock{Hour: 9}, Lifetime: 8 * time.Hour, OneTime: true, Mode: jml.ModeSend,
		PassTo:     []jml.Route{{Channel: "mail", Recipient: jml.RecipientPersonalMail}, {Channel: "mail", Recipient: jml.RecipientManager}},
		CompleteOn: []jml.MethodKind{jml.MethodFIDO2}, Timeout: 24 * time.Hour, Recheck: []time.Duration{time.Minute, time.Hour},
	}
}

// picks is a profile that sends link and code.
func picks() jml.Profile {
	p := sends1()
	p.Name, p.Mode, p.PassTo = "pickup", jml.ModePickup, nil
	p.LinkTo = []jml.Route{{Channel: "mail", Recipient: jml.RecipientPersonalMail}}
	p.CodeTo = []jml.Route{{Channel: "sms", Recipient: jml.RecipientPersonalPhone}}
	p.LinkValid = 72 * time.Hour
	return p
}

// Choose implements Chooser.
func (w *world) Choose(_ jml.Kind, _ string, s jml.Snapshot, _ *jml.User) jml.Choice {
	return w.choose(s)
}

func (w *world) look(dir activities.Directory) (*activities.Activities, error) {
	return activities.New(activities.Config{
		Directory: dir, Sender: w.sent, Invitations: noInvitations{}, Profiles: w, Audit: noAudit{}, Checkpoints: noMarks{},
		Now: func() time.Time { return now }, Pause: func(context.Context, time.Duration) {}, Logger: slog.New(slog.DiscardHandler),
	})
}

func (w *world) bulk() *graph.Bulk {
	return w.client.Bulk(graph.BulkConfig{Pause: func(ctx context.Context, d time.Duration) error {
		w.pauses = append(w.pauses, d)
		return context.Cause(ctx)
	}})
}

func (w *world) config(people []Person) Config {
	return Config{People: people, Rules: w, Now: now, Tenant: Reader{Client: w.client, Bulk: w.bulk()},
		Look: func(d activities.Directory) (Look, error) { return w.look(d) }}
}

func (w *world) plan(people ...Person) *Plan {
	w.t.Helper()
	p, err := Make(context.Background(), w.config(people))
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// joiner is somebody with an account who starts in three days.
func (w *world) joiner(id string, change ...func(*entrasim.User)) Person {
	w.t.Helper()
	u := entrasim.User{EmployeeID: id, UPN: "u" + id + "@example.org", GivenName: "Given" + id}
	for _, c := range change {
		c(&u)
	}
	entrasimtest.User(w.t, w.tenant, u)
	return person(id)
}

func person(id string) Person {
	return Person{Where: "line " + id, Ref: "ref" + id, Source: "hr", Facts: jml.Snapshot{
		EmployeeID: id, Status: jml.StatusScheduled, StartDate: jml.Date{Year: 2026, Month: 3, Day: 5}, Zone: "Europe/Copenhagen",
		GivenName: "Given" + id, FamilyName: "Family" + id, PersonalMail: "p" + id + "@example.com", Phone: "+4555500" + fmt.Sprintf("%03s", id), ObservedAt: now,
	}}
}

// sends is a sender that takes what has an address, and counts what is sent.
type sends struct{ n int }

func (*sends) Check(_ context.Context, n jml.Notice) error {
	if n.Recipient == "" {
		return &jml.Fault{System: "delivery", Op: "check message", Kind: jml.FaultRefused, Reason: jml.ReasonNoRecipient}
	}
	return nil
}
func (s *sends) Probe(context.Context, string, *jml.Notice) error { s.n++; return nil }
func (s *sends) Send(context.Context, jml.Notice, secret.Contents) (jml.Receipt, error) {
	s.n++
	return jml.Receipt{}, nil
}
func (*sends) Address(channel string) (jml.AddressKind, bool) {
	if channel == "sms" {
		return jml.AddressPhone, true
	}
	return jml.AddressMail, true
}

type noAudit struct{}

func (noAudit) Append(context.Context, audit.Entry) error { return nil }

type noMarks struct{}

func (noMarks) Load(context.Context) (activities.Checkpoint, error) {
	return activities.Checkpoint{}, nil
}
func (noMarks) Save(context.Context, activities.Checkpoint) error { return nil }
func (noMarks) Keep(context.Context) func()                       { return func() {} }

type noInvitations struct{ activities.Invitations }

func (noInvitations) Handle(invitation.Handle) string    { return "h" }
func (noInvitations) MessageID(invitation.Handle) string { return "m" }
