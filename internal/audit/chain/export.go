// Package chain writes the ledger's chain of rows to files, a signed head at the
// end of each, and verifies such files: with nothing but them and the public
// key, or row by row from the database.
//
// A file is called ledger-FIRST-LAST.jsonl after the rows in it. Each line but
// the last is a row: {"hash":HEX,"row":CANONICAL JSON}, with "personal" if that
// was asked for. The last line is the signed head.
package chain

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/ledger"
)

// What stands between the parts of a line.
const (
	lineBegin    = `{"hash":"`
	lineRow      = `","row":`
	linePersonal = `,"personal":`
)

// Name is what the file with rows first to last is called.
func Name(first, last uint64) string { return fmt.Sprintf("ledger-%012d-%012d.jsonl", first, last) }

// Book is the ledger.
type Book interface {
	EachRow(ctx context.Context, first, end uint64, yield func(audit.Stored) error) error
	AddHead(ctx context.Context, sign func(audit.Head) (audit.SignedHead, error)) error
	Heads(context.Context) ([]ledger.Head, error)
	LastHead(context.Context) (time.Time, error)
	MarkExported(ctx context.Context, seq uint64) error
}

// Exporter makes heads and writes rows to files.
type Exporter struct {
	Book   Book
	Key    ed25519.PrivateKey
	Folder string
	// Daily keeps account of what was exported: a file that was moved away, to
	// where nothing can be changed, is not written again.
	Daily bool
	// Personal writes who and why as well.
	Personal bool
	// Progress, if not nil, is told how many rows of how many are written.
	Progress func(done, total int)
}

// Export makes a head, if rows have come since the last one, and writes the
// files that are missing. It returns their paths. A crash leaves no half of a
// file, and the next call writes what is missing.
func (x *Exporter) Export(ctx context.Context) ([]string, error) {
	if err := x.Book.AddHead(ctx, func(h audit.Head) (audit.SignedHead, error) { return audit.Sign(h, x.Key) }); err != nil {
		return nil, err
	}
	heads, err := x.Book.Heads(ctx)
	if err != nil {
		return nil, err
	}
	var (
		todo        []ledger.Head
		done, total int
		paths       []string
	)
	for _, h := range heads {
		_, err := os.Stat(x.path(h))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("export: %w", err)
		}
		missing := err != nil
		switch {
		case x.Daily && h.Exported:
		case missing:
			todo = append(todo, h)
			total += int(h.Seq - h.First + 1)
		case x.Daily:
			// Written, and then the process died.
			if err := x.Book.MarkExported(ctx, h.Seq); err != nil {
				return nil, err
			}
		}
	}
	for _, h := range todo {
		err := x.write(ctx, h, func() {
			if done++; x.Progress != nil && done%1000 == 0 {
				x.Progress(done, total)
			}
		})
		if err != nil {
			return paths, fmt.Errorf("export: %w", err)
		}
		paths = append(paths, x.path(h))
		// Crash: the file is there and not marked; the next call marks it.
		if x.Daily {
			if err := x.Book.MarkExported(ctx, h.Seq); err != nil {
				return paths, err
			}
		}
	}
	return paths, nil
}

func (x *Exporter) path(h ledger.Head) string { return filepath.Join(x.Folder, Name(h.First, h.Seq)) }

// write writes the file of a head under another name first.
func (x *Exporter) write(ctx context.Context, h ledger.Head, each func()) (err error) {
	// The name begins with a dot and has another end: verify passes it over.
	f, err := os.CreateTemp(x.Folder, ".ledger-*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	err = x.Book.EachRow(ctx, h.First, h.Seq+1, func(s audit.Stored) error {
		each()
		return x.row(w, s)
	})
	if err != nil {
		return err
	}
	if _, err := w.Write(append(h.Signed, '\n')); err != nil {
		return err
	}
	if err := errors.Join(w.Flush(), f.Sync()); err != nil {
		return err
	}
	// Crash: a file whose name begins with a dot stays; nobody reads it.
	if err := os.Rename(f.Name(), x.path(h)); err != nil {
		return err
	}
	return errors.Join(f.Close(), syncFolder(x.Folder))
}

func (x *Exporter) row(w io.Writer, s audit.Stored) error {
	if !x.Personal {
		s.Personal = nil
	}
	text, err := encode(s)
	if err == nil {
		_, err = w.Write(text)
	}
	return err
}

// encode returns the line of s. The row stays byte for byte what it is, which
// json.Marshal would not do: it escapes < and >.
func encode(s audit.Stored) ([]byte, error) {
	out := make([]byte, 0, len(s.Body)+128)
	out = append(out, lineBegin...)
	out = hex.AppendEncode(out, s.Hash)
	out = append(out, lineRow...)
	out = append(out, s.Body...)
	if s.Personal != nil {
		personal, err := json.Marshal(s.Personal)
		if err != nil {
			return nil, err
		}
		out = append(append(out, linePersonal...), personal...)
	}
	return append(out, "}\n"...), nil
}

// syncFolder: without it a crash may leave a synced file that no folder names.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if runtime.GOOS == "windows" || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, d.Close())
}
