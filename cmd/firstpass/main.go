// Command firstpass turns an HR start date into a first strong credential.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker, which reaches nothing but a global.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}

// terminal is what a command reads and writes.
//
// The rules: results go to out, and nothing else does, so that a pipe gets
// clean data. Progress, hints and errors go to err, errors behind "firstpass:".
// With --json, out carries one JSON value and err is as before.
type terminal struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}
