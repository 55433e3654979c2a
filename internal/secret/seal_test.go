package secret_test

import (
	"strings"
	"testing"

	"firstpass.internal/internal/secret"
)

func TestSealOpensForOneVisitOnly(t *testing.T) {
	key, err := secret.NewVisitKey()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := secret.Seal(secret.NewPasscode(canary), key.Public(), "visit-1")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(sealed), canary) {
		t.Error("the passcode stands in what is sealed")
	}
	raw, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	again, err := secret.ParseVisitKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := again.Open(sealed, "visit-1"); err != nil || p.Reveal() != canary {
		t.Errorf("Open gave %v, %v", p, err)
	}
	other, _ := secret.NewVisitKey()
	bent := append([]byte(nil), sealed...)
	bent[len(bent)-1] ^= 1
	for name, open := range map[string]func() (secret.Passcode, error){
		"other key":   func() (secret.Passcode, error) { return other.Open(sealed, "visit-1") },
		"other visit": func() (secret.Passcode, error) { return key.Open(sealed, "visit-2") },
		"bent":        func() (secret.Passcode, error) { return key.Open(bent, "visit-1") },
		"no key":      func() (secret.Passcode, error) { return secret.VisitKey{}.Open(sealed, "visit-1") },
	} {
		if p, err := open(); err == nil || !p.Empty() {
			t.Errorf("%s: opened", name)
		}
	}
	if _, err := secret.Seal(secret.NewPasscode(canary), []byte("short"), "visit-1"); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("a wrong public key gave %v", err)
	}
}

func TestHalves(t *testing.T) {
	for _, tc := range []struct{ whole, first, second string }{
		{"abcdefgh", "abcd", "efgh"}, {"abcdefghi", "abcde", "fghi"}, {"åäö", "åä", "ö"}, {"", "", ""},
	} {
		a, b := secret.NewPasscode(tc.whole).Halves()
		if a.Reveal() != tc.first || b.Reveal() != tc.second {
			t.Errorf("%q: %q and %q", tc.whole, a.Reveal(), b.Reveal())
		}
	}
}
