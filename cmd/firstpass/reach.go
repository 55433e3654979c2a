package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os/user"
	"strings"
	"sync"
	"time"

	"firstpass.internal/internal/ops"
	"firstpass.internal/internal/ops/access"
	"firstpass.internal/internal/ops/api"
	"firstpass.internal/internal/ops/board"
	"firstpass.internal/internal/outbound"
)

// This file is how commands reach the operations API: a server's, or, without
// one, the same handler in this process.

// api calls do with a client of the API. actor is who asks where no token says
// it; empty: whoever is logged in on this machine.
func (e *environment) api(ctx context.Context, actor string, do func(*api.ClientWithResponses) error) error {
	if e.server == "" {
		return e.operations(ctx, func(p operationsParts, o *operations) error {
			handler, err := api.New(api.Config{Service: o.service, Logger: p.log})
			if err != nil {
				return err
			}
			who, err := localIdentity(actor)
			if err != nil {
				return err
			}
			return call("http://local", caller{http: api.Local(handler, who)}, do)
		})
	}
	if actor != "" {
		return usageError{hinted{errors.New("--actor: to a server your token says who you are"), "leave it out; firstpass whoami shows what the ledger calls you"}}
	}
	c, err := e.remote()
	if err != nil {
		return err
	}
	return call(e.server, c, do)
}

func call(base string, c caller, do func(*api.ClientWithResponses) error) error {
	client, err := api.NewClientWithResponses(base, api.WithHTTPClient(c))
	if err != nil {
		return err
	}
	return do(client)
}

// localIdentity is who has the keys of the configuration, and so may do
// everything.
func localIdentity(actor string) (access.Identity, error) {
	if actor == "" {
		actor = login()
	}
	if actor == "" {
		return access.Identity{}, usageError{errors.New("the system does not tell who you are: give --actor NAME")}
	}
	return access.Identity{Subject: "local", Name: actor, Roles: access.Roles()}, nil
}

// login is who runs the command; empty if the system does not tell.
func login() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}

// operations calls do with the service that serve's role ops has, without its
// sign-in.
func (e *environment) operations(ctx context.Context, do func(operationsParts, *operations) error) error {
	cfg, err := e.load()
	if err != nil {
		return err
	}
	temporal, err := connectLazily(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer temporal.Close()
	return e.withParts(ctx, cfg, temporal, func(p operationsParts) error {
		reading, stop := context.WithCancel(ctx)
		var work sync.WaitGroup
		defer work.Wait()
		defer stop()
		p.sight = func(b *board.Board) ops.Board {
			return onDemand{b, sync.OnceFunc(func() {
				work.Go(func() { b.Run(reading) })
				b.Wait(reading, 0)
			})}
		}
		o, err := newOperations(p)
		if err != nil {
			return err
		}
		defer o.service.Close()
		return do(p, o)
	})
}

// onDemand is a board that is read once somebody looks at all of it: most
// commands are about one journey, and ask Temporal for that.
type onDemand struct {
	*board.Board
	look func() // returns once the board was read, or could not be
}

// Rows implements ops.Board.
func (b onDemand) Rows(f board.Filter) []board.Row {
	b.look()
	return b.Board.Rows(f)
}

// Each implements ops.Board.
func (b onDemand) Each(f board.Filter, yield func(*board.Row) bool) {
	b.look()
	b.Board.Each(f, yield)
}

// State implements ops.Board.
func (b onDemand) State() board.State {
	b.look()
	return b.Board.State()
}

// tokenFile names the variable that names the file with a machine's token. The
// file is read for each request: whoever renews the token writes it anew.
const tokenFile = "FIRSTPASS_TOKEN_FILE"

// remote returns what asks the server.
func (e *environment) remote() (caller, error) {
	if err := outbound.CheckRoot(e.server); err != nil {
		return caller{}, usageError{fmt.Errorf("--server: %w", err)}
	}
	transport, err := outbound.Transport(e.serverCA)
	if err != nil {
		return caller{}, usageError{fmt.Errorf("--server-ca: %w", err)}
	}
	// No time limit: a watcher waits for news, and everybody can press Ctrl-C.
	c := caller{http: outbound.Client(transport, 0), server: e.server}
	if file := e.getenv(tokenFile); file != "" {
		c.token = func(context.Context) (string, error) {
			token, err := outbound.Secret(file)
			if err != nil {
				return "", usageError{fmt.Errorf("%s: %w", tokenFile, err)}
			}
			return strings.TrimSpace(token), nil
		}
		return c, nil
	}
	kept, err := access.DefaultTokens()
	if err != nil {
		return caller{}, err
	}
	c.token = func(ctx context.Context) (string, error) { return personal(ctx, kept, e.server) }
	return c, nil
}

// personal returns the token of who has signed in to server, renewed if need be.
func personal(ctx context.Context, kept access.Tokens, server string) (string, error) {
	t, err := kept.Load(server)
	if err != nil {
		return "", signInError(err, server)
	}
	fresh, err := t.Renew(ctx, time.Now())
	if err != nil {
		return "", signInError(err, server)
	}
	if fresh.Access != t.Access {
		if err := kept.Save(server, fresh); err != nil {
			return "", err
		}
	}
	return fresh.Access, nil
}

func signInError(err error, server string) error {
	if access.IsSignInNeeded(err) {
		return refusedError{hinted{errors.New("refused: you are not signed in to " + server + ", or no longer"), "firstpass login --server " + server}}
	}
	return awayError{fmt.Errorf("the sign-in could not be renewed: %w", err)}
}

// caller sends a request, with a token if there is one. What is not a success
// becomes an error, so that nobody takes a refusal for an answer.
type caller struct {
	http   *http.Client
	token  func(context.Context) (string, error)
	server string // empty: this process
}

// Do implements api.HttpRequestDoer.
func (c caller) Do(r *http.Request) (*http.Response, error) {
	if c.token != nil {
		token, err := c.token(r.Context())
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.http.Do(r)
	switch {
	case err != nil && r.Context().Err() != nil:
		return nil, r.Context().Err()
	case err != nil && c.server == "":
		return nil, err
	case err != nil:
		return nil, awayError{hinted{fmt.Errorf("%s does not answer: %s", c.server, outbound.NoAnswer(err)), "is the address right, and role ops running there? --server-ca names an authority of your own"}}
	case resp.StatusCode < 300, resp.StatusCode == http.StatusNotModified:
		return resp, nil
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	return nil, c.problem(resp)
}

// maxProblem bounds a problem, in bytes.
const maxProblem = 64 << 10

// problem is a refusal as an error, and how the program ends by it.
func (c caller) problem(resp *http.Response) error {
	var p api.Problem
	if !strings.Contains(resp.Header.Get("Content-Type"), "json") || json.NewDecoder(io.LimitReader(resp.Body, maxProblem)).Decode(&p) != nil {
		err := fmt.Errorf("%s answered %d, and not in the words of Firstpass", c.server, resp.StatusCode)
		if resp.StatusCode >= 500 {
			return awayError{hinted{err, "something stands between you and Firstpass; try again later"}}
		}
		return hinted{err, "is --server the address of the console?"}
	}
	err := problemError{problem: p, status: resp.StatusCode}
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		if c.server != "" {
			return refusedError{hinted{err, "firstpass login --server " + c.server}}
		}
		return refusedError{err.hinted()}
	case http.StatusForbidden, http.StatusConflict, http.StatusPreconditionFailed:
		return refusedError{err.hinted()}
	case http.StatusBadRequest:
		return usageError{err.hinted()}
	case http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout:
		return awayError{err.hinted()}
	}
	return err.hinted()
}

// problemError says what the API refuses.
type problemError struct {
	problem api.Problem
	status  int
}

func (p problemError) Error() string {
	said := p.problem.Detail
	if said == "" {
		said = p.problem.Title
	}
	if len(p.problem.Errors) > 0 {
		var all []string
		for _, e := range p.problem.Errors {
			_, name, _ := strings.Cut(e.Path, ".")
			all = append(all, name+": "+e.What)
		}
		said = strings.Join(all, "\n")
	}
	switch p.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusConflict, http.StatusPreconditionFailed:
		return "refused: " + said
	case http.StatusInternalServerError:
		return said + ", request " + p.problem.RequestID
	}
	return said
}

func (p problemError) hinted() error {
	if p.problem.Do == "" || len(p.problem.Errors) > 0 {
		return p
	}
	return hinted{p, p.problem.Do}
}

// answered reports whether err is the API's answer with this status.
func answered(err error, status int) bool {
	var p problemError
	return errors.As(err, &p) && p.status == status
}

// stale tells on the side that a board is not as of now, or returns an error if
// nothing is known.
func (e *environment) stale(b api.Board) error {
	switch {
	case b.Fault == "":
		return nil
	case b.Read.IsZero():
		return awayError{errors.New(b.Fault)}
	}
	e.progress("what follows was so at %s: %s", stamp(b.Read), b.Fault)
	return nil
}

type loginCmd struct{}

// Run implements the command.
func (*loginCmd) Run(ctx context.Context, env *environment) error {
	if env.server == "" {
		return usageError{errors.New("name the server with --server or FIRSTPASS_SERVER")}
	}
	kept, err := access.DefaultTokens()
	if err != nil {
		return err
	}
	cfg, err := access.AskServer(ctx, env.server, env.serverCA)
	if err != nil {
		return awayError{err}
	}
	token, err := access.DeviceLogin(ctx, cfg, func(address, code string) {
		env.progress("open %s in any browser and enter the code %s", address, code)
	})
	if err != nil {
		return refusedError{err}
	}
	if err := kept.Save(env.server, token); err != nil {
		return err
	}
	return (&whoamiCmd{}).Run(ctx, env)
}

type logoutCmd struct{}

// Run implements the command.
func (*logoutCmd) Run(_ context.Context, env *environment) error {
	if env.server == "" {
		return usageError{errors.New("name the server with --server or FIRSTPASS_SERVER")}
	}
	kept, err := access.DefaultTokens()
	if err != nil {
		return err
	}
	if err := kept.Forget(env.server); err != nil {
		return err
	}
	return env.print(map[string]string{"forgotten": env.server}, func(w io.Writer) {
		fmt.Fprintln(w, "the sign-in is forgotten here; the identity provider ends it when the token lapses")
	})
}

type whoamiCmd struct{}

// Run implements the command.
func (*whoamiCmd) Run(ctx context.Context, env *environment) error {
	return env.api(ctx, "", func(c *api.ClientWithResponses) error {
		r, err := c.GetMeWithResponse(ctx)
		if err != nil {
			return err
		}
		me := r.JSON200
		return env.printReply(r.Body, func(w io.Writer) {
			fmt.Fprintf(w, "%s, with the roles %s\n", me.Name, orNothing(strings.Join(me.Roles, ", ")))
		})
	})
}
