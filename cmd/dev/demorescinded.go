package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
)

// rescindedTale: somebody has signed in with the pass when HR calls the hire
// off. Pass and session end, and the desk hears that it was used.
//
// It costs a pick-up, and one mail to the desk: whether the pass was used, the
// revocation asks the tenant, with the one request that a look for the passkey
// would have been. Measured: 13 requests, 27 actions, 108 events.
func (d *demo) rescindedTale() tale {
	p := newPlayer("1042", "Signe", "Holm")
	return tale{
		steps: slices.Concat(
			[]step{d.isMade(p), d.begin, d.hires(p, 12*time.Second)},
			d.collects(p),
			[]step{
				d.seeIssued(p), d.seeNotice(p), d.waitForStart(p), d.signIn(p),
				d.say(p, "HR calls the hire off", func(r *record) { r.Withdrawn = true }),
				d.goesWithin(p, 10*time.Second),
				d.sessionOver(p),
				d.tryLate(p),
				d.mail(p, "The desk is told that it was used", deskMail, regexp.MustCompile(`(?i)used|needs you`)),
				d.closes(jml.KindJoiner, p, jml.StageCancelled, usedAndGone, ", pass used and proved gone"),
			}),
		leaves: []string{"joiner", "pass"},
		most:   limits{graph: 16, actions: 32, events: 123},
	}
}

// goesWithin is seeRevoked against the clock.
func (d *demo) goesWithin(p *player, within time.Duration) step {
	return func(ctx context.Context) error {
		began := time.Now()
		return d.expect(ctx, within, "Pass gone", "no pass left in the tenant, deleted by Firstpass", func() (string, error) {
			if n := len(d.world.Tenant.Passes(p.user.ID)); n > 0 || d.deleted(p) == 0 {
				return "", errors.New("the pass is still there")
			}
			return fmt.Sprintf("%.1f s after HR said so", time.Since(began).Seconds()), nil
		})
	}
}

// sessionOver tries to register with the session that the pass made.
func (d *demo) sessionOver(p *player) step {
	return func(ctx context.Context) error {
		return d.expect(ctx, time.Second, "The session made with it is over", "the tenant refuses to register: "+string(entrasim.RefusedSessionEnded), func() (string, error) {
			_, err := d.world.Tenant.Register(p.session, entrasim.Method{Kind: entrasim.KindFIDO2})
			if !errors.Is(err, entrasim.RefusedSessionEnded) {
				return "", giveUp{fmt.Errorf("the tenant says: %w", errors.Join(err, errors.New("nothing else")))}
			}
			return "nothing can be registered in it", nil
		})
	}
}

func usedAndGone(s standing) error {
	if s.Pass == nil || s.Pass.Gone.IsZero() || s.Pass.Use != jml.UseYes {
		return fmt.Errorf("pass %+v", s.Pass)
	}
	return nil
}
