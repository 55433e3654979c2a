//go:build !unix

package main

import "os"

// lockFile locks nothing: a second world fails at the first port that is taken.
func lockFile(*os.File) error { return nil }
