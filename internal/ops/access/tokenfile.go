package access

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Tokens keeps the tokens of one person, a file for each server, mode 0600, in a
// folder of their own.
type Tokens struct{ folder string }

// DefaultTokens keeps them where the system keeps a person's settings:
// $XDG_CONFIG_HOME/firstpass on Linux.
func DefaultTokens() (Tokens, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return Tokens{}, fmt.Errorf("no folder for tokens: %w", err)
	}
	return TokensIn(filepath.Join(dir, "firstpass", "tokens")), nil
}

// TokensIn keeps them in folder, which is made when there is something to keep.
func TokensIn(folder string) Tokens { return Tokens{folder} }

func (k Tokens) file(server string) string {
	sum := sha256.Sum256([]byte(strings.TrimRight(strings.ToLower(server), "/")))
	return filepath.Join(k.folder, hex.EncodeToString(sum[:12])+".json")
}

// Load returns the token for server. Without one, the error IsSignInNeeded. A
// file that others may read is not taken: they may have.
func (k Tokens) Load(server string) (Token, error) {
	name := k.file(server)
	info, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Token{}, errSignIn
	}
	if err != nil {
		return Token{}, fmt.Errorf("tokens: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return Token{}, fmt.Errorf("tokens: %s is open to others; delete it and run firstpass login", name)
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		return Token{}, fmt.Errorf("tokens: %w", err)
	}
	var t kept
	if json.Unmarshal(raw, &t) != nil || t.Access == "" {
		return Token{}, errSignIn
	}
	out := t.Token
	out.From.CAFile = t.CAFile
	return out, nil
}

// kept is a Token in its file, with what a server does not tell.
type kept struct {
	Token
	CAFile string `json:"ca_file,omitempty"`
}

// Save keeps t for server. The file is replaced as a whole.
func (k Tokens) Save(server string, t Token) error {
	if err := os.MkdirAll(k.folder, 0o700); err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	raw, err := json.Marshal(kept{t, t.From.CAFile})
	if err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	f, err := os.CreateTemp(k.folder, ".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	_, err = f.Write(raw)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), k.file(server))
	}
	if err != nil {
		return fmt.Errorf("tokens: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// Forget removes the token for server. There may be none.
func (k Tokens) Forget(server string) error {
	if err := os.Remove(k.file(server)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("tokens: %w", err)
	}
	return nil
}
