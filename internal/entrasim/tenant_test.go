package entrasim_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
)

func TestOnlyLoopback(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.com:0", "127.0.0.1", ""} {
		if addr == "" {
			continue
		}
		for _, cfg := range []entrasim.Config{{Addr: addr}, {ManageAddr: addr}} {
			tenant, err := entrasim.Start(cfg)
			if err == nil {
				t.Errorf("%+v was taken", cfg)
				_ = tenant.Close()
			}
		}
	}
	entrasimtest.Start(t, func(c *entrasim.Config) { c.Addr = "localhost:0" })
}

func TestGraphHabits(t *testing.T) {
	r := newRig(t, func(c *entrasim.Config) { c.Strict = false })
	const mine = "44444444-4444-4444-8444-444444444444"
	a := r.do(200, "GET", "/v1.0/users", "", "client-request-id", mine)
	if a.header.Get("client-request-id") != mine || a.header.Get("request-id") == "" || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json;odata.metadata=minimal") {
		t.Errorf("%v", a.header)
	}
	a = r.do(404, "GET", "/v1.0/users/nobody", "", "client-request-id", mine)
	if a.text("error", "innerError", "client-request-id") != mine || a.text("error", "innerError", "date") == "" {
		t.Errorf("%s", a.raw)
	}
	for _, path := range []string{"/v1.0/nothing", "/v1.0/users/", "/v1.0/users/../users", "/beta/users", "/", r.passes + "/"} {
		if a := r.do(404, "GET", path, ""); a.text("error", "code") == "" {
			t.Errorf("%s: %s", path, a.raw)
		}
	}
	r.do(405, "PATCH", r.passes, `{}`)
	r.do(400, "POST", r.passes, `{}`, "Content-Encoding", "gzip")
	r.do(415, "POST", r.passes, `{}`, "Content-Type", "text/plain")
}

func TestRequestsAreCounted(t *testing.T) {
	r := newRig(t)
	r.mint(`{}`)
	r.do(200, "GET", r.passes, "")
	r.do(200, "GET", "/v1.0/users"+q("$filter", "employeeId eq '1001'", "$select", "id"), "")
	c := r.tenant.Counts()
	if c.Graph != 3 || c.Token != 1 || c.ByPath["POST /v1.0/users/{userId}/authentication/temporaryAccessPassMethods"] != 1 {
		t.Errorf("%+v", c)
	}
	h := r.tenant.Requests()
	last := h[len(h)-1]
	if last.Operation != entrasim.OpListUsers || last.Template != "/v1.0/users" || !slices.Equal(last.Query, []string{"$filter", "$select"}) || last.Status != 200 || !last.Time.Equal(r.clock.now()) {
		t.Errorf("%+v", last)
	}
	r.tenant.ResetRequests()
	if c := r.tenant.Counts(); c.Graph+c.Token != 0 || len(r.tenant.Requests()) != 0 {
		t.Errorf("%+v", c)
	}
}

func TestStateSurvives(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tenant.json")
	keep := func(c *entrasim.Config) { c.StateFile = file }
	r := newRig(t, keep)
	r.behave(entrasim.Behaviour{DeleteLag: time.Minute, SecondPass: entrasim.SecondPassConflict})
	r.setPolicy(func(p *entrasim.PassPolicy) { p.MaximumLifetimeInMinutes = 1440 })
	r.must(r.tenant.SetPermissions("", append(entrasim.DefaultPermissions(), "AuditLog.Read.All")...))
	id, code := r.mint(`{}`)
	session, err := r.tenant.SignIn(r.user.UPN, code)
	r.must(err)
	_, err = r.tenant.AddMethod(r.user.ID, entrasim.Method{Kind: entrasim.KindPhone})
	r.must(err)
	events := r.tenant.PassEvents()

	// The first tenant is not closed: a killed process does not close either.
	again := entrasimtest.Start(t, keep, func(c *entrasim.Config) { c.Now = r.clock.now })
	if got := again.Users(); len(got) != 1 || got[0].UPN != r.user.UPN || got[0].EmployeeID != "1001" {
		t.Errorf("users %+v", got)
	}
	if again.Behaviour() != r.tenant.Behaviour() || again.Policy().MaximumLifetimeInMinutes != 1440 || len(again.Permissions("")) != len(entrasim.DefaultPermissions())+1 {
		t.Errorf("%+v %+v %v", again.Behaviour(), again.Policy(), again.Permissions(""))
	}
	if ps := again.Passes(r.user.ID); len(ps) != 1 || ps[0].ID != id || again.MaxLivePasses(r.user.ID) != 1 || !slices.Equal(again.PassEvents(), events) {
		t.Errorf("passes %+v, events %+v", ps, again.PassEvents())
	}
	_, err = again.Register(session, entrasim.Method{Kind: entrasim.KindFIDO2})
	r.must(err)
	_, err = again.SignIn(r.user.UPN, code)
	r.must(err)
	if len(again.Methods(r.user.ID)) != 2 {
		t.Errorf("methods %+v", again.Methods(r.user.ID))
	}
	fresh := entrasimtest.User(t, again, entrasim.User{UPN: "second@firstpass.example"})
	if fresh.ID == r.user.ID {
		t.Error("an id was handed out twice")
	}
	// The first tenant's tokens stay good on the second.
	first := r.tenant
	r.tenant, r.http = again, entrasimtest.Client(again)
	r.do(200, "GET", r.passes, "")
	r.must(first.Close())
}

func TestStateFileThatCannotBeRead(t *testing.T) {
	for name, content := range map[string]string{"garbage": "{", "version": `{"version":99}`} {
		file := filepath.Join(t.TempDir(), "tenant.json")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if tenant, err := entrasim.Start(entrasim.Config{StateFile: file}); err == nil {
			t.Errorf("%s was taken", name)
			_ = tenant.Close()
		}
	}
}

// A change that cannot be saved must not be answered as done.
func TestUnsavableStateIsAnError(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(c *entrasim.Config) { c.StateFile = filepath.Join(dir, "tenant.json") })
	r.must(os.RemoveAll(dir))
	r.do(500, "POST", r.passes, `{}`)
	if _, err := r.tenant.AddUser(entrasim.User{UPN: "x@firstpass.example"}); err == nil {
		t.Error("AddUser said nothing")
	}
}

func TestCertificateAuthorityIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certs")
	keep := func(c *entrasim.Config) { c.CertDir = dir }
	one, two, other := entrasimtest.Start(t, keep), entrasimtest.Start(t, keep), entrasimtest.Start(t)
	if !bytes.Equal(one.CAPEM(), two.CAPEM()) || bytes.Equal(one.CAPEM(), other.CAPEM()) {
		t.Error("the CA is not the kept one")
	}
	res, err := entrasimtest.Client(one).Get(two.URL() + "/common/discovery/instance")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if _, err := entrasimtest.Client(other).Get(two.URL()); err == nil {
		t.Error("a foreign CA is trusted")
	}
}

// The canary: mint, use, fail, delete, then look everywhere for the codes and
// for the credentials.
func TestNothingKeepsAPasscode(t *testing.T) {
	dir := t.TempDir()
	var log syncBuffer
	r := newRig(t, func(c *entrasim.Config) {
		c.StateFile = filepath.Join(dir, "tenant.json")
		c.CertDir = dir
		c.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	var secrets []string
	for _, body := range []string{`{}`, `{"isUsableOnce":true}`} {
		id, code := r.mint(body)
		secrets = append(secrets, code)
		s, err := r.tenant.SignIn(r.user.UPN, code)
		r.must(err)
		_, err = r.tenant.Register(s, entrasim.Method{Kind: entrasim.KindFIDO2})
		r.must(err)
		_, _ = r.tenant.SignIn(r.user.UPN, code+"x")
		r.do(400, "POST", r.passes, `{"temporaryAccessPass":"`+strings.Repeat("a", 20)+`canary"}`)
		r.do(204, "DELETE", r.passes+"/"+id, "")
	}
	secrets = append(secrets, strings.TrimPrefix(r.bearer, "Bearer "), r.tenant.ClientSecret(), strings.Repeat("a", 20)+"canary")
	places := map[string]string{"log": log.String()}
	for name, v := range map[string]any{"history": r.tenant.Requests(), "events": r.tenant.PassEvents(), "violations": r.tenant.ContractViolations(), "faults": r.tenant.PlayedFaults()} {
		raw, err := json.Marshal(v)
		r.must(err)
		places[name] = string(raw)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	r.must(err)
	for _, f := range files {
		raw, err := os.ReadFile(f)
		r.must(err)
		places[f] = string(raw)
	}
	for _, path := range []string{"/", "/sim/users", "/sim/state", "/sim/requests", "/sim/passevents", "/sim/violations", "/sim/faults"} {
		places[path] = string(r.do(200, "GET", r.tenant.ManageURL()+path, "").raw)
	}
	for _, s := range secrets {
		quoted, err := json.Marshal(s) // as it would stand in a JSON file: < and > and & are escaped there
		r.must(err)
		for where, text := range places {
			if strings.Contains(text, s) || strings.Contains(text, strings.Trim(string(quoted), `"`)) {
				t.Errorf("a secret is in %s", where)
			}
		}
	}
	if len(places["log"]) == 0 || len(files) < 3 {
		t.Error("the canary looked at nothing")
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestParallelUse(t *testing.T) {
	r := newRig(t, func(c *entrasim.Config) { c.StateFile = filepath.Join(t.TempDir(), "tenant.json") })
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				a, err := r.request("POST", r.passes, `{}`)
				if err != nil || a.status != 201 {
					t.Errorf("%d %v", a.status, err)
				}
				_, _ = r.request("GET", r.passes, "")
				_, _ = r.request("DELETE", r.passes+"/"+a.text("id"), "")
			}
		})
	}
	wg.Wait()
	if r.tenant.MaxLivePasses(r.user.ID) != 1 {
		t.Errorf("%d live at once", r.tenant.MaxLivePasses(r.user.ID))
	}
	entrasimtest.NoViolations(t, r.tenant)
}
