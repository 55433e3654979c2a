package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
)

// noShowTale: nobody comes. The employee is reminded, the manager told; in the
// end the pass goes, and manager and HR hear of it.
//
// It is sent, not picked up: so a passcode lies in a mailbox that nobody reads.
// Each message costs one action, its provider's word another, and who the manager
// is one request. Measured: 13 requests, 27 actions, 101 events.
func (d *demo) noShowTale() tale {
	p := newPlayer("1042", "Signe", "Holm")
	return tale{
		cohort: cohortSend,
		profile: func(s *profileSettings) {
			s.Timeout = 14 * time.Second
			s.Reminders = []string{
				"{after: 3s, of: start, to: [{channel: sms, recipient: personal_phone}]}",
				"{after: 7s, of: start, to: [{channel: mail, recipient: manager}]}",
			}
		},
		steps: []step{
			d.isMade(p), d.begin, d.hires(p, 10*time.Second),
			d.seeIssued(p), d.readMail(p), d.seeNotice(p), d.waitForStart(p),
			d.seeReminder(p),
			d.mail(p, "Nothing is registered, the manager is told", boss().Mail, regexp.MustCompile("can’t sign in yet")),
			d.seeRevoked(p),
			d.refused(p, "Sign-in refused, the pass is gone", &p.code, entrasim.RefusedDeleted, words("whoever finds the mail")),
			d.mail(p, "The manager is told that nobody came", boss().Mail, regexp.MustCompile("did not happen in time")),
			d.mail(p, "HR is told, too", hrMail, regexp.MustCompile("did not happen in time")),
			d.closes(jml.KindJoiner, p, jml.StageTimedOut, unusedAndGone, ", nobody signed in"),
		},
		leaves: []string{"joiner", "pass"},
		most:   limits{graph: 16, actions: 32, events: 118},
	}
}

// hrMail is where HR reads.
const hrMail = "hr@example.com"

// seeReminder waits for the next text that is not about a code.
func (d *demo) seeReminder(p *player) step {
	return func(ctx context.Context) error {
		return d.expect(ctx, 30*time.Second, "Nobody comes, a reminder goes out", "another text at "+p.Phone+", without passcode or code", func() (string, error) {
			texts := d.world.Phones.TextsTo(p.Phone)
			if len(texts) == p.texts {
				return "", errors.New("no text")
			}
			t := texts[p.texts]
			if firstIn(t.Body, codeText) != "" || newCanary(p.code).In([]byte(t.Body)) {
				return "", giveUp{errors.New("the text holds a code")}
			}
			p.texts++
			return fmt.Sprintf("to %s, %d s after the start", p.Phone, int(time.Since(p.Start).Seconds())), nil
		})
	}
}

func unusedAndGone(s standing) error {
	if s.Pass == nil || s.Pass.Gone.IsZero() || s.Pass.Registered != nil || s.Pass.Use == jml.UseYes {
		return fmt.Errorf("pass %+v", s.Pass)
	}
	return nil
}
