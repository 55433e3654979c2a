package access_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/ops/access"
)

// serverCA trusts the server and the tenant.
func (w *world) serverCA() string {
	w.Helper()
	name := filepath.Join(w.TempDir(), "ca.pem")
	w.must(os.WriteFile(name, w.tenant.CAPEM(), 0o600))
	return name
}

func (w *world) device() access.DeviceConfig {
	return access.DeviceConfig{Issuer: w.issuer(), ClientID: consoleApp, Audience: consoleApp, CAFile: w.serverCA()}
}

func TestDeviceLogin(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	// The person answers as soon as the code is shown, before the first question.
	token, err := access.DeviceLogin(t.Context(), w.device(), func(address, code string) {
		if a := b.get(address + "?code=" + code + "&login_hint=noor@example.com"); a.status != 200 {
			t.Errorf("%d", a.status)
		}
	})
	w.must(err)
	a := b.api(token.Access)
	if a.status != 200 || a.json(t)["name"] != "noor@example.com" || a.json(t)["machine"] != false {
		t.Fatalf("%d %s", a.status, a.text)
	}
	if text := fmt.Sprintf("%v %+v %s %#v", token, token, token, token); strings.Contains(text, token.Access) {
		t.Error("a token prints itself")
	}

	kept := access.TokensIn(filepath.Join(t.TempDir(), "tokens"))
	w.must(kept.Save(w.server.URL, token))
	got, err := kept.Load(w.server.URL + "/")
	w.must(err)
	if got.Access != token.Access || got.From != token.From {
		t.Error("another token came back")
	}
	same, err := got.Renew(t.Context(), time.Now())
	w.must(err)
	if same.Access != token.Access {
		t.Error("a token that is good was renewed")
	}
	// With other roles, so that the new token shows.
	_, err = w.tenant.SetOperator(entrasim.Operator{UPN: "noor@example.com", Roles: []string{"auditor"}})
	w.must(err)
	fresh, err := got.Renew(t.Context(), token.Expires)
	w.must(err)
	if fresh.Access == token.Access || fmt.Sprint(b.api(fresh.Access).json(t)["roles"]) != "[auditor]" {
		t.Error("not renewed")
	}
	w.tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpToken}, Status: 503})
	if _, err := got.Renew(t.Context(), token.Expires); err == nil || access.IsSignInNeeded(err) {
		t.Errorf("away: %v", err)
	}
	w.must(w.tenant.RemoveOperator("noor@example.com"))
	if _, err := got.Renew(t.Context(), token.Expires); !access.IsSignInNeeded(err) {
		t.Errorf("an account that is gone: %v", err)
	}
}

func TestDeviceLoginFails(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	decline := func(address, code string) { b.get(address + "?code=" + code + "&simulate=decline") }
	if _, err := access.DeviceLogin(t.Context(), w.device(), decline); err == nil || err.Error() != "the sign-in was declined" {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := access.DeviceLogin(ctx, w.device(), func(string, string) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	secretOnly := w.device()
	secretOnly.ClientID = robotApp
	if _, err := access.DeviceLogin(t.Context(), secretOnly, nil); err == nil || !strings.Contains(err.Error(), "public client flows") {
		t.Errorf("%v", err)
	}
	for name, answer := range map[string]string{
		"in clear": `{"device_code":"d","user_code":"u","verification_uri":"http://evil.example","interval":1}`,
		"nothing":  `{}`,
		"no JSON":  `<html>`,
	} {
		w.tenant.MustInject(entrasim.Fault{Match: entrasim.Match{Operation: entrasim.OpDeviceCode}, Status: 200, Body: answer})
		if _, err := access.DeviceLogin(t.Context(), w.device(), func(string, string) { t.Errorf("%s: shown", name) }); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for name, issuer := range map[string]string{"many tenants": "https://login.microsoftonline.com/common/v2.0", "plain": "http://login.example.org/x", "another": w.tenant.URL() + "/other/v2.0"} {
		cfg := w.device()
		cfg.Issuer = issuer
		if _, err := access.DeviceLogin(t.Context(), cfg, nil); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestAskServer(t *testing.T) {
	w := newWorld(t)
	// The server's certificate is the test server's own.
	ca := filepath.Join(t.TempDir(), "server.pem")
	w.must(os.WriteFile(ca, pemOf(w.server.Certificate()), 0o600))
	c, err := access.AskServer(t.Context(), w.server.URL+"/", ca)
	w.must(err)
	if c.Issuer != w.issuer() || c.ClientID != consoleApp || c.CAFile != ca {
		t.Errorf("%+v", c)
	}
	w.server.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(rw, `{"issuer":"http://evil.example","client_id":"x","audience":"x"}`)
	})
	for _, base := range []string{w.server.URL, "http://ops.example.org", "ops.example.org", "https://127.0.0.1:1"} {
		if _, err := access.AskServer(t.Context(), base, ca); err == nil {
			t.Errorf("%s: taken", base)
		}
	}
}

func TestTokenFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tokens")
	kept := access.TokensIn(dir)
	if _, err := kept.Load("https://ops.example.org"); !access.IsSignInNeeded(err) {
		t.Errorf("%v", err)
	}
	token := access.Token{Access: "a", Refresh: "r", Expires: time.Date(2031, 3, 3, 8, 0, 0, 0, time.UTC), From: access.DeviceConfig{Issuer: "https://i.example", CAFile: "/ca.pem"}}
	if err := kept.Save("https://ops.example.org", token); err != nil {
		t.Fatal(err)
	}
	if got, err := kept.Load("https://OPS.example.org/"); err != nil || got != token {
		t.Errorf("%v", err)
	}
	if _, err := kept.Load("https://other.example.org"); !access.IsSignInNeeded(err) {
		t.Errorf("another server's: %v", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("%v %v", files, err)
	}
	name := filepath.Join(dir, files[0].Name())
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 || strings.Contains(name, "ops.example") {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if folder, err := os.Stat(dir); err != nil || folder.Mode().Perm() != 0o700 {
		t.Errorf("%v", err)
	}
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := kept.Load("https://ops.example.org"); err == nil || access.IsSignInNeeded(err) {
		t.Errorf("open to others: %v", err)
	}
	if err := errors.Join(os.Chmod(name, 0o600), os.WriteFile(name, []byte("torn"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := kept.Load("https://ops.example.org"); !access.IsSignInNeeded(err) {
		t.Errorf("torn: %v", err)
	}
	if err := errors.Join(kept.Forget("https://ops.example.org"), kept.Forget("https://ops.example.org")); err != nil {
		t.Error(err)
	}
}

func FuzzReturnPath(f *testing.F) {
	for _, s := range []string{"/", "//e", "/\\e", "/%2f%2fe", "/a?b#c", "/a/../b", "javascript:x", "/%252f", "/a;b", "/a%00b", "?x", "/..", "/sign-in"} {
		f.Add(s)
	}
	base, err := url.Parse("https://ops.example.org/sign-in")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got := access.OwnPath(raw)
		if got == "" || got[0] != '/' || len(got) > 1 && (got[1] == '/' || got[1] == '\\') {
			t.Fatalf("%q gives %q", raw, got)
		}
		for _, c := range []byte(got) {
			if c <= ' ' || c >= 0x7f || c == '\\' {
				t.Fatalf("%q gives %q", raw, got)
			}
		}
		to, err := base.Parse(got)
		if err != nil || to.Host != base.Host || to.Scheme != "https" || strings.Contains(to.Path, "/../") {
			t.Fatalf("%q gives %q, which leads to %v %v", raw, got, to, err)
		}
		if again := access.OwnPath(got); again != got {
			t.Fatalf("%q gives %q, and that %q", raw, got, again)
		}
	})
}

func FuzzBearer(f *testing.F) {
	for _, s := range []string{"", "a.b.c", "e30.e30.e30", "eyJhbGciOiJub25lIn0.e30.", `{"payload":""}`, "..", "\x00"} {
		f.Add(s)
	}
	w := newWorld(f)
	h := w.gate.Handler(http.HandlerFunc(whoAsks))
	f.Fuzz(func(t *testing.T, token string) {
		if code, _ := call(h, "/v1/me", "Bearer "+token, ""); code != 401 && code != 503 {
			t.Fatalf("%q: %d", token, code)
		}
		w.clock.turn(time.Second)
	})
}

func FuzzCookies(f *testing.F) {
	for _, s := range []string{"", "__Host-firstpass=x", "__Host-firstpass=" + strings.Repeat("A", 43), "__Host-firstpass-in-0011223344556677=x", ";;=", "__Host-firstpass"} {
		f.Add(s)
	}
	w := newWorld(f)
	h := w.gate.Handler(http.HandlerFunc(whoAsks))
	f.Fuzz(func(t *testing.T, cookie string) {
		if code, _ := call(h, "/", "", cookie); code != 303 {
			t.Fatalf("%q: %d", cookie, code)
		}
		if code, _ := call(h, "/sign-in/callback?state=x&code=y", "", cookie); code != 403 {
			t.Fatalf("%q: %d", cookie, code)
		}
	})
}

// Every request of a browser costs this, and every request of a program.
func BenchmarkSession(b *testing.B) {
	w := newWorld(b)
	browser := w.browser()
	browser.in("noor@example.com")
	h, cookie := w.gate.Handler(http.HandlerFunc(whoAsks)), "__Host-firstpass="+browser.cookie("__Host-firstpass").Value
	for b.Loop() {
		if code, _ := call(h, "/", "", cookie); code != 200 {
			b.Fatal(code)
		}
	}
}

func BenchmarkBearer(b *testing.B) {
	w := newWorld(b)
	h, token := w.gate.Handler(http.HandlerFunc(whoAsks)), "Bearer "+w.sign(w.machine())
	for b.Loop() {
		if code, _ := call(h, "/v1/me", token, ""); code != 200 {
			b.Fatal(code)
		}
	}
}
