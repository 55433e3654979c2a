package feed

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
)

// fakeFolder has one file.
type fakeFolder struct {
	folder
	statFile func() (fs.FileInfo, error)
	openFile func() (io.ReadCloser, error)
}

func (f fakeFolder) stat(string) (fs.FileInfo, error)   { return f.statFile() }
func (f fakeFolder) open(string) (io.ReadCloser, error) { return f.openFile() }

type fakeInfo struct {
	fs.FileInfo
	size int64
	time time.Time
}

func (f fakeInfo) Name() string       { return "a.csv" }
func (f fakeInfo) Size() int64        { return f.size }
func (f fakeInfo) ModTime() time.Time { return f.time }

func TestStillWritten(t *testing.T) {
	at := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	whole := fakeInfo{size: 5, time: at}
	for name, tt := range map[string]struct {
		content string
		after   fakeInfo
		stat    error
		whole   bool
		kind    jml.FaultKind
	}{
		"whole":                 {"id\n1\n", whole, nil, true, ""},
		"longer":                {"id\n1\n2", fakeInfo{size: 6, time: at}, nil, false, ""},
		"longer, not told":      {"id\n1\n2", whole, nil, false, ""},
		"shorter":               {"id\n", fakeInfo{size: 3, time: at}, nil, false, ""},
		"shorter, not told":     {"id\n", whole, nil, false, ""},
		"touched":               {"id\n1\n", fakeInfo{size: 5, time: at.Add(time.Second)}, nil, false, ""},
		"renamed":               {"id\n1\n", whole, fs.ErrNotExist, false, ""},
		"not to be looked at":   {"id\n1\n", whole, fs.ErrPermission, false, jml.FaultDenied},
		"connection is broken ": {"id\n1\n", whole, errors.New("jonas.csv"), false, jml.FaultUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			f := &Files{file: config.File{MaxSize: 100}, known: map[string]File{}}
			dir := fakeFolder{
				statFile: func() (fs.FileInfo, error) { return tt.after, tt.stat },
				openFile: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(tt.content)), nil },
			}
			file, got, err := f.look(t.Context(), dir, whole)
			var fault *jml.Fault
			switch {
			case tt.kind == "" && err != nil:
				t.Fatal(err)
			case tt.kind != "" && (!errors.As(err, &fault) || fault.Kind != tt.kind || strings.Contains(err.Error(), "jonas")):
				t.Errorf("got %v", err)
			}
			if got != tt.whole || got && file.Digest == "" {
				t.Errorf("got %+v, %t", file, got)
			}
		})
	}
}

// The dotted capital I becomes an i in lower case, and another host in DNS.
func TestHostThatLowersToAnother(t *testing.T) {
	c := &Caller{op: "poll", hosts: map[string]bool{"api.example.org": true}}
	if _, err := c.parse(nil, "https://AP\u0130.example.org/"); err == nil {
		t.Error("xn--api-xyb.example.org may be called")
	}
	if _, err := c.parse(nil, "https://API.example.org/"); err != nil {
		t.Error(err)
	}
}

// Whatever a next link holds: if it is taken, it leads to the allowed host, and
// net/http thinks so too.
func FuzzNextLink(f *testing.F) {
	for _, s := range []string{
		"", "/", "?a=b", "//other.example.org/", "https://hr.example.org/x?$skip=1", "https://HR.example.org:443/", "http://hr.example.org/",
		"https://hr.example.org@other.example.org/", `https://hr.example.org\@other.example.org/`, "https://hr.example.org:8443", "../../x", "?q=a b\r\nX: y",
		"https:other.example.org", "https:///other.example.org", "https://hr.example.org#@other.example.org", "https://hr.exampl\u0435.org", "https://hr.example.org.",
		"https://\u212Ar.example.org", "\\\\other.example.org", "https://hr.example.org%2f@other.example.org", "https://[::1]/", "?\x00", "%zz", "https://hr.example.org:/",
	} {
		f.Add(s)
	}
	c := &Caller{op: "poll", hosts: map[string]bool{"hr.example.org": true}}
	from, err := url.Parse("https://hr.example.org/v1/staff?page=1")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, link string) {
		u, err := c.parse(from, link)
		if err != nil {
			// Longer links are random, and can't be in our words by chance.
			if len(link) > 12 && strings.Contains(err.Error(), link) {
				t.Errorf("the error quotes the link: %v", err)
			}
			return
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.String(), nil)
		if err != nil {
			return // not sent then
		}
		if host := strings.ToLower(req.URL.Hostname()); req.URL.Scheme != "https" || host != "hr.example.org" ||
			req.URL.Port() != "" && req.URL.Port() != "443" || req.URL.User != nil {
			t.Errorf("%q leads to %s", link, req.URL)
		}
		var wire bytes.Buffer
		if err := req.Write(&wire); err != nil {
			return
		}
		sent, _, _ := strings.Cut(wire.String(), "\r\n")
		if strings.Count(sent, " ") != 2 || !strings.HasSuffix(sent, " HTTP/1.1") || strings.Contains(wire.String(), "\r\nX: y") {
			t.Errorf("%q is sent as %q", link, sent)
		}
	})
}

// A list that is read element by element gives what it gives as a whole.
func FuzzJSONFile(f *testing.F) {
	for _, s := range []string{
		"", "[]", "[1,2]", "[1 2]", "[1,]", "[,1]", "[", "]", "[]]", "[][]", "[1]x", " [ {\"a\":[1,{\"b\":null}]} , \"x\" ] ", "{\"a\":1}", "{}{}",
		"\ufeff[1]", "\ufeff\ufeff[1]", "[\"\xff\"]", "[{\"a\":1,\"a\":2}]", "[1e999]", "[12345678901234567890]", "null", "7", "[1]\x00", "\v[1]", "[nul]",
	} {
		f.Add([]byte(s))
	}
	files := &Files{file: config.File{Format: config.FileJSON, MaxSize: 1 << 20}}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got := []any{}
		err := files.stream(bytes.NewReader(raw), func(i Item) error { got = append(got, i.Value); return nil })
		whole, wholeErr := files.whole(bytes.NewReader(raw))
		if (err == nil) != (wholeErr == nil) {
			// Only a list has room for one more level when it is read so.
			if err == nil && strings.Contains(wholeErr.Error(), "deep") {
				return
			}
			t.Fatalf("%q: %v, as a whole %v", raw, err, wholeErr)
		}
		if err != nil {
			return
		}
		want, ok := whole.([]any)
		if !ok {
			want = []any{whole}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}
