package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// keptMails bounds the mailbox of a world that runs for months.
const keptMails = 500

// mailLabel binds the sealed file to its purpose.
const mailLabel = "dev/mailbox"

// The mailbox belongs to the employee, not to Firstpass, so it may keep the
// mail with the passcode, as a real one does. It still lies on the disk of
// whoever tries Firstpass, so it is sealed there.
func (b *mailbox) file() string { return filepath.Join(b.cfg.Dir, "mailbox.sealed") }

func (b *mailbox) load() error {
	if b.cfg.Keys == nil {
		return nil
	}
	sealed, err := os.ReadFile(b.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	plain, err := b.cfg.Keys.Open(sealed, mailLabel)
	if err == nil {
		err = json.Unmarshal(plain, &b.mails)
	}
	if err != nil {
		return fmt.Errorf("mailbox: %s can't be opened with the key beside it; remove the file to start with an empty mailbox: %w", b.file(), err)
	}
	return nil
}

func (b *mailbox) save(mails []mail) error {
	if b.cfg.Keys == nil {
		return nil
	}
	plain, err := json.Marshal(mails)
	if err != nil {
		return err
	}
	return replaceFile(b.file(), b.cfg.Keys.Seal(plain, mailLabel))
}
