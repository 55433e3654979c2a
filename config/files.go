package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// CheckFiles reports every file that c names and that is not as it must be:
// inputs readable and not empty, secrets closed to everybody else, and a folder
// for what Firstpass writes. It joins one *Error for each.
//
// Group access to a secret is left alone: Kubernetes and systemd hand secrets
// to an unprivileged process that way.
func (c *Config) CheckFiles() error {
	var found problems
	files(c, func(path, use string, name *string) {
		if *name == "" {
			return
		}
		problem := ""
		if use == "output" {
			problem = checkFolder(*name)
		} else {
			problem = checkInput(*name, use == "secret")
		}
		if problem != "" {
			found.add(path, problem)
		}
	})
	return found.join()
}

func checkInput(name string, secret bool) string {
	info, err := os.Stat(name)
	if err != nil {
		return fmt.Sprintf("can't use %s: %s", name, cause(err))
	}
	if info.IsDir() {
		return name + " is a folder, not a file"
	}
	if secret && runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0 {
		return fmt.Sprintf("everybody on this machine can get at %s; run: chmod 600 %s", name, name)
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		return fmt.Sprintf("can't read %s: %s", name, cause(err))
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return name + " is empty"
	}
	return ""
}

func checkFolder(name string) string {
	dir := filepath.Dir(name)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("its folder is missing; run: mkdir -p %s", dir)
	case err != nil:
		return fmt.Sprintf("can't use the folder %s: %s", dir, cause(err))
	case !info.IsDir():
		return dir + " is not a folder"
	}
	return ""
}

// cause drops the path that an *fs.PathError repeats.
func cause(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
