package telemetry

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func goVersion() string { return runtime.Version() }

// certificateFile ends at the start of 2036, UTC.
func certificateFile(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: noon, NotAfter: time.Unix(2088331200, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "certificate.pem")
	// The key first, as some tools write it.
	text := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("not looked at")}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestProbes follows a process from its start to its end.
func TestProbes(t *testing.T) {
	tel := newTest(t)
	h := tel.Health()
	var away error
	h.Need("temporal", func(context.Context) error { return nil })
	h.Need("ledger", func(context.Context) error { return away })
	type answers struct{ Live, Started, Ready int }
	look := func() (answers, string) {
		l, _ := get(t, tel, "/livez")
		s, _ := get(t, tel, "/startupz")
		r, text := get(t, tel, "/readyz")
		return answers{l, s, r}, strings.TrimSpace(text)
	}
	for _, step := range []struct {
		name string
		do   func()
		want answers
		text string
		all  State
	}{
		{"starts", func() {}, answers{200, 503, 503}, "starting", StateStarting},
		{"has started", h.Start, answers{200, 200, 200}, "ok", StateOK},
		{"the ledger goes", func() { away = errors.New("dial postgres://robin:hunter2@db.example.org") }, answers{200, 200, 503}, "ledger does not answer", StateDown},
		{"the ledger is back", func() { away = nil }, answers{200, 200, 200}, "ok", StateOK},
		{"Graph fails once", func() { tel.Graph(GraphCall{Op: "x", Status: 503}) }, answers{200, 200, 200}, "ok", StateOK},
		{"Graph fails again and again", func() { tel.Graph(GraphCall{Op: "x"}); tel.Graph(GraphCall{Op: "x", Status: 500}) }, answers{200, 200, 200}, "ok", StateDegraded},
		{"Graph is back", func() { tel.Graph(GraphCall{Op: "x", Status: 404}) }, answers{200, 200, 200}, "ok", StateOK},
		{"consent is withdrawn", func() {
			for range missesToDegrade {
				tel.Graph(GraphCall{Op: "x", Status: 403})
			}
		}, answers{200, 200, 200}, "ok", StateDegraded},
		{"ends", h.Drain, answers{200, 200, 503}, "draining", StateDraining},
	} {
		step.do()
		got, text := look()
		if got != step.want || text != step.text {
			t.Errorf("%s: %+v %q, want %+v %q", step.name, got, text, step.want, step.text)
		}
		status := statusz(t, tel)
		if status.State != step.all {
			t.Errorf("%s: the whole is %s, want %s", step.name, status.State, step.all)
		}
		for _, p := range status.Parts {
			if strings.Contains(p.Why, "hunter2") {
				t.Errorf("%s: the page tells what a driver said", step.name)
			}
		}
	}
}

// TestSince: a state tells since when, and a run of failures since its first.
func TestSince(t *testing.T) {
	now := noon
	tel := newTest(t, func(c *Config) { c.Now = func() time.Time { return now } })
	at := func(minute int, why error) {
		now = noon.Add(time.Duration(minute) * time.Minute)
		tel.Sent("mail", why)
	}
	away := errors.New("away")
	at(0, nil)
	at(1, away)
	at(2, nil)
	at(3, away)
	at(4, away)
	at(5, away)
	at(6, away)
	want := []Part{{Part: "channel mail", State: StateDegraded, Since: noon.Add(3 * time.Minute), Why: "does not answer"}}
	if diff := cmp.Diff(want, tel.Health().parts()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := value(t, tel, `firstpass_part_up{needed="false",part="channel mail"}`); got != "0" {
		t.Errorf("up is %q", got)
	}
	at(9, nil)
	if p := tel.Health().parts()[0]; p.State != StateOK || !p.Since.Equal(noon.Add(9*time.Minute)) || p.Why != "" {
		t.Errorf("%+v", p)
	}
}

// TestHangingPart: a part that hangs makes the process unready in time, and a
// look is made even if nobody probes.
func TestHangingPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHealth(Config{Now: time.Now, Logger: newTest(t).cfg.Logger})
		hang := make(chan struct{})
		defer close(hang)
		h.Need("temporal", func(context.Context) error { <-hang; return nil })
		h.Need("ledger", func(context.Context) error { return nil })
		h.Start()
		began := time.Now()
		if err := h.Ready(t.Context()); err == nil || time.Since(began) > patience {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { h.Run(ctx); close(done) }()
		time.Sleep(lookEvery)
		synctest.Wait()
		if p := h.parts(); p[0].State != StateOK || p[1].State != StateDown || p[1].Why != "does not answer" {
			t.Errorf("%+v", p)
		}
		cancel()
		<-done
	})
}
