package letter

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"firstpass.internal/internal/delivery/channel"
	"firstpass.internal/internal/jml"
)

// fileName returns <date>-<reference>-<message>-<hash>. The date is the
// employee's first day: the print room sees what is urgent. The reference is
// the journey's.
//
// The hash tells the messages of a journey apart. It takes what stays the same
// when an activity is tried again, so that a letter that is written again
// replaces itself. Notice.Handle would not do: it is sealed anew at each try.
func fileName(op string, m channel.Message) (string, error) {
	n := m.Notice
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	if n.Reference == "" || len(n.Reference) > 64 || strings.Trim(n.Reference, plain) != "" {
		return "", refuse(op, "reference", jml.ReasonMessageRefused)
	}
	zone, err := jml.LoadZone(n.Zone)
	if err != nil {
		return "", refuse(op, "zone", jml.ReasonMessageRefused)
	}
	day := n.Start
	if day.IsZero() {
		day = n.Until
	}
	h := sha256.New()
	// A link has 128 random bits: nobody finds it by its hash. A code has 20,
	// and stays out.
	_, _ = fmt.Fprintln(h, n.Reference, n.Message, n.Start.Unix(), n.From.Unix(), n.Until.Unix(), m.Contents.Link.Reveal())
	return strings.Join([]string{day.In(zone).Format(time.DateOnly), n.Reference, string(n.Message), hex.EncodeToString(h.Sum(nil)[:4])}, "-"), nil
}

// folder is where letters go. Whoever reads it while letters are written sees
// whole ones.
type folder struct {
	path string
	mu   sync.Mutex // two tries at one letter would take each other's files
}

// write puts files under name and their endings. One whose content is nil is
// taken away: it is of a letter that can't be set any more.
func (f *folder) write(op, name string, files map[string][]byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for ending, content := range files {
		path := filepath.Join(f.path, name+ending)
		var err error
		if content == nil {
			err = os.Remove(path)
			if errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
		} else {
			err = f.replace(path, content)
		}
		if err != nil {
			return unavailable(op, code(err))
		}
	}
	f.sweep(name)
	return nil
}

// replace writes a file that nobody else may read, and gives it its name when
// it is on the disk.
func (f *folder) replace(path string, content []byte) error {
	t, err := os.CreateTemp(f.path, "."+filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	_, err = t.Write(content)
	err = errors.Join(err, t.Sync(), t.Close())
	if err == nil {
		err = os.Rename(t.Name(), path)
	}
	if err == nil {
		err = f.sync()
	}
	if err != nil {
		_ = os.Remove(t.Name()) // the error that led here counts
	}
	return err
}

// sync makes a rename last.
func (f *folder) sync() error {
	d, err := os.Open(f.path)
	if err != nil {
		return err
	}
	err = d.Sync()
	// Some network file systems can't.
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// sweep removes what a try that was killed left behind.
func (f *folder) sweep(name string) {
	left, _ := filepath.Glob(filepath.Join(f.path, "."+name+".*.tmp"))
	for _, path := range left {
		_ = os.Remove(path) // the next try does it
	}
}

// try finds out whether a letter could be written.
func (f *folder) try(op string) error {
	t, err := os.CreateTemp(f.path, ".firstpass-*.tmp")
	if err != nil {
		return unavailable(op, code(err))
	}
	_, err = t.WriteString("Firstpass tries whether it can write here. Delete this file.\n")
	if err = errors.Join(err, t.Close(), os.Remove(t.Name())); err != nil {
		return unavailable(op, code(err))
	}
	return nil
}

// code names what the disk says. Its own words name paths.
func code(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return "folderMissing"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return "folderNotWritable"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "diskFull"
	}
	return "disk"
}
