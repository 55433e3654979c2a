//go:build unix

package stream

import (
	"errors"
	"os"
	"syscall"
)

// lock is let go of when f is closed, by a crash as well.
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errLocked
	}
	return err
}
