package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// child is a running `firstpass serve`: the shipped binary, not a copy of it in
// this process.
type child struct {
	cmd  *exec.Cmd
	done chan struct{} // closed once the process has ended; cmd.ProcessState tells how
}

// startChild runs the program with its output appended to the file log.
func startChild(program string, args []string, log string) (*child, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(program, args...), done: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = out, out
	c.cmd.Env = plainEnvironment(os.Environ())
	c.cmd.SysProcAttr = childAttributes()
	started := make(chan error, 1)
	go func() {
		// The kernel sends the parent-death signal when the *thread* that
		// started the child ends, so that thread is kept for as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer func() { _ = out.Close() }()
		err := c.cmd.Start()
		started <- err
		if err == nil {
			_ = c.cmd.Wait() // ProcessState says the same
			close(c.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	return c, nil
}

// plainEnvironment drops what would override the configuration file.
func plainEnvironment(env []string) []string {
	var out []string
	for _, e := range env {
		if !strings.HasPrefix(e, "FIRSTPASS_") {
			out = append(out, e)
		}
	}
	return out
}

// PID is the process id.
func (c *child) PID() int { return c.cmd.Process.Pid }

// Done is closed once the process has ended.
func (c *child) Done() <-chan struct{} { return c.done }

// Kill ends the process as kill -9 does, and returns once it is gone.
func (c *child) Kill() error {
	err := c.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	if err != nil {
		return err
	}
	<-c.done
	return nil
}

// Stop asks the process to end and kills it if it does not within patience.
func (c *child) Stop(patience time.Duration) error {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return errors.Join(err, c.Kill())
	}
	select {
	case <-c.done:
		return nil
	case <-time.After(patience):
		return errors.Join(fmt.Errorf("firstpass did not stop within %s and was killed", patience), c.Kill())
	}
}
