package intake

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"firstpass.internal/internal/audit/lines"
	"firstpass.internal/internal/codec"
)

// QuarantineConfig is what a quarantine needs.
type QuarantineConfig struct {
	Path    string
	Keyring *codec.Keyring
	Refs    Refs
	Now     func() time.Time
}

// Quarantine keeps what came well signed but could not be read: an append-only
// file of JSON lines, the body of each sealed by the keyring. It is safe for
// concurrent use.
type Quarantine struct {
	cfg   QuarantineConfig
	lines *lines.File

	mu   sync.Mutex
	seen map[string]bool
}

// Quarantined is the open part of a record.
type Quarantined struct {
	ID     string    `json:"id"`
	Time   time.Time `json:"time"`
	Source string    `json:"source"`
	Reason string    `json:"reason"` // names fields, never values
}

// quarantineLine is a record as it is stored.
type quarantineLine struct {
	Quarantined
	Body []byte `json:"body"` // sealed, in base64
}

// ErrNotQuarantined answers for an id that the file does not hold.
var ErrNotQuarantined = errors.New("no such record in the quarantine")

// OpenQuarantine opens the file at cfg.Path, or makes it, mode 0600.
func OpenQuarantine(cfg QuarantineConfig) (*Quarantine, error) {
	if cfg.Keyring == nil || cfg.Now == nil {
		return nil, errors.New("quarantine: want a keyring and a clock")
	}
	if err := cfg.Refs.check(); err != nil {
		return nil, fmt.Errorf("quarantine: %w", err)
	}
	l, err := lines.Open(cfg.Path)
	if err != nil {
		return nil, fmt.Errorf("quarantine: %w", err)
	}
	q := &Quarantine{cfg: cfg, lines: l, seen: map[string]bool{}}
	list, err := q.List()
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	for _, r := range list {
		q.seen[r.ID] = true
	}
	return q, nil
}

// Close closes the file.
func (q *Quarantine) Close() error { return q.lines.Close() }

// Keep writes body with the reason and returns its id once it is on disk. The
// id follows from source and body, so a body that HR repeats is kept once.
func (q *Quarantine) Keep(source, reason string, body []byte) (string, error) {
	id := q.cfg.Refs.derive("quarantine", source, string(body))
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.seen[id] {
		// The file may have been rotated or pruned since. What is acknowledged
		// must be in it, so memory is not enough.
		_, err := q.find(id)
		if err == nil {
			return id, nil
		}
		if !errors.Is(err, ErrNotQuarantined) {
			return "", err
		}
	}
	line, err := json.Marshal(quarantineLine{
		Quarantined{id, q.cfg.Now().UTC(), source, reason},
		q.cfg.Keyring.Seal(body, sealLabel(source, id)),
	})
	if err != nil {
		return "", fmt.Errorf("quarantine: %w", err)
	}
	if err := q.lines.Append(line); err != nil {
		return "", fmt.Errorf("quarantine: %w", err)
	}
	q.seen[id] = true
	return id, nil
}

func sealLabel(source, id string) string { return "quarantine/" + source + "/" + id }

// List returns the open parts of all records, oldest first.
func (q *Quarantine) List() ([]Quarantined, error) {
	var out []Quarantined
	seen := map[string]bool{}
	err := q.each(func(r quarantineLine) bool {
		if !seen[r.ID] { // two processes may have kept the same
			seen[r.ID] = true
			out = append(out, r.Quarantined)
		}
		return true
	})
	return out, err
}

// Show returns the record called id and its body in clear: personal data.
func (q *Quarantine) Show(id string) (Quarantined, []byte, error) {
	r, err := q.find(id)
	if err != nil {
		return Quarantined{}, nil, err
	}
	body, err := q.cfg.Keyring.Open(r.Body, sealLabel(r.Source, r.ID))
	if err != nil {
		return Quarantined{}, nil, fmt.Errorf("quarantine: record %s: %w", id, err)
	}
	return r.Quarantined, body, nil
}

func (q *Quarantine) find(id string) (quarantineLine, error) {
	var found *quarantineLine
	err := q.each(func(r quarantineLine) bool {
		if r.ID == id {
			found = &r
		}
		return found == nil
	})
	if err == nil && found == nil {
		err = ErrNotQuarantined
	}
	if err != nil {
		return quarantineLine{}, err
	}
	return *found, nil
}

// each reads the file until next says no. Lines that a crash tore are passed
// over: their requests were never acknowledged.
func (q *Quarantine) each(next func(quarantineLine) bool) error {
	f, err := os.Open(q.cfg.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	defer func() { _ = f.Close() }() // read only
	for in := bufio.NewReader(f); ; {
		line, err := in.ReadBytes('\n')
		var r quarantineLine
		if json.Unmarshal(line, &r) == nil && r.ID != "" && !next(r) {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("quarantine: %w", err)
		}
	}
}
