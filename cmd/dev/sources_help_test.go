package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/simulated"
	"firstpass.internal/workflows"
)

// remote is an invented HR system behind TLS. Nobody trusts its certificate
// without its CA file.
type remote struct {
	*httptest.Server
	CA string // file

	mu    sync.Mutex
	calls []remoteCall
}

type remoteCall struct {
	Path  string
	Query string
	At    time.Time
}

// startRemote serves answer, one call at a time: what answer reads may be
// changed within Change.
func startRemote(t testing.TB, answer http.HandlerFunc) *remote {
	t.Helper()
	return startRemoteAs(t, nil, answer)
}

// startRemoteAs is startRemote with a certificate of choice.
func startRemoteAs(t testing.TB, cert *tls.Certificate, answer http.HandlerFunc) *remote {
	t.Helper()
	r := &remote{}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.calls = append(r.calls, remoteCall{req.URL.Path, req.URL.RawQuery, time.Now()})
		answer(w, req)
	}))
	r.Config.ErrorLog = log.New(io.Discard, "", 0)
	if cert != nil {
		r.TLS = &tls.Config{Certificates: []tls.Certificate{*cert}}
	}
	r.StartTLS()
	t.Cleanup(r.Close)
	raw := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw})
	r.CA = putFile(t, filepath.Join(t.TempDir(), "ca.pem"), string(raw))
	return r
}

// Host is what allow_hosts names.
func (r *remote) Host() string { return strings.TrimPrefix(r.URL, "https://") }

// Change alters what the answers are made of.
func (r *remote) Change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// Calls returns those to a path, all if it is empty.
func (r *remote) Calls(path string) []remoteCall {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.calls), func(c remoteCall) bool { return path != "" && c.Path != path })
}

// called complains of fewer than n calls to a path.
func (r *remote) called(path string, n int) func() error {
	return func() error {
		if got := len(r.Calls(path)); got < n {
			return fmt.Errorf("%d calls of %s, want %d", got, path, n)
		}
		return nil
	}
}

// expiredCertificate vouches for itself, and did so until yesterday.
func expiredCertificate(t testing.TB) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1).To4()},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// putFile writes a file that only its owner may read, as secrets have to be, and
// returns its name. It is renamed into place, so that nobody reads half of it.
func putFile(t testing.TB, name, text string) string {
	t.Helper()
	if err := simulated.ReplaceFile(name, []byte(text)); err != nil {
		t.Fatal(err)
	}
	return name
}

func jsonAnswer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // Firstpass may be gone
}

// hmacHex is what most HR systems sign with.
func hmacHex(key, message string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(message))
	return hex.EncodeToString(mac.Sum(nil))
}

// inDays is the civil date so many days from now in Copenhagen.
func inDays(t testing.TB, n int) string {
	t.Helper()
	zone, err := jml.LoadZone("Europe/Copenhagen")
	if err != nil {
		t.Fatal(err)
	}
	return time.Now().In(zone).AddDate(0, 0, n).Format(time.DateOnly)
}

// In is the world for a part of its test.
func (w *testWorld) In(t testing.TB) *testWorld {
	part := *w
	part.t = t
	return &part
}

// Do runs a command that has to succeed and returns what it prints.
func (w *testWorld) Do(args ...string) string {
	w.t.Helper()
	out, says, code := w.Command(args...)
	if code != 0 {
		w.t.Fatalf("firstpass %s: exit status %d\n%s%s", strings.Join(args, " "), code, out, says)
	}
	return out
}

// Reconfigure ends Firstpass as a service manager does, and starts it with other
// sources.
func (w *testWorld) Reconfigure(extraSources string) {
	w.t.Helper()
	w.must(nil, w.StopFirstpass())
	w.cfg.ExtraSources = extraSources
	w.must(nil, w.writeSettings())
	w.Run()
}

// Send posts to a source and returns the answer's status and text.
func (w *testWorld) Send(source string, body []byte, header http.Header) (int, string) {
	w.t.Helper()
	status, answer, err := w.HR().send(w.t.Context(), source, body, header)
	w.must(nil, err)
	return status, answer
}

// MustSend is Send of what has to be taken.
func (w *testWorld) MustSend(source string, body []byte, header http.Header) string {
	w.t.Helper()
	status, answer := w.Send(source, body, header)
	if status != http.StatusOK {
		w.t.Fatalf("%s answers %d: %s", source, status, answer)
	}
	return answer
}

// Ask calls anything of Firstpass's HTTP side by path, with a bearer token.
func (w *testWorld) Ask(method, path, token string, body any) (status int, answer map[string]any) {
	w.t.Helper()
	raw := []byte(nil)
	if body != nil {
		var err error
		raw, err = json.Marshal(body)
		w.must(nil, err)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, "http://"+loopback(w.Ports.Intake)+path, bytes.NewReader(raw))
	w.must(nil, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/scim+json")
	res, err := http.DefaultClient.Do(req)
	w.must(nil, err)
	defer func() { _ = res.Body.Close() }()
	if raw, err = io.ReadAll(io.LimitReader(res.Body, 1<<20)); err == nil && strings.Contains(res.Header.Get("Content-Type"), "json") {
		err = json.Unmarshal(raw, &answer)
	}
	w.must(nil, err)
	return res.StatusCode, answer
}

// Status is what firstpass source status says of a source.
func (w *testWorld) Status(source string) intake.Status {
	w.t.Helper()
	var list []intake.Status
	w.must(nil, json.Unmarshal([]byte(w.Do("source", "status", "--json")), &list))
	for _, s := range list {
		if s.Source == source {
			return s
		}
	}
	w.t.Fatalf("source status does not name %s", source)
	return intake.Status{}
}

// Fault waits until the last read of a source failed for a reason that names
// what.
func (w *testWorld) Fault(source, what string) {
	w.t.Helper()
	w.Eventually(30*time.Second, source+" fails", func() error {
		if s := w.Status(source); !strings.Contains(s.Fault, what) {
			return fmt.Errorf("fault %q, want one that says %s", s.Fault, what)
		}
		return nil
	})
}

// FirstRead waits for the read that the schedule of a new source begins with.
func (w *testWorld) FirstRead(source string) workflows.FeedResult {
	w.t.Helper()
	return w.read(source, 1)
}

// Read has a source read now, by the command line, and returns what it came to.
func (w *testWorld) Read(source string) workflows.FeedResult {
	w.t.Helper()
	d, err := w.Client.ScheduleClient().GetHandle(w.t.Context(), workflows.FeedID(source)).Describe(w.t.Context())
	w.must(nil, err)
	w.Do("source", "run", source)
	return w.read(source, d.Info.NumActions+1)
}

// read waits for the n-th read of a source, from 1, to end well.
func (w *testWorld) read(source string, n int) (out workflows.FeedResult) {
	w.t.Helper()
	handle := w.Client.ScheduleClient().GetHandle(w.t.Context(), workflows.FeedID(source))
	var id, run string
	// A schedule of a minute is the shortest there is.
	w.Eventually(90*time.Second, fmt.Sprintf("read %d of %s", n, source), func() error {
		d, err := handle.Describe(w.t.Context())
		if err != nil {
			return err
		}
		// The newest stands last; older ones than ten are left out.
		recent := d.Info.RecentActions
		at := len(recent) - 1 - (d.Info.NumActions - n)
		if at < 0 || at >= len(recent) || recent[at].StartWorkflowResult == nil {
			return fmt.Errorf("%d reads so far", d.Info.NumActions)
		}
		id, run = recent[at].StartWorkflowResult.WorkflowID, recent[at].StartWorkflowResult.FirstExecutionRunID
		return nil
	})
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	if err := w.Client.GetWorkflow(ctx, id, run).Get(ctx, &out); err != nil {
		w.t.Fatalf("read %d of %s: %v", n, source, err)
	}
	return out
}

// trace tells which run of a joiner there is, and how often it was told
// something.
type trace struct {
	Run  string
	Told int
}

// Trace looks at a joiner that has to be there.
func (w *testWorld) Trace(id string) (now trace) {
	w.t.Helper()
	d, err := w.Client.DescribeWorkflowExecution(w.t.Context(), id, "")
	w.must(nil, err)
	now.Run = d.GetWorkflowExecutionInfo().GetExecution().GetRunId()
	history := w.Client.GetWorkflowHistory(w.t.Context(), id, now.Run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		w.must(nil, err)
		if event.GetWorkflowExecutionSignaledEventAttributes().GetSignalName() == workflows.SignalFacts {
			now.Told++
		}
	}
	return now
}

// Absent fails the test if there is or was such a workflow.
func (w *testWorld) Absent(id string) {
	w.t.Helper()
	_, err := w.Client.DescribeWorkflowExecution(w.t.Context(), id, "")
	if none := new(serviceerror.NotFound); !errors.As(err, &none) {
		w.t.Errorf("%s is there (%v), want none", id, err)
	}
}

// Begun lists the workflows of the world whose IDs begin so.
func (w *testWorld) Begun(prefix string) (ids []string) {
	w.t.Helper()
	for _, id := range w.WorkflowIDs() {
		if strings.HasPrefix(id, prefix) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Recorded writes the history of the first workflow of that prefix, if histories
// are being recorded.
func (w *testWorld) Recorded(name, part, prefix string) {
	w.t.Helper()
	if os.Getenv("FIRSTPASS_RECORD") == "" {
		return
	}
	ids := w.Begun(prefix)
	if len(ids) == 0 {
		w.t.Fatalf("no workflow %s", prefix)
	}
	w.must(nil, w.record(name, part, ids[0]))
}

// Blocked waits until a joiner stands still for a reason.
func (w *testWorld) Blocked(id string, reason jml.BlockReason) workflows.JourneyView {
	w.t.Helper()
	return w.WaitFor(id, 30*time.Second, "blocked: "+string(reason), func(v workflows.JourneyView) bool {
		return v.Block != nil && v.Block.Reason == reason
	})
}

// Starting waits until a joiner knows that its employee starts on a day.
func (w *testWorld) Starting(id, on string) workflows.JourneyView {
	w.t.Helper()
	return w.WaitFor(id, 30*time.Second, "starts on "+on, func(v workflows.JourneyView) bool { return v.Facts.StartDate.String() == on })
}

// Untold fails the test if a text stands in any file of the world, in whatever
// encoding, or in what the commands print that anybody may see.
func (w *testWorld) Untold(text string) {
	w.t.Helper()
	found, _, _, err := canaries{newCanary(text)}.Files(w.cfg.Dir)
	w.must(nil, err)
	if len(found) > 0 {
		w.t.Errorf("personal data stands in %s", strings.Join(found, ", "))
	}
	for _, args := range [][]string{{"source", "status"}, {"quarantine", "list"}, {"held", "list"}} {
		if out := w.Do(args...); strings.Contains(out, text) {
			w.t.Errorf("firstpass %s prints personal data:\n%s", strings.Join(args, " "), out)
		}
	}
}

// filesIn lists a folder.
func filesIn(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
