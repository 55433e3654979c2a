package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"firstpass.internal/internal/entrasim"
)

type personCmd struct {
	Dir      string        `help:"State folder of the world." default:".dev" placeholder:"FOLDER"`
	Employee string        `help:"Employee id." required:"" placeholder:"ID"`
	Mail     string        `help:"Private mail address, if it is not the invented one." placeholder:"ADDRESS"`
	Method   string        `help:"What to register: fido2, windowsHelloForBusiness, microsoftAuthenticator, phone, …" default:"fido2" placeholder:"KIND"`
	Patience time.Duration `help:"How long to wait for the mail and for the pass to become valid." default:"10m" placeholder:"DURATION"`
}

// Run implements the command.
func (p *personCmd) Run(ctx context.Context, t terminal) error {
	s, err := openSite(p.Dir)
	if err != nil {
		return err
	}
	user, err := s.tenant.find(ctx, p.Employee)
	if err != nil {
		return err
	}
	e := employeeOf(user)
	if p.Mail != "" {
		e.Mail = p.Mail
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.Patience, fmt.Errorf("waited %s", p.Patience))
	defer cancel()
	tell := (&story{out: t.out, style: t.style}).tell
	tell("Looking for mail", e.Mail)
	m, err := s.mail.latest(ctx, e.Mail)
	if err != nil {
		return err
	}
	code, err := passcodeIn(m)
	if err != nil {
		return err
	}
	tell("Mail found", fmt.Sprintf("%q, passcode %s", m.Subject, masked(code)))
	session, err := p.signIn(ctx, s, e, code, tell)
	if err != nil {
		return err
	}
	tell("Signed in", e.UPN)
	if err := s.tenant.register(ctx, session.ID, p.Method); err != nil {
		return fmt.Errorf("register %s: %w", p.Method, err)
	}
	tell("Registered", p.Method)
	fmt.Fprintln(t.out, "\nFirstpass finds it at its next look; firstpass nudge has it look now.")
	return nil
}

// signIn tries until the pass is valid.
func (p *personCmd) signIn(ctx context.Context, s *site, e employee, code string, tell func(string, string)) (session entrasim.Session, err error) {
	told := false
	err = poll(ctx, time.Second, func() error {
		session, err = s.tenant.signIn(ctx, e.UPN, code)
		var no *refusal
		if errors.As(err, &no) && (no.code == string(entrasim.RefusedNotYetValid) || no.code == string(entrasim.RefusedNotReady)) {
			if !told {
				tell("Sign-in refused, the pass is not valid yet", "trying again until it is")
				told = true
			}
			return err
		}
		if err != nil {
			return giveUp{fmt.Errorf("sign in as %s: %w", e.UPN, err)}
		}
		return nil
	})
	return session, err
}

// mailPageClient reads a mailbox from another process.
type mailPageClient struct{ url string }

// latest returns the newest mail to an address, waiting for the first.
func (c *mailPageClient) latest(ctx context.Context, to string) (mail, error) {
	var first mail
	if err := callJSON(ctx, http.MethodGet, c.url+"/api/wait?to="+url.QueryEscape(to), nil, &first); err != nil {
		return mail{}, fmt.Errorf("no mail to %s: %w", to, err)
	}
	var all struct{ Mails []mail }
	if err := callJSON(ctx, http.MethodGet, c.url+"/api/mails?to="+url.QueryEscape(to), nil, &all); err != nil {
		return mail{}, err
	}
	return all.Mails[len(all.Mails)-1], nil
}
