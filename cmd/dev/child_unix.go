//go:build unix && !linux

package main

import "syscall"

// childAttributes puts the child into a process group of its own, so that
// Ctrl-C reaches us alone and things stop in the right order.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
