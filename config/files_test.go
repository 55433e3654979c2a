package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("keyring.json", "{}", 0o644)
	write("secret", "s", 0o640)
	write("refs", " \n", 0o600)
	write("ca.pem", "pem", 0o644)
	write("keys/one", "k", 0o600)
	c := &Config{
		Temporal: Temporal{KeyringFile: "keyring.json"},
		Graph:    Graph{CAFile: "ca.pem", Credential: Credential{SecretFile: "secret"}},
		Sources:  []Source{{Verify: Verify{KeyFiles: []string{"keys/one", "keys/two"}}}},
		Channels: []Channel{{APIKeyFile: "keys"}},
		Proofs:   map[string]Proof{"eid": {Kind: "oidc", ClientSecretFile: "eid", CAFile: "ca.pem"}},
		Ledger:   Ledger{File: "ledger.db"},
		Refs:     Refs{KeyFile: "refs"},
		Audit:    Audit{File: "missing/audit.jsonl"},
	}
	absolute(c, dir)
	err := c.CheckFiles()
	if err == nil {
		t.Fatal("no error")
	}
	want := strings.ReplaceAll(`audit.file: its folder is missing; run: mkdir -p DIR/missing
channels[0].api_key_file: DIR/keys is a folder, not a file
proofs.eid.client_secret_file: can't use DIR/eid: no such file or directory
refs.key_file: DIR/refs is empty
sources[0].verify.key_files[1]: can't use DIR/keys/two: no such file or directory
temporal.keyring_file: everybody on this machine can get at DIR/keyring.json; run: chmod 600 DIR/keyring.json`, "DIR", dir)
	if err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}

	write("keyring.json", "{}", 0o600)
	write("refs", "r", 0o400)
	write("eid", "s", 0o600)
	write("keys/two", "k", 0o440)
	write("missing/x", "", 0o600)
	c.Channels = nil
	if err := c.CheckFiles(); err != nil {
		t.Error(err)
	}
}

func TestConfigHoldsNoSecret(t *testing.T) {
	// Every key that could hold one names a file: printing a Config is safe.
	files(&Config{
		Channels: make([]Channel, 1),
		Sources:  []Source{{Verify: Verify{KeyFiles: []string{""}}}},
		Proofs:   map[string]Proof{"eid": {}},
	}, func(path, use string, _ *string) {
		if !strings.Contains(path, "file") {
			t.Errorf("%s (%s) is not named as a file", path, use)
		}
	})
}
