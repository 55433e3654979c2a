package workflows_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"firstpass.internal/workflows"
)

func replayer(joiner, pass any) worker.WorkflowReplayer {
	r := worker.NewWorkflowReplayer()
	r.RegisterWorkflowWithOptions(joiner, workflow.RegisterOptions{Name: workflows.TypeJoiner})
	r.RegisterWorkflowWithOptions(workflows.Mover, workflow.RegisterOptions{Name: workflows.TypeMover})
	r.RegisterWorkflowWithOptions(workflows.Recovery, workflow.RegisterOptions{Name: workflows.TypeRecovery})
	r.RegisterWorkflowWithOptions(workflows.Staging, workflow.RegisterOptions{Name: workflows.TypeStaging})
	r.RegisterWorkflowWithOptions(pass, workflow.RegisterOptions{Name: workflows.TypePass})
	r.RegisterWorkflowWithOptions(workflows.Feed, workflow.RegisterOptions{Name: workflows.TypeFeed})
	r.RegisterWorkflowWithOptions(workflows.Fetch, workflow.RegisterOptions{Name: workflows.TypeFetch})
	return r
}

// nonDeterminism is the code of the SDK for it, whatever the words.
const nonDeterminism = "[TMPRL1100]"

func quiet() sdklog.Logger { return sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)) }

// TestRecordedHistoriesReplay: journeys that run while a new version is rolled
// out must go on under it. The histories were recorded on a real server (make
// histories); a new way to go gets a new file, an old file stays.
func TestRecordedHistoriesReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/history/*.json")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d histories, %v; make histories records them", len(files), err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			if err := replayer(workflows.Joiner, workflows.Pass).ReplayWorkflowHistoryFromJSONFile(quiet(), f); err != nil {
				t.Errorf("%v\nkeep the old path behind workflow.GetVersion", err)
			}
		})
	}
}

// TestReplayHasTeeth: the test above fails for workflows that changed what they
// ask of Temporal.
func TestReplayHasTeeth(t *testing.T) {
	sleepFirst := func(ctx workflow.Context, in workflows.PassInput) (workflows.PassResult, error) {
		_ = workflow.Sleep(ctx, time.Minute)
		return workflows.Pass(ctx, in)
	}
	forgetful := func(ctx workflow.Context, in workflows.JourneyInput) (workflows.JourneyResult, error) {
		in.Profile.LeadTime = 0 // waits where the recorded one went on
		return workflows.Joiner(ctx, in)
	}
	showy := func(ctx workflow.Context, in workflows.PassInput) (workflows.PassResult, error) {
		in.Shows = workflows.ShowsAll // upserts that the recorded one did not make
		return workflows.Pass(ctx, in)
	}
	tests := []struct {
		name, file   string
		joiner, pass any
	}{
		{"a pass from before that shows its stages", "completed.pass.json", workflows.Joiner, showy},
		{"a timer before the issue", "completed.pass.json", workflows.Joiner, sleepFirst},
		{"another lead time", "completed.joiner.json", forgetful, workflows.Pass},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := replayer(tt.joiner, tt.pass).ReplayWorkflowHistoryFromJSONFile(quiet(), filepath.Join("testdata/history", tt.file))
			if err == nil || !strings.Contains(err.Error(), nonDeterminism) {
				t.Errorf("replay gave %v, want a complaint about non-determinism", err)
			}
		})
	}
}

// The recorded journeys are those of invented people, and hold no passcode: the
// canary scan of the run that made them found none. What must not creep in by
// hand is checked here.
func TestRecordedHistoriesAreClean(t *testing.T) {
	files, _ := filepath.Glob("testdata/history/*.json")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"temporaryAccessPass\"", "binary/encrypted"} {
			if strings.Contains(string(b), word) {
				t.Errorf("%s holds %q", f, word)
			}
		}
	}
}
