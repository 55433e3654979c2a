package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The steps of the demo from the invitation to the pass on the page.

// seeLink waits for the mail, which is of no use by itself.
func (d *demo) seeLink(ctx context.Context) error {
	return d.expect(ctx, 20*time.Second, "A link comes by mail", "one mail at "+d.joiner.Mail+" with a link and without a code, and no pass in the tenant", func() (string, error) {
		mails := d.world.Mailbox.MailsTo(d.joiner.Mail)
		if len(mails) == 0 {
			return "", errors.New("no mail")
		}
		d.invited.Token = linkIn(mails[0].Text, linkCollect)
		switch passes := len(d.world.Tenant.Passes(d.user.ID)); {
		case len(mails) > 1 || d.invited.Token == "" || secretIn(mails[0], "code") != "":
			return "", giveUp{fmt.Errorf("%d mails, the first with a link %t", len(mails), d.invited.Token != "")}
		case passes > 0:
			return "", giveUp{fmt.Errorf("%d passes", passes)}
		}
		return fmt.Sprintf("%q to %s; there is no pass yet", mails[0].Subject, d.joiner.Mail), nil
	})
}

func (d *demo) seeCode(ctx context.Context) error {
	return d.expect(ctx, 20*time.Second, "A code comes by text message", "one text at "+d.joiner.Phone+" with a code and without a link", func() (string, error) {
		texts := d.world.Phones.TextsTo(d.joiner.Phone)
		if len(texts) == 0 {
			return "", errors.New("no text")
		}
		d.invited.Code = firstIn(texts[0].Body, codeText)
		if len(texts) > 1 || d.invited.Code == "" || strings.Contains(texts[0].Body, "://") {
			return "", giveUp{fmt.Errorf("%d texts, the first with a code %t", len(texts), d.invited.Code != "")}
		}
		return fmt.Sprintf("to %s, code %s", d.joiner.Phone, masked(d.invited.Code)), nil
	})
}

// noPass fails if the tenant has a pass already.
func (d *demo) noPass() error {
	if n := len(d.world.Tenant.Passes(d.user.ID)); n > 0 {
		return giveUp{fmt.Errorf("%d passes in the tenant", n)}
	}
	return nil
}

func (d *demo) tryWrongCode(ctx context.Context) (err error) {
	if d.page, err = d.world.Visitor(); err != nil {
		return err
	}
	wrong := d.invited
	wrong.Code = wrongCode(wrong.Code, 1)
	return d.expect(ctx, 15*time.Second, "The link with a wrong code is refused", "the page says that link and code don't open a pass", func() (string, error) {
		if err := d.page.Enter(ctx, wrong); err != nil {
			return "", giveUp{err}
		}
		if d.page.Problem() == "" {
			return "", giveUp{d.page.unexpected("a problem")}
		}
		return fmt.Sprintf("%q", d.page.Problem()), d.noPass()
	})
}

func (d *demo) enter(ctx context.Context) error {
	return d.expect(ctx, 15*time.Second, d.joiner.Given+" types link and code", "the page asks for the date of birth", func() (string, error) {
		if err := d.page.EnterRight(ctx, d.invited); err != nil {
			return "", giveUp{err}
		}
		if !d.page.has("/p/fact") {
			return "", giveUp{d.page.unexpected("the question for the date of birth")}
		}
		return "the page goes on to: " + d.page.Title(), d.noPass()
	})
}

func (d *demo) prove(ctx context.Context) error {
	return d.expect(ctx, 15*time.Second, d.joiner.Given+" gives the date of birth", "it is what HR said", func() (string, error) {
		if err := d.page.Prove(ctx, papers{Born: d.joiner.Born}); err != nil {
			return "", giveUp{err}
		}
		return "as HR has it; still no pass", d.noPass()
	})
}

func (d *demo) collect(ctx context.Context) error {
	began := time.Now()
	return d.expect(ctx, 30*time.Second, d.joiner.Given+" presses \"Show my pass\"", "the page shows a passcode", func() (_ string, err error) {
		if d.code, err = d.page.Reveal(ctx); err != nil {
			return "", giveUp{err}
		}
		return fmt.Sprintf("made now and shown once, passcode %s, %.1f s after the click", masked(d.code), time.Since(began).Seconds()), nil
	})
}

// seeNotice waits for the word on the phone, by which a stranger's doing would
// come out.
func (d *demo) seeNotice(ctx context.Context) error {
	return d.expect(ctx, 20*time.Second, "A notice comes by text message", "a text at "+d.joiner.Phone+" with a link to say that it was somebody else", func() (string, error) {
		for _, t := range d.world.Phones.TextsTo(d.joiner.Phone) {
			if linkIn(t.Body, linkNotMe) != "" {
				return "with a link to have the pass stopped", nil
			}
		}
		return "", errors.New("no notice")
	})
}

// readMessages looks for the passcode where it was not to be sent. In mode send
// it stands in one mail.
func (d *demo) readMessages(ctx context.Context) error {
	if d.cohort == cohortSend {
		return nil
	}
	return d.expect(ctx, time.Second, "No passcode in any message", "neither mailbox nor phone holds the passcode", func() (string, error) {
		mails, texts := d.world.Mailbox.Mails(), d.world.Phones.Texts()
		raw, err := json.Marshal([]any{mails, texts})
		if err != nil || newCanary(d.code).In(raw) {
			return "", giveUp{errors.Join(err, errors.New("the passcode stands in a message"))}
		}
		return fmt.Sprintf("mails read as their reader sees them: %d, texts: %d", len(mails), len(texts)), nil
	})
}
