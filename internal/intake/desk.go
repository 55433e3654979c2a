package intake

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"sync"
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ledger"
)

// Deliverer hands snapshots to Temporal; *Starter is one.
type Deliverer interface {
	// Introduce is Deliver for an employee who is not known yet.
	Introduce(ctx context.Context, e Errand) (Outcome, error)
	Deliver(ctx context.Context, e Errand) (Outcome, error)
	// Signal begins no journey: it is for one that may run.
	Signal(ctx context.Context, e Errand) (Outcome, error)
	// Begin begins what somebody asked for, or returns ErrRunning.
	Begin(ctx context.Context, e Errand) (Outcome, error)
}

// Noticer has an employee fetched; *Starter is one.
type Noticer interface {
	Notify(ctx context.Context, source, key string, n Notice) error
}

// Auditor writes a line and returns once it is on disk.
type Auditor interface {
	Append(context.Context, audit.Entry) error
}

// Hires reads the tenant's users by employeeHireDate, as plain trees.
type Hires interface {
	Hires(ctx context.Context, from, to time.Time, yield func(map[string]any) error) error
}

// DeskConfig is what a desk needs. All of it but Hires and Observe is required.
type DeskConfig struct {
	Sources []*Source
	Ledger  *ledger.Ledger
	Starter Deliverer
	Notices Noticer
	Refs    Refs
	Audit   Auditor
	Hires   Hires // for sources of kind entra
	// Observe, if set, is told of n things that source said and what came of
	// them, in the words of counts. It must be quick.
	Observe func(source, what string, n int)
	Now     func() time.Time
	Logger  *slog.Logger
}

// Desk takes what HR systems say. It compares each snapshot with the last one of
// the same employee and tells the joiners what is new: nothing is sent to
// Temporal that it knows already. It is safe for concurrent use.
type Desk struct {
	cfg     DeskConfig
	sources map[string]*Source
	counts  counts
	// kept has the sources of which nothing is kept that came while they were
	// paused, as far as this process knows.
	kept sync.Map
	// One employee at a time: two snapshots of the same moment, taken at once,
	// could end as one in the ledger and the other in Temporal. They are channels,
	// so that who waits can give up: HR systems hang up after seconds.
	locks [256]chan struct{}
}

// NewDesk returns a desk.
func NewDesk(cfg DeskConfig) (*Desk, error) {
	if cfg.Ledger == nil || cfg.Starter == nil || cfg.Notices == nil || cfg.Audit == nil || cfg.Now == nil || cfg.Logger == nil {
		return nil, errors.New("intake: incomplete DeskConfig")
	}
	if err := cfg.Refs.check(); err != nil {
		return nil, err
	}
	d := &Desk{cfg: cfg, sources: map[string]*Source{}}
	d.counts.observe = cfg.Observe
	for i := range d.locks {
		d.locks[i] = make(chan struct{}, 1)
	}
	for _, s := range cfg.Sources {
		if s.cfg.Kind == config.SourceEntra && cfg.Hires == nil {
			return nil, fmt.Errorf("intake: source %s reads Entra, and there is no Graph client", s.name)
		}
		d.sources[s.name] = s
	}
	speakers := map[string]int{}
	for _, s := range d.sources {
		if owner, ok := d.sources[s.people]; ok {
			s.rules = owner.rules
		}
		speakers[s.people]++
	}
	for _, s := range d.sources {
		s.shared = speakers[s.people] > 1
	}
	return d, nil
}

// ErrNoSource answers for a source that the configuration does not have.
var ErrNoSource = errors.New("no such source")

func (d *Desk) source(name string) (*Source, error) {
	s, ok := d.sources[name]
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrNoSource, name)
	}
	return s, nil
}

// Take kinds of outcome beside those of a delivery.
const (
	OutcomeKnown    OutcomeKind = "known"    // HR says nothing new
	OutcomeOutdated OutcomeKind = "outdated" // HR said something newer before
	OutcomeSilent   OutcomeKind = "silent"   // new, and no journey that cares
)

// Taken says what became of a snapshot. Nothing in it is personal.
type Taken struct {
	Outcome
	Facts []jml.Fact `json:"facts,omitempty"`
	Held  bool       `json:"held,omitempty"` // the contact waits for approval
}

// Take brings one snapshot to the ledger and, if it is new, to the joiner.
//
// Crash: the joiner is told first. A crash before the ledger knows leaves a
// snapshot that is told again and changes nothing the second time.
func (d *Desk) Take(ctx context.Context, s *Source, snap jml.Snapshot) (Taken, error) {
	who, unlock, err := d.identify(ctx, s, snap)
	if err != nil {
		return Taken{}, err
	}
	defer unlock()
	ref := who.ref
	e, found, err := d.cfg.Ledger.Employee(ctx, s.people, ref)
	if err != nil {
		return Taken{}, err
	}
	next := entry{people: s.people, ref: ref, seenAt: d.cfg.Now()}
	var old *jml.Known
	digest := d.digest(snap)
	if found {
		if snap.ObservedAt.Before(e.ObservedAt) {
			return Taken{Outcome: Outcome{Kind: OutcomeOutdated, Ref: ref}}, nil
		}
		if old, err = known(e); err != nil {
			return Taken{}, err
		}
		var current bool
		if snap, current = old.Identified(snap); !current {
			return Taken{Outcome: Outcome{Kind: OutcomeOutdated, Ref: ref, Why: "HR knows this employee by another id now"}}, nil
		}
		digest = d.digest(snap)
		if bytes.Equal(digest, e.Digest) && e.Missing == 0 {
			return Taken{Outcome: Outcome{Kind: OutcomeKnown, Ref: ref}}, d.sawAgain(ctx, e, snap.ObservedAt)
		}
		*old = old.Beside(who.twin)
	}
	c := jml.Consider(old, snap, s.rulesFor(snap), d.cfg.Now())
	return d.apply(ctx, s, next, old, c, digest)
}

// sawAgain moves the time at which an unchanged employee was seen, so that what
// HR said in between and sends late counts as old.
func (d *Desk) sawAgain(ctx context.Context, e ledger.Employee, at time.Time) error {
	if !at.After(e.ObservedAt) {
		return nil
	}
	e.ObservedAt, e.SeenAt = at, d.cfg.Now()
	return d.cfg.Ledger.PutEmployees(ctx, []ledger.Employee{e})
}

// entry is an employee's place in the ledger.
type entry struct {
	people, ref string    // as in Source.people
	observedAt  time.Time // not before this, though what HR said is older
	seenAt      time.Time
	missing     int
}

// apply tells the journeys of a change and writes it down. The caller holds the
// employee's lock.
func (d *Desk) apply(ctx context.Context, s *Source, at entry, old *jml.Known, c jml.Change, digest []byte) (Taken, error) {
	told, err := d.inform(ctx, s, at, old, &c)
	if err != nil {
		return Taken{}, err
	}
	return d.note(ctx, at, old, c, digest, told)
}

// note writes down what the journeys have been told.
func (d *Desk) note(ctx context.Context, at entry, old *jml.Known, c jml.Change, digest []byte, told Outcome) (Taken, error) {
	out := Taken{Outcome: told, Facts: c.Facts, Held: len(waits(&c.Known)) > 0}
	e, err := employee(at, c.Known, digest)
	if err != nil {
		return Taken{}, err
	}
	// The list of what is held is always the longer one: without a line in it
	// nobody would know whom the joiner waits for.
	for _, kind := range waits(&c.Known) {
		err := d.cfg.Ledger.Hold(ctx, ledger.Held{Source: at.people, Ref: at.ref, Kind: string(kind), Since: d.cfg.Now()})
		if err != nil {
			return Taken{}, err
		}
	}
	if err := d.cfg.Ledger.PutEmployees(ctx, []ledger.Employee{e}); err != nil {
		return Taken{}, err
	}
	for _, kind := range waits(old) {
		if slices.Contains(waits(&c.Known), kind) {
			continue
		}
		if err := d.unlist(ctx, at.people, at.ref, kind); err != nil {
			return out, err
		}
	}
	if old != nil && c.Known.Told.Leaves(old.Told) {
		return out, d.overtaken(ctx, at, c.Known.Told)
	}
	return out, nil
}

// waits lists what of an employee waits for somebody's decision.
func waits(k *jml.Known) []jml.Hold {
	var out []jml.Hold
	if k != nil && k.Held {
		out = append(out, jml.HoldContact)
	}
	if k != nil && k.Contradicted() {
		out = append(out, jml.HoldContradiction)
	}
	return out
}

// unlist takes an employee off the list of what is held.
func (d *Desk) unlist(ctx context.Context, people, ref string, kind jml.Hold) error {
	err := d.cfg.Ledger.Release(ctx, people, ref, string(kind))
	if errors.Is(err, ledger.ErrNotFound) {
		return nil
	}
	return err
}

// lock waits for the turn of an employee, who may have had several references,
// at most until ctx ends.
func (d *Desk) lock(ctx context.Context, people string, refs ...string) (unlock func(), err error) {
	var turns []uint32
	for _, ref := range refs {
		h := fnv.New32a()
		_, _ = h.Write([]byte(people + "/" + ref)) // never fails
		turns = append(turns, h.Sum32()%uint32(len(d.locks)))
	}
	// In one order, so that two who want the same don't wait for each other.
	slices.Sort(turns)
	turns = slices.Compact(turns)
	taken := 0
	unlock = func() {
		for _, t := range turns[:taken] {
			<-d.locks[t]
		}
	}
	for _, t := range turns {
		select {
		case d.locks[t] <- struct{}{}:
			taken++
		case <-ctx.Done():
			unlock()
			return nil, ctx.Err()
		}
	}
	return unlock, nil
}

// digest tells two states of an employee apart without opening them. It is
// keyed: a plain hash of a name and a number could be guessed.
func (d *Desk) digest(s jml.Snapshot) []byte {
	s.ObservedAt, s.ZoneRule, s.Hold = time.Time{}, "", ""
	raw, err := json.Marshal(s)
	if err != nil {
		return nil // a Snapshot always marshals; nil equals no digest
	}
	mac := hmac.New(sha256.New, d.cfg.Refs.key)
	_, _ = mac.Write([]byte("state\x00")) // a hash never fails
	_, _ = mac.Write(raw)
	return mac.Sum(nil)[:16]
}

func known(e ledger.Employee) (*jml.Known, error) {
	var k jml.Known
	if err := json.Unmarshal(e.State, &k); err != nil {
		return nil, fmt.Errorf("intake: the ledger's state of %s can't be read; firstpass source forget %s has everything sent anew", e.Ref, e.Source)
	}
	return &k, nil
}

func employee(at entry, k jml.Known, digest []byte) (ledger.Employee, error) {
	state, err := json.Marshal(k)
	if err != nil {
		return ledger.Employee{}, fmt.Errorf("intake: %w", err)
	}
	observed := k.Said.ObservedAt
	if at.observedAt.After(observed) {
		observed = at.observedAt
	}
	start := ""
	if !k.Told.StartDate.IsZero() {
		start = k.Told.StartDate.String()
	}
	return ledger.Employee{
		Source: at.people, Ref: at.ref, Digest: digest, State: state, Start: start,
		Open: k.Told.Status == jml.StatusScheduled, ObservedAt: observed, SeenAt: at.seenAt, Missing: at.missing,
	}, nil
}
