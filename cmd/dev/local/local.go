// Package local holds what the simulated services of a development world have
// in common: they listen on loopback alone, keep over restarts what they were
// sent, and guard their pages.
package local

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
)

// Listen listens on addr, or on a free port if it is empty. It refuses any
// address that other machines could reach.
func Listen(addr string) (net.Listener, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("%s is not a loopback address", addr)
	}
	return net.Listen("tcp", addr)
}

// Random returns 128 random bits in the base64 alphabet of URLs: an id that
// nobody guesses.
func Random() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails since Go 1.24
	return base64.RawURLEncoding.EncodeToString(raw[:])
}
