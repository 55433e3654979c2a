// Command firstpass-dev is the world around Firstpass on one machine: a real
// Temporal server, a simulated tenant, a mailbox in place of SendGrid, an HR
// system, a new employee. It is never shipped, and a module of its own, so that
// the product does not depend on a Temporal server.
//
// Start reading at world.go.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// terminal is where a command writes: results and stories to out, errors to err.
type terminal struct {
	out, err io.Writer
	style    style
}

type commands struct {
	Run     runCmd     `cmd:"" help:"Start the world and leave it running; it goes on where it stopped."`
	Demo    demoCmd    `cmd:"" help:"Tell a story in a fresh world: a joiner's from HR webhook to revoked pass, or another."`
	Post    postCmd    `cmd:"" help:"Play the HR system of a running world: post an employee."`
	Bench   benchCmd   `cmd:"" help:"Measure how fast the intake takes new employees, against the bare engine."`
	Reveals revealsCmd `cmd:"" help:"Measure how long the pick-up page takes, from the click to the passcode."`
	Person  personCmd  `cmd:"" help:"Play the new employee: read the messages, collect the pass, sign in, register a method."`
}

var errInterrupted = errors.New("interrupted")

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // as shells have it
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second Ctrl-C ends us at once.
	context.AfterFunc(ctx, stop)
	t := terminal{out: os.Stdout, err: os.Stderr, style: styleFor(os.Stdout, os.Getenv)}
	code := run(ctx, os.Args[1:], t)
	stop()
	os.Exit(code)
}

// run is main without the process.
func run(ctx context.Context, args []string, t terminal) int {
	var cmd commands
	exited, code := false, 0
	parser, err := kong.New(&cmd, kong.Name("firstpass-dev"),
		kong.Description("The world around Firstpass on one machine: Temporal, a simulated tenant, a mailbox, an HR system. For development; nothing in it is real."),
		kong.Writers(t.out, t.err),
		kong.Exit(func(c int) { exited, code = true, c }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 90}))
	if err != nil {
		return report(t.err, err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	kctx, err := parser.Parse(args)
	if exited { // --help
		return code
	}
	if err != nil {
		fmt.Fprintf(t.err, "firstpass-dev: %v\nhint: firstpass-dev --help lists the commands, firstpass-dev COMMAND --help its options\n", err)
		return exitUsage
	}
	kctx.BindTo(ctx, (*context.Context)(nil))
	return report(t.err, kctx.Run(t))
}

func report(w io.Writer, err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errInterrupted):
		fmt.Fprintln(w, "firstpass-dev: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(w, "firstpass-dev: %v\n", err)
	return exitFailed
}
