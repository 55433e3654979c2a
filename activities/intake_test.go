package activities_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"firstpass.internal/activities"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// hrFails is an intake whose HR system fails.
type hrFails struct{ err error }

func (f hrFails) ReadFeed(_ context.Context, _ workflows.FeedInput, beat func(int)) (workflows.FeedResult, error) {
	beat(1000)
	return workflows.FeedResult{}, f.err
}

func (f hrFails) FetchEmployee(context.Context, workflows.FetchInput) (workflows.FetchResult, error) {
	return workflows.FetchResult{}, f.err
}

func TestIntakeErrors(t *testing.T) {
	const canary = "Quxley-7f3a"
	for _, tc := range []struct {
		name string
		err  error
		text string
		wait time.Duration
	}{
		{"throttled", &jml.Fault{System: "hr", Op: "fetch", Kind: jml.FaultThrottled, Status: 429, RetryAfter: 90 * time.Second}, "hr: fetch: throttled, status 429", 90 * time.Second},
		{"denied is tried again, too", &jml.Fault{System: "hr", Op: "poll", Kind: jml.FaultDenied, Status: 403}, "hr: poll: denied, status 403", 0},
		{"an error of some library", errors.New("no such host: " + canary), "intake failed; the log of firstpass serve tells why", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, err := activities.NewIntake(activities.IntakeConfig{Intake: hrFails{tc.err}, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			env.RegisterActivity(a)
			for _, call := range []func() error{
				func() error { _, err := env.ExecuteActivity("ReadFeed", workflows.FeedInput{Source: "hr"}); return err },
				func() error {
					_, err := env.ExecuteActivity("FetchEmployee", workflows.FetchInput{Source: "hr"})
					return err
				},
			} {
				err := call()
				var app *temporal.ApplicationError
				if !errors.As(err, &app) {
					t.Fatalf("%T: %v", err, err)
				}
				if app.Message() != tc.text || app.NonRetryable() || app.NextRetryDelay() != tc.wait {
					t.Errorf("%q, final %v, wait %s", app.Message(), app.NonRetryable(), app.NextRetryDelay())
				}
				if strings.Contains(err.Error(), canary) {
					t.Errorf("%v quotes a foreign text", err)
				}
			}
		})
	}
	if _, err := activities.NewIntake(activities.IntakeConfig{}); err == nil {
		t.Error("takes an empty config")
	}
}
