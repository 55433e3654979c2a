package proof

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"firstpass.internal/config"
	"firstpass.internal/internal/outbound"
)

// minKey bounds a key, token or password, in bytes: vendors issue 16 and more,
// and less can be guessed, a signing key even offline from one request.
const minKey = 16

// keys reads the key files. Problems name files and never what they hold.
func (b *builder) keys(decode func(config.Verify, string) ([]byte, error)) [][]byte {
	var out [][]byte
	for i, name := range b.config.KeyFiles {
		key, err := readKey(name, b.config, decode)
		if err != nil {
			b.bad(fmt.Sprintf("key_files[%d]", i), err.Error())
			continue
		}
		out = append(out, key)
	}
	return out
}

func readKey(name string, v config.Verify, decode func(config.Verify, string) ([]byte, error)) ([]byte, error) {
	text, err := outbound.Secret(name)
	if err != nil {
		return nil, err
	}
	// Blanks around a key come from pasting it; vendors' keys have none.
	key, err := decode(v, strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return key, nil
}

// textKey decodes a key as key_encoding says.
func textKey(v config.Verify, text string) ([]byte, error) {
	key, err := []byte(text), error(nil)
	switch v.KeyEncoding {
	case "", "text":
	case "hex":
		key, err = hex.DecodeString(text)
	case "base64":
		key, err = decodeBase64(text)
	default:
		return nil, errors.New("key_encoding must be text, hex or base64")
	}
	if err != nil {
		return nil, fmt.Errorf("does not hold %s, which key_encoding says", v.KeyEncoding)
	}
	if len(key) < minKey {
		return nil, fmt.Errorf("holds %d bytes, want a key of %d or more", len(key), minKey)
	}
	return key, nil
}

// urlKey decodes a key that has to stand in a path as it is. One with a slash
// would lead to another path.
func urlKey(v config.Verify, text string) ([]byte, error) {
	key, err := textKey(v, text)
	if err != nil {
		return nil, err
	}
	for _, c := range key {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && !strings.ContainsRune("-._~", rune(c)) {
			return nil, errors.New("want letters, digits and - . _ ~ only; make one with: openssl rand -hex 32")
		}
	}
	return key, nil
}

// webhookKey reads whsec_ and base64 of 24 to 64 bytes, the sizes Standard
// Webhooks allows.
func webhookKey(_ config.Verify, text string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(text, "whsec_")
	if !ok {
		return nil, errors.New("want whsec_ followed by base64")
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("what follows whsec_ is not base64")
	}
	if len(key) < 24 || len(key) > 64 {
		return nil, errors.New("the key must have 24 to 64 bytes; make one with: openssl rand -base64 32")
	}
	return key, nil
}

// decodeBase64 reads the standard and the URL-safe alphabet, padded or not:
// vendors rarely say which they mean. A text has one reading, because the
// alphabets differ in two characters that never mix.
func decodeBase64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errEncoding // encoding/base64 would pass over them
	}
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(s, "-_") {
		encoding = base64.RawURLEncoding
	}
	if strings.HasSuffix(s, "=") {
		encoding = encoding.WithPadding(base64.StdPadding)
	}
	return encoding.Strict().DecodeString(s)
}
