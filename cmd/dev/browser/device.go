package browser

import (
	"context"
	"errors"
	"fmt"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// Cookie is what a tab keeps of a cookie.
type Cookie struct {
	Name, Value, Domain, Path string
	HTTPOnly, Secure, Session bool
	SameSite                  string // Strict, Lax, None, or empty
}

// Cookies are those that the page's next request would carry.
func (t *Tab) Cookies(ctx context.Context) ([]Cookie, error) {
	res, err := ask(ctx, t, "read the cookies", func(ctx context.Context, target *chromedp.Target) (network.GetCookiesResult, error) {
		return cdp.Call(ctx, target, network.GetCookies, network.GetCookiesParams{})
	})
	var out []Cookie
	for _, c := range res.Cookies {
		out = append(out, Cookie{c.Name, c.Value, c.Domain, c.Path, c.HTTPOnly, c.Secure, c.Session, string(c.SameSite)})
	}
	return out, err
}

// History are the addresses that the tab's buttons lead to, the oldest first.
func (t *Tab) History(ctx context.Context) ([]string, error) {
	history, err := ask(ctx, t, "read the history", chromedp.NavigationEntries())
	var out []string
	for _, e := range history.Entries {
		out = append(out, e.URL)
	}
	return out, err
}

// AllowClipboard lets pages read and write the device's clipboard without
// asking, as people do who press Allow.
func (t *Tab) AllowClipboard(ctx context.Context) error {
	c := chromedp.FromContext(t.ctx)
	if c == nil || c.Browser == nil {
		return errors.New("the tab has no browser any more")
	}
	// Commands to the browser itself go past the tab.
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		if _, err := cdp.Call(ctx, c.Browser, browser.SetPermission, browser.SetPermissionParams{
			Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingGranted, BrowserContextID: c.BrowserContextID,
		}); err != nil {
			return fmt.Errorf("allow %s: %w", name, err)
		}
	}
	return t.do(ctx, "have the focus", command(emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}))
}

// Clipboard is the text in the device's clipboard, once AllowClipboard was
// called.
func (t *Tab) Clipboard(ctx context.Context) (string, error) {
	return ask(ctx, t, "read the clipboard", chromedp.Evaluate[string]("navigator.clipboard.readText()", chromedp.EvalAwaitPromise))
}
