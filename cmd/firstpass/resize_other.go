//go:build !unix

package main

import "os"

// resizes tells nothing here: the next drawing notices.
func resizes() (resized <-chan os.Signal, stop func()) { return nil, func() {} }
