package activities_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"firstpass.internal/activities"
	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/graph/requests"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// oddTenant takes deletions and tells of passes as it likes, with request ids as
// Graph gives them.
type oddTenant struct {
	*world
	shows func(look int) []jml.Pass // by look, from 1 on
	looks int
	mute  bool // no request ids
}

func (o *oddTenant) DeletePass(ctx context.Context, _, id string) error {
	o.note(ctx, "delete "+id)
	return nil
}

func (o *oddTenant) Passes(ctx context.Context, _ string) ([]jml.Pass, error) {
	o.looks++
	o.note(ctx, fmt.Sprint("look ", o.looks))
	return o.shows(o.looks), nil
}

func (o *oddTenant) note(ctx context.Context, id string) {
	if !o.mute {
		requests.Note(ctx, id)
	}
}

// A receipt is made of what RevokePass wrote, and says "not proven" of a tenant
// that answers oddly.
func TestReceiptOfARevocation(t *testing.T) {
	there := []jml.Pass{{MethodID: "pass-1"}}
	for name, tc := range map[string]struct {
		shows func(look int) []jml.Pass
		mute  bool
		calls int
		want  string // in why; empty: proven
	}{
		"as it should be":       {func(int) []jml.Pass { return nil }, false, 1, ""},
		"a look that lags":      {func(n int) []jml.Pass { return there[min(n/3, 1):] }, false, 1, ""},
		"204 and listed always": {func(int) []jml.Pass { return there }, false, 2, "the tenant took the deletion and still listed it"},
		"no request ids":        {func(int) []jml.Pass { return nil }, true, 1, "request id of the deletion is missing"},
	} {
		w := newWorld()
		o := &oddTenant{world: w, shows: tc.shows, mute: tc.mute}
		a, err := activities.New(activities.Config{
			Directory: o, Sender: w, Invitations: w, Profiles: w, Audit: w, Checkpoints: w, Halts: w,
			Now: func() time.Time { return w.clock }, Pause: func(context.Context, time.Duration) {}, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		for range tc.calls {
			_, _ = a.RevokePass(t.Context(), workflows.RevokeInput{Ref: "ref", UserID: "u", MethodID: "pass-1", Reason: "done"})
		}
		var rows []audit.Row
		for i, e := range w.lines {
			rows = append(rows, audit.Row{Seq: uint64(i), Entry: e})
		}
		list := audit.Receipts(rows)
		if len(list) != 1 {
			t.Fatalf("%s: %d receipts of %+v", name, len(list), w.lines)
		}
		r := list[0]
		why := strings.Join(r.Why, "; ")
		if (tc.want == "") != (r.Verdict == audit.Proven) || !strings.Contains(why, tc.want) {
			t.Errorf("%s: %s: %q", name, r.Verdict, why)
		}
		if tc.want == "" && (r.Requests.Delete != "delete pass-1" || r.Requests.Look != fmt.Sprint("look ", o.looks)) {
			t.Errorf("%s: request ids %+v", name, r.Requests)
		}
	}
}
