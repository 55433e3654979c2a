package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/intake/feed"
	"firstpass.internal/internal/intake/mapping"
	"firstpass.internal/internal/intake/proof"
	"firstpass.internal/internal/intake/tree"
	"firstpass.internal/internal/jml"
)

// Reader turns what an HR system sends into snapshots. It needs no secret and
// calls nobody.
type Reader struct {
	name     string
	cfg      config.Source
	scope    mapping.Scope // of the map
	split    *mapping.Expr // nil: [body]
	when     *mapping.Expr // nil: true
	dedupe   *mapping.Expr // nil: none
	fetching *mapping.Expr // fetch.when; nil: true
	hand     handshake
	mapper   *mapping.Mapper
}

type handshake struct {
	when, show, answer *mapping.Expr // nil: none
	unsigned           bool
}

// NewReader compiles the expressions of a source. Its error joins a
// *config.Error for everything that is wrong, each with its path under at.
func NewReader(at string, c config.Source, x *mapping.Compiler) (*Reader, error) {
	r := &Reader{name: c.Name, cfg: c, scope: mapping.ScopeItem}
	var errs []error
	compile := func(key, expr string, as func(mapping.Scope, string) (*mapping.Expr, error), scope mapping.Scope, to **mapping.Expr) {
		if expr == "" {
			return
		}
		e, err := as(scope, expr)
		if err != nil {
			errs = append(errs, &config.Error{Path: at + "." + key, Problem: err.Error()})
		}
		*to = e
	}
	compile("split", c.Split, x.List, mapping.ScopeBody, &r.split)
	compile("when", c.When, x.Bool, mapping.ScopeItem, &r.when)
	compile("dedupe", c.Dedupe, x.Text, mapping.ScopeBody, &r.dedupe)
	compile("handshake.when", c.Handshake.When, x.Bool, mapping.ScopeBody, &r.hand.when)
	compile("handshake.show", c.Handshake.Show, x.Text, mapping.ScopeBody, &r.hand.show)
	compile("handshake.answer", c.Handshake.Answer, x.Text, mapping.ScopeBody, &r.hand.answer)
	compile("fetch.when", c.Fetch.When, x.Bool, mapping.ScopeItem, &r.fetching)
	r.hand.unsigned = c.Handshake.Unsigned
	switch {
	case r.fetches() && isHint(c.Verify):
		r.scope = mapping.ScopeHint
	case r.fetches():
		r.scope = mapping.ScopeFetched
	}
	m, err := x.Mapper(at, c, r.scope)
	if err != nil {
		errs = append(errs, err)
	}
	r.mapper = m
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return r, nil
}

// isHint reports whether a request proves who sent it but not what it says.
func isHint(v config.Verify) bool {
	return v.Kind == config.VerifyURLSecret || v.Kind == config.VerifyHMAC && !strings.Contains(v.Message, "{body}")
}

func (r *Reader) fetches() bool { return r.cfg.Fetch.Request.URL != "" }

// Delivery is one request of an HR system.
type Delivery struct {
	Header      map[string]string `json:"header,omitempty"` // by lower-case name
	ContentType string            `json:"content_type"`
	Body        []byte            `json:"body"`
	Signed      time.Time         `json:"signed,omitzero"` // by the HR system's clock, if it signs a time
	ReceivedAt  time.Time         `json:"received_at"`
}

// NewDelivery takes what expressions may see out of a request. What proves its
// origin is left behind: it would otherwise rest in the quarantine.
func NewDelivery(h http.Header, body []byte, signed, now time.Time) Delivery {
	out := Delivery{Header: map[string]string{}, ContentType: h.Get("Content-Type"), Body: body, Signed: signed, ReceivedAt: now}
	for k, v := range h {
		if k != "Authorization" && k != "Cookie" && k != "Proxy-Authorization" {
			out.Header[strings.ToLower(k)] = strings.Join(v, ", ")
		}
	}
	return out
}

// seen is when the HR system says that what it sent was so.
func (d Delivery) seen() time.Time {
	if d.Signed.IsZero() {
		return d.ReceivedAt
	}
	return d.Signed
}

// open decodes the body of a delivery.
func (r *Reader) open(d Delivery) (mapping.Vars, error) {
	vars := mapping.Vars{Source: r.name, Settings: r.cfg.Settings, Header: d.Header}
	body, err := tree.Decode(d.ContentType, d.Body, tree.DefaultLimits())
	vars.Body = body
	return vars, err
}

// items tells the body's employees apart.
func (r *Reader) items(ctx context.Context, vars mapping.Vars) ([]any, error) {
	if r.split == nil {
		return []any{vars.Body}, nil
	}
	list, err := r.split.List(ctx, vars)
	if err != nil {
		return nil, fmt.Errorf("split: %w", err)
	}
	return list, nil
}

// Record is what one item of a delivery or a feed comes to: one of Snapshot,
// PassedOver, Fetch and Err.
type Record struct {
	Snapshot   jml.Snapshot
	PassedOver bool // by the source's when
	Fetch      bool // the HR system has to be asked
	Err        error
}

// Records reads a delivery. A body that can't be told apart into employees is
// one bad record. fetched stands for the HR system's answer, if there is one.
func (r *Reader) Records(ctx context.Context, d Delivery, fetched any) []Record {
	vars, err := r.open(d)
	if err != nil {
		return []Record{{Err: err}}
	}
	return r.records(ctx, vars, d, fetched)
}

func (r *Reader) records(ctx context.Context, vars mapping.Vars, d Delivery, fetched any) []Record {
	items, err := r.items(ctx, vars)
	if err != nil {
		return []Record{{Err: err}}
	}
	seen := d.seen()
	if r.fetches() {
		// What is fetched counts from our own clock. An item that is not, such as
		// a deletion, must not lose to it because HR's clock is behind.
		seen = d.ReceivedAt
	}
	out := make([]Record, 0, len(items))
	for _, item := range items {
		vars.Item = item
		out = append(out, r.record(ctx, vars, fetched, seen, d.ReceivedAt))
	}
	return out
}

// record reads the item of vars, which was so at seen.
func (r *Reader) record(ctx context.Context, vars mapping.Vars, fetched any, seen, now time.Time) Record {
	if r.when != nil {
		ok, err := r.when.Bool(ctx, vars)
		if err != nil {
			return Record{Err: fmt.Errorf("when: %w", err)}
		}
		if !ok {
			return Record{PassedOver: true}
		}
	}
	if r.fetches() && fetched == nil {
		ask, err := r.asks(ctx, vars)
		if err != nil {
			return Record{Err: err}
		}
		if ask {
			return Record{Fetch: true}
		}
	}
	vars.Fetched = fetched
	s, err := r.mapper.Snapshot(ctx, vars, seen, now)
	return Record{Snapshot: s, Err: err}
}

func (r *Reader) asks(ctx context.Context, vars mapping.Vars) (bool, error) {
	if r.fetching == nil {
		return true, nil
	}
	ok, err := r.fetching.Bool(ctx, vars)
	if err != nil {
		return false, fmt.Errorf("fetch.when: %w", err)
	}
	return ok, nil
}

// Handshake reports whether the delivery is no more than a trial by the HR
// system, what to answer, and what the operator has to be shown.
func (r *Reader) Handshake(ctx context.Context, d Delivery) (is bool, answer, show string) {
	if r.hand.when == nil {
		return false, "", ""
	}
	vars, err := r.open(d)
	if err != nil {
		return false, "", ""
	}
	if is, err = r.hand.when.Bool(ctx, vars); err != nil || !is {
		return false, "", ""
	}
	if r.hand.answer != nil {
		answer, _ = r.hand.answer.Text(ctx, vars) // a trial that gets no text gets ok
	}
	if r.hand.show != nil {
		show, _ = r.hand.show.Text(ctx, vars)
	}
	return true, answer, show
}

// Source is one HR system, ready to be listened to or read.
type Source struct {
	*Reader
	// people is the name by which its employees are known: its own, or that of
	// the source whose employees these are.
	people   string
	shared   bool // others speak of the same employees
	rules    jml.Rules
	profiles Profiles
	verifier *proof.Verifier // webhook and scim
	fetch    *feed.Caller    // webhook, if it fetches
	// fetchBody is what fetch sends; nil: nothing.
	fetchBody *mapping.Expr
	poll      *feed.Poll
	files     *feed.Files
}

// Profiles chooses the profile of a journey; *profile.Rules is one. user is nil:
// intake does not ask the tenant.
type Profiles interface {
	Choose(kind jml.Kind, source string, s jml.Snapshot, user *jml.User) jml.Choice
}

// SourceConfig is what a source needs beyond its own section.
type SourceConfig struct {
	At     string // path of its section, for errors
	Source config.Source
	// Profile is what a start is judged by where no rule is for an employee: the
	// source's own, or none.
	Profile   jml.Profile
	Profiles  Profiles
	LateLimit time.Duration
	Compiler  *mapping.Compiler
}

// NewSource reads the keys and compiles the expressions of a source. Its error
// joins a *config.Error for everything that is wrong.
func NewSource(s SourceConfig) (*Source, error) {
	c := s.Source
	out := &Source{
		people: cmp.Or(c.EmployeesOf, c.Name), profiles: s.Profiles,
		rules: jml.Rules{Profile: s.Profile, Guard: c.ContactGuard, LateLimit: s.LateLimit},
	}
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	if s.Profiles == nil {
		note(errors.New("intake: a source wants profiles"))
	}
	if s.Profile.Name == "" && c.Profile != "" {
		note(&config.Error{Path: s.At + ".profile", Problem: "there is no such profile"})
	}
	var err error
	out.Reader, err = NewReader(s.At, c, s.Compiler)
	note(err)
	switch c.Kind {
	case config.SourceWebhook, config.SourceSCIM:
		out.verifier, err = proof.New(s.At+".verify", c.Verify)
		note(err)
		if c.Fetch.Request.URL != "" {
			out.fetch, err = feed.NewCaller(s.At+".fetch.request", c.Fetch.Request, s.Compiler, mapping.ScopeFetchRequest)
			note(err)
		}
		if body := c.Fetch.Request.Body; body != "" && err == nil {
			out.fetchBody, err = s.Compiler.Text(mapping.ScopeFetchRequest, body)
			note(err)
		}
	case config.SourcePoll:
		out.poll, err = feed.NewPoll(s.At, c.Name, c.Settings, c.Poll, c.Split, s.Compiler)
		note(err)
	case config.SourceFile:
		out.files, err = feed.NewFiles(s.At, c.Name, c.Settings, c.File, c.Split, s.Compiler)
		note(err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return out, nil
}

// every is how often the source is read; 0 if it calls us.
func (s *Source) every() time.Duration {
	switch s.cfg.Kind {
	case config.SourcePoll:
		return s.cfg.Poll.Every
	case config.SourceFile:
		return s.cfg.File.Every
	case config.SourceEntra:
		return s.cfg.Entra.Every
	}
	return 0
}

// chosen returns the profile of a journey of an employee.
func (s *Source) chosen(kind jml.Kind, snap jml.Snapshot) jml.Choice {
	return s.profiles.Choose(kind, s.people, snap, nil)
}

// rulesFor returns what a snapshot is judged by: the profile of its joiner.
func (s *Source) rulesFor(snap jml.Snapshot) jml.Rules {
	r := s.rules
	if c := s.chosen(jml.KindJoiner, snap); c.Block == nil {
		r.Profile = c.Profile
	}
	if s.shared {
		r.Source = s.name
	}
	return r
}
