package codec

import (
	"encoding/binary"
	"errors"
)

// fileLabel is the purpose of sealed files; it keeps them apart from payloads
// under the same key.
const fileLabel = "firstpass/file/1"

// Seal encrypts plaintext with the primary key for a file at rest. Only Open
// with the same label gives it back, so a label that names the place (file and
// record) stops ciphertexts from being moved about.
func (k *Keyring) Seal(plaintext []byte, label string) []byte {
	id, aead := k.primary()
	out := append([]byte{byte(len(id))}, id...) // ids have at most maxID bytes
	return aead.Seal(out, nil, plaintext, additional(fileLabel, label, id))
}

// Open decrypts what Seal made with the same label. Errors hold no plaintext.
func (k *Keyring) Open(sealed []byte, label string) ([]byte, error) {
	if len(sealed) < 1 || len(sealed) < 1+int(sealed[0]) {
		return nil, errors.New("codec: not a sealed record")
	}
	n := 1 + int(sealed[0])
	id := string(sealed[1:n])
	aead, err := k.byID(id)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, sealed[n:], additional(fileLabel, label, id))
	if err != nil {
		return nil, errors.New("codec: the sealed record is damaged, or belongs elsewhere")
	}
	return plain, nil
}

// additional joins parts so that no two lists of parts give the same bytes.
func additional(parts ...string) []byte {
	var out []byte
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}
