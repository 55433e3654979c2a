package feed_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/config"
	"firstpass.internal/internal/intake/feed"
	"firstpass.internal/internal/jml"
)

// folder is a directory for files of an invented HR system, whose files are
// from yesterday.
func folder(t testing.TB, files map[string]string) string {
	dir := t.TempDir()
	for name, content := range files {
		put(t, dir, name, content, -24*time.Hour)
	}
	return dir
}

// put writes a file that is as old as age says, which is negative.
func put(t testing.TB, dir, name, content string, age time.Duration) {
	t.Helper()
	at := time.Now().Add(age)
	if err := os.Chtimes(write(t, dir, name, content), at, at); err != nil {
		t.Fatal(err)
	}
}

// file is how config's defaults read dir.
func file(dir string) config.File {
	return config.File{Directory: dir, Pattern: "*", Format: config.FileCSV, Delimiter: "auto", Encoding: "utf-8",
		MaxSize: 1 << 20, After: config.AfterKeep}
}

func newFiles(t testing.TB, f config.File, split string) *feed.Files {
	t.Helper()
	out, err := feed.NewFiles("sources[0]", "acme", nil, f, split, compiler(t))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func list(t testing.TB, f *feed.Files) []feed.File {
	t.Helper()
	out, err := f.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func names(files []feed.File) []string {
	var out []string
	for _, f := range files {
		out = append(out, f.Name)
	}
	return out
}

func read(t testing.TB, f feed.File) (out []feed.Item, err error) {
	t.Helper()
	err = f.Each(t.Context(), func(i feed.Item) error { out = append(out, i); return nil })
	return out, err
}

func TestList(t *testing.T) {
	outside := write(t, t.TempDir(), "other.csv", "id\n1\n")
	dir := t.TempDir()
	put(t, dir, "b.csv", "id\n1\n", -2*time.Hour)
	same := time.Now().Add(-time.Hour)
	for _, name := range []string{"d.csv", "c.csv"} { // of one moment
		if err := os.Chtimes(write(t, dir, name, name), same, same); err != nil {
			t.Fatal(err)
		}
	}
	put(t, dir, "a.csv", "x", -time.Minute/2)
	for _, name := range []string{".hidden.csv", "e.csv.part", "e.csv.TMP", "e.csv.filepart", "e.txt"} {
		put(t, dir, name, "x", -time.Hour)
	}
	if err := os.Mkdir(filepath.Join(dir, "f.csv"), 0o700); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"g.csv": outside, "h.csv": "../other.csv", "i.csv": "nowhere.csv", "j.csv": "b.csv"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	f := file(dir)
	f.Pattern = "*.[ct][sm][vp]*"
	got := list(t, newFiles(t, f, ""))
	if d := cmp.Diff([]string{"b.csv", "j.csv", "c.csv", "d.csv", "a.csv"}, names(got)); d != "" {
		t.Fatal(d)
	}
	sum := sha256.Sum256([]byte("id\n1\n"))
	for _, f := range got[:2] {
		if f.Digest != hex.EncodeToString(sum[:]) || f.Size != 5 || time.Since(f.ModTime).Round(time.Hour) != 2*time.Hour {
			t.Errorf("got %+v", f)
		}
	}
}

func TestEach(t *testing.T) {
	type row = map[string]any
	tests := map[string]struct {
		content string
		file    func(*config.File)
		split   string
		want    []feed.Item
		bad     string
	}{
		"csv": {content: "id,name\n007,Åsa\n8,\"Lee,\nKim\"\n9,Bo\n",
			want: []feed.Item{{"line 2", nil, row{"id": "007", "name": "Åsa"}}, {"line 3", nil, row{"id": "8", "name": "Lee,\nKim"}}, {"line 5", nil, row{"id": "9", "name": "Bo"}}}},
		"mark and semicolons": {content: "\ufeffid;name\r\n1;Åsa\r\n", want: []feed.Item{{"line 2", nil, row{"id": "1", "name": "Åsa"}}}},
		"latin-1": {content: "id;name\n1;\xc5sa\n", file: func(f *config.File) { f.Encoding = "latin-1" },
			want: []feed.Item{{"line 2", nil, row{"id": "1", "name": "Åsa"}}}},
		"named delimiter": {content: "id|a,b\n1|x,y\n", file: func(f *config.File) { f.Delimiter = "|" },
			want: []feed.Item{{"line 2", nil, row{"id": "1", "a,b": "x,y"}}}},
		"broken row":  {content: "id,name\n1,a\n2\n3,c\n", want: []feed.Item{{"line 2", nil, row{"id": "1", "name": "a"}}}, bad: "line 3"},
		"empty":       {content: "", bad: "line 1"},
		"header only": {content: "id,name\n"},
		"json list": {content: "\ufeff [ {\"id\": 9007199254740993},\n\"x\" ] ", file: asJSON,
			want: []feed.Item{{"item 1", nil, row{"id": int64(9007199254740993)}}, {"item 2", nil, "x"}}},
		"json, empty list": {content: "[]", file: asJSON},
		"json, one": {content: `{"id":1}`, file: asJSON,
			want: []feed.Item{{"item 1", row{"id": int64(1)}, row{"id": int64(1)}}}},
		"json, split": {content: "\ufeff" + `{"at":1,"staff":[{"id":1}]}`, file: asJSON, split: "body.staff",
			want: []feed.Item{{"item 1", row{"at": int64(1), "staff": []any{row{"id": int64(1)}}}, row{"id": int64(1)}}}},
		"json, no such list":  {content: `{"at":1}`, file: asJSON, split: "body.staff", bad: "sources[0].split: "},
		"json, cut off":       {content: `[{"id":1},{"id`, file: asJSON, want: []feed.Item{{"item 1", nil, row{"id": int64(1)}}}, bad: "item 2: not valid JSON"},
		"json, not closed":    {content: `[{"id":1}`, file: asJSON, want: []feed.Item{{"item 1", nil, row{"id": int64(1)}}}, bad: "item 2: not valid JSON"},
		"json, twice":         {content: `[][]`, file: asJSON, bad: "more follows"},
		"json, empty":         {content: " \n", file: asJSON, bad: "the file is empty"},
		"json, doubled key":   {content: `[{"id":1,"id":2}]`, file: asJSON, bad: "item 1: "},
		"json, bad text":      {content: "[\"\xff\"]", file: asJSON, bad: "item 1: "},
		"json, with a nested": {content: "[" + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "]", file: asJSON, bad: "item 1: "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := file(folder(t, map[string]string{"staff": tt.content}))
			if tt.file != nil {
				tt.file(&f)
			}
			got, err := read(t, list(t, newFiles(t, f, tt.split))[0])
			if (err != nil) != (tt.bad != "") || err != nil && !strings.Contains(err.Error(), tt.bad) {
				t.Errorf("got error %v, want %q", err, tt.bad)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func asJSON(f *config.File) { f.Format, f.Delimiter, f.Encoding = config.FileJSON, "", "" }

func TestEachStops(t *testing.T) {
	f := list(t, newFiles(t, file(folder(t, map[string]string{"a.csv": "id\n1\n2\n3\n"})), ""))[0]
	stop, n := errors.New("stop"), 0
	if err := f.Each(t.Context(), func(feed.Item) error { n++; return stop }); !errors.Is(err, stop) || n != 1 {
		t.Errorf("got %v after %d", err, n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Each(ctx, func(feed.Item) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestTooLarge(t *testing.T) {
	f := file(folder(t, map[string]string{"a.csv": "id\n1\n", "b.csv": strings.Repeat("x", 101)}))
	f.MaxSize = 100
	got := list(t, newFiles(t, f, ""))
	for _, f := range got {
		_, err := read(t, f)
		if f.Name == "a.csv" && err != nil {
			t.Error(err)
		}
		if f.Name == "b.csv" {
			wantFault(t, err, jml.FaultRefused, "larger than max_size")
			if f.Digest != "" {
				t.Error("it was hashed")
			}
		}
	}
	if len(got) != 2 {
		t.Errorf("got %v", names(got))
	}
}

func TestVanished(t *testing.T) {
	dir := folder(t, map[string]string{"a.csv": "id\n1\n", "b.csv": "id\n2\n"})
	files := list(t, newFiles(t, file(dir), ""))
	if err := os.Remove(filepath.Join(dir, files[0].Name)); err != nil {
		t.Fatal(err)
	}
	_, err := read(t, files[0])
	wantFault(t, err, jml.FaultNotFound, "there when the folder was listed")
	if _, err := read(t, files[1]); err != nil {
		t.Error(err)
	}
}

// What was listed is what is read, or it is an error.
func TestChanged(t *testing.T) {
	for name, content := range map[string]string{"longer": "id\n1\n2\n", "shorter": "id\n", "other": "id\n7\n", "broken": "id\n1,2\n"} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, map[string]string{"a.csv": "id\n1\n"})
			f := list(t, newFiles(t, file(dir), ""))[0]
			put(t, dir, "a.csv", content, -24*time.Hour)
			_, err := read(t, f)
			wantFault(t, err, jml.FaultConflict, "changed after it was listed")
		})
	}
}

func TestSame(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "new.csv", "id\n1\n", 0)
	put(t, dir, "old.csv", "id\n1\n", -24*time.Hour)
	f := newFiles(t, file(dir), "")
	before := list(t, f)
	for _, old := range before {
		if err := os.Chtimes(write(t, dir, old.Name, "id\n2\n"), old.ModTime, old.ModTime); err != nil {
			t.Fatal(err)
		}
	}
	after := list(t, f)
	// A new file may have been written twice within the clock's resolution.
	if after[1].Name != "new.csv" || after[1].Digest == before[1].Digest {
		t.Error("a young file is not hashed again")
	}
	if after[0].Digest != before[0].Digest {
		t.Error("an old file is hashed again")
	}
}

func TestNoFolder(t *testing.T) {
	dir := folder(t, nil)
	f := newFiles(t, file(filepath.Join(dir, "missing")), "")
	_, err := f.List(t.Context())
	wantFault(t, err, jml.FaultNotFound, "does not exist")
	if !feed.Absent(err) {
		t.Error("not absent")
	}
}

func TestDone(t *testing.T) {
	ctx := t.Context()
	left := func(dir string) []string {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, e := range entries {
			out = append(out, e.Name())
		}
		return out
	}
	t.Run("keep", func(t *testing.T) {
		dir := folder(t, map[string]string{"a.csv": "id\n"})
		if err := list(t, newFiles(t, file(dir), ""))[0].Done(ctx); err != nil || len(left(dir)) != 1 {
			t.Errorf("got %v, %v", left(dir), err)
		}
	})
	t.Run("delete", func(t *testing.T) {
		f := file(folder(t, map[string]string{"a.csv": "id\n"}))
		f.After = config.AfterDelete
		one := list(t, newFiles(t, f, ""))[0]
		for range 2 { // once more is no error
			if err := one.Done(ctx); err != nil || len(left(f.Directory)) != 0 {
				t.Errorf("got %v, %v", left(f.Directory), err)
			}
		}
	})
	t.Run("replaced meanwhile", func(t *testing.T) {
		f := file(folder(t, map[string]string{"a.csv": "id\n"}))
		f.After = config.AfterDelete
		one := list(t, newFiles(t, f, ""))[0]
		put(t, f.Directory, "a.csv", "id\n1\n", 0)
		if err := one.Done(ctx); err != nil || len(left(f.Directory)) != 1 {
			t.Errorf("got %v, %v: a file nobody read is gone", left(f.Directory), err)
		}
	})
	t.Run("archive", func(t *testing.T) {
		f := file(t.TempDir())
		f.After, f.Archive = config.AfterArchive, filepath.Join(t.TempDir(), "taken", "acme")
		files := newFiles(t, f, "")
		const n = 5 // most of them within one second
		for i := range n {
			put(t, f.Directory, "a.csv", fmt.Sprint(i), -24*time.Hour)
			if err := list(t, files)[0].Done(ctx); err != nil {
				t.Fatal(err)
			}
			if got := left(f.Directory); len(got) != 0 {
				t.Fatalf("got %v", got)
			}
		}
		seen := map[string]bool{}
		for _, name := range left(f.Archive) {
			raw, err := os.ReadFile(filepath.Join(f.Archive, name))
			if err != nil || !strings.HasPrefix(name, "a.csv.20") {
				t.Errorf("%s: %v", name, err)
			}
			seen[string(raw)] = true
		}
		if len(seen) != n {
			t.Errorf("%d of %d are in the archive", len(seen), n)
		}
	})
	t.Run("archive on another file system", func(t *testing.T) {
		const other = "/dev/shm"
		if _, err := os.Stat(other); err != nil {
			t.Skip("no other file system")
		}
		archive, err := os.MkdirTemp(other, "feed")
		if err != nil {
			t.Skip("no other file system to write to")
		}
		t.Cleanup(func() { _ = os.RemoveAll(archive) })
		f := file(folder(t, map[string]string{"a.csv": "id\n1\n"}))
		f.After, f.Archive = config.AfterArchive, archive
		if err := list(t, newFiles(t, f, ""))[0].Done(ctx); err != nil {
			t.Fatal(err)
		}
		got := left(archive)
		if len(got) != 1 || len(left(f.Directory)) != 0 {
			t.Fatalf("got %v, left %v", got, left(f.Directory))
		}
		if raw, err := os.ReadFile(filepath.Join(archive, got[0])); err != nil || string(raw) != "id\n1\n" {
			t.Errorf("got %q, %v", raw, err)
		}
	})
	t.Run("no archive", func(t *testing.T) {
		f := file(folder(t, map[string]string{"a.csv": "id\n"}))
		f.After, f.Archive = config.AfterArchive, filepath.Join(write(t, t.TempDir(), "file", ""), "x")
		wantFault(t, list(t, newFiles(t, f, ""))[0].Done(ctx), jml.FaultUnavailable)
		if len(left(f.Directory)) != 1 {
			t.Error("the file is gone")
		}
	})
}

func TestNewFilesTellsAll(t *testing.T) {
	dir := t.TempDir()
	f := file(dir)
	f.After, f.Archive = config.AfterArchive, dir+"/"
	f.SFTP = config.SFTP{Address: "sftp.example.org:22", User: "acme", HostKeyFile: dir + "/missing",
		KeyFile: write(t, dir, "key", "no key"), PasswordFile: write(t, dir, "password", "")}
	f.Format = config.FileJSON
	_, err := feed.NewFiles("sources[0]", "acme", nil, f, "item", compiler(t))
	var got []string
	for _, e := range config.Errors(err) {
		got = append(got, e.Path)
	}
	want := []string{"sources[0].file.archive", "sources[0].file.sftp.host_key_file", "sources[0].file.sftp.key_file",
		"sources[0].file.sftp.password_file", "sources[0].split"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	_, err = feed.NewFiles("sources[0]", "acme", nil, file(dir), "body.x", compiler(t))
	if err == nil || !strings.Contains(err.Error(), "sources[0].split: has no effect") {
		t.Errorf("got %v", err)
	}
}

// 50,000 rows of the size that HR systems write.
func BenchmarkCSV(b *testing.B) {
	var s strings.Builder
	s.WriteString("employee_id;given_name;family_name;start_date;site;country;department;manager_id;personal_mail;phone;status\n")
	for i := range 50_000 {
		fmt.Fprintf(&s, "%07d;Given%d;\"Family %d\";2027-03-01;Site %d;DE;Department %d;%07d;p%d@example.org;+49301234%04d;active\n",
			i, i, i, i%40, i%200, i/10, i, i%10000)
	}
	f := file(folder(b, map[string]string{"staff.csv": s.String()}))
	f.MaxSize = 64 << 20
	files := newFiles(b, f, "")
	b.SetBytes(int64(s.Len()))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, one := range list(b, files) {
			if err := one.Each(b.Context(), func(feed.Item) error { n++; return nil }); err != nil {
				b.Fatal(err)
			}
		}
		if n != 50_000 {
			b.Fatalf("%d rows", n)
		}
	}
}
