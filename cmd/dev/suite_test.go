package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// suite is what the worlds of one test binary share: the product, built once,
// and one Temporal server with a namespace for each world.
type suite struct {
	once       sync.Once
	err        error
	dir        string
	binary     string
	temporal   *temporalServer
	namespaces chan string

	mu       sync.Mutex
	nextPort int
}

// shared is started by the first test that wants a world; TestMain, which must
// end it, has no other way to reach it.
var shared = &suite{}

const worldsAtMost = 160

func TestMain(m *testing.M) {
	if os.Getenv(childRole) != "" {
		runTestChild()
		return
	}
	code := m.Run()
	if err := shared.close(); err != nil {
		fmt.Fprintln(os.Stderr, "close what the tests share:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// use starts what is shared, once, or says why that failed.
func (s *suite) use(t testing.TB) *suite {
	t.Helper()
	s.once.Do(func() { s.err = s.start() })
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s
}

func (s *suite) start() (err error) {
	if s.dir, err = os.MkdirTemp("", "firstpass-dev-test-"); err != nil {
		return err
	}
	// FIRSTPASS_BINARY is one that is there already.
	if s.binary = os.Getenv("FIRSTPASS_BINARY"); s.binary == "" {
		s.binary = filepath.Join(s.dir, "firstpass")
		build := exec.Command("go", "build", "-C", filepath.Join("..", ".."), "-o", s.binary, "./cmd/firstpass")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build the product: %w\n%s", err, out)
		}
	}
	s.namespaces = make(chan string, worldsAtMost)
	var names []string
	for i := range worldsAtMost {
		name := fmt.Sprintf("world-%02d", i)
		names = append(names, name)
		s.namespaces <- name
	}
	s.temporal, err = startTemporal(context.Background(), temporalConfig{Dir: filepath.Join(s.dir, "temporal"), Namespaces: names})
	return err
}

func (s *suite) close() error {
	if s.dir == "" {
		return nil
	}
	var err error
	if s.temporal != nil {
		err = s.temporal.Stop()
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// namespace returns one that no other world has.
func (s *suite) namespace(t testing.TB) string {
	t.Helper()
	select {
	case name := <-s.namespaces:
		return name
	default:
		t.Fatalf("more than %d worlds in one run; raise worldsAtMost", worldsAtMost)
		return ""
	}
}

// ports returns n neighbouring ports that nobody else in this run gets. Two
// worlds that start at the same moment and draw for themselves may draw the
// same, each finding them free.
func (s *suite) ports(t testing.TB, n int) []int {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nextPort == 0 {
		s.nextPort = firstPort + rand.IntN((lastPort-firstPort)/2)
	}
	for s.nextPort+n < lastPort {
		base := s.nextPort
		s.nextPort += n
		if ports, err := bindable(base, n); err == nil {
			return ports
		}
	}
	t.Fatal("no ports left")
	return nil
}

// keepPorts puts ports of its own into the folder of a world that is not yet
// opened.
func (s *suite) keepPorts(t testing.TB, dir string) {
	t.Helper()
	var p worldPorts
	for i, port := range s.ports(t, len(p.all())) {
		*p.all()[i] = port
	}
	raw, err := json.Marshal(p)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, portsFile), raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
