package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Load reads the configuration file at path. getenv, usually os.Getenv,
// overrides single values: FIRSTPASS_TEMPORAL__ADDRESS stands for
// temporal.address. Lists and profiles are set in the file only.
//
// The error joins one *Error for everything that is wrong. Paths of files come
// back absolute; relative ones are taken from the folder of the configuration
// file, wherever the process was started.
func Load(path string, getenv func(string) string) (*Config, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		// An *fs.PathError prints the path; the advice needs only the cause.
		problem := "can't read " + path + ": " + errors.Unwrap(err).Error()
		if errors.Is(err, fs.ErrNotExist) {
			problem = "no configuration at " + path + "; start from config/example.yaml"
		}
		return nil, &Error{"", problem}
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, &Error{"", "can't tell the folder of " + path}
	}
	return load(raw, dir, getenv)
}

// load is Load of a text whose relative file names are taken from dir.
func load(raw []byte, dir string, getenv func(string) string) (*Config, error) {
	tree, err := readTree(raw, getenv)
	if err != nil {
		return nil, err
	}
	tree, unread := withReadyMade(tree, dir)
	c, found := decode(withDefaults(tree))
	found = append(found, unread...)
	// A value of the wrong type is left zero. Complaining of the zero as well
	// would send people after a problem they don't have.
	mistyped := found
	for _, p := range validate(c) {
		if !mistyped.covers(p.Path) && !mistyped.covers(p.needs) {
			found = append(found, p)
		}
	}
	if err := found.join(); err != nil {
		return nil, err
	}
	tellThem(c)
	absolute(c, dir)
	return c, nil
}
