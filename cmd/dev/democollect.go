package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The steps from the invitation to the pass on the page.

// collects is all of them, for who has a date of birth to give.
func (d *demo) collects(p *player) []step {
	return []step{d.seeLink(p), d.seeCode(p), d.enter(p), d.prove(p), d.collect(p)}
}

// seeLink waits for the mail, which is of no use by itself.
func (d *demo) seeLink(p *player) step {
	return func(ctx context.Context) error {
		return d.expect(ctx, 20*time.Second, "A link comes by mail", "one mail at "+p.mailbox()+" with a link and without a code, and no pass in the tenant", func() (string, error) {
			mails := d.world.Mailbox.MailsTo(p.mailbox())
			if len(mails) == p.mails {
				return "", errors.New("no mail")
			}
			m := mails[p.mails]
			p.invited.Token = linkIn(m.Text, linkCollect)
			switch {
			case len(mails) > p.mails+1 || p.invited.Token == "" || secretIn(m, "code") != "":
				return "", giveUp{fmt.Errorf("%d mails, the first with a link %t", len(mails)-p.mails, p.invited.Token != "")}
			case d.noPass(p) != nil:
				return "", d.noPass(p)
			}
			p.mails = len(mails)
			return fmt.Sprintf("%q to %s; there is no pass yet", m.Subject, p.mailbox()), nil
		})
	}
}

func (d *demo) seeCode(p *player) step {
	return func(ctx context.Context) error {
		return d.expect(ctx, 20*time.Second, "A code comes by text message", "one text at "+p.Phone+" with a code and without a link", func() (string, error) {
			texts := d.world.Phones.TextsTo(p.Phone)
			if len(texts) == p.texts {
				return "", errors.New("no text")
			}
			t := texts[p.texts]
			p.invited.Code = firstIn(t.Body, codeText)
			if len(texts) > p.texts+1 || p.invited.Code == "" || strings.Contains(t.Body, "://") {
				return "", giveUp{fmt.Errorf("%d texts, the first with a code %t", len(texts)-p.texts, p.invited.Code != "")}
			}
			p.texts = len(texts)
			return fmt.Sprintf("to %s, code %s", p.Phone, masked(p.invited.Code)), nil
		})
	}
}

func (d *demo) tryWrongCode(p *player) step {
	return func(ctx context.Context) error {
		wrong := p.invited
		wrong.Code = wrongCode(wrong.Code, 1)
		return d.tryInvitation(p, wrong, "The link with a wrong code is refused")(ctx)
	}
}

// tryInvitation types what opens nothing.
func (d *demo) tryInvitation(p *player, i invitation, what string) step {
	return func(ctx context.Context) error {
		page, err := d.world.Visitor()
		if err != nil {
			return err
		}
		return d.expect(ctx, 15*time.Second, what, "the page says that link and code don't open a pass", func() (string, error) {
			if err := page.Enter(ctx, i); err != nil {
				return "", giveUp{err}
			}
			if page.Problem() == "" {
				return "", giveUp{page.unexpected("a problem")}
			}
			return fmt.Sprintf("%q", page.Problem()), d.noPass(p)
		})
	}
}

func (d *demo) enter(p *player) step {
	return func(ctx context.Context) (err error) {
		if p.page, err = d.world.Visitor(); err != nil {
			return err
		}
		return d.expect(ctx, 15*time.Second, p.Given+" types link and code", "the page goes on", func() (string, error) {
			if err := p.page.EnterRight(ctx, p.invited); err != nil {
				return "", giveUp{err}
			}
			if !p.page.has("/p/fact") && !p.page.has("/p/reveal") {
				return "", giveUp{p.page.unexpected("the question for the date of birth, or the button for the pass")}
			}
			return "the page goes on to: " + p.page.Title(), d.noPass(p)
		})
	}
}

func (d *demo) prove(p *player) step {
	return func(ctx context.Context) error {
		return d.expect(ctx, 15*time.Second, p.Given+" gives the date of birth", "it is what HR said", func() (string, error) {
			if err := p.page.Prove(ctx, papers{Born: p.Born}); err != nil {
				return "", giveUp{err}
			}
			return "as HR has it; still no pass", d.noPass(p)
		})
	}
}

func (d *demo) collect(p *player) step {
	return func(ctx context.Context) error {
		began := time.Now()
		return d.expect(ctx, 30*time.Second, p.Given+" presses \"Show my pass\"", "the page shows a passcode", func() (string, error) {
			code, err := p.page.Reveal(ctx)
			if err != nil {
				return "", err
			}
			p.before, p.code = p.code, code
			d.shown = append(d.shown, code)
			return fmt.Sprintf("made now and shown once, passcode %s, %.1f s after the click", masked(p.code), time.Since(began).Seconds()), nil
		})
	}
}

// seeNotice waits for the word on the phone, by which a stranger's doing would
// come out.
func (d *demo) seeNotice(p *player) step {
	return func(ctx context.Context) error {
		return d.expect(ctx, 20*time.Second, "A notice comes by text message", "a text at "+p.Phone+" with a link to say that it was somebody else", func() (string, error) {
			texts := d.world.Phones.TextsTo(p.Phone)
			for i, t := range texts[p.texts:] {
				if linkIn(t.Body, linkNotMe) != "" {
					p.texts += i + 1
					return "with a link to have the pass stopped", nil
				}
			}
			return "", errors.New("no notice")
		})
	}
}
