package telemetry

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.temporal.io/sdk/temporal"

	"firstpass.internal/activities"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
	"firstpass.internal/workflows"
)

// Work counts what a worker does for the journeys. The wrapped activities go by
// the same names.
func (t *Telemetry) Work(next workflows.Activities) workflows.Activities { return &work{next, t} }

type work struct {
	workflows.Activities
	t *Telemetry
}

// IssuePass implements workflows.Activities.
//
// Crash: a try whose result is lost is counted and tried again; what the
// activity under it does about that stands there.
func (w *work) IssuePass(ctx context.Context, in workflows.IssueInput) (workflows.IssueResult, error) {
	out, err := w.Activities.IssuePass(ctx, in)
	result := "issued"
	if err != nil {
		result = "failed"
		if app := new(temporal.ApplicationError); errors.As(err, &app) && app.NonRetryable() {
			result = "blocked"
		}
	}
	add(w.t.counters.issued, 1, attribute.String("result", result))
	return out, err
}

// RevokePass implements workflows.Activities.
//
// Crash: as for IssuePass.
func (w *work) RevokePass(ctx context.Context, in workflows.RevokeInput) (workflows.RevokeResult, error) {
	out, err := w.Activities.RevokePass(ctx, in)
	switch {
	case err != nil:
		add(w.t.counters.revokeFailed, 1)
	case len(out.MethodIDs) > 0:
		add(w.t.counters.revoked, len(out.MethodIDs), among("reason", in.Reason, revokeReasons()...))
	}
	return out, err
}

// LookForMethod implements workflows.Activities.
//
// Crash: a look is counted when it finds, and what was found ends the journey; a
// lost result may be found and counted twice.
func (w *work) LookForMethod(ctx context.Context, in workflows.LookInput) (workflows.LookResult, error) {
	out, err := w.Activities.LookForMethod(ctx, in)
	if err == nil && out.Method != nil && !out.Early && !in.UsableFrom.IsZero() && out.Method.CreatedAt.After(in.UsableFrom) {
		w.t.counters.registration.Record(ctx, out.Method.CreatedAt.Sub(in.UsableFrom).Seconds())
	}
	return out, err
}

// revokeReasons are the words that passes end by.
func revokeReasons() []string {
	var out []string
	for _, e := range []jml.PassEnd{jml.EndRegistered, jml.EndAlready, jml.EndTimedOut, jml.EndCancelled, jml.EndBlocked, jml.EndAgain} {
		out = append(out, string(e))
	}
	for _, r := range jml.Reasons() {
		out = append(out, string(r))
	}
	return append(out, "not handed over")
}

// Sender counts what becomes of messages, by channel.
func (t *Telemetry) Sender(next activities.Sender) activities.Sender { return &sender{next, t} }

type sender struct {
	activities.Sender
	t *Telemetry
}

// Send implements activities.Sender.
func (s *sender) Send(ctx context.Context, n jml.Notice, c secret.Contents) (jml.Receipt, error) {
	r, err := s.Sender.Send(ctx, n, c)
	s.t.Sent(n.Channel, err)
	return r, err
}
