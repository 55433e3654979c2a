package local

import (
	"html"
	"regexp"
	"strings"
	"testing"
)

func TestLinked(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"Open https://example.com/p#a-b_c.":       {"https://example.com/p#a-b_c"},
		"(http://127.0.0.1:80/x?y=1&z=2), then":   {"http://127.0.0.1:80/x?y=1&z=2"},
		"two https://a.example https://b.example": {"https://a.example", "https://b.example"},
		"javascript:alert(1) data:text/html,x":    nil,
		`https://a.example"onclick="x`:            {"https://a.example"},
		"no address":                              nil,
	} {
		var got []string
		for _, m := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(string(linked(text)), -1) {
			got = append(got, html.UnescapeString(m[1]))
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// Whatever a message says, it is shown as it stands, and is no markup.
func FuzzLinked(f *testing.F) {
	for _, seed := range []string{"", "plain", "https://example.com/p#x", `<script>https://x.example/"><b>`, "http://&amp;'\"<>", "https://\x00\xff"} {
		f.Add(seed)
	}
	anchor := regexp.MustCompile(`<a href="https?://[^"<>]*" target="_blank" rel="noopener noreferrer">|</a>`)
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "")
		bare := anchor.ReplaceAllString(string(linked(text)), "")
		if strings.ContainsAny(bare, "<>\"") {
			t.Errorf("%q: markup is left: %q", text, bare)
		}
		if got := html.UnescapeString(bare); got != text {
			t.Errorf("%q: shown as %q", text, got)
		}
	})
}
