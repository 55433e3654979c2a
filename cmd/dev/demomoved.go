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

// movedTale: the pass is handed over when HR moves the start away, and then near
// again. The code that is out dies with the old start, and the employee hears of
// it.
//
// Each pass costs what a pick-up does; revoking the first and proving it gone is
// two requests, and telling the employee two actions. Measured: 25 requests, 54
// actions, 200 events.
func (d *demo) movedTale() tale {
	p := newPlayer("1042", "Signe", "Holm")
	var old invitation
	return tale{
		steps: slices.Concat(
			[]step{d.isMade(p), d.begin, d.hires(p, 45*time.Second)},
			d.collects(p),
			[]step{
				d.seeIssued(p), d.seeNotice(p),
				func(context.Context) error { old = p.invited; return nil },
				d.say(p, "HR moves the start by a month", startsIn(30*24*time.Hour)),
				d.seeRevoked(p),
				d.mail(p, "A mail says so", p.Mail, regexp.MustCompile("your start has moved")),
				d.refused(p, "Sign-in refused, the pass is gone", &p.code, entrasim.RefusedDeleted, words("what was handed over no longer works")),
				func(ctx context.Context) error { return d.tryInvitation(p, old, "The old link opens nothing")(ctx) },
				d.waits(jml.KindJoiner, p, "The joiner waits for the new start"),
				d.say(p, "HR moves the start near again", startsIn(18*time.Second)),
			},
			d.collects(p),
			[]step{
				d.seeIssued(p), d.seeNotice(p),
				d.refused(p, "Sign-in with the first passcode is refused", &p.before, entrasim.RefusedDeleted, words("only the new one counts")),
				d.waitForStart(p),
			},
			d.signsInAndRegisters(p)),
		leaves: []string{"joiner", "pass", "pass"},
		most:   limits{graph: 28, actions: 63, events: 226},
	}
}

// mail waits for one mail with a subject, which holds neither link nor code nor
// passcode.
func (d *demo) mail(p *player, what, to string, subject *regexp.Regexp) step {
	return func(ctx context.Context) error {
		return d.expect(ctx, 20*time.Second, what, fmt.Sprintf("one mail at %s with subject %q and nothing secret", to, subject), func() (string, error) {
			for _, m := range d.world.Mailbox.MailsTo(to) {
				if !subject.MatchString(m.Subject) {
					continue
				}
				if _, err := passcodeIn(m); err == nil || linkIn(m.Text, linkCollect) != "" || secretIn(m, "code") != "" {
					return "", giveUp{errors.New("something secret stands in it")}
				}
				if to == p.mailbox() {
					p.mails++
				}
				return fmt.Sprintf("%q to %s", m.Subject, to), nil
			}
			return "", errors.New("no such mail")
		})
	}
}

// waits looks for a journey that waits for its time, and has no pass.
func (d *demo) waits(kind jml.Kind, p *player, what string) step {
	return func(ctx context.Context) error {
		ref, err := d.ref(kind, p)
		if err != nil {
			return err
		}
		return d.expect(ctx, 10*time.Second, what, "firstpass show "+ref+" tells of stage scheduled, and no pass", func() (string, error) {
			s, _, err := d.shows(ctx, kind, p)
			if err != nil {
				return "", err
			}
			if s.Row.Stage != jml.StageScheduled {
				return "", errors.New("stage " + string(s.Row.Stage))
			}
			return fmt.Sprintf("a pass or link not before %s", s.IssueAt.UTC().Format("2006-01-02 15:04:05 UTC")), d.noPass(p)
		})
	}
}
