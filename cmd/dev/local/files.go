package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ReplaceFile puts data at path, readable by us alone. A reader, even after a
// crash, finds either the old or the new content.
func ReplaceFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // the first error says more
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

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
	return data, ReplaceFile(path, data)
}
