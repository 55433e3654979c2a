package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
)

// folder is where files are: a directory, or one of an SFTP server. Names have
// no separators. Errors of files that do not exist are fs.ErrNotExist.
type folder interface {
	list() ([]fs.FileInfo, error) // what links lead to, if that is inside
	stat(name string) (fs.FileInfo, error)
	open(name string) (io.ReadCloser, error)
	remove(name string) error
	// move moves a file into another folder, under a name that nothing there has.
	move(name, to string, at time.Time) error
	close() error
}

// tries bounds the search for a name that nothing has.
const tries = 1000

// archived returns the names to try for a file that is moved away.
func archived(name string, at time.Time, try int) string {
	name += "." + at.UTC().Format("20060102T150405Z")
	if try > 0 {
		name += "." + strconv.Itoa(try)
	}
	return name
}

// folderFault tells what went wrong with a folder. The system's own text quotes
// paths, and people name files after people.
func folderFault(ctx context.Context, op string, err error) error {
	f := &jml.Fault{System: system, Op: op, Kind: jml.FaultUnavailable}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.Kind = jml.FaultNotFound
		return fmt.Errorf("%w: it does not exist", f)
	case errors.Is(err, fs.ErrPermission):
		f.Kind = jml.FaultDenied
		return fmt.Errorf("%w: permission denied", f)
	}
	return outbound.Told(ctx, f)
}

// directory is a folder of this machine. Links out of it are not followed.
type directory struct {
	path string
	root *os.Root
}

func openDirectory(path string) (directory, error) {
	root, err := os.OpenRoot(path)
	return directory{path, root}, err
}

func (d directory) close() error { return d.root.Close() }

func (d directory) list() ([]fs.FileInfo, error) {
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var out []fs.FileInfo
	for _, e := range entries {
		// A link that leads outside, or to nothing, is no file of this folder.
		if info, err := d.stat(e.Name()); err == nil {
			out = append(out, named{info, e.Name()})
		}
	}
	return out, nil
}

// named has the name of a link, and everything else of what it leads to.
type named struct {
	fs.FileInfo
	name string
}

func (n named) Name() string { return n.name }

func (d directory) stat(name string) (fs.FileInfo, error) { return d.root.Stat(name) }

func (d directory) open(name string) (io.ReadCloser, error) { return d.root.Open(name) }

func (d directory) remove(name string) error { return d.root.Remove(name) }

// move reserves the name first: rename replaces what is there.
func (d directory) move(name, to string, at time.Time) error {
	// The files hold personal data.
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	for try := range tries {
		target := filepath.Join(to, archived(name, at, try))
		reserved, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		if os.Rename(filepath.Join(d.path, name), target) == nil {
			return reserved.Close()
		}
		// Another file system, perhaps.
		err = errors.Join(d.copy(name, reserved), reserved.Close())
		if err == nil {
			return d.remove(name)
		}
		return errors.Join(err, os.Remove(target))
	}
	return errors.New("no free name in the archive")
}

func (d directory) copy(name string, to *os.File) error {
	from, err := d.open(name)
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // it was only read
	if _, err := io.Copy(to, from); err != nil {
		return err
	}
	return to.Sync()
}
