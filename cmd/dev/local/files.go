package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"firstpass.internal/internal/simulated"
)

// KeptFile returns the content of path; where there is none yet, it is made by
// draw and kept.
func KeptFile(path string, draw func() ([]byte, error)) ([]byte, error) {
	data, err := os.ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return data, err
	}
	if data, err = draw(); err != nil {
		return nil, fmt.Errorf("make %s: %w", filepath.Base(path), err)
	}
	return data, simulated.ReplaceFile(path, data)
}
