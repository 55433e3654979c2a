package codec

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// LoadKeyring reads the keyring file at path. It refuses a file that others
// than owner and group can read, or that the group can write.
func LoadKeyring(path string) (*Keyring, error) {
	k, err := readKeyring(path)
	if err != nil {
		return nil, err
	}
	k.path = path
	return k, nil
}

func readKeyring(path string) (*Keyring, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o027 != 0 {
		return nil, fmt.Errorf("keyring: others can get at %s; run: chmod 600 %s", path, path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	k, err := parseKeyring(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// lockWait bounds how long Save waits for another process's Save.
const lockWait = 5 * time.Second

// Save writes the ring to path, mode 0600, atomically and synced: after a crash
// the file is the old one or the new one. Keys that the file has and the ring
// lacks are kept in both, so two processes that add a key at the same time lose
// neither; the later one's is the primary.
//
// A lock file next to path serialises writers. A crash in the middle leaves it
// behind; the error then says what to remove. A kernel lock would not have that
// flaw but is not to be had on every system Go runs on.
func (k *Keyring) Save(path string) (err error) {
	unlock, err := lock(path + ".lock")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()

	k.mu.Lock()
	defer k.mu.Unlock()
	onDisk, err := readKeyring(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("keyring not saved, lest keys in the file be lost: %w", err)
	default:
		merged, err := merge(k.ring, onDisk.ring)
		if err != nil {
			return err
		}
		slices.SortStableFunc(merged.Keys, func(a, b Key) int { return a.Created.Compare(b.Created) })
		if err := k.set(merged); err != nil {
			return err
		}
	}
	raw, err := json.MarshalIndent(k.ring, "", "  ")
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	if err := writeSynced(path, append(raw, '\n')); err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	k.path = path
	return nil
}

func lock(path string) (unlock func() error, err error) {
	for end := time.Now().Add(lockWait); ; {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err == nil {
			return func() error { return errors.Join(f.Close(), os.Remove(path)) }, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("keyring: %w", err)
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("keyring: somebody else is writing it; if that is not so, a crash left the lock behind: remove %s", path)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// writeSynced replaces the file at path. The folder is synced too: until then a
// crash may undo the rename.
func writeSynced(path string, raw []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil // the rename is done; a folder we may not read can't be synced
	}
	defer func() { _ = dir.Close() }() // read only
	if err := dir.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("sync %s: %w", filepath.Dir(path), err)
	}
	return nil
}
