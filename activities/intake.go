package activities

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// Intake reads HR systems and delivers what is new to the joiners.
type Intake interface {
	// ReadFeed calls beat with the number of items read, from time to time.
	ReadFeed(ctx context.Context, in workflows.FeedInput, beat func(read int)) (workflows.FeedResult, error)
	FetchEmployee(context.Context, workflows.FetchInput) (workflows.FetchResult, error)
}

// IntakeConfig is what IntakeActivities needs. All fields are required.
type IntakeConfig struct {
	Intake Intake
	Logger *slog.Logger
}

// IntakeActivities implements workflows.IntakeActivities.
type IntakeActivities struct {
	intake Intake
	log    *slog.Logger
}

var _ workflows.IntakeActivities = (*IntakeActivities)(nil)

// NewIntake checks cfg and returns the activities.
func NewIntake(cfg IntakeConfig) (*IntakeActivities, error) {
	if cfg.Intake == nil || cfg.Logger == nil {
		return nil, errors.New("activities: intake and logger are required")
	}
	return &IntakeActivities{cfg.Intake, cfg.Logger}, nil
}

// ReadFeed implements workflows.IntakeActivities.
//
// Crash: what was delivered before it is in the ledger, or will be found
// unchanged by the joiner. The next try reads the source anew.
func (a *IntakeActivities) ReadFeed(ctx context.Context, in workflows.FeedInput) (workflows.FeedResult, error) {
	out, err := a.intake.ReadFeed(ctx, in, func(read int) { activity.RecordHeartbeat(ctx, read) })
	if err != nil {
		a.log.Warn("a feed could not be read", "source", in.Source, "error", err)
	}
	return out, intakeError(err)
}

// FetchEmployee implements workflows.IntakeActivities.
//
// Crash: it reads the HR system and tells the joiner a state, which does no harm
// twice. The next try asks anew.
func (a *IntakeActivities) FetchEmployee(ctx context.Context, in workflows.FetchInput) (workflows.FetchResult, error) {
	out, err := a.intake.FetchEmployee(ctx, in)
	if err != nil {
		a.log.Warn("an employee could not be fetched", "source", in.Source, "error", err)
	}
	return out, intakeError(err)
}

// intakeErrorType is the ApplicationError type of what goes wrong with an HR
// system.
const intakeErrorType = "intake"

// intakeError is toTemporal for calls of HR systems: even a refusal is tried
// again, since a person mends it there. Only faults have a text that may leave
// this process; any other is in the log.
func intakeError(err error) error {
	if err == nil {
		return nil
	}
	text, wait := "intake failed; the log of firstpass serve tells why", time.Duration(0)
	var fault *jml.Fault
	if errors.As(err, &fault) {
		text, wait = fault.Error(), fault.RetryAfter
	}
	return temporal.NewApplicationErrorWithOptions(text, intakeErrorType, temporal.ApplicationErrorOptions{NextRetryDelay: wait})
}
