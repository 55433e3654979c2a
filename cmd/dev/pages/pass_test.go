package pages

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"firstpass.internal/internal/invitation"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/pickup"
	"firstpass.internal/internal/secret"
	"firstpass.internal/workflows"
)

// pass stands for a pass's workflow. What it counts, locks and refuses, it does
// as workflows/visits.go does.
type pass struct {
	now     func() time.Time
	book    *invitation.Book
	id      string
	ref     string
	proofs  []jml.Proof
	window  time.Duration
	facts   jml.Snapshot
	upn     string
	code    secret.Passcode // the passcode that Entra would make
	startAt time.Time
	journey jml.Kind // empty: joiner
	device  string   // of a staging, and whose it is
	owner   string
	devices int  // how many methods are asked for
	makes   bool // not any make of passkey

	mu          sync.Mutex
	linkHash    string
	codeHash    string
	repudiate   string // hash of the link to say "not me"
	deskHash    string
	linkUntil   time.Time
	wrongCodes  int
	wrongProofs int
	denied      bool
	visits      []*visitor
	holder      string
	issued      *workflows.Revealed
	over        bool
	again       bool
	mints       int
	block       *jml.Block // what stands in the way of making the pass
	asked       []string   // tokens of the links that managers were sent
	answers     map[string]json.RawMessage
	calls       []string // updates, in order
}

// visitor is one browser that showed link and code.
type visitor struct {
	id               string
	key              []byte
	proven           int
	askedAt          time.Time
	attest, number   string // hashes
	refused, minting bool
	block            *jml.Block
	final            bool
}

func (p *pass) locked() bool {
	return p.wrongCodes >= workflows.WrongCodes || p.wrongProofs >= workflows.WrongProofs || p.denied
}

func (p *pass) visit(match func(*visitor) bool) *visitor {
	if i := slices.IndexFunc(p.visits, match); i >= 0 {
		return p.visits[i]
	}
	return nil
}

func (p *pass) byID(id string) *visitor { return p.visit(func(v *visitor) bool { return v.id == id }) }

func (p *pass) needed(v *visitor) *jml.Proof {
	if v.proven < len(p.proofs) {
		return &p.proofs[v.proven]
	}
	return nil
}

func (p *pass) openTo(linkHash string) bool {
	return !p.over && linkHash == p.linkHash && !p.locked() && p.holder == "" && p.now().Before(p.linkUntil)
}

// Update answers the same update with the same answer, as Temporal does.
func (p *pass) Update(_ context.Context, workflowID, update, id string, request, answer any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	raw, known := p.answers[id]
	if !known {
		if workflowID != p.id {
			return pickup.ErrNothing
		}
		p.calls = append(p.calls, update)
		out, err := p.serve(request)
		if err != nil {
			return err
		}
		if raw, err = json.Marshal(out); err != nil {
			return err
		}
		p.answers[id] = raw
	}
	return json.Unmarshal(raw, answer)
}

// Visit answers where a visit stands.
func (p *pass) Visit(_ context.Context, workflowID, visit string) (workflows.VisitView, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if workflowID != p.id {
		return workflows.VisitView{}, pickup.ErrNothing
	}
	return p.view(visit), nil
}

func (p *pass) serve(request any) (any, error) {
	switch r := request.(type) {
	case workflows.VisitRequest:
		if !p.openTo(r.LinkHash) || r.Visit == "" || len(r.PublicKey) == 0 {
			return nil, pickup.ErrNothing
		}
		if r.CodeHash != p.codeHash {
			p.wrongCodes++
			return workflows.VisitView{}, nil
		}
		v := &visitor{id: r.Visit, key: r.PublicKey}
		p.visits = append(p.visits, v)
		return p.visitorsView(v.id), p.advance(v)
	case workflows.ProveRequest:
		v := p.byID(r.Visit)
		if v == nil || !p.openTo(p.linkHash) {
			return nil, pickup.ErrNothing
		}
		next := p.needed(v)
		if next == nil || next.Name != r.Proof || next.Kind == jml.ProofManager {
			return nil, pickup.ErrNothing
		}
		passed := r.Passed
		if next.Kind == jml.ProofDesk {
			passed = r.CodeHash != "" && r.CodeHash == p.deskHash
		}
		if !passed {
			p.wrongProofs++
			return p.visitorsView(v.id), nil
		}
		v.proven++
		return p.visitorsView(v.id), p.advance(v)
	case workflows.RevealRequest:
		v := p.byID(r.Visit)
		if v == nil || p.over || p.holder != v.id && (!p.openTo(p.linkHash) || p.needed(v) != nil || v.final) {
			return nil, pickup.ErrNothing
		}
		return p.reveal(v)
	case workflows.AttestRequest:
		v := p.visit(func(v *visitor) bool { return v.attest != "" && v.attest == r.LinkHash })
		if v == nil || !p.openTo(p.linkHash) || !slices.Contains(workflows.AttestWays(), r.How) {
			return nil, pickup.ErrNothing
		}
		if next := p.needed(v); next == nil || next.Kind != jml.ProofManager {
			return nil, pickup.ErrNothing
		}
		switch {
		case r.NumberHash != v.number:
			p.wrongProofs++
			return workflows.Answer{}, nil
		case !r.Vouches:
			p.denied, v.refused = true, true
			return workflows.Answer{Done: true}, nil
		}
		v.proven++
		return workflows.Answer{Done: true}, p.advance(v)
	case workflows.RepudiateRequest:
		if r.LinkHash != p.repudiate || p.over {
			return nil, pickup.ErrNothing
		}
		p.over = true
		return workflows.Answer{Done: true}, nil
	case workflows.AgainRequest:
		lapsed := p.holder == "" && !p.now().Before(p.linkUntil)
		used := p.issued != nil && !p.now().Before(p.issued.At.Add(p.window))
		if p.over || p.again || r.LinkHash != p.linkHash || p.locked() || !lapsed && !used {
			return nil, pickup.ErrNothing
		}
		if r.CodeHash != p.codeHash {
			p.wrongCodes++
			return workflows.Answer{}, nil
		}
		p.again = true
		return workflows.Answer{Done: true}, nil
	}
	return nil, pickup.ErrNothing
}

// advance asks the manager when it is his turn.
func (p *pass) advance(v *visitor) error {
	next := p.needed(v)
	if next == nil || next.Kind != jml.ProofManager || !v.askedAt.IsZero() {
		return nil
	}
	token, hash, err := link(p.book, invitation.Spec{
		Kind: invitation.Attest, WorkflowID: p.id, Invitation: round, Visit: v.id, Ref: p.ref, Until: p.linkUntil,
	})
	v.askedAt, v.attest, v.number = p.now(), hash, p.book.HashNumber(hash, p.book.Number(v.id))
	p.asked = append(p.asked, token)
	return err
}

func (p *pass) reveal(v *visitor) (workflows.VisitView, error) {
	switch {
	case p.holder != "":
	case p.block != nil:
		v.block = p.block
		v.final = p.block.Reason != jml.ReasonGraphUnavailable
	default:
		sealed, err := secret.Seal(p.code, v.key, v.id)
		if err != nil {
			return workflows.VisitView{}, err
		}
		p.mints++
		p.holder, v.block = v.id, nil
		begins := p.startAt
		if p.now().After(begins) {
			begins = p.now()
		}
		p.issued = &workflows.Revealed{
			Pass:   jml.Pass{CreatedAt: p.now(), StartAt: begins, Lifetime: 8 * time.Hour},
			Sealed: sealed, SignInName: p.upn, Register: []jml.MethodKind{jml.MethodFIDO2, jml.MethodAuthenticator},
			At: p.now(), Closes: p.now().Add(p.window), Ref: p.ref, Devices: p.devices, Makes: p.makes,
		}
	}
	return p.view(v.id), nil
}

func (p *pass) view(id string) workflows.VisitView {
	v := p.byID(id)
	if v == nil || p.locked() && !v.refused || p.holder != "" && p.holder != id {
		return workflows.VisitView{}
	}
	view := workflows.VisitView{
		Open: true, Needed: p.needed(v), Asked: v.askedAt, Refused: v.refused, Locale: "en", Zone: "Europe/Oslo",
		Start: p.startAt, Journey: p.journey, Device: p.device, Owner: p.owner, Minting: v.minting, Block: v.block, Final: v.final,
	}
	if p.holder == id {
		view.Revealed = p.issued
	}
	return view
}

func (p *pass) visitorsView(id string) workflows.VisitView {
	view := p.view(id)
	if view.Needed != nil {
		facts := p.facts
		view.Employee = &facts
	}
	return view
}

// is runs f on the pass, to look at it or to have something happen to it.
func (p *pass) is(f func(*pass)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}
