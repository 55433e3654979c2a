package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/alecthomas/kong"

	"firstpass.internal/config"
)

// Exit codes. They are part of the interface.
const (
	exitOK      = 0
	exitFailed  = 1 // the command ran and failed
	exitUsage   = 2 // the command line or the configuration is wrong; nothing was done
	exitRefused = 3 // your roles or the state of things don't allow it, or somebody was quicker; nothing was done
	exitAway    = 4 // Temporal, a worker, the ledger or the server does not answer
)

// commands is the whole command line.
type commands struct {
	Config   string `help:"Configuration file." short:"c" type:"path" default:"firstpass.yaml" env:"FIRSTPASS_CONFIG" placeholder:"FILE"`
	JSON     bool   `help:"Write one JSON value instead of text; list --watch writes one a line." name:"json"`
	Server   string `help:"Ask this server, as https://HOST, instead of reading the configuration. Sign in with firstpass login; programs name a file with their token in FIRSTPASS_TOKEN_FILE." env:"FIRSTPASS_SERVER" placeholder:"URL"`
	ServerCA string `help:"Authorities in PEM to trust beside the system's, with --server." name:"server-ca" env:"FIRSTPASS_SERVER_CA" placeholder:"FILE"`

	Board    boardCmd    `cmd:"" group:"see" help:"Watch the journeys of the next days live: what needs somebody first."`
	List     listCmd     `cmd:"" group:"see" help:"List journeys and where they stand; with --watch, go on with what changes."`
	Find     findCmd     `cmd:"" group:"see" help:"Find somebody by reference, employee id or name. Personal data."`
	Show     showCmd     `cmd:"" group:"see" help:"Show one journey: facts, stage, what blocks it, its pass, what you can do. Personal data."`
	Timeline timelineCmd `cmd:"" group:"see" help:"Show what has happened to a journey, who did it, and what comes next."`
	Passes   passesCmd   `cmd:"" group:"see" help:"List the passes that somebody may hold, what ends first before the rest."`

	Hold       holdCmd       `cmd:"" group:"steer" help:"Keep a journey from getting a pass until it is resumed. A pass that is out stays."`
	Resume     resumeCmd     `cmd:"" group:"steer" help:"Let a journey go on that somebody holds."`
	Move       moveCmd       `cmd:"" group:"steer" help:"Give a journey another start than HR's."`
	Resend     resendCmd     `cmd:"" group:"steer" help:"Send the invitation again: the same link and code."`
	Reissue    reissueCmd    `cmd:"" group:"steer" help:"Give an employee another pass, or another link, to the addresses they have."`
	Revoke     revokeCmd     `cmd:"" group:"steer" help:"Revoke the live pass of a journey at once, and end the journey."`
	Cancel     cancelCmd     `cmd:"" group:"steer" help:"End a journey; a pass it has is revoked."`
	Link       linkCmd       `cmd:"" group:"steer" help:"Name the Entra user of an employee whom no rule finds."`
	Registered registeredCmd `cmd:"" group:"steer" help:"End a journey as completed, after you saw with your own eyes that the employee can sign in."`
	Approve    approveCmd    `cmd:"" group:"steer" help:"Approve a journey that waits for it. Never your own."`
	Refuse     refuseCmd     `cmd:"" group:"steer" help:"Refuse a journey that waits for approval; it ends."`
	Nudge      nudgeCmd      `cmd:"" group:"steer" help:"Have a journey look now instead of at its next poll."`
	Halt       haltCmd       `cmd:"" group:"steer" help:"Stop all new passes, everywhere, within seconds; or lift that."`

	Recover     recoverCmd     `cmd:"" group:"ask" help:"Give an employee who lost a key or a phone a pass to register another."`
	Methods     methodsCmd     `cmd:"" group:"ask" help:"List the sign-in methods of an employee, to say which was lost."`
	StageDevice stageDeviceCmd `cmd:"" group:"ask" help:"Ask for a pass with which a technician sets up an employee's device."`
	DeviceDone  deviceDoneCmd  `cmd:"" group:"ask" help:"Say that the device is done: the technician's pass and what he registered go."`
	Desk        deskCmd        `cmd:"" group:"ask" help:"Give the employee at your desk a one-time code, after you looked at a document."`

	Plan       planCmd       `cmd:"" group:"intake" help:"See what a file of employees, or those who start in some days, would come to: who gets what when, who fails and why. Changes nothing."`
	Start      startCmd      `cmd:"" group:"intake" help:"Start a joiner, or a file of them, or tell a running one what HR says now."`
	Source     sourceCmd     `cmd:"" group:"intake" help:"See how the HR sources do, pause one, try one with a sample, have one read."`
	Import     importCmd     `cmd:"" group:"intake" help:"Read a file of employees once, or see what it would change."`
	Held       heldCmd       `cmd:"" group:"intake" help:"Decide about changes of HR's that wait for somebody."`
	Quarantine quarantineCmd `cmd:"" group:"intake" help:"See what HR sent and intake could not read; read it again or drop it."`

	Ledger ledgerCmd `cmd:"" group:"prove" help:"List, verify, export and erase what was done to whom; prove that passes are gone."`

	Serve    serveCmd    `cmd:"" group:"run" help:"Receive HR webhooks, run the journeys, serve the console."`
	Probe    probeCmd    `cmd:"" group:"run" help:"Ask the serve of this machine whether it lives, has started, or can take work."`
	Check    checkCmd    `cmd:"" group:"run" help:"Check permissions, pass policy, profiles, channels and Temporal; say what to do about each fault."`
	Setup    setupCmd    `cmd:"" group:"run" help:"Register in Temporal what journeys are searched by. Does nothing that was done before."`
	Keyring  keyringCmd  `cmd:"" group:"run" help:"Make the payload keyring, or add a key to it."`
	Template templateCmd `cmd:"" group:"run" help:"See what messages say, in every language."`

	Login      loginCmd      `cmd:"" group:"self" help:"Sign in to a server, with any browser."`
	Logout     logoutCmd     `cmd:"" group:"self" help:"Forget the sign-in to a server."`
	Whoami     whoamiCmd     `cmd:"" group:"self" help:"Show who you are to the server, and what you may do."`
	Completion completionCmd `cmd:"" group:"self" help:"Print a script that completes commands in your shell."`
	Complete   completeCmd   `cmd:"" hidden:"" passthrough:"" help:"Complete a command line, for the script of firstpass completion."`

	Version kong.VersionFlag `help:"Print the version and exit."`
}

const description = `Firstpass turns an HR start date into a first strong credential.

It gives each new employee a Microsoft Entra Temporary Access Pass that works
from the start on: at a page, for a link and a code that go separate ways, or
by a message. It waits until a passkey or another strong method is registered,
and revokes the pass.

Begin with config/example.yaml, then: firstpass check, firstpass serve.

Exit codes: 0 done, 1 failed, 2 the command line or the configuration is wrong,
3 refused (roles, state, somebody was quicker), 4 Temporal, the ledger or the
server does not answer.`

func groups() []kong.Group {
	return []kong.Group{
		{Key: "see", Title: "See"},
		{Key: "steer", Title: "Steer"},
		{Key: "ask", Title: "Ask for"},
		{Key: "intake", Title: "Intake"},
		{Key: "prove", Title: "Prove"},
		{Key: "run", Title: "Run"},
		{Key: "self", Title: "Yourself"},
	}
}

// hinted is an error with a next step.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// usageError is a fault in what the user gave us: nothing was done.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

// refusedError is a no of the service.
type refusedError struct{ error }

func (r refusedError) Unwrap() error { return r.error }

// awayError says that something we need does not answer.
type awayError struct{ error }

func (a awayError) Unwrap() error { return a.error }

// run is main without the process: it returns the exit code.
func run(ctx context.Context, args []string, getenv func(string) string, term terminal) int {
	var cmd commands
	exited, code := false, exitOK
	parser, err := newParser(&cmd,
		kong.Writers(term.out, term.err),
		kong.Exit(func(c int) { exited, code = true, c }),
	)
	if err != nil {
		return report(term.err, err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	kctx, err := parser.Parse(args)
	if exited { // --help, --version
		return code
	}
	if err != nil {
		return report(term.err, usageError{hinted{err, "firstpass --help lists the commands, firstpass COMMAND --help its options"}})
	}
	env := &environment{
		term: term, json: cmd.JSON, getenv: getenv, server: strings.TrimRight(cmd.Server, "/"), serverCA: cmd.ServerCA, model: parser.Model,
		read: func() (*config.Config, error) { return read(cmd.Config, getenv) },
	}
	kctx.BindTo(ctx, (*context.Context)(nil))
	return report(term.err, kctx.Run(env))
}

func newParser(cmd *commands, options ...kong.Option) (*kong.Kong, error) {
	return kong.New(cmd, append(options,
		kong.Name("firstpass"),
		kong.Description(description),
		kong.Vars{"version": version},
		kong.ExplicitGroups(groups()),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 90}),
		kong.UsageOnError(),
	)...)
}

// environment is what commands share.
type environment struct {
	term     terminal
	json     bool
	getenv   func(string) string
	server   string // https://HOST; empty: we are it
	serverCA string // file
	model    *kong.Application
	// read reads the configuration and looks at none of the files it names.
	read func() (*config.Config, error)
}

// load is read with a check of those files.
func (e *environment) load() (*config.Config, error) {
	cfg, err := e.read()
	if err == nil {
		err = configError(cfg.CheckFiles())
	}
	return cfg, err
}

// print writes v as JSON if asked for, else calls text.
func (e *environment) print(v any, text func(io.Writer)) error {
	if !e.json {
		text(plainly{e.term.out})
		return nil
	}
	enc := json.NewEncoder(e.term.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// plainly writes text without what a terminal would obey.
type plainly struct{ io.Writer }

// Write implements io.Writer.
func (p plainly) Write(b []byte) (int, error) {
	if _, err := io.WriteString(p.Writer, plain(string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}

// plain replaces characters that a terminal obeys, or that make text read
// differently from what it says: what HR calls a site may hold anything.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return '?'
		}
		return r
	}, s)
}

// printReply is print for what the API said: its JSON is passed on as it came.
func (e *environment) printReply(body []byte, text func(io.Writer)) error {
	return e.print(json.RawMessage(body), text)
}

// progress tells the person that waits, not the pipe.
func (e *environment) progress(format string, args ...any) {
	fmt.Fprintln(e.term.err, plain(fmt.Sprintf(format, args...)))
}

func read(path string, getenv func(string) string) (*config.Config, error) {
	cfg, err := config.Load(path, getenv)
	return cfg, configError(err)
}

func configError(err error) error {
	if err == nil {
		return nil
	}
	return usageError{hinted{err, "every key is described in config/example.yaml; --config names another file"}}
}

// report prints err and returns the exit code.
func report(w io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(w, "firstpass: %s\n", plain(strings.TrimRight(line, "\n")))
	}
	var h hinted
	if errors.As(err, &h) && h.hint != "" {
		fmt.Fprintf(w, "hint: %s\n", plain(h.hint))
	}
	var (
		usage   usageError
		refused refusedError
		away    awayError
	)
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &refused):
		return exitRefused
	case errors.As(err, &away):
		return exitAway
	}
	return exitFailed
}
