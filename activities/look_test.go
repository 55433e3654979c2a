package activities_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

func TestLookForMethod(t *testing.T) {
	key := func(id, make string, at time.Duration) jml.Method {
		return jml.Method{ID: id, Kind: jml.MethodFIDO2, AAGUID: make, CreatedAt: began.Add(at)}
	}
	phone := jml.Method{ID: "phone", Kind: "phone", CreatedAt: began.Add(3 * time.Hour)}
	pass := func(why string) jml.Method { return jml.Method{ID: "pass", Kind: jml.MethodPass, Reason: why} }
	// The pass works two hours after the journey began to want it.
	in := workflows.LookInput{UserID: userID, CompleteOn: []jml.MethodKind{jml.MethodFIDO2}, UsableFrom: began.Add(2 * time.Hour), Since: began, MethodID: "pass"}
	with := func(change func(*workflows.LookInput)) workflows.LookInput {
		out := in
		change(&out)
		return out
	}
	two := with(func(in *workflows.LookInput) { in.Devices = 2 })
	b := with(func(in *workflows.LookInput) { in.AAGUIDs = []string{"B"} })
	blind := with(func(in *workflows.LookInput) { in.Since, in.MethodID = time.Time{}, "" })
	for name, tt := range map[string]struct {
		in      workflows.LookInput
		methods []jml.Method
		want    workflows.LookResult
		last    string // the method that completes it
	}{
		"nothing":              {in, nil, workflows.LookResult{}, ""},
		"registered":           {in, []jml.Method{phone, key("k", "", 3*time.Hour)}, workflows.LookResult{}, "k"},
		"as it begins":         {in, []jml.Method{key("k", "", 2*time.Hour)}, workflows.LookResult{}, "k"},
		"early":                {in, []jml.Method{key("k", "", time.Hour)}, workflows.LookResult{Early: true}, "k"},
		"early, not asked":     {blind, []jml.Method{key("k", "", time.Hour)}, workflows.LookResult{}, ""},
		"before the journey":   {in, []jml.Method{key("k", "", -time.Hour)}, workflows.LookResult{}, ""},
		"no time":              {in, []jml.Method{{ID: "k", Kind: jml.MethodFIDO2}}, workflows.LookResult{}, ""},
		"one of two":           {two, []jml.Method{key("k", "", 3*time.Hour)}, workflows.LookResult{}, ""},
		"two of two":           {two, []jml.Method{key("k", "", 3*time.Hour), key("l", "", 4*time.Hour)}, workflows.LookResult{}, "l"},
		"one early, one later": {two, []jml.Method{key("k", "", time.Hour), key("l", "", 4*time.Hour)}, workflows.LookResult{Early: true}, "l"},
		"make":                 {b, []jml.Method{key("k", "b", 3*time.Hour)}, workflows.LookResult{}, "k"},
		"another make":         {b, []jml.Method{key("k", "a", 3*time.Hour)}, workflows.LookResult{}, ""},
		"make not told":        {b, []jml.Method{key("k", "", 3*time.Hour)}, workflows.LookResult{}, ""},
		"used":                 {in, []jml.Method{pass("OneTimeUsed")}, workflows.LookResult{Pass: "OneTimeUsed"}, ""},
		"expired":              {in, []jml.Method{pass("Expired"), key("k", "", 3*time.Hour)}, workflows.LookResult{Pass: "Expired"}, "k"},
		"use not asked":        {blind, []jml.Method{pass("OneTimeUsed")}, workflows.LookResult{}, ""},
		"pass of another":      {in, []jml.Method{{ID: "theirs", Kind: jml.MethodPass, Reason: "OneTimeUsed"}}, workflows.LookResult{}, ""},
	} {
		w := newWorld()
		w.methods = tt.methods
		got, err := w.activities(t).LookForMethod(context.Background(), tt.in)
		last := ""
		if got.Method != nil {
			last = got.Method.ID
		}
		if name == "one of two" && len(got.Methods) != 1 {
			t.Errorf("%s: %+v", name, got.Methods)
		}
		got.Method, got.Methods = nil, nil
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" || last != tt.last {
			t.Errorf("%s: %v, completed by %q, want %q (-want +got)\n%s", name, err, last, tt.last, diff)
		}
		if len(w.onStep) != 1 {
			t.Errorf("%s: %d calls", name, len(w.onStep))
		}
	}
	w := newWorld()
	w.gone = true
	if got, err := w.activities(t).LookForMethod(context.Background(), in); err != nil || !got.Missing || got.Method != nil {
		t.Errorf("user gone: %+v, %v", got, err)
	}
}
