package chain

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/codec"
	"firstpass.internal/internal/ledger"
)

var (
	ctx  = context.Background()
	noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
)

// book is a ledger in memory.
type book struct {
	rows  []audit.Stored
	heads []ledger.Head
	now   time.Time
	fail  func() error // before each row that is read
}

var (
	_ Book = (*ledger.Ledger)(nil)
	_ Live = (*ledger.Ledger)(nil)
	_ Live = (*book)(nil)
)

type fataler interface {
	Helper()
	Fatal(...any)
}

func ok(t fataler, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newBook(t fataler) *book {
	b := &book{now: noon}
	b.add(t, audit.Body{Entry: audit.Entry{Time: noon, Event: audit.EventLedgerOpened}, Chain: audit.NewChain()}, nil)
	return b
}

func (b *book) add(t fataler, body audit.Body, personal *audit.Salted) {
	t.Helper()
	body.Seq = uint64(len(b.rows))
	if personal != nil {
		var err error
		body.Personal, err = personal.Commitment()
		ok(t, err)
	}
	text, err := body.Encode()
	ok(t, err)
	prev := audit.Genesis()
	if n := len(b.rows); n > 0 {
		prev = b.rows[n-1].Hash
	}
	b.rows = append(b.rows, audit.Stored{Seq: body.Seq, Body: text, Prev: prev, Hash: audit.Link(prev, text), Personal: personal,
		At: body.Time, Event: body.Event, Ref: body.Ref, MethodID: body.MethodID})
}

func (b *book) append(t fataler, n int) *book {
	t.Helper()
	for range n {
		i := len(b.rows)
		e, personal := audit.Split(audit.Entry{Time: noon.Add(time.Duration(i) * time.Second), Event: audit.EventPassGone, Ref: fmt.Sprintf("ref<%d>", i),
			MethodID: "11111111-0000-0000-0000-000000000000", RequestID: "22222222-0000-0000-0000-000000000000", Actor: "ann@example.org", Reason: "why & so"})
		b.add(t, audit.Body{Entry: e}, personal)
	}
	return b
}

func (b *book) EachRow(_ context.Context, first, end uint64, yield func(audit.Stored) error) error {
	for _, r := range b.rows {
		if r.Seq < first || end > 0 && r.Seq >= end {
			continue
		}
		if b.fail != nil {
			if err := b.fail(); err != nil {
				return err
			}
		}
		if err := yield(r); err != nil {
			return err
		}
	}
	return nil
}

func (b *book) AddHead(_ context.Context, sign func(audit.Head) (audit.SignedHead, error)) error {
	last := b.rows[len(b.rows)-1]
	h := audit.Head{Chain: b.chain(), Seq: last.Seq, Hash: hex.EncodeToString(last.Hash), Time: b.now}
	var first uint64
	if n := len(b.heads); n > 0 {
		before, err := audit.ReadHead(b.heads[n-1].Signed)
		if err != nil || before.Head.Seq == h.Seq {
			return err
		}
		h.Previous = &audit.HeadRef{Seq: before.Head.Seq, Hash: before.Head.Hash}
		first = before.Head.Seq + 1
	}
	s, err := sign(h)
	if err != nil {
		return err
	}
	text, err := s.Encode()
	b.heads = append(b.heads, ledger.Head{First: first, Seq: h.Seq, Signed: text})
	return err
}

func (b *book) chain() string {
	r, _ := b.rows[0].Row()
	return r.Chain
}

func (b *book) Heads(context.Context) ([]ledger.Head, error) { return slices.Clone(b.heads), nil }

func (b *book) LastHead(context.Context) (time.Time, error) {
	if len(b.heads) == 0 {
		return time.Time{}, nil
	}
	h, err := audit.ReadHead(b.heads[len(b.heads)-1].Signed)
	return h.Head.Time, err
}

func (b *book) MarkExported(_ context.Context, seq uint64) error {
	for i := range b.heads {
		if b.heads[i].Seq == seq {
			b.heads[i].Exported = true
		}
	}
	return nil
}

func (b *book) Newest(context.Context) (uint64, []byte, error) {
	r := b.rows[len(b.rows)-1]
	return r.Seq, r.Hash, nil
}

func newKey(t fataler) (ed25519.PrivateKey, ed25519.PublicKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	ok(t, err)
	return private, public
}

// export appends rows in the given portions and exports after each; it returns
// the files by name.
func export(t fataler, b *book, key ed25519.PrivateKey, dir string, personal bool, portions ...int) {
	t.Helper()
	x := Exporter{Book: b, Key: key, Folder: dir, Personal: personal}
	for _, n := range portions {
		b.append(t, n)
		b.now = b.now.Add(24 * time.Hour)
		_, err := x.Export(ctx)
		ok(t, err)
	}
}

func load(t fataler, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	ok(t, err)
	out := map[string][]byte{}
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		ok(t, err)
		out[e.Name()] = raw
	}
	return out
}

func save(t fataler, dir string, files map[string][]byte) {
	t.Helper()
	for name, raw := range files {
		ok(t, os.WriteFile(filepath.Join(dir, name), raw, 0o600))
	}
}

func names(files map[string][]byte) []string {
	var out []string
	for n := range files {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

func verify(t fataler, dir string, keys []ed25519.PublicKey, kept ...audit.SignedHead) *Report {
	t.Helper()
	r, err := Folder(ctx, dir, Options{Keys: keys, Kept: kept})
	ok(t, err)
	return r
}

func TestExportAndVerify(t *testing.T) {
	for _, personal := range []bool{false, true} {
		key, public := newKey(t)
		dir := t.TempDir()
		b := newBook(t)
		export(t, b, key, dir, personal, 3, 0, 1, 5)
		want := []string{"ledger-000000000000-000000000003.jsonl", "ledger-000000000004-000000000004.jsonl", "ledger-000000000005-000000000009.jsonl"}
		if got := names(load(t, dir)); !slices.Equal(got, want) {
			t.Fatalf("files %v", got)
		}
		r := verify(t, dir, []ed25519.PublicKey{public})
		if !r.Good() || r.Rows != 10 || r.Heads != 3 || r.Files != 3 || r.Last != 9 || r.Chain != b.chain() || r.Head.Seq != 9 {
			t.Errorf("%+v", r)
		}
		all := bytes.Join([][]byte{load(t, dir)[want[0]], load(t, dir)[want[2]]}, nil)
		if bytes.Contains(all, []byte("ann@example.org")) != personal {
			t.Errorf("personal %t, and who is in it: %t", personal, !personal)
		}
	}
}

func TestExportOfNothingButTheFirstRow(t *testing.T) {
	key, public := newKey(t)
	dir := t.TempDir()
	export(t, newBook(t), key, dir, false, 0)
	if r := verify(t, dir, []ed25519.PublicKey{public}); !r.Good() || r.Rows != 1 {
		t.Errorf("%+v", r)
	}
}

// Whatever somebody does to an export, it is found.
func TestAnyTamperingIsFound(t *testing.T) {
	key, public := newKey(t)
	evil, _ := newKey(t)
	keys := []ed25519.PublicKey{public}
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "chain")
		ok(t, err)
		defer os.RemoveAll(dir)
		b := newBook(t)
		personal := rapid.Bool().Draw(t, "personal")
		portions := rapid.SliceOfN(rapid.IntRange(1, 6), 2, 4).Draw(t, "portions")
		export(t, b, key, dir, personal, portions...)
		kept, err := audit.ReadHead(b.heads[len(b.heads)-1].Signed)
		ok(t, err)
		if r := verify(t, dir, keys, kept); !r.Good() {
			t.Fatalf("untouched: %v", r.Problems)
		}
		files := load(t, dir)
		list := names(files)
		at := rapid.IntRange(0, len(list)-1).Draw(t, "file")
		name := list[at]
		lines := bytes.SplitAfter(files[name], []byte("\n"))
		lines = lines[:len(lines)-1]
		line := rapid.IntRange(0, len(lines)-1).Draw(t, "line")
		// Without the kept head, only the end can be cut off unseen.
		withHead := rapid.Bool().Draw(t, "with head")
		kind := rapid.SampledFrom([]string{"byte", "insert", "cut", "drop line", "drop file", "swap", "twice", "splice", "rewrite", "re-sign", "personal", "drop head", "append"}).Draw(t, "tampering")
		join := func() { files[name] = bytes.Join(lines, nil) }
		switch kind {
		case "byte":
			i := rapid.IntRange(0, len(files[name])-1).Draw(t, "byte")
			files[name] = bytes.Clone(files[name])
			files[name][i] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
		case "insert":
			i := rapid.IntRange(0, len(files[name])).Draw(t, "byte")
			extra := rapid.SampledFrom([]string{" ", "\n", "x", "\r", "{}", "{}\n", "\t"}).Draw(t, "extra")
			files[name] = slices.Insert(bytes.Clone(files[name]), i, []byte(extra)...)
		case "cut":
			i := rapid.IntRange(0, len(files[name])-1).Draw(t, "byte")
			files[name] = files[name][:i]
		case "drop line":
			lines = slices.Delete(lines, line, line+1)
			join()
		case "drop file":
			delete(files, name)
			ok(t, os.Remove(filepath.Join(dir, name)))
			withHead = withHead || at == len(list)-1
		case "swap":
			other := rapid.IntRange(0, len(lines)-1).Filter(func(i int) bool { return i != line || len(lines) == 1 }).Draw(t, "other")
			if other == line {
				t.Skip("one line")
			}
			lines[line], lines[other] = lines[other], lines[line]
			join()
		case "twice":
			lines = slices.Insert(lines, line, lines[line])
			join()
		case "splice":
			// The same file out of another chain of the same length, signed by
			// the same key: of another installation, say.
			elsewhere, err := os.MkdirTemp("", "chain")
			ok(t, err)
			defer os.RemoveAll(elsewhere)
			export(t, newBook(t), key, elsewhere, personal, portions...)
			files[name] = load(t, elsewhere)[name]
		case "rewrite":
			// By somebody who knows how hashes are made and has no key: a row is
			// changed and all hashes after it are made anew.
			from := rapid.IntRange(0, len(b.rows)-1).Draw(t, "row")
			forged := rewritten(t, b, from)
			for i, h := range b.heads {
				s, err := audit.ReadHead(h.Signed)
				ok(t, err)
				s.Head.Hash = hex.EncodeToString(forged.rows[h.Seq].Hash)
				if i > 0 {
					s.Head.Previous.Hash = hex.EncodeToString(forged.rows[s.Head.Previous.Seq].Hash)
				}
				if rapid.Bool().Draw(t, "heads as well") {
					if forged.heads[i].Signed, err = s.Encode(); err != nil {
						t.Fatal(err)
					}
				}
			}
			x := Exporter{Book: forged, Key: evil, Folder: dir, Personal: personal}
			for _, n := range list {
				ok(t, os.Remove(filepath.Join(dir, n)))
			}
			_, err := x.Export(ctx)
			ok(t, err)
			files = nil
		case "re-sign":
			s, err := audit.ReadHead(bytes.TrimSpace(lines[len(lines)-1]))
			ok(t, err)
			if s, err = audit.Sign(s.Head, evil); err != nil {
				t.Fatal(err)
			}
			if rapid.Bool().Draw(t, "key's name") {
				s.Key = audit.KeyID(public)
			}
			text, err := s.Encode()
			ok(t, err)
			lines[len(lines)-1] = append(text, '\n')
			join()
		case "personal":
			if !personal {
				t.Skip("nothing personal")
			}
			old := rapid.SampledFrom([]string{"ann@example.org", "why \\u0026 so"}).Draw(t, "what")
			if !bytes.Contains(lines[line], []byte(old)) {
				t.Skip("not in this line")
			}
			lines[line] = bytes.Replace(lines[line], []byte(old), []byte("bob"), 1)
			join()
		case "drop head":
			if at == len(list)-1 {
				t.Skip("the last file")
			}
			// Two files made one, without the head between.
			next := list[at+1]
			files[name] = append(bytes.Join(lines[:len(lines)-1], nil), files[next]...)
			delete(files, next)
			ok(t, os.Remove(filepath.Join(dir, next)))
		case "append":
			b.append(t, 1)
			row := b.rows[len(b.rows)-1]
			row.Personal = nil
			text, err := encode(row)
			ok(t, err)
			files[name] = append(bytes.Clone(files[name]), text...)
		}
		save(t, dir, files)
		var with []audit.SignedHead
		if withHead {
			with = append(with, kept)
		}
		r, err := Folder(ctx, dir, Options{Keys: keys, Kept: with})
		if errors.Is(err, ErrNoExport) {
			return
		}
		ok(t, err)
		if r.Good() {
			t.Fatalf("%s is not found in %s", kind, name)
		}
		if kind == "re-sign" && !slices.ContainsFunc(r.Problems, func(p Problem) bool { return strings.Contains(p.What, "not signed") }) {
			t.Fatalf("%v", r.Problems)
		}
	})
}

// rewritten is a copy of b with another row at from, and everything after it
// fitting.
func rewritten(t fataler, b *book, from int) *book {
	c := &book{now: b.now, heads: slices.Clone(b.heads)}
	for i, r := range b.rows {
		var body audit.Body
		ok(t, json.Unmarshal(r.Body, &body))
		if i == from {
			body.Time = body.Time.Add(time.Second)
		}
		body.Personal = ""
		c.add(t, body, r.Personal)
	}
	return c
}

func TestProblemsSayWhichRow(t *testing.T) {
	key, public := newKey(t)
	for name, tc := range map[string]struct {
		tamper func(dir string, files map[string][]byte)
		want   string
	}{
		"a row changed": {func(_ string, f map[string][]byte) {
			n := Name(4, 8)
			f[n] = bytes.Replace(f[n], []byte("ref<6>"), []byte("ref<7>"), 1)
		}, "ledger-000000000004-000000000008.jsonl:3: row 6: the hash does not fit: this row was changed, or it is not the one that followed row 5"},
		"a row gone": {func(_ string, f map[string][]byte) {
			n := Name(4, 8)
			lines := bytes.SplitAfter(f[n], []byte("\n"))
			f[n] = bytes.Join(slices.Delete(lines, 2, 3), nil)
		}, "ledger-000000000004-000000000008.jsonl:3: row 7: row 6 before it are missing"},
		"a file gone": {func(dir string, f map[string][]byte) {
			delete(f, Name(4, 8))
			_ = os.Remove(filepath.Join(dir, Name(4, 8)))
		}, "ledger-000000000009-000000000010.jsonl:1: row 9: rows 4 to 8 before it are missing"},
		"who changed": {func(_ string, f map[string][]byte) {
			n := Name(9, 10)
			f[n] = bytes.Replace(f[n], []byte("ann@example.org"), []byte("bob@example.org"), 1)
		}, "ledger-000000000009-000000000010.jsonl:1: row 9: the personal part (who and why) was changed"},
		"the end gone": {func(dir string, f map[string][]byte) {
			delete(f, Name(9, 10))
			_ = os.Remove(filepath.Join(dir, Name(9, 10)))
		}, "row 10: the kept head of 2026-03-05T12:00:00Z is about this row, and it is missing: the newest rows were cut off"},
	} {
		dir := t.TempDir()
		b := newBook(t)
		export(t, b, key, dir, true, 3, 5, 2)
		kept, err := audit.ReadHead(b.heads[2].Signed)
		ok(t, err)
		files := load(t, dir)
		tc.tamper(dir, files)
		save(t, dir, files)
		r := verify(t, dir, []ed25519.PublicKey{public}, kept)
		if r.Good() || r.Problems[0].String() != tc.want {
			t.Errorf("%s:\n%v\nwant\n%s", name, r.Problems, tc.want)
		}
	}
}

func TestProblemsAreBounded(t *testing.T) {
	key, _ := newKey(t)
	dir := t.TempDir()
	b := newBook(t)
	export(t, b, key, dir, false, 500)
	name := Name(0, 500)
	raw := bytes.ReplaceAll(load(t, dir)[name], []byte("pass.gone"), []byte("pass.issue"))
	ok(t, os.WriteFile(filepath.Join(dir, name), raw, 0o600))
	r := verify(t, dir, nil)
	if len(r.Problems) != maxProblems || r.More < 400-1 {
		t.Errorf("%d and %d more", len(r.Problems), r.More)
	}
}

func TestAKeyMayChange(t *testing.T) {
	one, onePublic := newKey(t)
	two, twoPublic := newKey(t)
	dir := t.TempDir()
	b := newBook(t)
	export(t, b, one, dir, false, 3)
	export(t, b, two, dir, false, 3)
	if r := verify(t, dir, []ed25519.PublicKey{onePublic, twoPublic}); !r.Good() {
		t.Error(r.Problems)
	}
	for _, k := range []ed25519.PublicKey{onePublic, twoPublic} {
		if r := verify(t, dir, []ed25519.PublicKey{k}); len(r.Problems) != 1 {
			t.Error(r.Problems)
		}
	}
}

func TestFolderRefuses(t *testing.T) {
	if _, err := Folder(ctx, t.TempDir(), Options{}); !errors.Is(err, ErrNoExport) {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := Folder(ctx, filepath.Join(t.TempDir(), "none"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	key, public := newKey(t)
	dir := t.TempDir()
	export(t, newBook(t), key, dir, false, 2000)
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := Folder(done, dir, Options{Keys: []ed25519.PublicKey{public}}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestExportGoesOnWhereItBroke(t *testing.T) {
	key, public := newKey(t)
	dir := t.TempDir()
	b := newBook(t).append(t, 10)
	x := Exporter{Book: b, Key: key, Folder: dir, Daily: true}
	left := 5
	b.fail = func() error {
		if left--; left < 0 {
			return errors.New("away")
		}
		return nil
	}
	if _, err := x.Export(ctx); err == nil {
		t.Fatal("no error")
	}
	if got := names(load(t, dir)); len(got) != 0 {
		t.Fatalf("half a file stays: %v", got)
	}
	b.fail = nil
	b.append(t, 2)
	paths, err := x.Export(ctx)
	ok(t, err)
	if len(paths) != 2 {
		t.Errorf("%v", paths)
	}
	if paths, err = x.Export(ctx); len(paths) != 0 || err != nil {
		t.Errorf("again: %v, %v", paths, err)
	}
	if r := verify(t, dir, []ed25519.PublicKey{public}); !r.Good() || r.Rows != 13 {
		t.Errorf("%+v", r)
	}
	// Moved to where nothing can be changed: not written again.
	ok(t, os.Remove(filepath.Join(dir, Name(0, 10))))
	if paths, err = x.Export(ctx); len(paths) != 0 || err != nil {
		t.Errorf("moved away: %v, %v", paths, err)
	}
	// By hand to another folder: everything.
	x.Daily, x.Folder = false, t.TempDir()
	if paths, err = x.Export(ctx); len(paths) != 2 || err != nil {
		t.Errorf("by hand: %v, %v", paths, err)
	}
}

func TestAFileThatWasNotMarkedIsNotWrittenAgain(t *testing.T) {
	key, _ := newKey(t)
	dir := t.TempDir()
	b := newBook(t)
	export(t, b, key, dir, false, 3) // marks nothing, as if it had died
	x := Exporter{Book: b, Key: key, Folder: dir, Daily: true}
	paths, err := x.Export(ctx)
	if len(paths) != 0 || err != nil || !b.heads[0].Exported {
		t.Errorf("%v, %v, %+v", paths, err, b.heads)
	}
}

func TestDaily(t *testing.T) {
	key, public := newKey(t)
	dir := t.TempDir()
	b := newBook(t).append(t, 2)
	var waits []time.Duration
	life, quit := context.WithCancel(ctx)
	steps := 0
	d := Daily{Exporter: Exporter{Book: b, Key: key, Folder: dir, Daily: true}, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Now: func() time.Time { return b.now }}
	d.Pause = func(_ context.Context, w time.Duration) {
		waits = append(waits, w)
		b.now = b.now.Add(w)
		b.append(t, 1)
		if steps++; steps == 30 { // noon until the next day's evening
			quit()
		}
	}
	d.Run(life)
	if got := names(load(t, dir)); len(got) != 2 {
		t.Errorf("%v after %v", got, waits)
	}
	if r := verify(t, dir, []ed25519.PublicKey{public}); !r.Good() {
		t.Error(r.Problems)
	}
}

func TestDailyTriesAgain(t *testing.T) {
	key, _ := newKey(t)
	dir := filepath.Join(t.TempDir(), "later")
	b := newBook(t)
	life, quit := context.WithCancel(ctx)
	d := Daily{Exporter: Exporter{Book: b, Key: key, Folder: dir, Daily: true}, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Now: func() time.Time { return b.now }}
	steps := 0
	d.Pause = func(_ context.Context, w time.Duration) {
		switch steps++; steps {
		case 1:
			if w != again {
				t.Errorf("waits %v", w)
			}
			ok(t, os.Mkdir(dir, 0o700))
		case 2:
			quit()
		}
	}
	d.Run(life)
	if len(load(t, dir)) != 1 {
		t.Error("not tried again: the head was made, and its file was not")
	}
}

func TestDatabase(t *testing.T) {
	w := filepath.Join(t.TempDir(), "ledger.db")
	ring, err := codec.NewKeyring(noon)
	ok(t, err)
	l, err := ledger.Open(ctx, ledger.Config{Driver: ledger.SQLite, File: w, Sealer: ring, Now: func() time.Time { return noon }})
	ok(t, err)
	defer l.Close()
	key, public := newKey(t)
	keys := []ed25519.PublicKey{public}
	for i := range 20 {
		ok(t, l.Append(ctx, audit.Entry{Time: noon, Event: audit.EventPassGone, Ref: fmt.Sprintf("r%d", i%4), Actor: "ann", Reason: "x"}))
		if i%7 == 0 {
			ok(t, l.AddHead(ctx, func(h audit.Head) (audit.SignedHead, error) { return audit.Sign(h, key) }))
		}
	}
	r, err := Database(ctx, l, Options{Keys: keys})
	ok(t, err)
	if !r.Good() || r.Rows != 21 || r.Heads != 3 || r.Erased != 0 || r.Chain != l.Chain() {
		t.Fatalf("%+v", r)
	}
	_, err = l.Erase(ctx, "r1", "dora", "asked")
	ok(t, err)
	dir := t.TempDir()
	x := Exporter{Book: l, Key: key, Folder: dir, Personal: true}
	_, err = x.Export(ctx)
	ok(t, err)
	if r := verify(t, dir, keys); !r.Good() || r.Rows != 22 {
		t.Errorf("after erasing: %+v", r)
	}
	r, err = Database(ctx, l, Options{Keys: keys})
	ok(t, err)
	if !r.Good() || r.Erased != 5 || r.Rows != 22 {
		t.Errorf("after erasing: %+v", r)
	}
	_, other := newKey(t)
	r, err = Database(ctx, l, Options{Keys: []ed25519.PublicKey{other}})
	ok(t, err)
	if r.Good() {
		t.Error("heads of another key are good")
	}
}

// What a database that was tampered with shows.
func TestDatabaseTampered(t *testing.T) {
	key, public := newKey(t)
	keys := []ed25519.PublicKey{public}
	sign := func(h audit.Head) (audit.SignedHead, error) { return audit.Sign(h, key) }
	for name, tc := range map[string]struct {
		tamper func(*book)
		want   string
	}{
		"untouched":       {func(*book) {}, ""},
		"a row":           {func(b *book) { b.rows[4].Body = bytes.Replace(b.rows[4].Body, []byte("ref<4>"), []byte("ref<5>"), 1) }, "row 4: "},
		"a hash":          {func(b *book) { b.rows[4].Hash[0]++ }, "row 4: the hash does not fit"},
		"a row gone":      {func(b *book) { b.rows = slices.Delete(b.rows, 4, 5) }, "row 5: row 4 before it are missing"},
		"the end gone":    {func(b *book) { b.rows = b.rows[:9] }, "row 10: there is a head for this row, and the row is missing: the newest rows were cut off"},
		"filed elsewhere": {func(b *book) { b.rows[4].Ref = "ref<5>" }, "row 4: is filed as row 4, pass.gone of ref<5>, which it is not"},
		"who":             {func(b *book) { b.rows[4].Personal.Actor = "bob" }, "row 4: the personal part (who and why) was changed"},
		"who gone":        {func(b *book) { b.rows[4].Personal = nil }, "row 4: the personal part (who and why) is gone, and no row personal.erased says so"},
		"a head":          {func(b *book) { b.heads[0].Signed[20]++ }, "row 5: the head is not signed by the key you gave"},
		"all hashes":      {func(b *book) { b.rows = rewritten(t, b, 4).rows }, "row 5: the head is not about the row before it"},
	} {
		b := newBook(t).append(t, 5)
		ok(t, b.AddHead(ctx, sign))
		b.append(t, 5)
		ok(t, b.AddHead(ctx, sign))
		tc.tamper(b)
		r, err := Database(ctx, b, Options{Keys: keys})
		ok(t, err)
		switch {
		case tc.want == "" && !r.Good(), tc.want != "" && r.Good():
			t.Errorf("%s: %v", name, r.Problems)
		case tc.want != "" && !strings.HasPrefix(r.Problems[0].String(), tc.want):
			t.Errorf("%s: %v", name, r.Problems)
		}
	}
}

func FuzzCheck(f *testing.F) {
	b := newBook(f).append(f, 1)
	text, err := encode(b.rows[1])
	ok(f, err)
	f.Add(bytes.TrimSpace(text))
	f.Add([]byte(`{"hash":"00","row":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := check(text)
		if c.fault == "" && (!bytes.Contains(text, c.raw) || len(c.hash) != 32) {
			t.Errorf("%q", text)
		}
	})
}

func BenchmarkVerifyMillion(b *testing.B) {
	key, public := newKey(b)
	dir := b.TempDir()
	bk := newBook(b)
	for range 10 {
		export(b, bk, key, dir, false, 100_000)
	}
	bk.rows = nil
	b.ResetTimer()
	for b.Loop() {
		r := verify(b, dir, []ed25519.PublicKey{public})
		if !r.Good() || r.Rows != 1_000_001 {
			b.Fatal(r.Problems)
		}
	}
}
