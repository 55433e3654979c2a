package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"firstpass.internal/config"
)

// Exit codes. They are part of the interface.
const (
	exitOK     = 0
	exitFailed = 1 // the command ran and failed
	exitUsage  = 2 // the command line or the configuration is wrong; nothing was done
)

// commands is the whole command line.
type commands struct {
	Config string `help:"Configuration file." short:"c" type:"path" default:"firstpass.yaml" env:"FIRSTPASS_CONFIG" placeholder:"FILE"`
	JSON   bool   `help:"Write one JSON value instead of text." name:"json"`

	Serve  serveCmd  `cmd:"" help:"Receive HR webhooks and run the journeys."`
	Check  checkCmd  `cmd:"" help:"Check permissions, pass policy, profiles, channels and Temporal; say what to do about each fault."`
	Start  startCmd  `cmd:"" help:"Start a joiner, or a file of them, or tell a running one what HR says now."`
	List   listCmd   `cmd:"" help:"List journeys and where they stand."`
	Show   showCmd   `cmd:"" help:"Show one journey: facts, stage, what blocks it, its pass."`
	Nudge  nudgeCmd  `cmd:"" help:"Have a journey look now instead of at its next poll."`
	Cancel cancelCmd `cmd:"" help:"End a journey; a pass it has is revoked."`
	Revoke revokeCmd `cmd:"" help:"Revoke the live pass of a journey at once, and end the journey."`

	Recover     recoverCmd     `cmd:"" help:"Give an employee who lost a key or a phone a pass to register another."`
	Methods     methodsCmd     `cmd:"" help:"List the sign-in methods of an employee, to say which was lost."`
	StageDevice stageDeviceCmd `cmd:"" help:"Ask for a pass with which a technician sets up an employee's device."`
	DeviceDone  deviceDoneCmd  `cmd:"" help:"Say that the device is done: the technician's pass and what he registered go."`
	Approve     approveCmd     `cmd:"" help:"Approve a journey that waits for it. Never your own."`
	Refuse      refuseCmd      `cmd:"" help:"Refuse a journey that waits for approval; it ends."`

	Reissue  reissueCmd  `cmd:"" help:"Give an employee another pass, or another link, to the addresses they have."`
	Desk     deskCmd     `cmd:"" help:"Give the employee at your desk a one-time code, after you looked at a document."`
	Template templateCmd `cmd:"" help:"See what messages say, in every language."`

	Source     sourceCmd     `cmd:"" help:"See how the HR sources do, try one with a sample, have one read."`
	Import     importCmd     `cmd:"" help:"Read a file of employees once, or see what it would change."`
	Held       heldCmd       `cmd:"" help:"Decide about addresses that HR changed shortly before the hand-over."`
	Quarantine quarantineCmd `cmd:"" help:"See what HR sent and intake could not read; read it again or drop it."`
	Keyring    keyringCmd    `cmd:"" help:"Make the payload keyring, or add a key to it."`

	Version kong.VersionFlag `help:"Print the version and exit."`
}

const description = `Firstpass turns an HR start date into a first strong credential.

It gives each new employee a Microsoft Entra Temporary Access Pass that works
from the start on: at a page, for a link and a code that go separate ways, or
by a message. It waits until a passkey or another strong method is registered,
and revokes the pass.

Begin with config/example.yaml, then: firstpass check, firstpass serve.`

// hinted is an error with a next step.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// usageError is a fault in what the user gave us: nothing was done.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

// run is main without the process: it returns the exit code.
func run(ctx context.Context, args []string, getenv func(string) string, term terminal) int {
	var cmd commands
	exited, code := false, exitOK
	parser, err := kong.New(&cmd,
		kong.Name("firstpass"),
		kong.Description(description),
		kong.Writers(term.out, term.err),
		kong.Exit(func(c int) { exited, code = true, c }),
		kong.Vars{"version": version},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 90}),
		kong.UsageOnError(),
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
		term: term, json: cmd.JSON, getenv: getenv,
		read: func() (*config.Config, error) { return read(cmd.Config, getenv) },
	}
	kctx.BindTo(ctx, (*context.Context)(nil))
	return report(term.err, kctx.Run(env))
}

// environment is what commands share.
type environment struct {
	term   terminal
	json   bool
	getenv func(string) string
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
		text(e.term.out)
		return nil
	}
	enc := json.NewEncoder(e.term.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// progress tells the person that waits, not the pipe.
func (e *environment) progress(format string, args ...any) {
	fmt.Fprintf(e.term.err, format+"\n", args...)
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
		fmt.Fprintf(w, "firstpass: %s\n", strings.TrimRight(line, "\n"))
	}
	var h hinted
	if errors.As(err, &h) {
		fmt.Fprintf(w, "hint: %s\n", h.hint)
	}
	var u usageError
	if errors.As(err, &u) {
		return exitUsage
	}
	return exitFailed
}
