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

// moversAhead is how far ahead of HR's word a new position takes effect.
const moversAhead = 15 * time.Second

// moverTale: two colleagues move to Treasury, which wants a key. One has it
// already. The other gets a pass on the day, and keeps nothing weaker.
//
// Who has what is wanted costs one preflight: four requests, and what is weaker
// is removed all the same, for three. The other costs a pick-up, and three
// requests in the end. Measured: 24 requests, 35 actions, 126 events.
func (d *demo) moverTale() tale {
	p, other := newPlayer("1042", "Signe", "Holm"), newPlayer("1043", "Mateo", "Rivas")
	p.inbox = p.UPN
	var day time.Time
	inSales := func(r *record) { r.Department = "Sales"; startsIn(-longAgo)(r) }
	toTreasury := func(r *record) { r.Department, r.Effective = "Treasury", day }
	return tale{
		profile: func(s *profileSettings) {
			// HR names a day; the hour is the profile's. So that nobody has to wait
			// for tomorrow morning, it is soon.
			day = time.Now().Add(moversAhead + 15*time.Second).Truncate(time.Second) // what starts first takes its time
			if zone, err := jml.LoadZone(p.Office.Zone); err == nil {
				_, s.MoversAt = civil(day.In(zone))
			}
		},
		steps: slices.Concat(
			[]step{
				d.hire(p, "Signe signs in with Authenticator", "works in Sales", entrasim.Method{Kind: entrasim.KindAuthenticator, DisplayName: "Signe's phone"}),
				d.worksByMail(p),
				d.hire(other, "Mateo has a key as well", "works in Sales", entrasim.Method{Kind: entrasim.KindAuthenticator, DisplayName: "Mateo's phone"}, entrasim.Method{Kind: entrasim.KindFIDO2, DisplayName: "Mateo's key"}),
				d.say(p, "HR has known both for years", inSales), d.say(other, "HR has known both for years", inSales),
				d.begin,
				d.say(p, "HR posts that Signe changes department", toTreasury), d.say(other, "And Mateo", toTreasury),
				d.waits(jml.KindMover, p, "A mover waits for the day"),
				d.untouched(p, func() time.Time { return day }),
				d.seeLink(p), d.onTheDay(func() time.Time { return day }), d.seeCode(p),
				d.weakerSeen(p),
				d.closes(jml.KindMover, other, jml.StageSkipped, func(s standing) error {
					if s.Pass != nil || len(d.world.Mailbox.MailsTo(other.UPN)) > 0 || len(d.world.Tenant.Passes(other.user.ID)) > 0 {
						return errors.New("there was a pass, or a mail about one")
					}
					return nil
				}, ": Mateo has a key, and hears nothing"),
				d.has(other, "His Authenticator goes all the same", entrasim.KindFIDO2),
				d.enter(p), d.prove(p), d.collect(p), d.seeNotice(p), d.signIn(p),
				d.register(p, "a key", entrasim.Method{Kind: entrasim.KindFIDO2, DisplayName: "Signe's key"}),
				d.nudge(jml.KindMover, p), d.seeRevoked(p), d.tryLate(p),
				d.has(p, "Authenticator is removed: here nothing weaker stays", entrasim.KindFIDO2),
				d.closes(jml.KindMover, p, jml.StageCompleted, removed(jml.MethodAuthenticator), ", with what was removed"),
			}),
		leaves: []string{"mover", "mover", "pass"},
		most:   limits{graph: 27, actions: 40, events: 143},
	}
}

// worksByMail gives p a mailbox of the organisation.
func (d *demo) worksByMail(p *player) step {
	return func(context.Context) error {
		_, err := d.world.Tenant.UpdateUser(p.user.ID, func(u *entrasim.User) { u.Mail = p.UPN })
		return err
	}
}

// untouched looks away until shortly before a time, then for what should not
// have happened yet.
func (d *demo) untouched(p *player, until func() time.Time) step {
	return func(ctx context.Context) error {
		left := time.Until(until()) - time.Second
		return d.expect(ctx, max(0, left)+5*time.Second, "Until then nothing happens", "neither pass nor mail before the day", func() (string, error) {
			if n := len(d.world.Mailbox.MailsTo(p.mailbox())); n > p.mails && time.Now().Before(until()) {
				return "", giveUp{fmt.Errorf("%d mails", n)}
			}
			if time.Until(until()) > time.Second {
				return "", errors.New("it is too early")
			}
			return fmt.Sprintf("no pass and no mail, %.0f s before the day", time.Until(until()).Seconds()), d.noPass(p)
		})
	}
}

// onTheDay checks that what was seen last did not come before a time.
func (d *demo) onTheDay(day func() time.Time) step {
	return func(context.Context) error {
		if time.Now().Before(day()) {
			return &failure{"waiting for the day", "nothing before " + day().Format(time.TimeOnly), "a link before it"}
		}
		return nil
	}
}

// weakerSeen looks for the report of what no longer suffices.
func (d *demo) weakerSeen(p *player) step {
	return func(ctx context.Context) error {
		return d.expect(ctx, 10*time.Second, "Firstpass reports the weaker method", "firstpass show names "+string(jml.MethodAuthenticator), func() (string, error) {
			s, ref, err := d.shows(ctx, jml.KindMover, p)
			if err != nil {
				return "", err
			}
			if !slices.ContainsFunc(s.Weaker, func(m jml.Method) bool { return m.Kind == jml.MethodAuthenticator }) {
				return "", fmt.Errorf("%d weaker methods", len(s.Weaker))
			}
			return "firstpass show " + ref + ": " + jml.MethodAuthenticator.Label(), nil
		})
	}
}
