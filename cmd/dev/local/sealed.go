package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"firstpass.internal/internal/codec"
	"firstpass.internal/internal/simulated"
)

// Sealed is a file that holds one JSON value, readable with Keys alone. What a
// simulated mailbox or phone keeps belongs to the employee, so it may hold what
// Firstpass may not keep; but it lies on the disk of whoever tries Firstpass.
type Sealed struct {
	Path  string
	Label string // binds the file to its purpose
	// Keys may be nil: then nothing is kept.
	Keys *codec.Keyring
}

// Load reads the value into v, and leaves v alone where there is no file yet.
func (s Sealed) Load(v any) error {
	if s.Keys == nil {
		return nil
	}
	sealed, err := os.ReadFile(s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	plain, err := s.Keys.Open(sealed, s.Label)
	if err == nil {
		err = json.Unmarshal(plain, v)
	}
	if err != nil {
		return fmt.Errorf("%s can't be opened with the key beside it; remove the file to start empty: %w", s.Path, err)
	}
	return nil
}

// Save replaces the value. It returns once v would survive a crash.
func (s Sealed) Save(v any) error {
	if s.Keys == nil {
		return nil
	}
	plain, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return simulated.ReplaceFile(s.Path, s.Keys.Seal(plain, s.Label))
}
