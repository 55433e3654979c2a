package entrasim

import (
	"errors"
	"slices"
	"strings"
)

// Operator is somebody who may sign in at the tenant as at an identity provider.
// Operators are apart from the directory of Graph: nobody is issued a pass.
type Operator struct {
	ID    string   `json:"id,omitempty"` // object id; drawn when empty
	UPN   string   `json:"userPrincipalName"`
	Name  string   `json:"displayName,omitempty"`
	Roles []string `json:"appRoles,omitempty"` // on the application they sign in to
	// GroupIDs are put into tokens, unless ManyGroups: then tokens say where to
	// ask for them, as beyond 200 groups.
	GroupIDs   []string `json:"groupIds,omitempty"`
	ManyGroups bool     `json:"manyGroups,omitempty"`
	Disabled   bool     `json:"accountDisabled,omitempty"`
}

func (o Operator) clone() Operator {
	o.Roles, o.GroupIDs = slices.Clone(o.Roles), slices.Clone(o.GroupIDs)
	return o
}

// SetOperator adds the operator, or replaces the one with the same UPN. It
// returns it with its id. What tokens say changes with the next token.
func (t *Tenant) SetOperator(o Operator) (Operator, error) {
	if !strings.Contains(o.UPN, "@") {
		return Operator{}, errors.New("entrasim: an operator needs a userPrincipalName")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.setOperator(&o)
	return o, t.commit()
}

// setOperator draws an id if there is none yet; t.mu must be held.
func (t *Tenant) setOperator(o *Operator) {
	old := t.st.operator(o.UPN)
	switch {
	case o.ID != "":
	case old != nil:
		o.ID = old.ID
	default:
		o.ID = t.newID("operator")
	}
	kept := o.clone()
	if old != nil {
		*old = kept
		return
	}
	t.st.Operators = append(t.st.Operators, &kept)
}

// RemoveOperator deletes the operator's account. There may be none.
func (t *Tenant) RemoveOperator(upn string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.st.Operators = slices.DeleteFunc(t.st.Operators, func(o *Operator) bool { return strings.EqualFold(o.UPN, upn) })
	return t.commit()
}

// Operators returns them in the order in which they came.
func (t *Tenant) Operators() []Operator {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]Operator, len(t.st.Operators))
	for i, o := range t.st.Operators {
		out[i] = o.clone()
	}
	return out
}

func (st *state) operator(upn string) *Operator {
	for _, o := range st.Operators {
		if strings.EqualFold(o.UPN, upn) {
			return o
		}
	}
	return nil
}

func (st *state) operatorByID(id string) *Operator {
	for _, o := range st.Operators {
		if o.ID == id {
			return o
		}
	}
	return nil
}
