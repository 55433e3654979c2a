package access

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"firstpass.internal/internal/audit"
)

// maxCode bounds an authorisation code, in bytes; Entra's are 1 to 2 KiB.
const maxCode = 8 << 10

// begin leads to the identity provider (OpenID Connect Core, 3.1; PKCE, RFC
// 7636).
func (g *Gate) begin(w http.ResponseWriter, r *http.Request) {
	to := "/"
	if all := r.URL.Query()["to"]; len(all) == 1 {
		to = ownPath(all[0])
	}
	m, err := g.provider.discover(r.Context())
	if err != nil {
		g.fail(w, r, Identity{}, err)
		return
	}
	at, err := g.attempts.begin(w, r, to)
	if err != nil {
		g.fail(w, r, Identity{}, err)
		return
	}
	http.Redirect(w, r, m.oauth.AuthCodeURL(at.State, oidc.Nonce(at.Nonce), oauth2.S256ChallengeOption(at.Verifier)), http.StatusSeeOther)
}

// callback is where the identity provider sends the browser back to.
func (g *Gate) callback(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	q := r.URL.Query()
	for name := range q {
		if len(q[name]) != 1 {
			g.fail(w, r, Identity{}, &denial{"staleSignIn", "a parameter is there twice; start again"})
			return
		}
	}
	at, err := g.attempts.end(w, r, q.Get("state"))
	if err != nil {
		g.fail(w, r, Identity{}, err)
		return
	}
	who, refresh, err := g.finish(ctx, at, q)
	if err == nil {
		err = g.letIn(ctx, w, r, who, refresh)
	}
	if err != nil {
		g.fail(w, r, who, err)
		return
	}
	http.Redirect(w, r, at.To, http.StatusSeeOther) // begin saw that it is ours, and nobody else can seal
}

// finish checks what the browser brought back and gets to know who it is.
func (g *Gate) finish(ctx context.Context, at attempt, q url.Values) (Identity, string, error) {
	m, err := g.provider.discover(ctx)
	if err != nil {
		return Identity{}, "", err
	}
	if q.Has("iss") && q.Get("iss") != g.provider.issuer || !q.Has("iss") && m.namesItself {
		return Identity{}, "", &denial{"badAnswer", "the answer is of another identity provider"} // RFC 9207
	}
	if q.Has("error") {
		return Identity{}, "", &denial{"declined", "the identity provider answered " + knownCode(q.Get("error"))}
	}
	code := q.Get("code")
	if code == "" || len(code) > maxCode {
		return Identity{}, "", &denial{"badAnswer", "the answer has no code, or one that is too long"}
	}
	id, refresh, err := g.provider.redeem(ctx, m, code, at.Verifier)
	if errors.Is(err, errGrant) {
		return Identity{}, "", &denial{"badAnswer", "the identity provider does not take the code; start again"}
	}
	if err != nil {
		return Identity{}, "", err
	}
	c, err := g.provider.signedIn(ctx, m, id, at.Nonce)
	if err != nil {
		return Identity{}, "", err
	}
	who := c.identity(g.groups)
	if len(who.Roles) == 0 {
		return who, "", g.noRole(c)
	}
	return who, refresh, nil
}

// letIn writes the row, then begins the session: nobody is in without a row.
func (g *Gate) letIn(ctx context.Context, w http.ResponseWriter, r *http.Request, who Identity, refresh string) error {
	err := g.cfg.Audit.Append(ctx, audit.Entry{Time: g.cfg.Now(), Event: EventSignedIn, Outcome: "signedIn", Actor: who.Name, UserID: who.Subject, Detail: roleList(who.Roles)})
	if err != nil {
		g.cfg.Log.Error("a sign-in is not in the ledger", "error", err)
		return errAway
	}
	// Crash here: the ledger says that somebody was let in, and nobody was. They
	// sign in again.
	return g.sessions.start(ctx, w, r, who, refresh)
}

// signOut ends the session at the server, whatever else fails.
func (g *Gate) signOut(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	id := g.sessions.id(r)
	s, err := g.sessions.load(ctx, id)
	if err == nil {
		err := g.cfg.Audit.Append(ctx, audit.Entry{Time: g.cfg.Now(), Event: EventSignedOut, Outcome: "signedOut", Actor: s.Name, UserID: s.Subject})
		if err != nil {
			g.cfg.Log.Error("a sign-out is not in the ledger", "error", err)
		}
	}
	if end := g.sessions.end(ctx, id); end != nil || err != nil && !errors.Is(err, errNobody) {
		g.show(w, notice{status: http.StatusServiceUnavailable, Title: "You may still be signed in",
			Says: []string{"The session could not be ended at the server: its store does not answer. Close the browser, and try once more in a moment."},
			Link: "Back", LinkTo: "/"})
		return
	}
	g.sessions.forget(w)
	http.Redirect(w, r, "/sign-in/out", http.StatusSeeOther)
}

// wentOut is the page after signing out. The identity provider's own session
// goes on until they end it there: other programs use it too.
func (g *Gate) wentOut(w http.ResponseWriter, r *http.Request) {
	n := notice{status: http.StatusOK, Title: "You are signed out", Says: []string{"Firstpass has ended your session."}, Link: "Sign in again", LinkTo: "/sign-in"}
	if m, err := g.provider.discover(r.Context()); err == nil && m.endSession != "" {
		n.Second, n.Other = "Sign out of Microsoft Entra too", m.endSession
	}
	g.show(w, n)
}

// fail tells a person why they are not in.
func (g *Gate) fail(w http.ResponseWriter, r *http.Request, who Identity, err error) {
	var no *denial
	if errors.As(err, &no) {
		g.refused(r.Context(), who, no)
		g.show(w, g.noticeFor(no, who))
		return
	}
	g.cfg.Log.Warn("nobody can sign in", "error", err)
	g.show(w, away())
}

func away() notice {
	return notice{status: http.StatusServiceUnavailable, Title: "Sign-in is not possible now",
		Says: []string{"The identity provider or the session store does not answer, so nobody is let in. Nothing is lost: journeys go on without the console.", "Try again in a moment."},
		Link: "Try again", LinkTo: "/sign-in"}
}

func (g *Gate) noticeFor(no *denial, who Identity) notice {
	again := notice{status: http.StatusForbidden, Title: "You are not signed in", Says: []string{sentence(no.do)}, Link: "Sign in", LinkTo: "/sign-in"}
	switch no.reason {
	case "noRole":
		n := notice{status: http.StatusForbidden, Title: "You have no role here", Roles: roleNotes(), Link: "Sign in again", LinkTo: "/sign-in"}
		n.Says = []string{"You are signed in at the identity provider as " + who.Name + ", and this application gives that account no role: " + no.do + ".", g.ask() + " These are the roles:"}
		return n
	case "foreignSite":
		return notice{status: http.StatusForbidden, Title: "That came from another site", Says: []string{sentence(no.do)}, Link: "To the board", LinkTo: "/"}
	}
	return again
}

// ask says whom to ask.
func (g *Gate) ask() string {
	if g.cfg.Help == "" {
		return "Ask whoever manages the application in Microsoft Entra for a role."
	}
	return "Ask for a role: " + g.cfg.Help + "."
}

func roleList(roles []Role) string {
	var out string
	for i, r := range roles {
		if i > 0 {
			out += " "
		}
		out += string(r)
	}
	return out
}
