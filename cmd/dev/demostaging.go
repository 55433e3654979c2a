package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
)

// stagingTale: a technician sets up the laptop of somebody who starts later. The
// pass goes to the technician, works several times, and is gone with everything
// that was registered by it before the employee gets their own.
//
// It is a pick-up, an approval, a technician to be found and a removal at the end;
// and then a joiner like any other. The command line's own looks at the tenant are
// counted, too. Measured: 34 requests, 57 actions, 214 events.
func (d *demo) stagingTale() tale {
	p := newPlayer("1042", "Signe", "Holm")
	t := newPlayer("2001", "Timo", "Brandt")
	t.inbox, t.as = t.UPN, p
	return tale{
		profile: func(s *profileSettings) { s.LeadTime = 0 }, // the device comes first
		steps: slices.Concat(
			[]step{
				d.isMade(p), d.hire(t, "Timo is a technician", "with a mailbox and a phone of the organisation"), d.isReachable(t),
				d.begin,
				d.hires(p, 30*time.Second),
				d.waits(jml.KindJoiner, p, "The joiner waits for the first day"),
				d.stages(p, t),
				d.mail(p, "Who approves is asked", securityMail, regexp.MustCompile("needs a yes or no")),
				d.cannotApprove(jml.KindStaging, p, t.UPN, "The technician can't approve"),
				d.approves(jml.KindStaging, p),
				d.seeLink(t), d.seeCode(t), d.enter(t), d.collect(t),
				d.livePass(p, false, "of "+p.UPN+", works until the device is done: it asks again after each restart"),
				d.seeNotice(p),
				d.signIn(t),
				d.register(t, "something of his own", entrasim.Method{Kind: entrasim.KindAuthenticator, DisplayName: "Timo's phone"}),
				d.signIn(t),
				d.deviceDone(p),
				d.seeRevoked(p),
				d.seeRemoved(p, "What Timo registered went with it", entrasim.KindAuthenticator),
				d.tryLate(t),
				d.untouched(p, func() time.Time { return p.Start }),
			},
			d.collects(p),
			[]step{d.livePass(p, true, "Signe's own, works once"), d.seeNotice(p)},
			d.signsInAndRegisters(p),
			[]step{d.has(p, "Signe has a passkey, and nothing of Timo's", entrasim.KindFIDO2)}),
		leaves: []string{"joiner", "staging", "pass", "pass"},
		most:   limits{graph: 37, actions: 66, events: 241},
	}
}

// isReachable gives p a mailbox and a phone that the tenant knows.
func (d *demo) isReachable(p *player) step {
	return func(context.Context) error {
		_, err := d.world.Tenant.UpdateUser(p.user.ID, func(u *entrasim.User) { u.Mail, u.MobilePhone = p.UPN, p.Phone })
		return err
	}
}

func (d *demo) stages(p, t *player) step {
	return func(ctx context.Context) error {
		return d.expect(ctx, 20*time.Second, "The helpdesk asks to have a device set up", "firstpass stage-device succeeds", func() (string, error) {
			args := []string{"stage-device", "--technician", t.UPN, "--device", "SN-20417", "--window", "1h"}
			_, err := d.firstpass(ctx, append(args, "--source", sourceBambooHR, "--employee-id", p.ID, "--ticket", "REQ-1180", "--actor", operator)...)
			if err != nil {
				return "", giveUp{err}
			}
			return "firstpass " + strings.Join(args, " "), nil
		})
	}
}

// livePass looks for the one pass there is.
func (d *demo) livePass(p *player, once bool, detail string) step {
	return func(ctx context.Context) error {
		return d.expect(ctx, 5*time.Second, "Pass in the tenant", fmt.Sprintf("one live pass, one-time %t", once), func() (string, error) {
			passes := d.world.Tenant.Passes(p.user.ID)
			if len(passes) != 1 || passes[0].Once != once || !passes[0].Live {
				return "", giveUp{fmt.Errorf("%d passes", len(passes))}
			}
			return detail, nil
		})
	}
}

func (d *demo) deviceDone(p *player) step {
	return func(ctx context.Context) error {
		ref, err := d.ref(jml.KindStaging, p)
		if err != nil {
			return err
		}
		return d.expect(ctx, 30*time.Second, "The device is done", "firstpass device-done "+ref+" succeeds", func() (string, error) {
			out, err := d.firstpass(ctx, "device-done", ref, "--reason", "laptop handed over", "--actor", operator)
			if err != nil {
				return "", giveUp{err}
			}
			if !strings.Contains(string(out), "completed") {
				return "", giveUp{errors.New("it does not say completed")}
			}
			return "firstpass device-done " + ref, nil
		})
	}
}
