package ops

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops/access"
)

// HeldChange is a change that waits for somebody's decision. To operators, who
// decide and reach employees at their private addresses, it is personal data;
// others see which facts differ, and no name and no value.
type HeldChange struct {
	intake.Held
	Name    string
	Differs []Difference
	// Version names what was compared; with it in an Action, nothing is decided
	// that came later. Empty for those who see no values.
	Version string
}

// Difference is one fact that was in force and that HR says otherwise now.
type Difference struct {
	What             string
	InForce, Waiting string // empty: there is none, or it is not for these eyes
}

// HeldChange returns what waits under the reference of an employee: of several
// changes the one that is decided next.
func (s *Service) HeldChange(ctx context.Context, ref string) (HeldChange, error) {
	who, err := s.need(ctx, "see a held change", "", seers()...)
	if err != nil {
		return HeldChange{}, err
	}
	out, err := s.heldChange(ctx, ref)
	if err != nil {
		return HeldChange{}, err
	}
	if !who.Has(access.Operator) {
		out.Name, out.Version = "", ""
		for i := range out.Differs {
			out.Differs[i].InForce, out.Differs[i].Waiting = "", ""
		}
	}
	return out, nil
}

func (s *Service) heldChange(ctx context.Context, ref string) (HeldChange, error) {
	if s.cfg.Desk == nil {
		return HeldChange{}, noDesk()
	}
	if ref == "" || len(ref) > maxID || !plain(ref) {
		return HeldChange{}, invalid("this is no reference of an employee")
	}
	h, now, waiting, err := s.cfg.Desk.HeldContact(ctx, ref)
	if errors.Is(err, intake.ErrNotHeld) {
		return HeldChange{}, notHeld()
	}
	if err != nil {
		return HeldChange{}, s.unread("held change", err)
	}
	out := HeldChange{Held: h, Name: fullName(now), Differs: differs(h.Kind, now, waiting)}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", h.Kind, h.Source, out.Differs))
	out.Version = hex.EncodeToString(sum[:8])
	return out, nil
}

func notHeld() *Refusal {
	return &Refusal{Kind: RefusedMissing, What: "no change of this employee is held", Do: "the list of held changes has the references"}
}

// differs lists what a decision is about: of a late change of the contact only
// that, for the rest is not held.
func differs(kind jml.Hold, now, waiting jml.Snapshot) []Difference {
	var out []Difference
	add := func(what, a, b string) {
		if a != b {
			out = append(out, Difference{what, a, b})
		}
	}
	add("Private mail", now.PersonalMail, waiting.PersonalMail)
	add("Private phone", now.Phone, waiting.Phone)
	if kind == jml.HoldContact {
		return out
	}
	add("Name", fullName(now), fullName(waiting))
	add("Status in HR", string(now.Status), string(waiting.Status))
	add("Start", day(now.StartDate), day(waiting.StartDate))
	add("UPN", now.UPN, waiting.UPN)
	add("Manager", now.ManagerID, waiting.ManagerID)
	add("Department", now.Department, waiting.Department)
	add("Job", now.JobTitle, waiting.JobTitle)
	add("Site", now.Site, waiting.Site)
	add("Country", now.Country, waiting.Country)
	return out
}

func day(d jml.Date) string {
	if d.IsZero() {
		return ""
	}
	return d.String()
}
