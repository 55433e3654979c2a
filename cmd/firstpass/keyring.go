package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"firstpass.internal/internal/codec"
)

type keyringCmd struct {
	New keyringNewCmd `cmd:"" help:"Make a keyring with one key. Never overwrites one."`
	Add keyringAddCmd `cmd:"" help:"Add a key and encrypt with it from now on. Older keys stay, so nothing is lost."`
}

type keyringNewCmd struct {
	File string `arg:"" help:"Where to put it; temporal.keyring_file names it." type:"path"`
}

// Run implements the command.
func (k *keyringNewCmd) Run(_ context.Context, env *environment) error {
	if _, err := os.Stat(k.File); !errors.Is(err, fs.ErrNotExist) {
		return hinted{fmt.Errorf("%s is there already", k.File), "firstpass keyring add " + k.File + " adds a key to it"}
	}
	ring, err := codec.NewKeyring(time.Now())
	if err != nil {
		return err
	}
	if err := ring.Save(k.File); err != nil {
		return err
	}
	return printKeys(env, ring)
}

type keyringAddCmd struct {
	File string `arg:"" help:"The keyring file." type:"existingfile"`
}

// Run implements the command.
func (k *keyringAddCmd) Run(_ context.Context, env *environment) error {
	ring, err := codec.LoadKeyring(k.File)
	if err != nil {
		return err
	}
	if _, err := ring.Add(time.Now()); err != nil {
		return err
	}
	if err := ring.Save(k.File); err != nil {
		return err
	}
	env.progress("running processes read the new key when they meet it; restart them to encrypt with it")
	return printKeys(env, ring)
}

func printKeys(env *environment, ring *codec.Keyring) error {
	out := map[string]any{"primary": ring.Primary(), "keys": ring.IDs()}
	return env.print(out, func(w io.Writer) {
		for _, id := range ring.IDs() {
			mark := ""
			if id == ring.Primary() {
				mark = "  encrypts"
			}
			fmt.Fprintf(w, "%s%s\n", id, mark)
		}
	})
}
