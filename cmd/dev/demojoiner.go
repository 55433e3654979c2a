package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/jml"
)

// startAhead is how far ahead of the webhook the joiner starts: long enough to
// see that the pass does not work before.
const startAhead = 28 * time.Second

// limitsOf returns the limits of one joiner of a cohort.
//
// Mode send takes two actions more than before there were notices (16): one
// sends the notice, one is Twilio's word that it arrived.
//
// A pick-up sends three messages where mode send sends two, and hears of each;
// link, code and proof are an update each, and so is a wrong code; and preflight
// runs again when the pass is made. Measured: 13 requests, 29 actions, 103
// events, with one wrong code; and one request more where nobody has read the
// pass policy for a while.
func limitsOf(cohort string) limits {
	if cohort == cohortSend {
		return limits{graph: 12, actions: 20, events: 72}
	}
	return limits{graph: 16, actions: 33, events: 118}
}

// joinerTale is the plain story: from HR webhook to revoked pass.
func (d *demo) joinerTale() tale {
	p := newPlayer("1042", "Signe", "Holm")
	return tale{
		steps: slices.Concat([]step{d.isMade(p), d.begin, d.hires(p, startAhead),
			d.seeLink(p), d.seeCode(p), d.tryWrongCode(p), d.enter(p), d.prove(p), d.collect(p), d.seeIssued(p), d.seeNotice(p)},
			d.firstDay(p)),
		leaves: []string{"joiner", "pass"},
		most:   limitsOf(cohortPickup),
	}
}

// sendTale is the same with the passcode in a mail.
func (d *demo) sendTale() tale {
	p := newPlayer("1042", "Signe", "Holm")
	return tale{
		cohort: cohortSend,
		steps: slices.Concat([]step{d.isMade(p), d.begin, d.hires(p, startAhead), d.seeIssued(p), d.readMail(p), d.seeNotice(p)},
			d.firstDay(p)),
		leaves: []string{"joiner", "pass"},
		most:   limitsOf(cohortSend),
	}
}

func (d *demo) isMade(p *player) step {
	return d.hire(p, "IT has made the user", "no pass and no sign-in method but a password nobody knows")
}

// hires has HR announce p.
func (d *demo) hires(p *player, ahead time.Duration) step {
	return d.say(p, "HR posts the new employee, Firstpass answers 200", startsIn(ahead))
}

// firstDay is what happens from the first try to sign in to the end.
func (d *demo) firstDay(p *player) []step {
	return slices.Concat([]step{d.tryEarly(p), d.waitForStart(p)}, d.signsInAndRegisters(p))
}

// signsInAndRegisters is the end of a joiner.
func (d *demo) signsInAndRegisters(p *player) []step {
	return []step{d.signIn(p), d.registerPasskey(p), d.nudge(jml.KindJoiner, p), d.seeRevoked(p), d.tryLate(p), d.completes(jml.KindJoiner, p)}
}

// readMail finds the passcode in a mail, mode send.
func (d *demo) readMail(p *player) step {
	return func(ctx context.Context) error {
		return d.expect(ctx, 15*time.Second, "Mail received", "one mail at "+p.Mail+" with the passcode in its text and nowhere in its subject, untracked", func() (_ string, err error) {
			mails := d.world.Mailbox.MailsTo(p.Mail)
			if len(mails) == p.mails {
				return "", errors.New("no mail")
			}
			mail := mails[p.mails]
			code, err := passcodeIn(mail)
			if err != nil {
				return "", giveUp{err}
			}
			switch {
			case len(mails) > p.mails+1:
				return "", giveUp{fmt.Errorf("%d mails", len(mails)-p.mails)}
			case strings.Contains(mail.Subject, code):
				return "", giveUp{errors.New("the passcode stands in the subject")}
			case mail.ClickTracking || mail.OpenTracking:
				return "", giveUp{errors.New("clicks or opening are tracked")}
			}
			p.before, p.code, p.mails = p.code, code, len(mails)
			return fmt.Sprintf("%q to %s, passcode %s", mail.Subject, p.Mail, masked(p.code)), nil
		})
	}
}
