package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken from here: below the ranges that Linux, macOS and Windows
// draw outgoing connections from, so that a port we keep is not lent to
// somebody else while we are away.
const firstPort, lastPort = 20000, 32000

// freePorts returns n neighbouring ports that are free just now.
func freePorts(n int) ([]int, error) {
	for range 200 {
		base := firstPort + rand.IntN(lastPort-firstPort-n)
		if ports, err := bindable(base, n); err == nil {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("no %d free neighbouring ports between %d and %d on 127.0.0.1", n, firstPort, lastPort)
}

func bindable(base, n int) (ports []int, err error) {
	for port := base; port < base+n; port++ {
		l, err := net.Listen("tcp", loopback(port))
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, l.Close()) }()
		ports = append(ports, port)
	}
	return ports, nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
