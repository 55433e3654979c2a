package board

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// Client is what the board asks of Temporal.
type Client interface {
	ListWorkflow(context.Context, *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error)
}

// Config is what a board needs. Client is required.
type Config struct {
	Client Client        // its namespace is read
	Keep   time.Duration // closed journeys of so long; zero: 14 days
	Every  time.Duration // between increments; zero: 2 s
	Full   time.Duration // between full listings; zero: 10 min
	Now    func() time.Time
	Log    *slog.Logger
}

// pageSize is what Temporal allows at most, unless its operator says otherwise
// (frontend.visibilityMaxPageSize).
const pageSize = 1000

// overlap is how far an increment reaches back before what was seen last:
// visibility is written after the fact, by a queue that may lag.
const overlap = time.Minute

// maxPause bounds the wait between tries while Temporal is away, answerWithin
// one request.
const (
	maxPause     = 15 * time.Second
	answerWithin = 15 * time.Second
)

// Board is safe for concurrent use. Run must run for it to know anything.
type Board struct {
	cfg  Config
	page atomic.Pointer[page]

	mu   sync.Mutex
	bell chan struct{} // closed when the page changes

	// Run's own.
	sheet    *sheet
	edge     time.Time // Temporal's clock is at least this,
	edgeAt   time.Time // at this moment of ours
	lastFull time.Time
	lastTry  time.Time // of an increment
	// blind says why increments can't be asked for; then all is read, more
	// rarely.
	blind string
}

// New returns a board that knows nothing yet.
func New(cfg Config) (*Board, error) {
	if cfg.Client == nil {
		return nil, errors.New("board: a Temporal client is needed")
	}
	if cfg.Keep == 0 {
		cfg.Keep = 14 * 24 * time.Hour
	}
	if cfg.Every == 0 {
		cfg.Every = 2 * time.Second
	}
	if cfg.Full == 0 {
		cfg.Full = 10 * time.Minute
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	b := &Board{cfg: cfg, bell: make(chan struct{})}
	b.page.Store(&page{byID: map[string]*Row{}, state: State{Fault: "Temporal has not been asked yet"}})
	return b, nil
}

// Rows returns what f chooses: what needs somebody first, then what is blocked,
// then by start; closed journeys last.
func (b *Board) Rows(f Filter) []Row {
	var chosen []*Row // first, so that rows are copied once
	for _, r := range b.page.Load().rows {
		if f.takes(r) {
			chosen = append(chosen, r)
		}
	}
	out := make([]Row, len(chosen))
	for i, r := range chosen {
		out[i] = *r
	}
	return out
}

// Each calls yield with what f chooses, in the order of Rows, until it returns
// false. What yield gets must not be changed.
func (b *Board) Each(f Filter, yield func(*Row) bool) {
	for _, r := range b.page.Load().rows {
		if f.takes(r) && !yield(r) {
			return
		}
	}
}

// Row returns one journey.
func (b *Board) Row(workflowID string) (Row, bool) {
	r, ok := b.page.Load().byID[workflowID]
	if !ok {
		return Row{}, false
	}
	return *r, true
}

// State tells how fresh the board is.
func (b *Board) State() State { return b.page.Load().state }

// Wait returns the board's version once it is another one than version, or when
// ctx ends.
func (b *Board) Wait(ctx context.Context, version uint64) uint64 {
	for {
		b.mu.Lock()
		bell := b.bell
		b.mu.Unlock()
		if now := b.State().Version; now != version {
			return now
		}
		select {
		case <-bell:
		case <-ctx.Done():
			return b.State().Version
		}
	}
}

// Run reads until ctx ends. It must be called once.
func (b *Board) Run(ctx context.Context) {
	pause := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		err := b.read(ctx)
		if err == nil {
			pause = b.cfg.Every
			continue
		}
		if ctx.Err() != nil {
			return
		}
		pause = min(max(2*pause, b.cfg.Every), maxPause)
		b.fail(err)
	}
}

// read asks Temporal once.
func (b *Board) read(ctx context.Context) error {
	now := b.cfg.Now()
	every := b.cfg.Full
	if b.blind != "" {
		every = min(every, blindly)
	}
	if b.sheet == nil || b.edge.IsZero() || elapsed(b.lastFull, now) >= every {
		return b.full(ctx, now)
	}
	if b.blind != "" && b.lastTry.After(b.lastFull) {
		return nil
	}
	b.lastTry = now
	err := b.increment(ctx, now)
	var invalid *serviceerror.InvalidArgument
	switch {
	case errors.As(err, &invalid):
		// Full listings name no attribute of ours, and go on.
		b.blind = fault(err)
		b.show(b.page.Load().state.Read, nil, false)
		return nil
	case err != nil:
		b.sheet = nil // after an outage all is read
		return err
	}
	return nil
}

// blindly is the time between full listings while there are no increments.
const blindly = 30 * time.Second

// elapsed is the time from then to now. A clock that was set back makes it as
// long as can be: then there is no telling.
func elapsed(then, now time.Time) time.Duration {
	if d := now.Sub(then); d >= 0 {
		return d
	}
	return 1<<63 - 1
}

// full reads all.
func (b *Board) full(ctx context.Context, now time.Time) error {
	s := newSheet()
	ids := map[string]bool{}
	edge := b.edge
	query := fmt.Sprintf("%s AND (ExecutionStatus = 'Running' OR CloseTime >= '%s')", types(), instant(now.Add(-b.cfg.Keep)))
	err := b.list(ctx, query, func(v seen) {
		if id := s.add(v); id != "" {
			ids[id] = true
		}
		edge = later(edge, v, now)
	})
	if err != nil {
		return err
	}
	for id, p := range s.passes {
		if !p.row.Closed.IsZero() {
			delete(s.passes, id)
		}
	}
	old := b.page.Load()
	for id := range ids {
		r, ok := s.joined(id)
		if !ok {
			continue
		}
		if was := old.byID[id]; was != nil && *was == r {
			s.journeys[id] = was
		} else {
			s.journeys[id] = &r
		}
	}
	b.sheet, b.lastFull = s, now
	b.note(edge, now)
	changed := map[string]bool{}
	for id, r := range s.journeys {
		if old.byID[id] != r {
			changed[id] = true
		}
	}
	b.show(now, changed, len(s.journeys) != len(old.byID))
	return nil
}

// increment reads what has changed lately.
//
// From when on is told by Temporal's own times, carried on by how long ago we
// saw them: neither a wrong clock here nor one that jumps leaves a gap.
func (b *Board) increment(ctx context.Context, now time.Time) error {
	from := instant(b.edge.Add(-overlap))
	query := fmt.Sprintf("%s AND (%s >= '%s' OR StartTime >= '%s' OR CloseTime >= '%s')", types(), workflows.AttributeChanged, from, from, from)
	edge := b.edge
	if d := now.Sub(b.edgeAt); d > 0 {
		edge = edge.Add(d)
	}
	ids := map[string]bool{}
	err := b.list(ctx, query, func(v seen) {
		if id := b.sheet.add(v); id != "" {
			ids[id] = true
		}
		edge = later(edge, v, now)
	})
	if err != nil {
		return err
	}
	b.blind = ""
	b.note(edge, now)
	changed := b.sheet.renew(ids)
	dropped := b.sheet.drop(now.Add(-b.cfg.Keep))
	b.show(now, changed, dropped)
	return nil
}

// note keeps what Temporal's clock was at least when the reading began: what
// changed on a page that had been read by then is read again.
func (b *Board) note(edge, began time.Time) {
	if took := b.cfg.Now().Sub(began); took > 0 && !edge.IsZero() {
		edge = edge.Add(-took)
	}
	b.edge, b.edgeAt = edge, began
}

// later returns the latest of edge and the times of v that its server gave. An
// attribute could say anything: it counts only while it is not far ahead of our
// own clock.
func later(edge time.Time, v seen, now time.Time) time.Time {
	for _, t := range []time.Time{v.row.Began, v.row.Closed} {
		if t.After(edge) {
			edge = t
		}
	}
	if c := v.row.Changed; c.After(edge) && c.Before(now.Add(overlap)) {
		edge = c
	}
	return edge
}

// show puts up the next page, if anything differs, and wakes who waits.
func (b *Board) show(now time.Time, changed map[string]bool, gone bool) {
	old := b.page.Load()
	next := &page{rows: old.rows, byID: old.byID, state: old.state}
	differs := len(changed) > 0 || gone
	if differs {
		next = b.sheet.next(old, changed)
		next.state = old.state
	}
	next.state.Read, next.state.Rows = now, len(next.rows)
	differs = differs || old.state.Fault != b.blind
	next.state.Fault = b.blind
	b.put(next, differs)
}

// fail leaves what was known, and says why it is not newer.
func (b *Board) fail(err error) {
	old := b.page.Load()
	next := &page{rows: old.rows, byID: old.byID, state: old.state}
	next.state.Fault = fault(err)
	if next.state.Fault == old.state.Fault {
		return
	}
	b.cfg.Log.Warn("the board could not be read", "why", next.state.Fault)
	b.put(next, true)
}

func (b *Board) put(p *page, ring bool) {
	if ring {
		p.state.Version++
	}
	b.page.Store(p)
	if !ring {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.bell)
	b.bell = make(chan struct{})
}

// list calls take with every run that a query finds.
func (b *Board) list(ctx context.Context, query string, take func(seen)) error {
	var token []byte
	for {
		asking, cancel := context.WithTimeout(ctx, answerWithin)
		resp, err := b.cfg.Client.ListWorkflow(asking, &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: pageSize, NextPageToken: token})
		cancel()
		if err != nil {
			return err
		}
		for _, info := range resp.GetExecutions() {
			if v, ok := decode(info); ok {
				take(v)
			}
		}
		if token = resp.GetNextPageToken(); len(token) == 0 {
			return nil
		}
	}
}

// types chooses journeys and passes.
func types() string {
	names := []string{"'" + workflows.TypePass + "'"}
	for _, k := range jml.Kinds() {
		names = append(names, "'"+workflows.Type(k)+"'")
	}
	return "WorkflowType IN (" + strings.Join(names, ", ") + ")"
}

// instant is a time in a query. SQL stores keep microseconds.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z07:00") }

// fault says in our words why Temporal could not be read, and what to do.
func fault(err error) string {
	var (
		namespace *serviceerror.NamespaceNotFound
		denied    *serviceerror.PermissionDenied
		invalid   *serviceerror.InvalidArgument
		exhausted *serviceerror.ResourceExhausted
	)
	switch {
	case errors.As(err, &namespace):
		return "Temporal does not know the namespace: see temporal.namespace"
	case errors.As(err, &denied):
		return "Temporal denies the reading: see temporal.tls and temporal.api_key_file"
	case errors.As(err, &invalid):
		return "Temporal does not understand the query: firstpass setup adds the search attributes that are missing"
	case errors.As(err, &exhausted):
		return "Temporal is throttling; it is asked again in a moment"
	}
	return "Temporal does not answer: is it running at temporal.address, and reachable from here?"
}
