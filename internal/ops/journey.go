package ops

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.temporal.io/api/serviceerror"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/internal/ops/board"
	"firstpass.internal/workflows"
)

// queryWithin bounds how long a page waits for a worker.
const queryWithin = 2 * time.Second

// Journey returns all there is to see of one journey. id is a workflow ID, or a
// reference that means one journey. While Temporal or the ledger is away it
// tells what it can, and what is missing.
func (s *Service) Journey(ctx context.Context, id string) (Journey, error) {
	who, err := s.need(ctx, "see a journey", refOf(id), append(seers(), access.Desk)...)
	if err != nil {
		return Journey{}, err
	}
	row, err := s.find(ctx, id)
	if err != nil {
		return Journey{}, err
	}
	j := Journey{Row: row}
	if err := s.look(ctx, &j); err != nil {
		j.Stale, j.View, j.Pass = true, workflows.JourneyView{}, nil
		j.Gaps = append(j.Gaps, "what the journey itself says is missing: "+err.What)
	}
	j.Version = version(j.Row.RunID, j.View.Version)
	redact(&j, who)
	s.fill(ctx, &j)
	j.Can, j.Cannot = s.may(who, &j)
	return j, nil
}

// find returns the row of a journey: the board's, or, of one that it does not
// know, Temporal's word.
func (s *Service) find(ctx context.Context, id string) (board.Row, error) {
	id, err := s.resolve(id)
	if err != nil {
		return board.Row{}, err
	}
	known, ok := s.cfg.Board.Row(id)
	if ok && known.Closed.IsZero() {
		return known, nil
	}
	// One that ended may have begun anew since the board was read.
	row, refused := s.describe(ctx, id)
	switch {
	case ok && (refused != nil || !row.Closed.IsZero()):
		return known, nil
	case refused != nil:
		return row, refused
	}
	return row, nil
}

// describe asks Temporal for the last run of a journey.
func (s *Service) describe(ctx context.Context, id string) (board.Row, *Refusal) {
	ctx, cancel := context.WithTimeout(ctx, queryWithin)
	defer cancel()
	d, err := s.cfg.Temporal.DescribeWorkflowExecution(ctx, id, "")
	var missing *serviceerror.NotFound
	switch {
	case errors.As(err, &missing):
		return board.Row{}, noJourney()
	case err != nil:
		return board.Row{}, temporalAway()
	}
	row, ok := board.Decode(d.GetWorkflowExecutionInfo())
	if !ok {
		return row, noJourney()
	}
	return row, nil
}

func noJourney() *Refusal {
	return &Refusal{Kind: RefusedMissing, What: "there is no such journey", Do: "look for it by its reference, or list closed ones too"}
}

// maxID bounds what is taken for a name, in bytes.
const maxID = 200

// resolve returns the workflow ID that somebody means by it or by a reference.
func (s *Service) resolve(id string) (string, error) {
	switch {
	case id == "" || len(id) > maxID || !plain(id):
		return "", &Refusal{Kind: RefusedInvalid, What: "this names no journey", Do: "give KIND/SOURCE/REF, or a reference"}
	case isJourneyID(id):
		return id, nil
	case strings.Contains(id, "/"):
		return "", &Refusal{Kind: RefusedInvalid, What: "this names no journey", Do: "give KIND/SOURCE/REF, or a reference"}
	}
	var running, closed []board.Row
	s.cfg.Board.Each(board.Filter{Closed: true}, func(r *board.Row) bool {
		switch {
		case r.Ref != id:
		case r.Closed.IsZero():
			running = append(running, *r)
		default:
			closed = append(closed, *r)
		}
		return true
	})
	switch {
	case len(running) == 1:
		return running[0].WorkflowID, nil
	case len(running) > 1:
		return "", &Refusal{Kind: RefusedState, What: "several journeys of this reference run", Do: "say which: KIND/SOURCE/REF"}
	case len(closed) == 0:
		return "", noJourney()
	}
	last := closed[0]
	for _, r := range closed[1:] {
		if r.Closed.After(last.Closed) {
			last = r
		}
	}
	return last.WorkflowID, nil
}

// isJourneyID reports whether id has the form KIND/SOURCE/REF.
func isJourneyID(id string) bool {
	parts := strings.Split(id, "/")
	return len(parts) == 3 && parts[1] != "" && parts[2] != "" && workflows.KindOf(id) != ""
}

// plain reports whether s is free of what names never hold: control and
// direction characters, quotes, spaces and back slashes.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || unicode.Is(unicode.Bidi_Control, r) || strings.ContainsRune("'\"\\`<>", r)
	})
}

// refOf is what of an id may go to the ledger.
func refOf(id string) string {
	if len(id) > maxID || !plain(id) {
		return ""
	}
	return workflows.RefOf(id)
}

// look asks the journey and its pass what they hold.
func (s *Service) look(ctx context.Context, j *Journey) *Refusal {
	ctx, cancel := context.WithTimeout(ctx, queryWithin)
	defer cancel()
	id := j.Row.WorkflowID
	if !j.Row.Closed.IsZero() && !j.Row.Lost {
		// The result needs no worker.
		var result workflows.JourneyResult
		if err := s.cfg.Temporal.GetWorkflow(ctx, id, j.Row.RunID).Get(ctx, &result); err != nil {
			return awayBy(ctx, err)
		}
		j.View = workflows.JourneyView{
			Kind: j.Row.Kind, Ref: j.Row.Ref, Source: j.Row.Source, Stage: result.Outcome, Start: j.Row.Starts,
			Facts: result.Facts, Block: result.Block, Pass: result.Pass, Removed: result.Removed, Weaker: result.Weaker,
		}
		return nil
	}
	if err := s.query(ctx, id, workflows.QueryJourney, &j.View); err != nil {
		return err
	}
	// The journey knows better than the board, which may be seconds behind.
	if v := j.View; j.Row.Closed.IsZero() && v.Stage != "" {
		if j.Row.Stage = v.Stage; v.Stage != jml.StagePass {
			j.Row.Pass, j.Row.PassID, j.Row.Expires = "", "", time.Time{}
		}
		if j.Row.Reason = ""; v.Block != nil {
			j.Row.Reason = v.Block.Reason
		}
	}
	if j.View.PassID == "" {
		return nil
	}
	var v workflows.PassView
	if s.query(ctx, j.View.PassID, workflows.QueryPass, &v) == nil {
		j.Pass, j.Row.PassID, j.Row.Pass = &v, j.View.PassID, v.Stage
		if v.Issued != nil {
			j.Row.Expires = v.Issued.Pass.EndsAt()
		}
	}
	return nil
}

func (s *Service) query(ctx context.Context, id, name string, into any) *Refusal {
	answer, err := s.cfg.Temporal.QueryWorkflow(ctx, id, "", name)
	if err != nil {
		return awayBy(ctx, err)
	}
	if err := answer.Get(into); err != nil {
		return &Refusal{Kind: RefusedAway, What: "the journey's answer can't be decrypted", Do: "temporal.keyring_file must hold the key that the workers use"}
	}
	return nil
}

// awayBy tells a worker that is away from a Temporal that is.
func awayBy(ctx context.Context, err error) *Refusal {
	var (
		unavailable *serviceerror.Unavailable
		missing     *serviceerror.NotFound
	)
	switch {
	case errors.As(err, &unavailable):
		return temporalAway()
	case errors.As(err, &missing):
		return noJourney()
	case ctx.Err() != nil || timedOut(err):
		return workerAway()
	}
	return temporalAway()
}

func timedOut(err error) bool {
	var deadline *serviceerror.DeadlineExceeded
	return errors.As(err, &deadline) || errors.Is(err, context.DeadlineExceeded)
}

// runPrefix is how much of a run ID an ETag holds.
const runPrefix = 8

// version is the ETag of a journey as it stands.
func version(runID string, n int) string {
	return runID[:min(len(runID), runPrefix)] + "-" + strconv.Itoa(n)
}

// parseVersion takes an ETag apart.
func parseVersion(tag string) (run string, n int, err error) {
	tag = strings.Trim(tag, `"`)
	run, number, ok := strings.Cut(tag, "-")
	if n, err = strconv.Atoi(number); !ok || err != nil || n < 0 || len(run) != runPrefix || !plain(run) {
		return "", 0, &Refusal{Kind: RefusedInvalid, What: "this is no version of a journey", Do: "send the ETag of the journey as you saw it"}
	}
	return run, n, nil
}

// redact takes out what somebody has no need to see: only operators reach
// employees at their private addresses, and nobody needs a date of birth.
func redact(j *Journey, who access.Identity) {
	f := &j.View.Facts
	f.BirthDate = jml.Date{}
	if who.Has(access.Operator) {
		return
	}
	f.PersonalMail, f.Phone = "", ""
}

// stamp writes an instant for people.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
