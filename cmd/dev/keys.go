package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"firstpass.internal/cmd/dev/local"
	"firstpass.internal/internal/audit"
	"firstpass.internal/internal/codec"
	"firstpass.internal/internal/simulated"
)

// keys are the secrets of one world, drawn at its first start and kept in files
// that only their owner can read. They open nothing outside it.
type keys struct {
	dir string

	Payloads *codec.Keyring // what Firstpass encrypts with
	Mailbox  *codec.Keyring // mailbox and phones are not Firstpass's, so neither is their key

	BambooHR     string // HMAC key
	Canonical    string // Standard Webhooks secret, whsec_…
	ClientSecret string // of the app registration in the simulated tenant
	SendGrid     string // API key
	Twilio       string // auth token
	EID          string // client secret at the simulated eID provider
	Ops          string // client secret of the console at the tenant
	Robot        string // client secret of a machine that steers by the API
}

// Files of keys, as the configuration names them.
const (
	payloadKeyring = "keyring.json"
	mailboxKeyring = "mailbox-keyring.json"
	refsKey        = "refs-key"
	bambooKey      = "bamboohr-key"
	canonicalKey   = "canonical-key"
	clientSecret   = "graph-client-secret"
	sendGridKey    = "sendgrid-api-key"
	twilioToken    = "twilio-auth-token"
	eidSecret      = "eid-client-secret"
	pickupKey      = "pickup-key"
	opsSecret      = "ops-client-secret"
	robotSecret    = "robot-client-secret"
	ledgerKey      = "ledger-key.pem" // and the public one beside it, with .pub
)

func (k *keys) file(name string) string { return filepath.Join(k.dir, name) }

// openKeys reads the keys in dir and draws those that are missing.
func openKeys(dir string) (*keys, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	k := &keys{dir: dir}
	var err error
	if k.Payloads, err = keptKeyring(k.file(payloadKeyring)); err != nil {
		return nil, err
	}
	if k.Mailbox, err = keptKeyring(k.file(mailboxKeyring)); err != nil {
		return nil, err
	}
	var unused string
	for _, s := range []struct {
		name string
		into *string
		form func([]byte) string
	}{
		{refsKey, &unused, base64.StdEncoding.EncodeToString},
		{pickupKey, &unused, base64.StdEncoding.EncodeToString},
		{twilioToken, &k.Twilio, hex.EncodeToString},
		{eidSecret, &k.EID, base64.RawURLEncoding.EncodeToString},
		{opsSecret, &k.Ops, base64.RawURLEncoding.EncodeToString},
		{robotSecret, &k.Robot, base64.RawURLEncoding.EncodeToString},
		{bambooKey, &k.BambooHR, hex.EncodeToString},
		{canonicalKey, &k.Canonical, func(b []byte) string { return "whsec_" + base64.StdEncoding.EncodeToString(b) }},
		{clientSecret, &k.ClientSecret, base64.RawURLEncoding.EncodeToString},
		{sendGridKey, &k.SendGrid, func(b []byte) string { return "SG.dev." + base64.RawURLEncoding.EncodeToString(b) }},
	} {
		raw, err := local.KeptFile(k.file(s.name), func() ([]byte, error) {
			b := make([]byte, 32)
			_, err := rand.Read(b)
			return []byte(s.form(b) + "\n"), err
		})
		if err != nil {
			return nil, err
		}
		*s.into = strings.TrimSpace(string(raw))
	}
	return k, keptLedgerKey(k.file(ledgerKey))
}

// keptLedgerKey makes the key that signs heads of the chain, and the public one,
// unless they are there.
func keptLedgerKey(path string) error {
	var public []byte
	_, err := local.KeptFile(path, func() (private []byte, err error) {
		private, public, err = audit.NewKey()
		if err == nil {
			// First, so that there is no key whose public one is lost.
			err = simulated.ReplaceFile(path+".pub", public)
		}
		return private, err
	})
	return err
}

func keptKeyring(path string) (*codec.Keyring, error) {
	k, err := codec.LoadKeyring(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if k, err = codec.NewKeyring(time.Now()); err != nil {
		return nil, err
	}
	if err := k.Save(path); err != nil {
		return nil, fmt.Errorf("make %s: %w", filepath.Base(path), err)
	}
	return k, nil
}
