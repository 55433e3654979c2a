package api

import (
	"bytes"
	"context"
	"encoding/hex"
	"strings"
	"time"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/internal/ops/board"
	"firstpass.internal/workflows"
)

// GetSummary implements StrictServerInterface.
func (s *server) GetSummary(ctx context.Context, _ GetSummaryRequestObject) (GetSummaryResponseObject, error) {
	sum, err := s.service.Summary(ctx)
	if err != nil {
		return nil, err
	}
	return GetSummary200JSONResponse(summary(sum)), nil
}

// ListJourneys implements StrictServerInterface.
func (s *server) ListJourneys(ctx context.Context, r ListJourneysRequestObject) (ListJourneysResponseObject, error) {
	p := r.Params
	after, err := parseCursor(given(p.Cursor))
	if err != nil {
		return nil, err
	}
	f := board.Filter{
		Kinds: p.Kind, Stages: p.Stage, Reasons: p.Reason,
		Source: given(p.Source), Site: given(p.Site), Channel: given(p.Channel), NeedsAction: given(p.NeedsAction), Live: given(p.Live),
		Closed: given(p.Closed), Lost: given(p.Lost), From: given(p.From), Until: given(p.Until),
	}
	wait := time.Duration(0)
	if p.Wait != nil && p.IfNoneMatch != nil {
		if wait, err = time.ParseDuration(*p.Wait); err != nil {
			return nil, unfit(wrong{"query.wait", "want a time such as 30s"})
		}
	}
	page, tag, changed, err := s.journeys(ctx, f, after, limit(p.Limit), given(p.IfNoneMatch), wait)
	if err != nil {
		return nil, err
	}
	if !changed {
		return ListJourneys304Response{NotModifiedResponseHeaders{ETag: tag}}, nil
	}
	return ListJourneys200JSONResponse{Body: page, Headers: ListJourneys200ResponseHeaders{ETag: tag}}, nil
}

// journeys returns a page of the board, once it is another one than the caller
// has, or wait is over.
func (s *server) journeys(ctx context.Context, f board.Filter, after cursor, limit int, have string, wait time.Duration) (page JourneyPage, tag string, changed bool, err error) {
	until, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		rows, state, err := s.service.Board(ctx, f)
		if err != nil {
			return page, "", false, err
		}
		page = pageOf(rows, state, after, limit)
		if tag, err = tagOf(page.withoutClock()); err != nil || !holds(have, tag) {
			return page, tag, true, err
		}
		// state was taken before or with rows: what changes since has another
		// version, and is not waited past.
		if until.Err() != nil {
			return page, tag, false, ctx.Err()
		}
		if _, err := s.service.Wait(until, state.Version); err != nil {
			return page, "", false, err
		}
	}
}

// GetJourney implements StrictServerInterface.
func (s *server) GetJourney(ctx context.Context, r GetJourneyRequestObject) (GetJourneyResponseObject, error) {
	j, err := s.service.Journey(ctx, workflows.JourneyID(r.Kind, r.Source, r.Ref))
	if err != nil {
		return nil, err
	}
	body := journey(j)
	sum, err := tagOf(body)
	if err != nil {
		return nil, err
	}
	// A pass moves on without its journey having another version: the tag tells
	// both, and an action's If-Match looks at the version only.
	tag := `"` + j.Version + "." + strings.Trim(sum, `"`) + `"`
	if holds(given(r.Params.IfNoneMatch), tag) {
		return GetJourney304Response{NotModifiedResponseHeaders{ETag: tag}}, nil
	}
	return GetJourney200JSONResponse{Body: body, Headers: GetJourney200ResponseHeaders{ETag: tag}}, nil
}

// GetTimeline implements StrictServerInterface.
func (s *server) GetTimeline(ctx context.Context, r GetTimelineRequestObject) (GetTimelineResponseObject, error) {
	j, err := s.service.Journey(ctx, workflows.JourneyID(r.Kind, r.Source, r.Ref))
	if err != nil {
		return nil, err
	}
	return GetTimeline200JSONResponse{Items: all(j.Timeline, moment)}, nil
}

// ActOnJourney implements StrictServerInterface.
func (s *server) ActOnJourney(ctx context.Context, r ActOnJourneyRequestObject) (ActOnJourneyResponseObject, error) {
	b := r.Body
	if err := misplaced(*b); err != nil {
		return nil, err
	}
	d, err := s.service.Act(ctx, ops.Action{
		Verb: b.Verb, Object: workflows.JourneyID(r.Kind, r.Source, r.Ref), Reason: b.Reason, Version: versionOf(given(r.Params.IfMatch)), ID: given(r.Params.IdempotencyKey),
		Start: b.Start, Hour: b.Hour, Until: b.Until, UserID: b.UserID, Channel: b.Channel, Proof: b.Proof,
	})
	if err != nil {
		return nil, err
	}
	return ActOnJourney200JSONResponse{DoneJSONResponse(done(d))}, nil
}

// misplaced refuses fields that the verb has no use for: who sends one means
// something else than what would be done.
func misplaced(a JourneyAction) error {
	var bad []wrong
	only := func(field string, there bool, verbs ...ops.Verb) {
		for _, v := range verbs {
			if a.Verb == v {
				return
			}
		}
		if there {
			bad = append(bad, wrong{"body." + field, "this verb does not take it"})
		}
	}
	only("start", !a.Start.IsZero(), ops.VerbMove)
	only("hour", a.Hour != jml.Clock{}, ops.VerbMove)
	only("until", !a.Until.IsZero(), ops.VerbMove)
	only("user_id", a.UserID != "", ops.VerbLink)
	only("channel", a.Channel != "", ops.VerbResend, ops.VerbReissue)
	only("proof", a.Proof != "", ops.VerbRegistered)
	if len(bad) > 0 {
		return unfit(bad...)
	}
	return nil
}

// AskRecovery implements StrictServerInterface.
func (s *server) AskRecovery(ctx context.Context, r AskRecoveryRequestObject) (AskRecoveryResponseObject, error) {
	b := r.Body
	started, err := s.service.Recover(ctx, ops.Recovery{
		Whom: ops.Whom{Name: b.Employee, Source: b.Source}, Loss: b.Loss, Verified: b.Verified, Ticket: b.Ticket, For: b.For,
		Methods: b.Methods, EndSessions: b.EndSessions, KeepSessions: b.KeepSessions, Note: b.Note,
	})
	if err != nil {
		return nil, err
	}
	return AskRecovery201JSONResponse{begun(started)}, nil
}

// AskStaging implements StrictServerInterface.
func (s *server) AskStaging(ctx context.Context, r AskStagingRequestObject) (AskStagingResponseObject, error) {
	b := r.Body
	started, err := s.service.StageDevice(ctx, ops.Staging{
		Whom: ops.Whom{Name: b.Employee, Source: b.Source}, Technician: b.Technician, Device: b.Device,
		Window: time.Duration(b.WindowMinutes) * time.Minute, Ticket: b.Ticket, Note: b.Note,
	})
	if err != nil {
		return nil, err
	}
	return AskStaging201JSONResponse{begun(started)}, nil
}

// ListPasses implements StrictServerInterface.
func (s *server) ListPasses(ctx context.Context, _ ListPassesRequestObject) (ListPassesResponseObject, error) {
	rows, state, err := s.service.Passes(ctx)
	if err != nil {
		return nil, err
	}
	return ListPasses200JSONResponse{Items: all(rows, row), Board: freshness(state)}, nil
}

// ListFeeds implements StrictServerInterface.
func (s *server) ListFeeds(ctx context.Context, _ ListFeedsRequestObject) (ListFeedsResponseObject, error) {
	feeds, err := s.service.Feeds(ctx)
	if err != nil {
		return nil, err
	}
	return ListFeeds200JSONResponse{Items: all(feeds, feed)}, nil
}

// ActOnFeed implements StrictServerInterface.
func (s *server) ActOnFeed(ctx context.Context, r ActOnFeedRequestObject) (ActOnFeedResponseObject, error) {
	d, err := s.service.Act(ctx, ops.Action{Verb: r.Body.Verb, Object: r.Source, Reason: r.Body.Reason})
	if err != nil {
		return nil, err
	}
	return ActOnFeed200JSONResponse{DoneJSONResponse(done(d))}, nil
}

// ListQuarantine implements StrictServerInterface.
func (s *server) ListQuarantine(ctx context.Context, _ ListQuarantineRequestObject) (ListQuarantineResponseObject, error) {
	records, err := s.service.Quarantine(ctx)
	if err != nil {
		return nil, err
	}
	return ListQuarantine200JSONResponse{Items: all(records, quarantined)}, nil
}

// ActOnQuarantined implements StrictServerInterface.
func (s *server) ActOnQuarantined(ctx context.Context, r ActOnQuarantinedRequestObject) (ActOnQuarantinedResponseObject, error) {
	d, err := s.service.Act(ctx, ops.Action{Verb: r.Body.Verb, Object: r.ID, Reason: r.Body.Reason})
	if err != nil {
		return nil, err
	}
	return ActOnQuarantined200JSONResponse{DoneJSONResponse(done(d))}, nil
}

// ListHeld implements StrictServerInterface.
func (s *server) ListHeld(ctx context.Context, _ ListHeldRequestObject) (ListHeldResponseObject, error) {
	list, err := s.service.Held(ctx)
	if err != nil {
		return nil, err
	}
	return ListHeld200JSONResponse{Items: all(list, held)}, nil
}

// ActOnHeld implements StrictServerInterface.
func (s *server) ActOnHeld(ctx context.Context, r ActOnHeldRequestObject) (ActOnHeldResponseObject, error) {
	d, err := s.service.Act(ctx, ops.Action{Verb: r.Body.Verb, Object: r.Ref, Reason: r.Body.Reason})
	if err != nil {
		return nil, err
	}
	return ActOnHeld200JSONResponse{DoneJSONResponse(done(d))}, nil
}

// GetHalt implements StrictServerInterface.
func (s *server) GetHalt(ctx context.Context, _ GetHaltRequestObject) (GetHaltResponseObject, error) {
	sw, err := s.service.Switch(ctx)
	if err != nil {
		return nil, err
	}
	return GetHalt200JSONResponse{HaltJSONResponse(halt(sw))}, nil
}

// SetHalt implements StrictServerInterface.
func (s *server) SetHalt(ctx context.Context, r SetHaltRequestObject) (SetHaltResponseObject, error) {
	verb := ops.VerbLift
	if r.Body.On {
		verb = ops.VerbHalt
	}
	if _, err := s.service.Act(ctx, ops.Action{Verb: verb, Reason: r.Body.Reason}); err != nil {
		return nil, err
	}
	sw, err := s.service.Switch(ctx)
	if err != nil {
		return nil, err
	}
	return SetHalt200JSONResponse{HaltJSONResponse(halt(sw))}, nil
}

// Search implements StrictServerInterface.
func (s *server) Search(ctx context.Context, r SearchRequestObject) (SearchResponseObject, error) {
	list, err := s.service.Search(ctx, r.Body.Q)
	if err != nil {
		return nil, err
	}
	return Search200JSONResponse{Items: all(list, found)}, nil
}

// ListLedgerRows implements StrictServerInterface.
func (s *server) ListLedgerRows(ctx context.Context, r ListLedgerRowsRequestObject) (ListLedgerRowsResponseObject, error) {
	p := r.Params
	f := ledger.RowFilter{
		Ref: given(p.Ref), Actor: given(p.Actor), MethodID: given(p.MethodID), From: given(p.From), Until: given(p.Until),
		After: given(p.After), Newest: given(p.Newest), Limit: limit(p.Limit),
	}
	for _, e := range p.Event {
		f.Events = append(f.Events, audit.Event(e))
	}
	rows, err := s.service.Ledger(ctx, f)
	if err != nil {
		return nil, err
	}
	page := LedgerPage{Items: all(rows, ledgerRow)}
	// Backwards there is no after: more rows come by until.
	if len(rows) >= f.Limit && !f.Newest {
		page.Next = rows[len(rows)-1].Seq
	}
	return ListLedgerRows200JSONResponse(page), nil
}

// GetMe implements StrictServerInterface.
func (s *server) GetMe(ctx context.Context, _ GetMeRequestObject) (GetMeResponseObject, error) {
	who, _ := access.From(ctx) // front has looked
	me := Me{Subject: who.Subject, Name: who.Name, Machine: who.Machine, Roles: []string{}, Verbs: []ToldVerb{}}
	for _, r := range who.Roles {
		me.Roles = append(me.Roles, string(r))
	}
	for _, v := range ops.Verbs() {
		if who.Has(v.Allowed()...) {
			me.Verbs = append(me.Verbs, v)
		}
	}
	return GetMe200JSONResponse(me), nil
}

// GetSpec implements StrictServerInterface.
func (s *server) GetSpec(context.Context, GetSpecRequestObject) (GetSpecResponseObject, error) {
	return GetSpec200ApplicationYamlResponse{Body: bytes.NewReader(description), ContentLength: int64(len(description))}, nil
}

// given returns a parameter, zero if it is not there.
func given[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}

// versionOf returns the version that an If-Match means; empty: any.
func versionOf(tag string) string {
	if tag == "*" {
		return ""
	}
	version, _, _ := strings.Cut(strings.Trim(tag, `"`), ".")
	return version
}

func ledgerRow(r audit.Row) LedgerRow {
	return LedgerRow{
		Seq: r.Seq, Time: r.Time, Event: string(r.Event), Ref: r.Ref, UserID: r.UserID, MethodID: r.MethodID, RequestID: r.RequestID,
		Outcome: r.Outcome, Reason: r.Reason, Actor: r.Actor, Detail: r.Detail, Erased: r.Erased,
		Prev: hex.EncodeToString(r.Prev), Hash: hex.EncodeToString(r.Hash),
	}
}
