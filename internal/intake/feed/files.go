package feed

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"firstpass.internal/config"
	"firstpass.internal/internal/intake/mapping"
	"firstpass.internal/internal/intake/tree"
	"firstpass.internal/internal/jml"
)

const (
	opList = "list folder"
	opRead = "read file"
	opDone = "put file away"
	// settled is how old a file must be for its digest to be remembered. A file
	// that is written twice within the resolution of a file system's clock, one
	// second over SFTP, looks the same afterwards.
	settled = time.Minute
)

// Files reads the files that an HR system writes into a folder.
type Files struct {
	at       string
	name     string
	settings map[string]string
	file     config.File
	csv      tree.CSV
	split    *mapping.Expr // nil for none

	mu    sync.Mutex
	known map[string]File // by name: what was hashed before
}

// File is a file that was whole when it was listed.
type File struct {
	Name    string
	Digest  string // SHA-256 of the content, hex; empty for a file larger than max_size, which Each refuses
	ModTime time.Time
	Size    int64
	from    *Files
}

// NewFiles compiles what f and split say; both have passed config's validation.
// at is the path of the source, as in sources[0]. Errors are *config.Error, all
// at once. It looks at no folder and calls no server.
func NewFiles(at, name string, settings map[string]string, f config.File, split string, c *mapping.Compiler) (*Files, error) {
	var p problems
	out := &Files{at: at, name: name, settings: settings, file: f, known: map[string]File{}}
	if f.After == config.AfterArchive && archiveAgain(f) {
		p.add(at+".file.archive", "is directory itself; its files would be read again")
	}
	if f.SFTP.Address != "" {
		checkSFTP(&p, at+".file.sftp", f.SFTP)
	}
	out.csv = tree.CSV{Encoding: f.Encoding}
	if f.Delimiter != "" && f.Delimiter != "auto" {
		out.csv.Delimiter, _ = utf8.DecodeRuneInString(f.Delimiter)
	}
	if split != "" && f.Format == config.FileCSV {
		p.add(at+".split", "has no effect: every row of a CSV file is an item")
	} else if split != "" {
		var err error
		out.split, err = c.List(mapping.ScopeBody, split)
		p.addIf(at+".split", err)
	}
	if err := p.join(); err != nil {
		return nil, err
	}
	return out, nil
}

func archiveAgain(f config.File) bool {
	if f.SFTP.Address != "" {
		return inFolder(f.Directory, f.Archive) == path.Clean(f.Directory)
	}
	return filepath.Clean(f.Archive) == filepath.Clean(f.Directory)
}

// connect returns the folder. Whoever gets it closes it.
func (f *Files) connect(ctx context.Context) (folder, error) {
	if f.file.SFTP.Address != "" {
		return dial(ctx, f.file.SFTP, f.file.Directory)
	}
	d, err := openDirectory(f.file.Directory)
	if err != nil {
		return nil, folderFault(ctx, "open folder", err)
	}
	return d, nil
}

// List returns the files to read, oldest first. It leaves out what is still being
// written, what has the name of something unfinished, hidden files, folders, and
// links that lead out of the folder.
func (f *Files) List(ctx context.Context) ([]File, error) {
	dir, err := f.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer dir.close() //nolint:errcheck // nothing was written
	infos, err := dir.list()
	if err != nil {
		return nil, folderFault(ctx, opList, err)
	}
	var out []File
	for _, info := range infos {
		if !info.Mode().IsRegular() || !f.wanted(info.Name()) {
			continue
		}
		file, whole, err := f.look(ctx, dir, info)
		if err != nil {
			return nil, err
		}
		if whole {
			out = append(out, file)
		}
	}
	slices.SortFunc(out, func(a, b File) int {
		return cmp.Or(a.ModTime.Compare(b.ModTime), strings.Compare(a.Name, b.Name))
	})
	f.remember(out)
	return out, nil
}

func (f *Files) wanted(name string) bool {
	if strings.HasPrefix(name, ".") || strings.ContainsAny(name, `/\`) {
		return false
	}
	for _, unfinished := range []string{".part", ".tmp", ".filepart"} {
		if strings.HasSuffix(strings.ToLower(name), unfinished) {
			return false
		}
	}
	ok, _ := path.Match(f.file.Pattern, name) // the pattern was checked
	return ok
}

// look hashes a file between two looks at its size and time.
func (f *Files) look(ctx context.Context, dir folder, listed fs.FileInfo) (File, bool, error) {
	file := File{Name: listed.Name(), ModTime: listed.ModTime(), Size: listed.Size(), from: f}
	if file.Size > int64(f.file.MaxSize) {
		return file, true, nil
	}
	f.mu.Lock()
	before, ok := f.known[file.Name]
	f.mu.Unlock()
	if ok && before.Size == file.Size && before.ModTime.Equal(file.ModTime) {
		return before, true, nil
	}
	sum := sha256.New()
	n, err := hashFile(ctx, dir, file.Name, sum, file.Size)
	if err == nil {
		listed, err = dir.stat(file.Name)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist): // somebody took it, or it is renamed now
		return File{}, false, nil
	case err != nil:
		return File{}, false, folderFault(ctx, opRead, err)
	}
	file.Digest = hex.EncodeToString(sum.Sum(nil))
	return file, n == file.Size && file.same(listed), nil
}

// hashFile reads one byte more than there should be, to see it grow.
func hashFile(ctx context.Context, dir folder, name string, sum hash.Hash, size int64) (int64, error) {
	r, err := dir.open(name)
	if err != nil {
		return 0, err
	}
	defer r.Close() //nolint:errcheck // it was only read
	return io.Copy(sum, io.LimitReader(until{ctx, bufio.NewReaderSize(r, remoteBuffer)}, size+1))
}

func (f File) same(info fs.FileInfo) bool {
	return info.Size() == f.Size && info.ModTime().Equal(f.ModTime)
}

// remember keeps digests, so that files which stay are not read at every look.
func (f *Files) remember(files []File) {
	known := map[string]File{}
	for _, file := range files {
		if file.Digest != "" && time.Since(file.ModTime) > settled {
			known[file.Name] = file
		}
	}
	f.mu.Lock()
	f.known = known
	f.mu.Unlock()
}

// until stops reading when its context has ended.
type until struct {
	ctx context.Context
	r   io.Reader
}

func (u until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// errChanged is for a file that is not the one that was listed.
var errChanged = errors.New("it changed after it was listed; it is read next time")

// Each yields the items of f: the rows of a CSV file, the elements of a JSON list,
// or what split gives. It stops at the first error, that of yield included; the
// items before it are not the whole file then. Where the content is not what
// Digest says, Each ends with an error.
func (f File) Each(ctx context.Context, yield func(Item) error) error {
	if f.Digest == "" {
		return refused(opRead, "fileTooLarge", fmt.Sprintf("the file is larger than max_size, %d bytes", f.from.file.MaxSize))
	}
	dir, err := f.from.connect(ctx)
	if err != nil {
		return err
	}
	defer dir.close() //nolint:errcheck // nothing was written
	r, err := dir.open(f.Name)
	if err != nil {
		return fmt.Errorf("%w, though it was there when the folder was listed", folderFault(ctx, opRead, err))
	}
	defer r.Close() //nolint:errcheck // it was only read
	c := &content{r: until{ctx, bufio.NewReaderSize(r, remoteBuffer)}, left: f.Size + 1, sum: sha256.New()}
	stopped := false
	err = f.from.items(ctx, c, func(i Item) error {
		err := yield(i)
		stopped = err != nil
		return err
	})
	if stopped {
		return err
	}
	// Another content explains every other error.
	if _, rest := io.Copy(io.Discard, c); rest != nil {
		return folderFault(ctx, opRead, rest)
	}
	if hex.EncodeToString(c.sum.Sum(nil)) != f.Digest {
		return fmt.Errorf("%w: %w", &jml.Fault{System: system, Op: opRead, Kind: jml.FaultConflict, Code: "fileChanged"}, errChanged)
	}
	return err
}

// content hashes what is read, at most left bytes.
type content struct {
	r    io.Reader
	left int64
	sum  hash.Hash
}

func (c *content) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, io.EOF
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	c.sum.Write(p[:n])
	return n, err
}

func (f *Files) items(ctx context.Context, r io.Reader, yield func(Item) error) error {
	switch {
	case f.file.Format == config.FileCSV:
		return f.csv.Each(r, func(line int, row map[string]any) error {
			return yield(Item{Where: fmt.Sprintf("line %d", line), Value: row})
		})
	case f.split == nil:
		return f.stream(r, yield)
	}
	body, err := f.whole(r)
	if err != nil {
		return err
	}
	items, err := f.split.List(ctx, mapping.Vars{Source: f.name, Settings: f.settings, Body: body})
	if err != nil {
		return fmt.Errorf("%s.split: %w", f.at, err)
	}
	return each(items, body, yield)
}

func each(items []any, body any, yield func(Item) error) error {
	for i, v := range items {
		if err := yield(Item{Where: fmt.Sprintf("item %d", i+1), Body: body, Value: v}); err != nil {
			return err
		}
	}
	return nil
}

func (f *Files) whole(r io.Reader) (any, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return f.decode(raw)
}

func (f *Files) decode(raw []byte) (any, error) {
	return tree.Decode("application/json", raw, limits(int64(f.file.MaxSize)))
}

const bom = "\ufeff"

// stream yields the elements of a list one by one: as trees, all of them together
// would take many times the memory of the file. What is no list is one item.
func (f *Files) stream(r io.Reader, yield func(Item) error) error {
	b := bufio.NewReader(r)
	mark := ""
	if start, err := b.Peek(len(bom)); err == nil && string(start) == bom {
		mark = bom
		_, _ = b.Discard(len(bom)) // they are in the buffer
	}
	first, err := firstByte(b)
	if err != nil {
		return err
	}
	if first != '[' {
		body, err := f.whole(io.MultiReader(strings.NewReader(mark), b)) // it may drop one mark, as any reader
		if err != nil {
			return err
		}
		return each([]any{body}, body, yield)
	}
	d := json.NewDecoder(b)
	if _, err := d.Token(); err != nil {
		return broken(0)
	}
	n := 0
	for ; d.More(); n++ {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return broken(n + 1)
		}
		v, err := f.decode(raw)
		if err != nil {
			return fmt.Errorf("item %d: %w", n+1, err)
		}
		if err := yield(Item{Where: fmt.Sprintf("item %d", n+1), Value: v}); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return broken(n + 1)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more follows after the JSON list")
	}
	return nil
}

// broken leaves the decoder's error out, which quotes the file.
func broken(item int) error { return fmt.Errorf("item %d: not valid JSON", item) }

// firstByte looks at the first byte that is no white space.
func firstByte(b *bufio.Reader) (byte, error) {
	for {
		c, err := b.ReadByte()
		if errors.Is(err, io.EOF) {
			return 0, errors.New("the file is empty")
		}
		if err != nil {
			return 0, err
		}
		if !strings.ContainsRune(" \t\r\n", rune(c)) {
			return c, b.UnreadByte()
		}
	}
}

// Done puts f away as file.after says. A file that is gone is no error: an
// attempt before this one may have done it. One that was replaced since it was
// listed stays.
func (f File) Done(ctx context.Context) error {
	after := f.from.file.After
	if after == config.AfterKeep {
		return nil
	}
	dir, err := f.from.connect(ctx)
	if err != nil {
		return err
	}
	defer dir.close() //nolint:errcheck // the server has answered what was asked
	info, err := dir.stat(f.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return folderFault(ctx, opDone, err)
	case !f.same(info):
		return nil // it is another file, and will be listed
	}
	if after == config.AfterDelete {
		err = dir.remove(f.Name)
	} else {
		err = dir.move(f.Name, f.from.file.Archive, time.Now())
	}
	if err != nil {
		return folderFault(ctx, opDone, err)
	}
	return nil
}
