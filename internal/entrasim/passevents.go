package entrasim

import (
	"slices"
	"time"
)

// PassEventKind says what happened to a pass.
type PassEventKind string

const (
	PassCreated  PassEventKind = "created"
	PassReplaced PassEventKind = "replaced" // by a POST for the same user
	PassDeleted  PassEventKind = "deleted"
	PassUsed     PassEventKind = "used" // a sign-in that was let in
)

// PassEvent is one line of a pass's life; it never holds the code.
type PassEvent struct {
	Time     time.Time     `json:"time"`
	Kind     PassEventKind `json:"kind"`
	UserID   string        `json:"userId"`
	MethodID string        `json:"methodId"`
	// Live tells whether the pass was live when it happened: a replaced pass
	// that was live means somebody's code was taken away.
	Live bool `json:"live"`
}

func (t *Tenant) event(kind PassEventKind, p *passRecord, live bool, now time.Time) {
	t.st.Events = append(t.st.Events, PassEvent{Time: now, Kind: kind, UserID: p.UserID, MethodID: p.ID, Live: live})
}

// PassEvents returns everything that happened to passes, oldest first.
func (t *Tenant) PassEvents() []PassEvent {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.st.Events)
}

// PassLive counts the user's passes that work now or may work later.
func (t *Tenant) PassLive(userID string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.passLive(userID, t.now())
}

func (t *Tenant) passLive(userID string, now time.Time) int {
	n := 0
	for _, p := range t.st.Passes[userID] {
		if p.live(now) {
			n++
		}
	}
	return n
}

// MaxLivePasses is the highest number of passes the user ever had live at the
// same time. More than one needs SecondPassKeepsBoth, under which it measures
// the client rather than this tenant.
func (t *Tenant) MaxLivePasses(userID string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.st.MaxLive[userID]
}

// PassInfo is what a test or the management page may know of a pass.
type PassInfo struct {
	ID       string    `json:"id"`
	UserID   string    `json:"userId"`
	Created  time.Time `json:"createdDateTime"`
	Start    time.Time `json:"startDateTime"`
	End      time.Time `json:"endDateTime"`
	Lifetime int       `json:"lifetimeInMinutes"`
	Once     bool      `json:"isUsableOnce"`
	Reason   string    `json:"methodUsabilityReason"`
	Live     bool      `json:"live"`
	UsedAt   time.Time `json:"lastUsed,omitzero"`
}

// Passes returns the user's passes that are not deleted, oldest first. Unlike
// the Graph reads it does not lag.
func (t *Tenant) Passes(userID string) []PassInfo {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.passes(userID, t.now())
}

func (t *Tenant) passes(userID string, now time.Time) []PassInfo {
	out := []PassInfo{}
	u := t.st.user(userID)
	for _, p := range t.st.Passes[userID] {
		if p.Deleted.IsZero() && u != nil {
			out = append(out, PassInfo{ID: p.ID, UserID: p.UserID, Created: p.Created, Start: p.Start, End: p.end(), Lifetime: p.Lifetime,
				Once: p.Once, Reason: t.st.reason(p, u, now), Live: p.live(now), UsedAt: p.UsedAt})
		}
	}
	return out
}
