package entrasim

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// The usability reasons Graph documents; the property is a plain string there,
// so more may come.
//
// Source: learn.microsoft.com/graph/api/resources/temporaryaccesspassauthenticationmethod
const (
	ReasonEnabled     = "EnabledByPolicy"
	ReasonDisabled    = "DisabledByPolicy"
	ReasonExpired     = "Expired"
	ReasonNotYetValid = "NotYetValid"
	ReasonOneTimeUsed = "OneTimeUsed"
)

// passRecord is one pass, kept after its deletion too: lists may lag behind,
// and a sign-in with a deleted code is refused as such.
type passRecord struct {
	ID       string    `json:"id"`
	UserID   string    `json:"userId"`
	Salt     []byte    `json:"salt"`
	Hash     []byte    `json:"hash"` // SHA-256 of salt and passcode; the passcode itself is gone
	Created  time.Time `json:"createdDateTime"`
	Start    time.Time `json:"startDateTime"`
	Lifetime int       `json:"lifetimeInMinutes"` // from Start
	Once     bool      `json:"isUsableOnce"`
	UsedAt   time.Time `json:"usedAt,omitzero"` // last sign-in
	Deleted  time.Time `json:"deletedAt,omitzero"`
}

func (p *passRecord) end() time.Time { return p.Start.Add(time.Duration(p.Lifetime) * time.Minute) }
func (p *passRecord) spent() bool    { return p.Once && !p.UsedAt.IsZero() }

// live: it works now or may work later. Policy is left out on purpose, since a
// policy can be switched back while the pass is still there.
func (p *passRecord) live(now time.Time) bool {
	return p.Deleted.IsZero() && !p.spent() && now.Before(p.end())
}

func (p *passRecord) matches(passcode string) bool {
	return subtle.ConstantTimeCompare(p.Hash, hashPasscode(p.Salt, passcode)) == 1
}

func hashPasscode(salt []byte, passcode string) []byte {
	sum := sha256.Sum256(append(slices.Clone(salt), passcode...))
	return sum[:]
}

// reason derives methodUsabilityReason. That a policy refusal shows before
// NotYetValid is this tenant's choice: a caller then learns it while there is
// still time to act.
func (st *state) reason(p *passRecord, u *userRecord, now time.Time) string {
	switch {
	case p.spent():
		return ReasonOneTimeUsed
	case !now.Before(p.end()):
		return ReasonExpired
	case !st.inScope(u), st.Policy.IsUsableOnce && !p.Once:
		return ReasonDisabled
	case now.Before(p.Start):
		return ReasonNotYetValid
	}
	return ReasonEnabled
}

// shown returns the passes a read would find: normally one or none. A deleted
// one shows only while it lags and no other does.
func (st *state) shown(userID string, now time.Time) []*passRecord {
	var there, gone []*passRecord
	for _, p := range st.Passes[userID] {
		switch {
		case now.Before(p.Created.Add(st.Behaviour.CreateLag)) && st.Behaviour.CreateLag > 0:
		case p.Deleted.IsZero():
			there = append(there, p)
		case now.Before(p.Deleted.Add(st.Behaviour.DeleteLag)):
			gone = []*passRecord{p}
		}
	}
	if len(there) == 0 {
		return gone
	}
	return there
}

// renderPass renders what every read answers; the code is always null.
func (st *state) renderPass(p *passRecord, u *userRecord, now time.Time) object {
	reason := st.reason(p, u, now)
	return object{
		"id":                    p.ID,
		"temporaryAccessPass":   nil,
		"createdDateTime":       instant(p.Created),
		"startDateTime":         instant(p.Start),
		"lifetimeInMinutes":     p.Lifetime,
		"isUsableOnce":          p.Once,
		"isUsable":              reason == ReasonEnabled,
		"methodUsabilityReason": reason,
	}
}

const passType = "#microsoft.graph.temporaryAccessPassAuthenticationMethod"

func (t *Tenant) listPasses(c *call) reply {
	u, refused := t.authUser(c)
	if u == nil {
		return refused
	}
	value := []any{}
	for _, p := range t.st.shown(u.ID, c.now) {
		value = append(value, t.st.renderPass(p, u, c.now))
	}
	return reply{status: http.StatusOK, body: object{
		"@odata.context": c.context("users('" + u.ID + "')/authentication/temporaryAccessPassMethods"), "value": value}}
}

func (t *Tenant) getPass(c *call) reply {
	u, refused := t.authUser(c)
	if u == nil {
		return refused
	}
	for _, p := range t.st.shown(u.ID, c.now) {
		if p.ID == c.arg("methodId") {
			o := t.st.renderPass(p, u, c.now)
			o["@odata.context"] = c.context("users('" + u.ID + "')/authentication/temporaryAccessPassMethods/$entity")
			return reply{status: http.StatusOK, body: o}
		}
	}
	return notFound(authService, "The user has no such method.")
}

func (t *Tenant) deletePass(c *call) reply {
	u, refused := t.authUser(c)
	if u == nil {
		return refused
	}
	for _, p := range t.st.Passes[u.ID] {
		if p.ID == c.arg("methodId") && p.Deleted.IsZero() {
			t.endPass(p, PassDeleted, c.now)
			if !t.st.Behaviour.KeepSessionsOnDelete {
				t.endSessions(func(s *Session) bool { return s.PassID == p.ID }, c.now)
			}
			return reply{status: http.StatusNoContent, changed: true}
		}
	}
	return notFound(authService, "The user has no such method.")
}

func (t *Tenant) endPass(p *passRecord, how PassEventKind, now time.Time) {
	t.event(how, p, p.live(now), now)
	p.Deleted = now
}

// createPass applies the rules of the POST in the order in which a request can
// be judged: its fields, the user, the policy, the pass that is there already.
//
// Source: learn.microsoft.com/graph/api/authentication-post-temporaryaccesspassmethods
func (t *Tenant) createPass(c *call) reply {
	u, refused := t.authUser(c)
	if u == nil {
		return refused
	}
	var in struct {
		Type     *string    `json:"@odata.type"`
		Start    *time.Time `json:"startDateTime"`
		Lifetime *int       `json:"lifetimeInMinutes"`
		Once     *bool      `json:"isUsableOnce"`
	}
	if bad := c.decode(authService, &in); bad != nil {
		return *bad
	}
	if in.Type != nil && *in.Type != passType {
		return badRequest(authService, "The @odata.type is not that of a temporary access pass.")
	}
	pol := t.st.Policy
	p := &passRecord{UserID: u.ID, Created: c.now, Start: c.now, Lifetime: pol.DefaultLifetimeInMinutes, Once: pol.IsUsableOnce}
	if in.Start != nil {
		p.Start = in.Start.UTC()
		if p.Start.Before(c.now) {
			switch t.st.Behaviour.PastStart {
			case PastStartClamped:
				p.Start = c.now
			case PastStartKept:
			default:
				return badRequest(authService, "Invalid StartDateTime: it lies in the past.")
			}
		}
	}
	if in.Lifetime != nil {
		p.Lifetime = *in.Lifetime
	}
	if p.Lifetime < pol.MinimumLifetimeInMinutes || p.Lifetime > pol.MaximumLifetimeInMinutes {
		return badRequest(authService, fmt.Sprintf("Invalid LifetimeInMinutes: this tenant allows %d to %d.", pol.MinimumLifetimeInMinutes, pol.MaximumLifetimeInMinutes))
	}
	if in.Once != nil {
		if pol.IsUsableOnce && !*in.Once {
			return badRequest(authService, "Invalid IsUsableOnce: the policy of this tenant has one-time passes only.")
		}
		p.Once = *in.Once
	}
	if u.isExternalGuest() {
		return badRequest(authService, "An external guest user cannot have a Temporary Access Pass here.")
	}
	if !t.st.inScope(u) {
		const why = "The UserCredentialPolicy keeps this user from having a method of type [TemporaryAccessPass]."
		switch t.st.Behaviour.OutOfScope {
		case OutOfScope404:
			return notFound(authService, why)
		case OutOfScope405:
			return refusal(authService, http.StatusMethodNotAllowed, "methodNotAllowed", why)
		case OutOfScopeDisabled201:
		default:
			return badRequest(authService, why)
		}
	}
	if refused := t.makeRoom(u, c.now); refused != nil {
		return *refused
	}
	p.ID = t.newID("pass")
	code := t.newPasscode(pol.DefaultLength)
	p.Salt = make([]byte, 16)
	_, _ = rand.Read(p.Salt) // never fails since Go 1.24
	p.Hash = hashPasscode(p.Salt, code)
	t.st.Passes[u.ID] = append(t.st.Passes[u.ID], p)
	t.st.MaxLive[u.ID] = max(t.st.MaxLive[u.ID], t.passLive(u.ID, c.now))
	t.event(PassCreated, p, true, c.now)
	o := t.st.renderPass(p, u, c.now)
	o["temporaryAccessPass"] = code
	o["@odata.type"] = passType
	o["@odata.context"] = c.context("users('" + u.ID + "')/authentication/temporaryAccessPassMethods/$entity")
	return reply{status: http.StatusCreated, body: o, changed: true}
}

// makeRoom deals with the passes that are there before a new one. Dead ones are
// always overwritten; for a live one the switch decides.
func (t *Tenant) makeRoom(u *userRecord, now time.Time) *reply {
	how := t.st.Behaviour.SecondPass
	for _, p := range t.st.Passes[u.ID] {
		if !p.Deleted.IsZero() {
			continue
		}
		if p.live(now) {
			switch how {
			case SecondPassConflict:
				r := refusal(authService, http.StatusConflict, "conflict", "The user has a usable temporary access pass already.")
				return &r
			case SecondPassRefused:
				r := badRequest(authService, "The user has a usable temporary access pass already; it must be deleted first.")
				return &r
			case SecondPassKeepsBoth:
				continue
			case SecondPassReplacesAndRevokes:
				t.endSessions(func(s *Session) bool { return s.UserID == u.ID }, now)
			}
		}
		t.endPass(p, PassReplaced, now)
	}
	return nil
}

// authUser finds the user of an authentication path. That service has its own
// copy of the directory: a user can be in /users and still be unknown here.
func (t *Tenant) authUser(c *call) (*userRecord, reply) {
	u := t.findUser(c.arg("userId"))
	if u == nil || c.now.Before(u.AuthVisibleAt) {
		return nil, notFound(authService, "The authentication service does not know this user.")
	}
	return u, reply{}
}
