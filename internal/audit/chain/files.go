package chain

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"firstpass.internal/internal/audit"
)

// Options are what a verification goes by.
type Options struct {
	Keys []ed25519.PublicKey // who may have signed; a new key may have followed an old one
	Kept []audit.SignedHead  // heads that were kept elsewhere: they tell whether the end is missing
	// Progress, if not nil, is told how much of how much is done: bytes of files,
	// rows of a database.
	Progress func(done, total int)
}

// ErrNoExport says that a folder holds no file of an export.
var ErrNoExport = errors.New("the folder holds no ledger-FIRST-LAST.jsonl")

var fileName = regexp.MustCompile(`^ledger-(\d{12,})-(\d{12,})\.jsonl$`)

// file is a file of an export.
type file struct {
	path, name  string
	first, last uint64
	size        int64
}

func files(folder string) ([]file, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var list []file
	for _, e := range entries {
		m := fileName.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		f := file{path: filepath.Join(folder, e.Name()), name: e.Name()}
		if f.first, err = strconv.ParseUint(m[1], 10, 64); err != nil {
			continue
		}
		if f.last, err = strconv.ParseUint(m[2], 10, 64); err != nil {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		f.size = info.Size()
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b file) int { return bytes.Compare([]byte(a.name), []byte(b.name)) })
	if len(list) == 0 {
		return nil, ErrNoExport
	}
	return list, nil
}

// Folder verifies an export: the hash of each row, that no row is missing, that
// each file ends with a head that one of the keys signed, and that the heads
// follow each other. An error means that it could not look.
func Folder(ctx context.Context, folder string, o Options) (*Report, error) {
	list, err := files(folder)
	if err != nil {
		return nil, err
	}
	if o.Keys == nil {
		o.Keys = []ed25519.PublicKey{}
	}
	v := newVerifier(o.Keys, o.Kept)
	var total, done int64
	for _, f := range list {
		total += f.size
	}
	for _, f := range list {
		v.report.Files++
		err := v.file(ctx, f, func(size int) {
			if done += int64(size); o.Progress != nil {
				o.Progress(int(done), int(total))
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return v.end(), nil
}

// chunk is some lines of a file, which are looked at beside each other: only the
// hashes have to be compared in turn.
type chunk struct {
	first int // number of the first line
	size  int // bytes
	lines [][]byte
	rows  []checked
	ready chan struct{}
}

const (
	chunkLines = 512
	// maxLineSize bounds a line, in bytes. The longest is a row that lists what
	// was erased.
	maxLineSize = 16 << 20
)

func (v *verifier) file(ctx context.Context, in file, read func(size int)) error {
	f, err := os.Open(in.path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // read only
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel()
	queue := make(chan *chunk, 4*runtime.NumCPU())
	work := make(chan *chunk, 4*runtime.NumCPU())
	for range runtime.NumCPU() {
		workers.Go(func() {
			for c := range work {
				c.rows = make([]checked, len(c.lines))
				for i, text := range c.lines {
					c.rows[i] = check(text)
				}
				close(c.ready)
			}
		})
	}
	var failed error
	workers.Go(func() {
		defer close(queue)
		defer close(work)
		failed = split(f, func(c *chunk) error {
			select {
			case work <- c:
			case <-ctx.Done():
				return ctx.Err()
			}
			select {
			case queue <- c:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	var (
		last *audit.SignedHead
		at   = place{file: in.name}
	)
	for c := range queue {
		<-c.ready
		read(c.size)
		for i, row := range c.rows {
			at.line = c.first + i
			if last != nil {
				v.wrong(at, v.next, "stands after the head, which ends a file")
			}
			if row.fault != "" {
				if head, err := audit.ReadHead(c.lines[i]); err == nil {
					last = &head
					v.signed(at, head)
					continue
				}
			}
			v.row(at, row)
		}
	}
	if failed != nil {
		return fmt.Errorf("%s: %w", in.name, failed)
	}
	switch {
	case last == nil:
		v.wrong(at, v.report.Last, "the file does not end with a head: its end is missing")
	case last.Head.Seq != in.last:
		v.wrong(at, v.report.Last, "the file's name says that it ends with row %d", in.last)
	}
	return nil
}

// split hands the lines of f on in chunks. A last line without an end is one, and
// differs from what was written.
func split(f io.Reader, yield func(*chunk) error) error {
	in := bufio.NewScanner(f)
	in.Buffer(make([]byte, 1<<20), maxLineSize)
	in.Split(wholeLines)
	c := &chunk{first: 1, ready: make(chan struct{})}
	n := 0
	for in.Scan() {
		n++
		c.lines = append(c.lines, bytes.Clone(in.Bytes()))
		c.size += len(in.Bytes()) + 1
		if len(c.lines) == chunkLines {
			if err := yield(c); err != nil {
				return err
			}
			c = &chunk{first: n + 1, ready: make(chan struct{})}
		}
	}
	if err := in.Err(); err != nil {
		return err
	}
	if len(c.lines) > 0 {
		return yield(c)
	}
	return nil
}

// wholeLines is bufio.ScanLines that keeps a carriage return, which nobody
// writes, and marks a last line that has no end.
func wholeLines(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), append(bytes.Clone(data), " (torn)"...), nil
	}
	return 0, nil, nil
}

// Live is the ledger, for a verification of what is in the database.
type Live interface {
	Book
	Newest(context.Context) (seq uint64, hash []byte, err error)
}

// Database verifies the rows and heads in the database, and that who and why fit
// the rows or were erased by one.
func Database(ctx context.Context, book Live, o Options) (*Report, error) {
	newest, _, err := book.Newest(ctx)
	if err != nil {
		return nil, err
	}
	heads, err := book.Heads(ctx)
	if err != nil {
		return nil, err
	}
	v := newVerifier(o.Keys, o.Kept)
	total := int(newest) + 1
	err = book.EachRow(ctx, 0, 0, func(s audit.Stored) error {
		c := examine(s.Body, s.Personal)
		c.hash = s.Hash
		if c.fault == "" && c.body.Personal != "" && s.Personal == nil {
			v.report.Erased++
			v.erased[c.body.Seq] = true
		}
		if c.fault == "" && c.odd == "" && !s.Copied() {
			c.odd = fmt.Sprintf("is filed as row %d, %s of %s, which it is not", s.Seq, s.Event, s.Ref)
		}
		v.row(place{}, c)
		for len(heads) > 0 && heads[0].Seq <= s.Seq {
			if h, err := audit.ReadHead(heads[0].Signed); err != nil {
				v.wrong(place{}, heads[0].Seq, "its head is no head as Firstpass writes it")
			} else {
				v.signed(place{}, h)
			}
			heads = heads[1:]
		}
		if o.Progress != nil && v.report.Rows%1000 == 0 {
			o.Progress(v.report.Rows, total)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, h := range heads {
		v.wrong(place{}, h.Seq, "there is a head for this row, and the row is missing: the newest rows were cut off")
	}
	return v.end(), nil
}
