package entrasim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"firstpass.internal/internal/simulated"
)

// stateVersion changes when an older file could be misread.
const stateVersion = 1

// state is all that must outlive the process. Nothing in it may hold a
// passcode: passRecord has a salted hash, and sessions and events refer to
// passes by id.
type state struct {
	Version     int                        `json:"version"`
	Draws       uint64                     `json:"draws"` // of the id and passcode generator
	Users       []*userRecord              `json:"users"` // in order of arrival, which is the paging order
	Groups      []*Group                   `json:"groups"`
	Roles       []*RoleAssignment          `json:"roleAssignments"`
	Passes      map[string][]*passRecord   `json:"passes"`  // by user id, oldest first, deleted ones too
	Methods     map[string][]*methodRecord `json:"methods"` // by user id, deleted ones too
	Sessions    []*Session                 `json:"sessions"`
	Events      []PassEvent                `json:"events"`
	MaxLive     map[string]int             `json:"maxLive"` // by user id
	Policy      PassPolicy                 `json:"policy"`
	Setup       Setup                      `json:"setup"`
	Behaviour   Behaviour                  `json:"behaviour"`
	Permissions map[string][]string        `json:"permissions"` // by client id
	Operators   []*Operator                `json:"operators,omitempty"`
}

func newState(cfg Config) *state {
	st := &state{Version: stateVersion, Policy: DefaultPassPolicy(), Behaviour: cfg.Behaviour, Setup: cfg.Setup.clone()}
	if cfg.Policy != nil {
		st.Policy = *cfg.Policy
	}
	st.fillMaps()
	return st
}

func (st *state) fillMaps() {
	if st.Passes == nil {
		st.Passes = map[string][]*passRecord{}
	}
	if st.Methods == nil {
		st.Methods = map[string][]*methodRecord{}
	}
	if st.MaxLive == nil {
		st.MaxLive = map[string]int{}
	}
	if st.Permissions == nil {
		st.Permissions = map[string][]string{}
	}
}

func openState(cfg Config) (*state, error) {
	st := newState(cfg)
	if err := errors.Join(st.Policy.check(), st.Behaviour.check()); err != nil {
		return nil, err
	}
	if cfg.StateFile == "" {
		return st, nil
	}
	raw, err := os.ReadFile(cfg.StateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return st, nil
	}
	if err != nil {
		return nil, fmt.Errorf("entrasim: state file: %w", err)
	}
	st = &state{}
	if err := json.Unmarshal(raw, st); err != nil {
		return nil, fmt.Errorf("entrasim: state file %s: %w", cfg.StateFile, err)
	}
	if st.Version != stateVersion {
		return nil, fmt.Errorf("entrasim: state file %s: version %d, want %d", cfg.StateFile, st.Version, stateVersion)
	}
	st.fillMaps()
	return st, nil
}

// commit writes the state file; t.mu must be held. On an error memory is ahead
// of the file: the caller must say so to whoever asked for the change.
func (t *Tenant) commit() error {
	if t.cfg.StateFile == "" {
		return nil
	}
	raw, err := json.MarshalIndent(t.st, "", " ")
	if err == nil {
		err = simulated.ReplaceFile(t.cfg.StateFile, raw)
	}
	if err != nil {
		t.cfg.Logger.Error("state not saved", "error", err)
		return fmt.Errorf("entrasim: save state: %w", err)
	}
	return nil
}

func (st *state) user(id string) *userRecord {
	for _, u := range st.Users {
		if u.ID == id {
			return u
		}
	}
	return nil
}

func (st *state) group(id string) *Group {
	for _, g := range st.Groups {
		if g.ID == id {
			return g
		}
	}
	return nil
}

// groupsOf returns the ids of all groups the user is in, directly or through
// other groups, nearest first. With nested false only direct ones count.
func (st *state) groupsOf(u *userRecord, nested bool) []string {
	ids := slices.Clone(u.GroupIDs)
	if !nested {
		return ids
	}
	for i := 0; i < len(ids); i++ {
		if g := st.group(ids[i]); g != nil {
			for _, p := range g.ParentIDs {
				if !slices.Contains(ids, p) {
					ids = append(ids, p)
				}
			}
		}
	}
	return ids
}
