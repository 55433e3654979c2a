package mailbox

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, url string, change func(*http.Request)) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(raw)
}

func TestMailPages(t *testing.T) {
	t.Parallel()
	b := newMailbox(t, func(c *Config) { c.Tenant = "http://127.0.0.1:1/" })
	if _, page := get(t, b.PageURL(), nil); !strings.Contains(page, "No mail yet") {
		t.Error("an empty mailbox does not say so")
	}
	hostile := goodMail(func(m map[string]any) {
		m["subject"] = `</title><script>alert(1)</script>`
		m["content"] = []any{
			map[string]any{"type": "text/plain", "value": `</pre><script>alert(2)</script>`},
			map[string]any{"type": "text/html", "value": `"></iframe><script>alert(3)</script><p>Hello`},
		}
	})
	if _, _, err := send(t, b, hostile, nil); err != nil {
		t.Fatal(err)
	}
	id := b.Mails()[0].ID

	res, list := get(t, b.PageURL(), nil)
	if csp := res.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || strings.Count(list, "<script") != 1 {
		t.Errorf("want one script, by the policy %q", csp)
	}
	if !strings.Contains(list, `href="/mail/`+id+`"`) || !strings.Contains(list, `role="status"`) {
		t.Error("the list has no link to the mail, or nothing that tells of news")
	}

	res, page := get(t, b.PageURL()+"/mail/"+id, nil)
	if strings.Contains(page, "<script") {
		t.Error("the mail brings a script into the page")
	}
	if csp := res.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "script-src") {
		t.Errorf("policy of a mail: %s", csp)
	}
	if !strings.Contains(page, `sandbox="allow-popups allow-popups-to-escape-sandbox"`) || !strings.Contains(page, `title="The mail"`) || !strings.Contains(page, "http://127.0.0.1:1/") {
		t.Error("the frame is not sandboxed or named, or the tenant is not linked")
	}
	if external := regexp.MustCompile(`(?:src|href)="(?:https?:)?//`).FindAllString(strings.ReplaceAll(page+list, `href="http://127.0.0.1:1/"`, ""), -1); len(external) > 0 {
		t.Errorf("something is loaded from elsewhere: %v", external)
	}

	if res, _ := get(t, b.PageURL()+"/mail/none", nil); res.StatusCode != http.StatusNotFound {
		t.Errorf("unknown mail: got %d", res.StatusCode)
	}
	if res, _ := get(t, b.PageURL()+"/page.css", nil); res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/css") {
		t.Errorf("style sheet: %d %s", res.StatusCode, res.Header.Get("Content-Type"))
	}
	if res, _ := get(t, b.PageURL(), func(r *http.Request) { r.Host = "mail.example.com" }); res.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("another host name: got %d", res.StatusCode)
	}
	if res, _ := get(t, b.PageURL()+"/api/wait?n=x", nil); res.StatusCode != http.StatusBadRequest {
		t.Errorf("a wait that says nothing: got %d", res.StatusCode)
	}
	if _, one := get(t, b.PageURL()+"/api/wait?to=signe@example.org", nil); !strings.Contains(one, id) {
		t.Errorf("a wait for a mail that is there: %s", one)
	}
}
