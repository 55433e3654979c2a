package workflows

import (
	"errors"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"firstpass.internal/internal/jml"
)

// pickup is an invitation and those who came with it.
type pickup struct {
	LinkHash    string    `json:"link_hash,omitempty"`
	CodeHash    string    `json:"code_hash,omitempty"`
	LinkUntil   time.Time `json:"link_until,omitzero"`
	Wrong       []string  `json:"wrong,omitempty"` // hashes of wrong codes
	WrongProofs int       `json:"wrong_proofs,omitempty"`
	Denied      bool      `json:"denied,omitempty"` // one visit was refused
	Opened      int       `json:"opened,omitempty"` // visits in all
	Visits      []*visit  `json:"visits,omitempty"` // the last ones
	Holder      string    `json:"holder,omitempty"` // the visit that collected the pass
	Desk        deskCode  `json:"desk,omitzero"`
}

// visit is one browser that showed link and code.
type visit struct {
	ID         string     `json:"id"`
	PublicKey  []byte     `json:"public_key"`
	Proven     []Proven   `json:"proven,omitempty"`
	AskedAt    time.Time  `json:"asked_at,omitzero"`
	AttestHash string     `json:"attest_hash,omitempty"`
	NumberHash string     `json:"number_hash,omitempty"`
	Refused    bool       `json:"refused,omitempty"` // the manager said that it is somebody else
	Minting    bool       `json:"minting,omitempty"`
	Block      *jml.Block `json:"block,omitempty"`
	Final      bool       `json:"final,omitempty"`
}

// deskCode is what an officer vouched for.
type deskCode struct {
	Hash  string    `json:"hash"`
	Until time.Time `json:"until"`
	Actor string    `json:"actor"`
}

// keptVisits bounds how many browsers may be under way at a time. Link and code
// are needed to open one, so more than a few are no accident.
const keptVisits = 5

// locked reports whether nobody can use the link any more until somebody has
// looked into it.
func (k *pickup) locked() bool {
	return len(k.Wrong) >= WrongCodes || k.WrongProofs >= WrongProofs || k.Denied
}

func (k *pickup) visit(id string) *visit {
	i := slices.IndexFunc(k.Visits, func(v *visit) bool { return v.ID == id })
	if i < 0 || id == "" {
		return nil
	}
	return k.Visits[i]
}

// needed returns the next proof that v has to give; nil for none.
func (v *visit) needed(profile jml.Profile) *jml.Proof {
	if len(v.Proven) < len(profile.Proofs) {
		return &profile.Proofs[len(v.Proven)]
	}
	return nil
}

// invite sends link and code, unless an earlier run has.
func (p *pass) invite(ctx workflow.Context) error {
	k := &p.state.Pickup
	if k.CodeHash != "" {
		if p.state.Issued == nil {
			p.enter(ctx, jml.StageInvited)
		}
		return nil
	}
	k.LinkUntil = workflow.Now(ctx).Add(p.in.Profile.LinkValid)
	link, err := p.send(ctx, jml.MessageLink, by(p.in.Channel, p.in.Profile.LinkTo), nil)
	if err != nil {
		return err
	}
	k.LinkHash = link.Hash
	code, err := p.send(ctx, jml.MessageCode, by(p.in.Channel, p.in.Profile.CodeTo), nil)
	if err != nil {
		return err
	}
	k.CodeHash = code.Hash
	p.enter(ctx, jml.StageInvited)
	return nil
}

// mint makes the pass for the visit that asked for it, sealed so that only that
// visitor can open it. The employee may have changed since the invitation, which
// can be days old: preflight decides again.
func (p *pass) mint(ctx workflow.Context) jml.PassEnd {
	v := p.wish
	p.wish = nil
	if p.state.Held {
		return p.refuse(v, jml.Blocked(jml.ReasonHeld, ""))
	}
	verdict, err := callLocal(read(ctx), "Preflight", Activities.Preflight, PreflightInput{
		Ref: p.in.Ref, Match: p.match(), Profile: p.in.Profile, Since: p.counts(),
	})
	if err != nil {
		verdict.Block = blockOf(err)
	}
	switch {
	case verdict.Block != nil:
		return p.refuse(v, verdict.Block)
	case p.state.Held: // meanwhile
		return p.refuse(v, jml.Blocked(jml.ReasonHeld, ""))
	case verdict.User.ID != p.in.UserID:
		// The record was matched to somebody else meanwhile.
		return p.refuse(v, jml.Blocked(jml.ReasonUserAmbiguous, "another user than at the invitation"))
	case verdict.Privileged && !p.in.Approved:
		// He got the role after the journey found him without one.
		return p.refuse(v, jml.Blocked(jml.ReasonUserPrivileged, "since the invitation"))
	case len(verdict.Already) > 0:
		p.registered, p.methods, p.met = &verdict.Already[0], verdict.Already, p.in.Profile.Requirement()
		return jml.EndAlready
	}
	in := p.issueInput()
	in.Notice, in.Seal = p.notice(jml.MessagePass), &SealInput{Visit: v.ID, PublicKey: v.PublicKey}
	issued, err := call(issue(ctx), "IssuePass", Activities.IssuePass, in)
	if err != nil {
		// A pass whose reply was lost would stand in the way of the next try.
		if _, err := p.revoke(ctx, "", "not handed over", false); err != nil {
			return p.refuse(v, blockOf(err))
		}
		p.enter(ctx, jml.StageInvited)
		return p.refuse(v, blockOf(err))
	}
	p.hold(ctx, issued)
	p.state.Pickup.Holder = v.ID
	v.Minting, v.Block = false, nil
	p.tell(ctx, jml.MessageCollected, p.in.Profile.NoticeTo)
	return ""
}

// match is how the user is found: as the journey found him.
func (p *pass) match() jml.Match {
	if p.in.Linked {
		return jml.Match{Attribute: jml.MatchObjectID, Value: p.in.UserID}
	}
	return p.in.Facts.UserMatch()
}

// counts is from when on a method counts as there already: who lost one may have
// others.
func (p *pass) counts() time.Time {
	if p.in.Kind.Asked() {
		return p.in.Since
	}
	return time.Time{}
}

// refuse tells the visitor why there is no pass. What passes by itself may be
// tried again in the same visit; else the journey goes on without this
// invitation.
func (p *pass) refuse(v *visit, b *jml.Block) jml.PassEnd {
	v.Minting, v.Block = false, b
	switch b.Reason {
	case jml.ReasonGraphUnavailable, jml.ReasonAuditUnavailable, jml.ReasonInternal, jml.ReasonUserNotReady,
		jml.ReasonHeld, jml.ReasonHalted:
		return ""
	}
	v.Final = true
	p.block = b
	return jml.EndBlocked
}

var errNothing = errors.New("there is nothing to see")

// listenToVisitors registers what the pick-up page, operators and the employee
// may do.
func (p *pass) listenToVisitors(ctx workflow.Context) error {
	if err := workflow.SetQueryHandler(ctx, QueryVisit, func(id string) (VisitView, error) { return p.visitView(id), nil }); err != nil {
		return err
	}
	return errors.Join(
		update(ctx, UpdateVisit, p.mayVisit, p.onVisit),
		update(ctx, UpdateProve, p.mayProve, p.onProve),
		update(ctx, UpdateReveal, p.mayReveal, p.onReveal),
		update(ctx, UpdateAttest, p.mayAttest, p.onAttest),
		update(ctx, UpdateDesk, p.mayDesk, p.onDesk),
		update(ctx, UpdateRepudiate, p.mayRepudiate, p.onRepudiate),
		update(ctx, UpdateAgain, p.mayAskAgain, p.onAgain),
	)
}

// update registers a handler and its validator.
func update[I, O any](ctx workflow.Context, name string, may func(workflow.Context, I) error, on func(workflow.Context, I) (O, error)) error {
	return workflow.SetUpdateHandlerWithOptions(ctx, name, on, workflow.UpdateHandlerOptions{Validator: may})
}

// step writes to the audit what a visitor did.
func (p *pass) step(ctx workflow.Context, s Step, actor, detail string) error {
	_, err := callLocal(record(ctx), "RecordStep", Activities.RecordStep, StepInput{
		Ref: p.in.Ref, UserID: p.in.UserID, Event: s, Actor: actor, Detail: detail,
	})
	return err
}

// open reports whether there is an invitation that can still be used. Link and
// code lapse; what was collected is used.
func (p *pass) openTo(ctx workflow.Context, linkHash string) bool {
	k := &p.state.Pickup
	return !p.over && k.CodeHash != "" && linkHash == k.LinkHash && !k.locked() && k.Holder == "" &&
		workflow.Now(ctx).Before(k.LinkUntil)
}

// mayVisit keeps what can't be right out of history: nobody can make it grow
// who has no link, nor with more than a few wrong codes.
func (p *pass) mayVisit(ctx workflow.Context, r VisitRequest) error {
	if !p.inviting(r.LinkHash) && !p.openTo(ctx, r.LinkHash) || r.Visit == "" || len(r.PublicKey) == 0 || p.state.Pickup.known(r.CodeHash) {
		return errNothing
	}
	return nil
}

// known reports whether a code was found wrong before. Who types it again learns
// nothing by it, so it does not count again: bots type one code into every form.
func (k *pickup) known(codeHash string) bool { return slices.Contains(k.Wrong, codeHash) }

// inviting reports whether link and code are just going out. Both may have
// arrived before we hear that they were sent: by minutes, if a worker dies in
// between.
func (p *pass) inviting(linkHash string) bool {
	k := &p.state.Pickup
	return p.in.Profile.Mode == jml.ModePickup && !p.over && k.CodeHash == "" && (k.LinkHash == "" || k.LinkHash == linkHash)
}

func (p *pass) onVisit(ctx workflow.Context, r VisitRequest) (VisitView, error) {
	k := &p.state.Pickup
	if err := workflow.Await(ctx, func() bool { return !p.inviting(r.LinkHash) }); err != nil {
		return VisitView{}, err
	}
	if !p.openTo(ctx, r.LinkHash) {
		return VisitView{}, nil
	}
	if r.CodeHash != k.CodeHash {
		return VisitView{}, p.wrongCode(ctx, r.CodeHash)
	}
	if k.visit(r.Visit) == nil {
		v := &visit{ID: r.Visit, PublicKey: r.PublicKey}
		k.Opened++
		k.Visits = append(k.Visits, v)
		if len(k.Visits) > keptVisits {
			k.Visits = slices.Clone(k.Visits[1:])
		}
		if err := p.step(ctx, StepVisitOpened, "", ""); err != nil {
			return VisitView{}, err
		}
		p.advance(ctx, v)
	}
	return p.visitorsView(r.Visit), nil
}

// wrongCode counts before it waits for the audit: five at once are five.
func (p *pass) wrongCode(ctx workflow.Context, codeHash string) error {
	p.state.Pickup.Wrong = append(p.state.Pickup.Wrong, codeHash)
	return p.wrong(ctx, StepVisitRefused, "")
}

func (p *pass) wrong(ctx workflow.Context, s Step, detail string) error {
	locked := p.state.Pickup.locked()
	err := p.step(ctx, s, "", detail)
	if locked {
		err = errors.Join(err, p.step(ctx, StepLocked, "", detail))
		p.wake()
	}
	return err
}

// mayProve: only the proof that is next, in order.
func (p *pass) mayProve(ctx workflow.Context, r ProveRequest) error {
	v := p.state.Pickup.visit(r.Visit)
	if v == nil || !p.openTo(ctx, p.state.Pickup.LinkHash) {
		return errNothing
	}
	next := v.needed(p.in.Profile)
	if next == nil || next.Name != r.Proof || next.Kind == jml.ProofManager {
		return errNothing
	}
	return nil
}

func (p *pass) onProve(ctx workflow.Context, r ProveRequest) (VisitView, error) {
	k := &p.state.Pickup
	v := k.visit(r.Visit)
	next := v.needed(p.in.Profile)
	passed, actor := r.Passed, ""
	if next.Kind == jml.ProofDesk {
		passed = r.CodeHash != "" && r.CodeHash == k.Desk.Hash && workflow.Now(ctx).Before(k.Desk.Until)
		if passed {
			actor = k.Desk.Actor
			k.Desk = deskCode{} // once
		}
	}
	if !passed {
		k.WrongProofs++
		return p.visitorsView(r.Visit), p.wrong(ctx, StepProofRefused, next.Name)
	}
	v.Proven = append(v.Proven, Proven{Proof: next.Name, Kind: next.Kind, At: workflow.Now(ctx), Evidence: r.Evidence})
	if err := p.step(ctx, StepProofGiven, actor, next.Name+" "+r.Evidence); err != nil {
		return VisitView{}, err
	}
	p.advance(ctx, v)
	return p.visitorsView(r.Visit), nil
}

// advance asks the manager when it is his turn.
func (p *pass) advance(ctx workflow.Context, v *visit) {
	next := v.needed(p.in.Profile)
	if next == nil || next.Kind != jml.ProofManager || !v.AskedAt.IsZero() {
		return
	}
	v.AskedAt = workflow.Now(ctx)
	p.telling++
	workflow.Go(ctx, func(ctx workflow.Context) {
		r, err := p.send(ctx, jml.MessageAttest, next.To, v)
		if err != nil {
			v.AskedAt = time.Time{} // the visitor is told that nobody could be asked
		}
		v.AttestHash, v.NumberHash = r.Hash, r.NumberHash
		p.telling--
	})
}

// mayReveal: all proofs there. Who collected it may ask again and again.
func (p *pass) mayReveal(ctx workflow.Context, r RevealRequest) error {
	k := &p.state.Pickup
	v := k.visit(r.Visit)
	if v == nil || p.over {
		return errNothing
	}
	if k.Holder == v.ID {
		return nil
	}
	if !p.openTo(ctx, k.LinkHash) || v.needed(p.in.Profile) != nil || v.Final {
		return errNothing
	}
	return nil
}

func (p *pass) onReveal(ctx workflow.Context, r RevealRequest) (VisitView, error) {
	v := p.state.Pickup.visit(r.Visit)
	if p.state.Pickup.Holder == "" && !v.Minting {
		v.Minting, v.Block = true, nil
		p.wish = v
		p.wake()
	}
	err := workflow.Await(ctx, func() bool { return !v.Minting || p.over })
	return p.visitView(r.Visit), err
}

func (p *pass) attested(linkHash string) *visit {
	i := slices.IndexFunc(p.state.Pickup.Visits, func(v *visit) bool { return v.AttestHash == linkHash })
	if i < 0 || linkHash == "" {
		return nil
	}
	return p.state.Pickup.Visits[i]
}

func (p *pass) mayAttest(ctx workflow.Context, r AttestRequest) error {
	v := p.attested(r.LinkHash)
	if v == nil || !p.openTo(ctx, p.state.Pickup.LinkHash) || !slices.Contains(AttestWays(), r.How) {
		return errNothing
	}
	if next := v.needed(p.in.Profile); next == nil || next.Kind != jml.ProofManager {
		return errNothing
	}
	return nil
}

func (p *pass) onAttest(ctx workflow.Context, r AttestRequest) (Answer, error) {
	k := &p.state.Pickup
	v := p.attested(r.LinkHash)
	next := v.needed(p.in.Profile)
	if r.NumberHash != v.NumberHash {
		// The manager speaks to somebody else than who waits at the page.
		k.WrongProofs++
		return Answer{}, p.wrong(ctx, StepProofRefused, next.Name)
	}
	if !r.Vouches {
		k.Denied, v.Refused = true, true
		return Answer{Done: true}, p.wrong(ctx, StepAttested, "no")
	}
	v.Proven = append(v.Proven, Proven{Proof: next.Name, Kind: next.Kind, At: workflow.Now(ctx), Evidence: r.How})
	if err := p.step(ctx, StepAttested, "manager", r.How); err != nil {
		return Answer{}, err
	}
	p.advance(ctx, v)
	return Answer{Done: true}, nil
}

func (p *pass) mayDesk(ctx workflow.Context, r DeskRequest) error {
	k := &p.state.Pickup
	switch {
	case r.Officer == "" || r.CodeHash == "":
		return errors.New("officer and code are needed")
	case !slices.Contains(DeskDocuments(), r.Document):
		return errors.New("say which kind of document was looked at")
	case r.Valid <= 0 || r.Valid > DeskCodeValid:
		return errors.New("a desk's code is valid for at most " + DeskCodeValid.String())
	case !slices.ContainsFunc(p.in.Profile.Proofs, func(f jml.Proof) bool { return f.Kind == jml.ProofDesk }):
		return errors.New("the profile of this employee asks for no proof at a desk")
	case !p.openTo(ctx, k.LinkHash):
		return errors.New("there is no invitation that can be used: it lapsed, was used or is locked")
	}
	return nil
}

func (p *pass) onDesk(ctx workflow.Context, r DeskRequest) (Answer, error) {
	if err := p.step(ctx, StepDeskChecked, r.Officer, r.Document); err != nil {
		return Answer{}, err
	}
	p.state.Pickup.Desk = deskCode{Hash: r.CodeHash, Until: workflow.Now(ctx).Add(r.Valid), Actor: r.Officer}
	return Answer{Done: true}, nil
}

func (p *pass) mayRepudiate(_ workflow.Context, r RepudiateRequest) error {
	if r.LinkHash == "" || p.over || r.LinkHash != p.state.Repudiate && !p.telltale() {
		return errNothing
	}
	return nil
}

// telltale reports whether the first message that lets somebody say "not me" is
// just going out: it may have arrived before we hear that it was sent.
func (p *pass) telltale() bool { return p.state.Repudiate == "" && p.telling > 0 }

// onRepudiate answers when the pass is confirmed gone.
func (p *pass) onRepudiate(ctx workflow.Context, r RepudiateRequest) (Answer, error) {
	if err := workflow.Await(ctx, func() bool { return !p.telltale() }); err != nil {
		return Answer{}, err
	}
	if r.LinkHash != p.state.Repudiate {
		return Answer{}, nil
	}
	if err := p.step(ctx, StepRepudiated, "employee", ""); err != nil {
		return Answer{}, err
	}
	p.repudiated = true
	p.wake()
	err := workflow.Await(ctx, func() bool { return p.over })
	return Answer{Done: true}, err
}

// mayAskAgain: with the link of this invitation, when it is of no use any more.
// Until then the way is to collect.
func (p *pass) mayAskAgain(ctx workflow.Context, r AgainRequest) error {
	k := &p.state.Pickup
	now := workflow.Now(ctx)
	lapsed := k.Holder == "" && !now.Before(k.LinkUntil)
	if p.over || p.again || k.CodeHash == "" || r.LinkHash != k.LinkHash || k.locked() || k.known(r.CodeHash) || !lapsed && !p.collectedInVain(now) {
		return errNothing
	}
	return nil
}

// collectedInVain reports whether what was collected is no longer to be had, or
// does nothing any more: the page is over, the pass has expired, or somebody has
// signed in with it, which a one-time pass allows once.
func (p *pass) collectedInVain(now time.Time) bool {
	i := p.state.Issued
	if p.state.Pickup.Holder == "" || i == nil {
		return false
	}
	return !now.Before(i.HandedOverAt.Add(p.in.Profile.Window)) || !now.Before(i.Pass.EndsAt()) || !p.state.UsedAt.IsZero()
}

func (p *pass) onAgain(ctx workflow.Context, r AgainRequest) (Answer, error) {
	if r.CodeHash != p.state.Pickup.CodeHash {
		return Answer{}, p.wrongCode(ctx, r.CodeHash)
	}
	if err := p.step(ctx, StepAskedAgain, "employee", ""); err != nil {
		return Answer{}, err
	}
	p.again = true
	p.wake()
	return Answer{Done: true}, nil
}

// visitView is what a visit may see, whenever it asks.
func (p *pass) visitView(id string) VisitView {
	k := &p.state.Pickup
	v := k.visit(id)
	// Who was refused by a person is told so, and how to go on.
	if v == nil || k.locked() && !v.Refused || k.Holder != "" && k.Holder != id {
		return VisitView{}
	}
	if k.Holder == id && (p.over || p.repudiated) {
		return VisitView{} // the pass opens nothing any more
	}
	view := VisitView{
		Open: true, Needed: v.needed(p.in.Profile), Asked: v.AskedAt, Refused: v.Refused,
		Locale: p.in.Facts.Locale, Zone: p.in.Facts.Zone, Start: p.in.StartAt,
		Minting: v.Minting, Block: v.Block, Final: v.Final, Journey: p.in.Kind,
	}
	if p.in.Request != nil && p.in.Kind == jml.KindStaging {
		view.Device, view.Owner = p.in.Request.Device, strings.TrimSpace(p.in.Facts.GivenName+" "+p.in.Facts.FamilyName)
	}
	if i := p.state.Issued; i != nil && k.Holder == id {
		view.Revealed = &Revealed{
			Pass: i.Pass, Sealed: i.Sealed, SignInName: p.in.UPN, Register: p.in.Profile.CompleteOn,
			At: i.HandedOverAt, Closes: i.HandedOverAt.Add(p.in.Profile.Window), Ref: p.in.Ref,
			Devices: p.in.Profile.Devices, Makes: len(p.in.Profile.AAGUIDs) > 0,
		}
	}
	return view
}

// visitorsView is visitView with what the page compares proofs with.
func (p *pass) visitorsView(id string) VisitView {
	view := p.visitView(id)
	if view.Needed != nil {
		facts := p.in.Facts
		view.Employee = &facts
	}
	return view
}

func (p *pass) pickupView() *PickupView {
	if p.in.Profile.Mode != jml.ModePickup {
		return nil
	}
	k := &p.state.Pickup
	v := &PickupView{LinkUntil: k.LinkUntil, WrongCodes: len(k.Wrong), WrongProofs: k.WrongProofs, Locked: k.locked(), Visits: k.Opened}
	if n := len(k.Visits); n > 0 {
		v.Proofs = k.Visits[n-1].Proven
	}
	if p.state.Issued != nil {
		v.CollectedAt = p.state.Issued.HandedOverAt
	}
	return v
}
