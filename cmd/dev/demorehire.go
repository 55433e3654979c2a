package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
)

// rehireTale: somebody who left comes back to the same account, with a key still
// registered that may lie anywhere. It goes before there is a pass.
//
// Beyond a pick-up it costs a list of the methods, a deletion and a list that
// proves it, in one activity. Measured: 16 requests, 28 actions, 104 events.
func (d *demo) rehireTale() tale {
	p := newPlayer("1042", "Signe", "Holm")
	key := entrasim.Method{Kind: entrasim.KindFIDO2, DisplayName: "a key of years ago"}
	return tale{
		steps: slices.Concat(
			[]step{
				d.hire(p, "The user is still there from last time", "with a key that nobody has seen since", key),
				d.say(p, "HR has known the employee for years", startsIn(-longAgo)),
				d.say(p, "The employee has left", func(r *record) { r.Left = true }),
				d.begin,
				d.say(p, "HR posts that the employee comes back", func(r *record) { r.Left = false; startsIn(25 * time.Second)(r) }),
				d.seeRemoved(p, "The old key is removed before there is a pass", entrasim.KindFIDO2),
			},
			d.collects(p),
			[]step{d.seeIssued(p), d.seeNotice(p), d.tryEarly(p), d.waitForStart(p), d.signIn(p), d.registerPasskey(p), d.nudge(jml.KindJoiner, p), d.seeRevoked(p), d.tryLate(p),
				d.has(p, "The new key is the only one", entrasim.KindFIDO2),
				d.closes(jml.KindJoiner, p, jml.StageCompleted, removed(jml.MethodFIDO2), ", with what was removed")}),
		leaves: []string{"joiner", "pass"},
		most:   limits{graph: 18, actions: 33, events: 118},
	}
}

// seeRemoved waits until a method that the user had has been deleted through
// Graph.
func (d *demo) seeRemoved(p *player, what string, kind entrasim.MethodKind) step {
	return func(ctx context.Context) error {
		return d.expect(ctx, 20*time.Second, what, "the tenant no longer has "+string(kind)+", deleted by Firstpass", func() (string, error) {
			for _, m := range d.world.Tenant.Methods(p.user.ID) {
				if m.Kind == kind {
					return "", errors.New("it is still there")
				}
			}
			for _, gone := range d.world.Tenant.MethodDeletions() {
				if gone.UserID == p.user.ID && gone.Kind == kind {
					return "the tenant has " + kindsOf(d.world.Tenant.Methods(p.user.ID)) + " for " + p.Given, nil
				}
			}
			return "", giveUp{errors.New("it went without Firstpass")}
		})
	}
}

// has looks at all that is registered.
func (d *demo) has(p *player, what string, kinds ...entrasim.MethodKind) step {
	return func(ctx context.Context) error {
		var want []entrasim.Method
		for _, k := range kinds {
			want = append(want, entrasim.Method{Kind: k})
		}
		return d.expect(ctx, 20*time.Second, what, "the tenant has "+kindsOf(want)+" and nothing else", func() (string, error) {
			if got := kindsOf(d.world.Tenant.Methods(p.user.ID)); got != kindsOf(want) {
				return "", errors.New("the tenant has " + got)
			}
			return "the tenant has " + kindsOf(want), nil
		})
	}
}

// removed is what the end looks like where one method had to go.
func removed(kind jml.MethodKind) func(standing) error {
	return func(s standing) error {
		if len(s.Removed) != 1 || s.Removed[0].Kind != kind {
			return fmt.Errorf("%d methods removed", len(s.Removed))
		}
		return completed(s)
	}
}
