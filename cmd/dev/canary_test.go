package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"firstpass.internal/cmd/dev/mailbox"
)

// A canary that finds nothing proves nothing unless it would have.
func TestCanarySees(t *testing.T) {
	t.Parallel()
	const code = `aB3+x<&/`
	c := newCanary(code)
	inJSON, err := json.Marshal(map[string]string{"code": code})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"plain": "x" + code + "y", "JSON": string(inJSON), "HTML": html.EscapeString("is " + code),
		"query": url.QueryEscape(code), "path": url.PathEscape(code), "hex": hex.EncodeToString([]byte("_" + code)),
		"base64 at 0": base64.StdEncoding.EncodeToString([]byte(code + "rest")),
		"base64 at 1": base64.StdEncoding.EncodeToString([]byte("1" + code + "rest")),
		"base64 at 2": base64.URLEncoding.EncodeToString([]byte("12" + code + "rest")),
		"UTF-16":      strings.Join(strings.Split(code, ""), "\x00") + "\x00",
	} {
		if !c.In([]byte(text)) {
			t.Errorf("%s: not seen in %q", name, text)
		}
	}
	for _, text := range []string{"", "aB3+x<&", "ab3+x<&/"} {
		if c.In([]byte(text)) {
			t.Errorf("seen in %q", text)
		}
	}
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{filepath.Join(deep, "bad"): code, filepath.Join(dir, "good"): "nothing"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, files, size, err := canaries{c}.Files(dir)
	if err != nil || files != 2 || size == 0 || len(found) != 1 || filepath.Base(found[0]) != "bad" {
		t.Errorf("found %v in %d files of %d bytes, %v", found, files, size, err)
	}
}

// A code of six digits stands in many a number by chance; by itself it is found.
func TestDigitCanary(t *testing.T) {
	t.Parallel()
	c := newDigitCanary("111111", "123456")
	for text, want := range map[string]bool{
		"code 123456.": true, "123456": true, `{"c":"123456"}`: true, "1234567": false, "0123456": false,
		"0123456 123456": true, "2026-01-01T00:00:00.123456789Z": false, "": false, "12345": false,
	} {
		if c.In([]byte(text)) != want {
			t.Errorf("%q: want %t", text, want)
		}
	}
}

func TestPasscodeIn(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"YOUR PASS\n\n    aB3+x<&/\n\nWHAT TO DO\n":                            "aB3+x<&/",
		"1. go to\n   https://example.com/x\n\n2.\n   me@example.com\n":        "",
		"1. go to\n   https://example.com/x\n\n    aB3+x<&/\n   m@example.com": "aB3+x<&/",
		"QUESTIONS\n": "",
		"    http://127.0.0.1:1/p#AAAAAAAAAAAAAAAAAAAAAA\n\n    7K2M-9QXA-4TBC\n": "",
	} {
		got, err := passcodeIn(mailbox.Mail{Text: text})
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}
