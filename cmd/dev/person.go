package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"firstpass.internal/cmd/dev/mailbox"
	"firstpass.internal/cmd/dev/phone"
	"firstpass.internal/internal/entrasim"
)

type personCmd struct {
	Dir      string        `help:"State folder of the world." default:".dev" placeholder:"FOLDER"`
	Employee string        `help:"Employee id." required:"" placeholder:"ID"`
	Mail     string        `help:"Private mail address, if it is not the invented one." placeholder:"ADDRESS"`
	Method   string        `help:"What to register: fido2, windowsHelloForBusiness, microsoftAuthenticator, phone, …" default:"fido2" placeholder:"KIND"`
	Patience time.Duration `help:"How long to wait for messages and for the pass to become valid." default:"10m" placeholder:"DURATION"`
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
	code, err := p.passcode(ctx, s, e, m, tell)
	if err != nil {
		return err
	}
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

// passcode reads it in the mail or, if that brings a link, collects it at the
// pick-up page.
func (p *personCmd) passcode(ctx context.Context, s *site, e employee, m mailbox.Mail, tell func(string, string)) (string, error) {
	token := linkIn(m.Text, linkCollect)
	if token == "" {
		code, err := passcodeIn(m)
		if err == nil {
			tell("Mail found", fmt.Sprintf("%q, passcode %s", m.Subject, masked(code)))
		}
		return code, err
	}
	tell("Mail found", fmt.Sprintf("%q, with a link", m.Subject))
	text, err := s.phone.code(ctx, e.Phone)
	if err != nil {
		return "", err
	}
	tell("Text message found", "code "+masked(text))
	trust, err := os.ReadFile(filepath.Join(p.Dir, "eid-ca.pem"))
	if err != nil {
		return "", err
	}
	v, err := newVisitor("http://"+loopback(s.ports.Pickup), trust)
	if err != nil {
		return "", err
	}
	code, err := v.Collect(ctx, invitation{Token: token, Code: text}, papers{
		Born: e.Born, Persona: e.persona().Key,
		Manager: func(ctx context.Context, number string) error {
			tell("The page wants the manager's word", "playing the manager too")
			return p.vouch(ctx, s, v.root, number)
		},
		Desk: func(context.Context) (string, error) {
			return "", errors.New("the page wants a code from the desk: go on in a browser, and get one with firstpass desk")
		},
	})
	if err != nil {
		return "", fmt.Errorf("collect the pass: %w", err)
	}
	tell("Pass collected", "passcode "+masked(code))
	return code, nil
}

// vouch plays the manager.
func (p *personCmd) vouch(ctx context.Context, s *site, root, number string) error {
	m, err := s.mail.latest(ctx, boss().Mail)
	if err != nil {
		return err
	}
	manager, err := newVisitor(root, nil)
	if err != nil {
		return err
	}
	return manager.Vouch(ctx, linkIn(m.Text, linkVouch), number, "yes")
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
func (c *mailPageClient) latest(ctx context.Context, to string) (mailbox.Mail, error) {
	var first mailbox.Mail
	if err := callJSON(ctx, http.MethodGet, c.url+"/api/wait?to="+url.QueryEscape(to), nil, &first); err != nil {
		return mailbox.Mail{}, fmt.Errorf("no mail to %s: %w", to, err)
	}
	var all struct{ Mails []mailbox.Mail }
	if err := callJSON(ctx, http.MethodGet, c.url+"/api/mails?to="+url.QueryEscape(to), nil, &all); err != nil {
		return mailbox.Mail{}, err
	}
	return all.Mails[len(all.Mails)-1], nil
}

// phonePageClient reads phones from another process.
type phonePageClient struct{ url string }

// code returns the newest code that came to a number, waiting for the first
// text.
func (c *phonePageClient) code(ctx context.Context, to string) (code string, err error) {
	var first phone.Text
	if err := callJSON(ctx, http.MethodGet, c.url+"/api/wait?to="+url.QueryEscape(to), nil, &first); err != nil {
		return "", fmt.Errorf("no text message to %s: %w", to, err)
	}
	var all struct{ Texts []phone.Text }
	if err := callJSON(ctx, http.MethodGet, c.url+"/api/texts?to="+url.QueryEscape(to), nil, &all); err != nil {
		return "", err
	}
	for _, t := range all.Texts {
		if found := firstIn(t.Body, codeText); found != "" {
			code = found
		}
	}
	if code == "" {
		return "", fmt.Errorf("no code among %d text messages to %s", len(all.Texts), to)
	}
	return code, nil
}
