package tree

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

type row struct {
	Line int
	Row  object
}

func all(c CSV, r io.Reader) ([]row, error) {
	var out []row
	err := c.Each(r, func(line int, r map[string]any) error {
		out = append(out, row{line, r})
		return nil
	})
	return out, err
}

func TestCSV(t *testing.T) {
	ada := func(line int) []row { return []row{{line, object{"id": "007", "name": "Ada"}}} }
	for _, tc := range []struct {
		name string
		csv  CSV
		in   string
		want []row
	}{
		{"plain", CSV{}, "id,name\n007,Ada\n", ada(2)},
		{"no last line end", CSV{}, "id,name\n007,Ada", ada(2)},
		{"CRLF", CSV{}, "id,name\r\n007,Ada\r\n", ada(2)},
		{"byte order mark", CSV{}, "\xef\xbb\xbfid,name\n007,Ada\n", ada(2)},
		{"mark and quotes", CSV{}, "\xef\xbb\xbf\"id\",\"name\"\n007,Ada\n", ada(2)},
		{"semicolon", CSV{}, "id;name\n007;Ada\n", ada(2)},
		{"tab", CSV{}, "id\tname\n007\tAda\n", ada(2)},
		{"bar", CSV{}, "id|name\n007|Ada\n", ada(2)},
		{"given", CSV{Delimiter: ':'}, "id:name\n007:Ada\n", ada(2)},
		{"names are trimmed", CSV{}, " id , name \n007,Ada\n", ada(2)},
		{"values are not", CSV{}, "id,name\n007, Ada \n", []row{{2, object{"id": "007", "name": " Ada "}}}},
		{"blank lines", CSV{}, "\n\r\nid,name\n\n  \t\n007,Ada\n\n", ada(6)},
		{"blank lines before a semicolon", CSV{}, "\n\r\nid;name\n007;Ada\n", ada(4)},
		{"delimiters in quotes", CSV{}, "\"id;;;\",\"a \"\";\"\" b\"\n1,2\n", []row{{2, object{"id;;;": "1", `a ";" b`: "2"}}}},
		{"line breaks in quotes", CSV{}, "id,\"long;\r\n;name;\"\n1,\"a\r\nb\"\n2,c\n", []row{{3, object{"id": "1", "long;\n;name;": "a\nb"}}, {5, object{"id": "2", "long;\n;name;": "c"}}}},
		{"one column", CSV{}, "id\n1\n", []row{{2, object{"id": "1"}}}},
		{"only a header", CSV{}, "id,name\n", nil},
		{"latin-1", CSV{Encoding: "latin-1"}, "id,name\n1,Zo\xeb\n", []row{{2, object{"id": "1", "name": "Zoë"}}}},
		{"windows-1252", CSV{Encoding: "windows-1252"}, "id;name\n1;\x80\x8a\n", []row{{2, object{"id": "1", "name": "€Š"}}}},
		{"utf-8", CSV{Encoding: "utf-8"}, "id;näme\n1;Zoë\n", []row{{2, object{"id": "1", "näme": "Zoë"}}}},
	} {
		for how, r := range map[string]io.Reader{
			"at once":      strings.NewReader(tc.in),
			"byte by byte": iotest.OneByteReader(strings.NewReader(tc.in)),
		} {
			got, err := all(tc.csv, r)
			if d := cmp.Diff(tc.want, got); d != "" || err != nil {
				t.Errorf("%s %s: %v %s", tc.name, how, err, d)
			}
		}
	}
}

func TestBrokenCSV(t *testing.T) {
	long := strings.Repeat("x", maxRecord+bufferSize)
	for _, tc := range []struct{ name, in, want string }{
		{"empty", "", "line 1: the file is empty, it lacks even a header"},
		{"only a mark", "\xef\xbb\xbf", "line 1: the file is empty, it lacks even a header"},
		{"only blank lines", "\n\r\n\n", "line 1: the file is empty, it lacks even a header"},
		{"too few", "a,b,c\n1,2,3\nQuxley,2\n", "line 3: 2 fields, the header has 3"},
		{"too many", "a,b\n\n1,\"x\ny\"\nQuxley,2,3\n", "line 5: 3 fields, the header has 2"},
		{"cut off", "a,b,c\n1,2,3\nQuxley", "line 3: 1 fields, the header has 3"},
		{"quote within", "a,b\n1,2\nQux\"ley,2\n3,4\n", "line 3: a quote stands where none may, or is not closed"},
		{"quote at the start", "a,b\n1,2\n\"Quxley,2\n3,4\n", "line 3: a quote stands where none may, or is not closed"},
		{"text behind a quote", "a,b\n\"Qux\"ley,2\n", "line 2: a quote stands where none may, or is not closed"},
		{"a column without a name", "a,,c\n", "line 1: column 2 has no name"},
		{"a name of blanks", "a, \n", "line 1: column 2 has no name"},
		{"a blank header", "  \na,b\n", "line 1: column 1 has no name"},
		{"a name twice", "\na,b, a\n", "line 2: column 3 has the name of another one"},
		{"NUL", "a,b\n1,Qux\x00ley\n", "line 2: field 2 holds a NUL"},
		{"NUL in the header", "a,b\x00\n", "line 1: field 2 holds a NUL"},
		{"UTF-16", "\xff\xfea\x00,\x00b\x00\n\x00", "line 1: field 1 holds a NUL"},
		{"latin-1", "a,b\n1,2\n3,Quxl\xe9y\n", "line 3: field 2 is not UTF-8; set encoding if the file has another"},
		{"latin-1 below a break", "a,b\n\"1\n\",\"\n\nQuxl\xe9y\"\n", "line 3: field 2 is not UTF-8; set encoding if the file has another"},
		{"old Mac", "a,b\r1,2\r3,4", "line 1: the name of column 2 has a lone CR; lines must end in LF or CRLF"},
		{"old Mac, one column", "a\r1\r3", "line 1: the name of column 1 has a lone CR; lines must end in LF or CRLF"},
		{"a tie", "a,b;c\n", "line 1: the delimiter can't be told from the header; set delimiter"},
		{"a long row", "a,b\n1,2\n3," + long + "\n", fmt.Sprintf("line 3: a row from here on has over %d bytes; a quote may not be closed", maxRecord)},
		{"a quote that takes the rest", "a,b\n\"1,2\n" + strings.Repeat("3,4\n", maxRecord), fmt.Sprintf("line 2: a row from here on has over %d bytes; a quote may not be closed", maxRecord)},
		{"columns", strings.Repeat("a,", maxColumns) + "a", fmt.Sprintf("line 1: more than %d columns", maxColumns)},
	} {
		_, err := all(CSV{}, strings.NewReader(tc.in))
		var broken *Error
		if !errors.As(err, &broken) || err.Error() != tc.want {
			t.Errorf("%s: %v, want %s", tc.name, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "Qux") {
			t.Errorf("%s: the error quotes the file", tc.name)
		}
	}
	for name, c := range map[string]CSV{
		"begins with the byte order mark of UTF-8": {Encoding: "latin-1"},
		"encoding must be":                         {Encoding: "ebcdic"},
		"invalid field or comment delimiter":       {Delimiter: '"'},
	} {
		if _, err := all(c, strings.NewReader("\xef\xbb\xbfa,b\n")); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCSVPassesErrorsOn(t *testing.T) {
	stop := errors.New("enough")
	n := 0
	err := CSV{}.Each(strings.NewReader("a\n1\n2\n"), func(int, map[string]any) error { n++; return stop })
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("%v after %d rows", err, n)
	}
	// A connection that breaks is no end of the file.
	broken := errors.New("connection reset")
	for _, in := range []string{"", "a,b\n1,2\n", "a,b\n1,2\n3"} {
		_, err = all(CSV{}, io.MultiReader(strings.NewReader(in), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// rowsOf is a file of n rows that is never in memory as a whole.
func rowsOf(n int) io.Reader {
	r, w := io.Pipe()
	go func() {
		_, _ = io.WriteString(w, "id,first,last,mail,start,site\n")
		for i := range n {
			_, _ = fmt.Fprintf(w, "%d,Ada,Example,ada.%d@example.org,2026-04-01,Berlin\n", i, i)
		}
		_ = w.Close()
	}()
	return r
}

func TestCSVMemoryIsFlat(t *testing.T) {
	const n = 50_000
	var before, now runtime.MemStats
	var most uint64
	count := 0
	runtime.GC()
	runtime.ReadMemStats(&before)
	err := CSV{}.Each(rowsOf(n), func(line int, row map[string]any) error {
		if count++; count%10_000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
		}
		if line != count+1 || len(row) != 6 {
			return fmt.Errorf("row %d on line %d has %d fields", count, line, len(row))
		}
		return nil
	})
	if err != nil || count != n {
		t.Fatalf("%d rows, %v", count, err)
	}
	if most > before.HeapAlloc+1<<20 {
		t.Errorf("holds %d bytes more than before", most-before.HeapAlloc)
	}
}

func BenchmarkCSV(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if err := (CSV{}).Each(rowsOf(50_000), func(int, map[string]any) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzCSV(f *testing.F) {
	for _, s := range []string{"a,b\n1,2\n", "\xef\xbb\xbfa;b\r\n1;\"x\ny\"\r\n", "a\n\n\"", "a|b\n1\n", "a,a\n", "a\r1", "a,b\n1,\x00\n", "é\n\xff\n"} {
		f.Add([]byte(s), "", false)
		f.Add([]byte(s), "latin-1", true)
	}
	f.Fuzz(func(t *testing.T, file []byte, encoding string, semicolon bool) {
		c := CSV{Encoding: encoding}
		if semicolon {
			c.Delimiter = ';'
		}
		got, err := all(c, bytes.NewReader(file))
		last := 1
		for _, r := range got {
			if r.Line <= last || r.Line > bytes.Count(file, []byte("\n"))+1 {
				t.Errorf("%q: line %d after %d", file, r.Line, last)
			}
			last = r.Line
		}
		if err != nil || len(got) == 0 {
			return
		}
		// Written again with another delimiter it says the same.
		var names []string
		for name := range got[0].Row {
			names = append(names, name)
		}
		var again bytes.Buffer
		w := csv.NewWriter(&again)
		w.Comma = '\t'
		_ = w.Write(names)
		for _, r := range got {
			var fields []string
			for _, name := range names {
				fields = append(fields, r.Row[name].(string))
			}
			_ = w.Write(fields)
		}
		w.Flush()
		back, err := all(CSV{Delimiter: '\t'}, bytes.NewReader(again.Bytes()))
		if err != nil || len(back) != len(got) {
			t.Fatalf("%q: %d rows, then %d, %v", file, len(got), len(back), err)
		}
		for i := range got {
			if d := cmp.Diff(got[i].Row, back[i].Row); d != "" {
				t.Errorf("%q: %s", file, d)
			}
		}
	})
}
