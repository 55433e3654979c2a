package entrasim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// SignInRefusal is why a sign-in or a registration was refused. It is an error;
// compare with errors.Is.
type SignInRefusal string

const (
	RefusedUnknownUser SignInRefusal = "unknownUser"
	RefusedDisabled    SignInRefusal = "userDisabled"
	RefusedWrongCode   SignInRefusal = "wrongCode"
	RefusedNotYetValid SignInRefusal = "notYetValid"
	// RefusedNotReady: the pass is valid but too young for every replica to
	// know it (Behaviour.UsableLag).
	RefusedNotReady SignInRefusal = "notReady"
	RefusedExpired  SignInRefusal = "expired"
	RefusedUsed     SignInRefusal = "oneTimeUsed"
	RefusedDeleted  SignInRefusal = "deleted"
	RefusedByPolicy SignInRefusal = "blockedByPolicy"

	RefusedNoSession    SignInRefusal = "noSession"
	RefusedSessionEnded SignInRefusal = "sessionEnded" // pass deleted or expired, or sessions revoked
	RefusedTooLate      SignInRefusal = "tooLate"      // one-time pass, more than 10 minutes since sign-in
)

func (r SignInRefusal) Error() string { return "entrasim: refused: " + string(r) }

// oneTimeWindow is how long after signing in with a one-time pass a method must
// be registered.
//
// Source: learn.microsoft.com/entra/identity/authentication/howto-authentication-temporary-access-pass
const oneTimeWindow = 10 * time.Minute

// Session is what a person holds after signing in with a pass.
type Session struct {
	ID      string    `json:"id"`
	UserID  string    `json:"userId"`
	PassID  string    `json:"passId"`
	Started time.Time `json:"started"`
	OneTime bool      `json:"oneTime"`
	Expires time.Time `json:"expires"` // no session outlives its pass
	Ended   time.Time `json:"ended,omitzero"`
}

// SignIn plays the person typing user name and passcode. It marks the pass as
// used. Errors are of type SignInRefusal.
func (t *Tenant) SignIn(upn, passcode string) (Session, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	u := t.findUser(upn)
	if u == nil || !strings.EqualFold(u.UPN, upn) {
		return Session{}, RefusedUnknownUser
	}
	if u.Disabled {
		return Session{}, RefusedDisabled
	}
	var p *passRecord
	for _, q := range t.st.Passes[u.ID] {
		if q.matches(passcode) {
			p = q
		}
	}
	if why := t.refuse(p, u, now); why != "" {
		t.cfg.Logger.Info("sign-in refused", "user", u.ID, "reason", string(why))
		return Session{}, why
	}
	p.UsedAt = now
	t.event(PassUsed, p, true, now)
	s := &Session{ID: t.newID("session"), UserID: u.ID, PassID: p.ID, Started: now, OneTime: p.Once, Expires: p.end()}
	t.st.Sessions = append(t.st.Sessions, s)
	t.cfg.Logger.Info("signed in", "user", u.ID, "pass", p.ID)
	return *s, t.commit()
}

func (t *Tenant) refuse(p *passRecord, u *userRecord, now time.Time) SignInRefusal {
	if p == nil {
		return RefusedWrongCode
	}
	if !p.Deleted.IsZero() {
		return RefusedDeleted
	}
	switch t.st.reason(p, u, now) {
	case ReasonOneTimeUsed:
		return RefusedUsed
	case ReasonExpired:
		return RefusedExpired
	case ReasonDisabled:
		return RefusedByPolicy
	case ReasonNotYetValid:
		return RefusedNotYetValid
	}
	if now.Before(p.Created.Add(t.st.Behaviour.UsableLag)) {
		return RefusedNotReady
	}
	return ""
}

// Register plays the person setting up a method in a session that is still
// good. m.ID is drawn when empty and m.Created is now.
func (t *Tenant) Register(s Session, m Method) (Method, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	rec := t.session(s.ID)
	switch {
	case rec == nil:
		return Method{}, RefusedNoSession
	case !rec.Ended.IsZero(), !now.Before(rec.Expires):
		return Method{}, RefusedSessionEnded
	case rec.OneTime && now.After(rec.Started.Add(oneTimeWindow)):
		return Method{}, RefusedTooLate
	}
	m.Created = &now
	m, err := t.addMethod(rec.UserID, m, now)
	if err != nil {
		return Method{}, fmt.Errorf("register: %w", err)
	}
	t.cfg.Logger.Info("method registered", "user", rec.UserID, "kind", string(m.Kind))
	return m, t.commit()
}

// SessionsRevoked returns when the user was signed out everywhere by a call of
// Graph, oldest first.
func (t *Tenant) SessionsRevoked(userID string) []time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.st.user(userID)
	if u == nil {
		return nil
	}
	return slices.Clone(u.SessionsRevoked)
}

func (t *Tenant) session(id string) *Session {
	for _, s := range t.st.Sessions {
		if s.ID == id {
			return s
		}
	}
	return nil
}

func (t *Tenant) endSessions(which func(*Session) bool, now time.Time) {
	for _, s := range t.st.Sessions {
		if s.Ended.IsZero() && which(s) {
			s.Ended = now
		}
	}
}
