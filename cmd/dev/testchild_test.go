package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
)

// childRole makes the test binary, started again, run a Temporal server until
// it is killed: a server in this process could only be asked to stop.
const childRole = "FIRSTPASS_DEV_TEST_TEMPORAL"

func runTestChild() {
	var cfg temporalConfig
	err := json.Unmarshal([]byte(os.Getenv(childRole)), &cfg)
	if err == nil {
		_, err = startTemporal(context.Background(), cfg)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {}
}

// temporalProcess runs a server in a process of its own; kill is kill -9.
func temporalProcess(t *testing.T, cfg temporalConfig) (kill func()) {
	t.Helper()
	raw, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+string(raw))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill = func() {
		if !killed {
			killed = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // "signal: killed"
		}
	}
	t.Cleanup(kill)
	s := &temporalServer{Address: loopback(cfg.Ports[0])}
	if err := s.answers(t.Context(), cfg.Namespaces); err != nil {
		t.Fatal(err)
	}
	return kill
}

func TestTemporalSurvivesKill(t *testing.T) {
	t.Parallel()
	ports := shared.ports(t, temporalPorts)
	cfg := temporalConfig{Dir: t.TempDir(), Ports: ports, Namespaces: []string{"default"}}
	kill := temporalProcess(t, cfg)
	c, err := (&temporalServer{Address: loopback(ports[0])}).Dial(t.Context(), "default", client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	startTinyWorker(t, c)
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "tiny", TaskQueue: "tiny"}, tinyType)
	if err != nil {
		t.Fatal(err)
	}
	kill()
	temporalProcess(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = poll(ctx, 100*time.Millisecond, func() error { return c.SignalWorkflow(ctx, "tiny", run.GetRunID(), "name", "Ada") })
	if err != nil {
		t.Fatal(err)
	}
	var out string
	if err := run.Get(ctx, &out); err != nil || out != "Good morning, Ada" {
		t.Errorf("got %q, %v", out, err)
	}
}
