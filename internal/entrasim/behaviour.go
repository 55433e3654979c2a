package entrasim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// OutOfScope is what a pass for a user outside the TAP policy (or while the
// policy is off) is answered with. Sources claim all four.
type OutOfScope string

const (
	OutOfScope400         OutOfScope = "400" // refused, the message names UserCredentialPolicy (default)
	OutOfScope404         OutOfScope = "404"
	OutOfScope405         OutOfScope = "405"
	OutOfScopeDisabled201 OutOfScope = "201" // made, but methodUsabilityReason is DisabledByPolicy
)

// SecondPass is what a POST does while the user has a live pass.
type SecondPass string

const (
	// SecondPassReplaces is what the Graph page of the POST says today (default).
	SecondPassReplaces SecondPass = "replace"
	// SecondPassConflict and SecondPassRefused are what clients in the field report.
	SecondPassConflict SecondPass = "conflict" // 409
	SecondPassRefused  SecondPass = "refuse"   // 400
	// SecondPassReplacesAndRevokes also ends all sessions the user has.
	SecondPassReplacesAndRevokes SecondPass = "replaceAndRevoke"
	// SecondPassKeepsBoth is claimed by nobody: it takes the server's own
	// protection away, so that MaxLivePasses tells whether the client alone
	// keeps to one live pass.
	SecondPassKeepsBoth SecondPass = "keepBoth"
)

// PastStart is what a startDateTime before now is answered with; undocumented.
type PastStart string

const (
	PastStartRefused PastStart = "refuse" // 400 (default)
	PastStartClamped PastStart = "clamp"  // becomes now
	PastStartKept    PastStart = "keep"   // the lifetime runs from the past
)

// Behaviour holds the switches for what Microsoft's documentation leaves open
// or contradicts itself about, and the lags of replication. Zero values mean
// the documented behaviour and no lag.
type Behaviour struct {
	OutOfScope OutOfScope `json:"outOfScope,omitempty"`
	SecondPass SecondPass `json:"secondPass,omitempty"`
	PastStart  PastStart  `json:"pastStart,omitempty"`

	// CreateLag hides a new pass from lists and item reads: the read that
	// follows a lost POST may miss what that POST made.
	CreateLag time.Duration `json:"-"`
	// DeleteLag keeps a deleted pass in lists and item reads. It cannot be used
	// meanwhile, and a second DELETE is answered 404.
	DeleteLag time.Duration `json:"-"`
	// MethodCreateLag and MethodDeleteLag are the same for what a person
	// registers and for methods that are deleted through Graph. Reads of single
	// methods lag too.
	MethodCreateLag time.Duration `json:"-"`
	MethodDeleteLag time.Duration `json:"-"`
	// UsableLag delays the first sign-in with a new pass; reads already call it
	// usable. About ten seconds were seen in the real service.
	UsableLag time.Duration `json:"-"`

	// KeepSessionsOnDelete lets sessions live on when their pass is deleted.
	// The 2021 page said they end, today's is silent.
	KeepSessionsOnDelete bool `json:"keepSessionsOnDelete,omitempty"`
	// DirectTargetsOnly makes the TAP policy count direct group members only.
	DirectTargetsOnly bool `json:"directTargetsOnly,omitempty"`
	// NullMethodCreated answers createdDateTime null for every method but
	// passes, as objects older than the property do.
	NullMethodCreated bool `json:"nullMethodCreated,omitempty"`
	// PermissionsFromToken judges a call by the roles in its token, as Graph
	// does, so a changed grant shows in new tokens only. Off, SetPermissions
	// takes effect at once, whatever the client has cached.
	PermissionsFromToken bool `json:"permissionsFromToken,omitempty"`
}

func (b Behaviour) check() error {
	oneOf := func(name, v string, allowed ...string) error {
		for _, a := range append(allowed, "") {
			if v == a {
				return nil
			}
		}
		return fmt.Errorf("entrasim: behaviour %s: %q is not one of %q", name, v, allowed)
	}
	var neg error
	if min(b.CreateLag, b.DeleteLag, b.UsableLag, b.MethodCreateLag, b.MethodDeleteLag) < 0 {
		neg = errors.New("entrasim: behaviour: a lag cannot be negative")
	}
	return errors.Join(neg,
		oneOf("outOfScope", string(b.OutOfScope), "400", "404", "405", "201"),
		oneOf("secondPass", string(b.SecondPass), "replace", "conflict", "refuse", "replaceAndRevoke", "keepBoth"),
		oneOf("pastStart", string(b.PastStart), "refuse", "clamp", "keep"))
}

// behaviourJSON adds the lags as texts.
type behaviourJSON struct {
	*plainBehaviour
	CreateLag       duration `json:"createLag"`
	DeleteLag       duration `json:"deleteLag"`
	UsableLag       duration `json:"usableLag"`
	MethodCreateLag duration `json:"methodCreateLag"`
	MethodDeleteLag duration `json:"methodDeleteLag"`
}

type plainBehaviour Behaviour

func (b *Behaviour) withLags() behaviourJSON {
	return behaviourJSON{(*plainBehaviour)(b), duration(b.CreateLag), duration(b.DeleteLag), duration(b.UsableLag),
		duration(b.MethodCreateLag), duration(b.MethodDeleteLag)}
}

// MarshalJSON writes lags as "30s".
func (b Behaviour) MarshalJSON() ([]byte, error) {
	return json.Marshal(b.withLags())
}

// UnmarshalJSON reads what MarshalJSON writes; fields not named stay as they
// are, unknown ones are an error.
func (b *Behaviour) UnmarshalJSON(raw []byte) error {
	v := b.withLags()
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		return err
	}
	b.CreateLag, b.DeleteLag, b.UsableLag = time.Duration(v.CreateLag), time.Duration(v.DeleteLag), time.Duration(v.UsableLag)
	b.MethodCreateLag, b.MethodDeleteLag = time.Duration(v.MethodCreateLag), time.Duration(v.MethodDeleteLag)
	return nil
}

// Behaviour returns the switches in force.
func (t *Tenant) Behaviour() Behaviour {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.st.Behaviour
}

// SetBehaviour replaces all switches.
func (t *Tenant) SetBehaviour(b Behaviour) error {
	if err := b.check(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.st.Behaviour = b
	return t.commit()
}
