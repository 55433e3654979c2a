package ops

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"firstpass.internal/internal/ops/access"
	"firstpass.internal/workflows"
)

// target is the workflow that a word goes to.
type target struct {
	id   string
	run  string // run ID that was seen; empty: whichever runs
	seen int    // version that was seen; 0: not asked
	word string // names what is said: said again under the same name, it is taken once
}

// pinned returns the run of a journey that an operator saw, if it still is the
// one. Its version is the journey's to compare.
func (s *Service) pinned(ctx context.Context, id, tag string) (target, error) {
	run, n, err := parseVersion(tag)
	if err != nil {
		return target{}, err
	}
	row, refused := s.describe(ctx, id)
	switch {
	case refused != nil:
		return target{}, refused
	case !strings.HasPrefix(row.RunID, run):
		return target{}, quicker()
	case !row.Closed.IsZero():
		return target{}, ended()
	}
	return target{id: id, run: row.RunID, seen: n}, nil
}

// wordOf names what somebody says. Whoever brings an ID may say it again when the
// answer got lost; nobody can take up another's.
func wordOf(who access.Identity, a Action) string {
	if a.ID == "" {
		return rand.Text()
	}
	sum := sha256.Sum256([]byte(who.Subject + "\x00" + who.Name + "\x00" + string(a.Verb) + "\x00" + a.ID))
	return hex.EncodeToString(sum[:])
}

func quicker() *Refusal {
	return &Refusal{Kind: RefusedVersion, What: "this journey has changed since you looked", Do: "look at it again, then decide"}
}

func ended() *Refusal {
	return &Refusal{Kind: RefusedState, What: "this journey has ended already", Do: "look how it ended"}
}

// answered brings a word to a journey and returns once it is in the ledger.
func (s *Service) answered(ctx context.Context, to target, name string, request any, what string) (Done, error) {
	var answer workflows.Answer
	pending, err := s.update(ctx, to, name, request, &answer)
	switch {
	case err != nil:
		return Done{}, err
	case pending:
		return Done{Pending: true, What: "the journey has taken it in and has not confirmed it yet; it goes on by itself"}, nil
	}
	done := Done{What: what}
	if to.run != "" && answer.Version > 0 {
		done.Version = version(to.run, answer.Version)
	}
	return done, nil
}

// acceptWithin bounds how long a worker has to take a word in or refuse it.
const acceptWithin = 10 * time.Second

// update asks a workflow for something and waits for its answer, at most as long
// as the service is patient: pending says that it is taken in and not yet done.
// A refusal is in the words of the validator: ours, and without personal data.
func (s *Service) update(ctx context.Context, to target, name string, request, answer any) (pending bool, err error) {
	options := client.UpdateWorkflowOptions{
		UpdateID:   to.word,
		WorkflowID: to.id, RunID: to.run, UpdateName: name, Args: []any{request}, WaitForStage: client.WorkflowUpdateStageAccepted,
	}
	accepting, cancel := context.WithTimeout(ctx, acceptWithin)
	defer cancel()
	handle, err := s.cfg.Temporal.UpdateWorkflow(accepting, options)
	// Temporal drops what comes at the moment at which another's word is taken in
	// and ends the journey; it says then that nobody has seen it.
	for dropped := (*serviceerror.WorkflowNotReady)(nil); errors.As(err, &dropped) && accepting.Err() == nil; {
		if pause(accepting, 200*time.Millisecond) != nil {
			break
		}
		handle, err = s.cfg.Temporal.UpdateWorkflow(accepting, options)
	}
	if err != nil {
		return false, s.refused(ctx, accepting, to, err)
	}
	waiting, cancelWait := context.WithTimeout(ctx, s.cfg.Patience)
	defer cancelWait()
	if err = handle.Get(waiting, answer); err == nil {
		return false, nil
	}
	if waiting.Err() != nil || timedOut(err) || updateTimedOut(err) {
		return true, nil
	}
	return false, s.refused(ctx, waiting, to, err)
}

func updateTimedOut(err error) bool {
	var timeout *client.WorkflowUpdateServiceTimeoutOrCanceledError
	return errors.As(err, &timeout)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// refused words what came of an update that was not taken.
func (s *Service) refused(ctx, asking context.Context, to target, err error) *Refusal {
	var (
		refusal *temporal.ApplicationError
		closed  *serviceerror.NotFound
	)
	switch {
	case errors.As(err, &refusal) && strings.HasPrefix(refusal.Message(), workflows.Quicker):
		return quicker()
	case errors.As(err, &refusal):
		// Of two at once the later one hears that somebody was quicker, whatever
		// the validator looked at first.
		if to.seen != 0 {
			if v, err := s.view(ctx, to.id); err == nil && v.Version != 0 && v.Version != to.seen {
				return quicker()
			}
		}
		return &Refusal{Kind: RefusedState, What: refusal.Message()}
	case errors.As(err, &closed):
		return s.gone(ctx, to)
	case asking.Err() != nil || timedOut(err) || updateTimedOut(err):
		return workerAway()
	}
	return temporalAway()
}

// gone tells a journey that has ended from one that never was.
func (s *Service) gone(ctx context.Context, to target) *Refusal {
	row, refused := s.describe(ctx, to.id)
	switch {
	case refused != nil && refused.Kind == RefusedMissing && strings.HasPrefix(to.id, "pass/"):
		return &Refusal{Kind: RefusedState, What: "the pass has ended meanwhile", Do: "look at the journey again"}
	case refused != nil:
		return refused
	case to.run != "" && row.RunID != to.run:
		return quicker()
	}
	return ended()
}

// signal has a workflow look now.
func (s *Service) signal(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, acceptWithin)
	defer cancel()
	err := s.cfg.Temporal.SignalWorkflow(ctx, id, "", workflows.SignalLook, nil)
	var closed *serviceerror.NotFound
	switch {
	case errors.As(err, &closed):
		return ended()
	case err != nil:
		return temporalAway()
	}
	return nil
}
