// Package lines appends whole lines to a file and returns once they are on
// disk. The stream of the ledger's rows is such a file.
package lines

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

// ErrClosed answers an Append to a closed File.
var ErrClosed = errors.New("the file is closed")

// File appends lines to a file. Goroutines share one File; several processes
// may append to one path, because each line is a single write in append mode.
type File struct {
	path string

	mu     sync.Mutex
	f      *os.File
	closed bool
}

// Open opens the file at path for appending, or makes it, mode 0600. It refuses
// a file that everybody may read or write.
func Open(path string) (*File, error) {
	l := &File{path: path}
	if err := l.reopen(); err != nil {
		return nil, err
	}
	return l, nil
}

// Path returns the path the file was opened by.
func (l *File) Path() string { return l.path }

// Close closes the file. Later appends fail.
func (l *File) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	return l.f.Close()
}

// maxMoves bounds how often one Append follows a file that is moved away.
const maxMoves = 3

// Append writes lines, each with a line end, and returns once all are on disk.
// After an error nothing may be taken for written, though part of it may be: the
// next Append closes a torn line off, and a torn line is not JSON.
//
// If the file was moved away or removed, Append goes on in a new one at the
// same path. When that happens in the middle, the lines may end up in both
// files: twice is better than in one that is gone.
func (l *File) Append(lines ...[]byte) error {
	for _, line := range lines {
		if bytes.ContainsAny(line, "\r\n") {
			return errors.New("a line must not hold a line end")
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fmt.Errorf("append to %s: %w", l.path, ErrClosed)
	}
	for range maxMoves {
		if !l.inPlace() {
			if err := l.reopen(); err != nil {
				return err
			}
		}
		if err := l.write(lines); err != nil {
			return fmt.Errorf("append: %w", err)
		}
		if l.inPlace() {
			return nil
		}
	}
	return fmt.Errorf("append to %s: the file is moved away time and again", l.path)
}

// write appends lines in one write, so that lines of other writers stay whole.
func (l *File) write(lines [][]byte) error {
	var buf []byte
	torn, err := endsTorn(l.f)
	if err != nil {
		return err
	}
	if torn {
		// Left by a crash or a full disk, here or in another process. It stays
		// what it is, evidence, and gets a line end of its own.
		buf = append(buf, '\n')
	}
	for _, line := range lines {
		buf = append(append(buf, line...), '\n')
	}
	if _, err := l.f.Write(buf); err != nil {
		return err
	}
	return l.f.Sync()
}

// endsTorn reports whether f ends within a line.
func endsTorn(f *os.File) (bool, error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return false, err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], info.Size()-1); err != nil {
		return false, err
	}
	return last[0] != '\n', nil
}

// inPlace reports whether the open file is the one at the path.
func (l *File) inPlace() bool {
	if l.f == nil {
		return false
	}
	at, err := os.Stat(l.path)
	if err != nil {
		return false
	}
	open, err := l.f.Stat()
	return err == nil && os.SameFile(at, open)
}

func (l *File) reopen() error {
	_, statErr := os.Stat(l.path)
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.Mode().IsRegular() && runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0:
		err = fmt.Errorf("everybody on this machine can get at %s; run: chmod 600 %s", l.path, l.path)
	case errors.Is(statErr, fs.ErrNotExist):
		// Without this a crash may leave a synced file that no folder names.
		err = syncFolder(filepath.Dir(l.path))
	}
	if err == nil && info.Mode().IsRegular() {
		err = closeOff(f)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if l.f != nil {
		_ = l.f.Close() // everything in it is synced
	}
	l.f = f
	return nil
}

// closeOff ends the torn line that a crash may have left.
func closeOff(f *os.File) error {
	torn, err := endsTorn(f)
	if err != nil || !torn {
		return err
	}
	if _, err := f.Write([]byte("\n")); err != nil {
		return err
	}
	return f.Sync()
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return nil // a folder we may write but not read; nothing to be done
	}
	defer func() { _ = d.Close() }() // read only
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && runtime.GOOS != "windows" {
		return err
	}
	return nil
}
