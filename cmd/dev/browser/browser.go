// Package browser drives a real Chromium for tests: pages as a phone and a
// desktop show them, in light and dark, by keyboard, without scripts; an
// accessibility check; and a bot that presses everything (scan.go).
//
// Chromium can reach nothing but this machine, and accepts any certificate
// there: a world makes its own.
package browser

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience bounds every single step of a tab.
const patience = 30 * time.Second

// Browser is one Chromium process.
type Browser struct{ ctx context.Context }

// Start starts Chromium, from the environment's CHROMIUM or from where it
// usually is, and ends it with the test. Without a Chromium the test is
// skipped.
func Start(tb testing.TB) *Browser {
	tb.Helper()
	path, err := find()
	if err != nil {
		tb.Skip(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:len(chromedp.DefaultExecAllocatorOptions):len(chromedp.DefaultExecAllocatorOptions)],
		chromedp.ExecPath(path),
		// It sees our own pages alone, and in containers its sandbox can't start.
		chromedp.NoSandbox,
		chromedp.IgnoreCertErrors,
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"),
	)
	// Not the test's context: that one ends before clean-up, which still asks.
	all, stopAll := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(all)
	tb.Cleanup(func() { stop(); stopAll() })
	if err := chromedp.Do(ctx); err != nil {
		tb.Fatalf("%s does not start: %v", path, err)
	}
	return &Browser{ctx}
}

func find() (string, error) {
	if path := os.Getenv("CHROMIUM"); path != "" {
		return path, nil
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("there is no Chromium here; install one, or name it in the environment's CHROMIUM")
}

// Pages are the addresses of everything that is open, in no order: what a link
// opened too.
func (b *Browser) Pages() ([]string, error) {
	targets, err := chromedp.Targets(b.ctx)
	var out []string
	for _, t := range targets {
		if t.Type == "page" {
			out = append(out, t.URL)
		}
	}
	return out, err
}

// View is how a page is looked at.
type View struct {
	Width, Height int // CSS pixels
	Touch         bool
	Dark          bool
	NoScript      bool
	Zone          string // IANA name; empty for the machine's
}

// Phone is a usual phone held upright.
func Phone() View { return View{Width: 390, Height: 844, Touch: true} }

// Desktop is a usual window.
func Desktop() View { return View{Width: 1280, Height: 900} }

// Narrow is the least width that WCAG 2.2 asks pages to fit in (1.4.10), which
// is 1280 at a zoom of 400 %.
func Narrow() View { return View{Width: 320, Height: 256} }

// Views are phone and desktop, each light and dark.
func Views() []View {
	return []View{Phone(), Phone().InDark(), Desktop(), Desktop().InDark()}
}

// InDark is v for who asked the system for dark.
func (v View) InDark() View { v.Dark = true; return v }

// WithoutScript is v with JavaScript switched off.
func (v View) WithoutScript() View { v.NoScript = true; return v }

// String names v, as a file may be named.
func (v View) String() string {
	name := fmt.Sprint(v.Width, "-light")
	if v.Dark {
		name = fmt.Sprint(v.Width, "-dark")
	}
	if v.NoScript {
		name += "-noscript"
	}
	return name
}

// Tab is one tab with cookies of its own: a device. Its methods may not be
// called at the same time.
type Tab struct {
	ctx  context.Context
	view View

	mu       sync.Mutex
	requests []Request
	trouble  []string
	open     map[network.RequestID]cdp.LoaderID // by the page that asked
	document string                             // method of the last request for a page
}

// Request is what a page asked for.
type Request struct{ Method, URL string }

// Tab opens a tab, and closes it with the test.
func (b *Browser) Tab(tb testing.TB, v View) *Tab {
	tb.Helper()
	return kept(tb)(b.tab(v))
}

// Another opens another tab of the same device: with the same cookies.
func (t *Tab) Another(tb testing.TB) *Tab {
	tb.Helper()
	return kept(tb)(newTab(t.ctx, t.view))
}

func kept(tb testing.TB) func(*Tab, func(), error) *Tab {
	return func(t *Tab, stop func(), err error) *Tab {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(stop)
		return t
	}
}

func (b *Browser) tab(v View) (*Tab, func(), error) {
	return newTab(b.ctx, v, chromedp.WithNewBrowserContext())
}

// newTab opens a tab of the device that parent belongs to, if no option says
// otherwise.
func newTab(parent context.Context, v View, options ...chromedp.ContextOption) (*Tab, func(), error) {
	t := &Tab{open: map[network.RequestID]cdp.LoaderID{}}
	ctx, stop := chromedp.NewContext(parent, append(options, chromedp.WithListener(t.hear))...)
	t.ctx = ctx
	err := chromedp.Do(ctx,
		command(network.Enable, network.EnableParams{}),
		command(log.Enable, cdp.Empty{}),
	)
	if err == nil {
		err = t.Look(context.Background(), v)
	}
	if err != nil {
		stop()
		return nil, nil, fmt.Errorf("open a tab: %w", err)
	}
	return t, stop, nil
}

// Look changes how the tab looks at pages, the one that is open included. Only
// whether scripts run holds from the next page on.
func (t *Tab) Look(ctx context.Context, v View) error {
	t.view = v
	scheme := "light"
	if v.Dark {
		scheme = "dark"
	}
	steps := []chromedp.Action[chromedp.Void]{
		command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: int64(v.Width), Height: int64(v.Height), DeviceScaleFactor: 1, Mobile: v.Touch}),
		command(emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: v.Touch}),
		command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}}),
		command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: v.NoScript}),
	}
	if v.Zone != "" {
		steps = append(steps, command(emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: v.Zone}))
	}
	return t.do(ctx, "look at pages as "+v.String(), steps...)
}

// command is a step that sends a command of the DevTools protocol.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

// hear runs on the goroutine that reads Chromium's messages, so it must not ask
// anything itself.
func (t *Tab) hear(event any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		t.open[e.RequestID] = e.LoaderID
		t.requests = append(t.requests, Request{e.Request.Method, e.Request.URL})
		if e.Type == network.ResourceTypeDocument {
			t.document = e.Request.Method
		}
	case *network.EventLoadingFinished:
		delete(t.open, e.RequestID)
	case *network.EventLoadingFailed:
		delete(t.open, e.RequestID)
	case *page.EventFrameNavigated:
		// What the page before still asked for, nobody tells the end of.
		if e.Frame.ParentID == "" {
			maps.DeleteFunc(t.open, func(_ network.RequestID, by cdp.LoaderID) bool { return by != e.Frame.LoaderID })
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			t.trouble = append(t.trouble, e.Entry.Text+" "+e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		t.trouble = append(t.trouble, e.ExceptionDetails.Text)
	case *page.EventJavascriptDialogOpening:
		go func() {
			// It may be gone by now.
			_ = chromedp.Do(t.ctx, command(page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true}))
		}()
	}
}

// Requests are all the tab asked for, in order.
func (t *Tab) Requests() []Request {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Request(nil), t.requests...)
}

// Trouble is what a developer would see in red: uncaught exceptions, what a
// content security policy blocked, answers that were errors.
func (t *Tab) Trouble() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.trouble...)
}

// do runs steps until ctx ends or patience is over.
func (t *Tab) do(ctx context.Context, what string, steps ...chromedp.Action[chromedp.Void]) error {
	_, err := ask(ctx, t, what, chromedp.Steps(steps...))
	return err
}

func ask[T any](ctx context.Context, t *Tab, what string, a chromedp.Action[T]) (T, error) {
	bounded, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	v, err := chromedp.Run(bounded, a)
	if err != nil {
		return v, fmt.Errorf("%s: %w", what, errors.Join(err, context.Cause(ctx)))
	}
	return v, nil
}

// Eval returns what a script of the test's, not of the page, comes to. No
// policy of the page stops it.
func Eval[T any](ctx context.Context, t *Tab, script string) (T, error) {
	return ask(ctx, t, "evaluate a script", chromedp.Evaluate[T](script))
}

// Open goes to a page and waits until it is loaded.
func (t *Tab) Open(ctx context.Context, url string) error {
	return t.do(ctx, "open a page", chromedp.Navigate(url))
}

// Reload does what its button does.
func (t *Tab) Reload(ctx context.Context) error { return t.do(ctx, "reload", chromedp.Reload()) }

// Back does what its button does. The page may come out of Chromium's memory as
// it was left, without a request.
func (t *Tab) Back(ctx context.Context) error {
	history, err := ask(ctx, t, "read the history", chromedp.NavigationEntries())
	if err != nil {
		return err
	}
	if history.CurrentIndex < 1 {
		return errors.New("there is no page to go back to")
	}
	to := history.Entries[history.CurrentIndex-1]
	if err := t.do(ctx, "go back", command(page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: to.ID})); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if err := t.Settle(ctx); err != nil {
			return err
		}
		// By its place: asked again, the page may lead on to another.
		now, err := ask(ctx, t, "read the history", chromedp.NavigationEntries())
		if err != nil {
			return err
		}
		if now.CurrentIndex == history.CurrentIndex-1 {
			return nil
		}
	}
	return errors.New("the page before does not come")
}

// Location is the page's address, with its fragment.
func (t *Tab) Location(ctx context.Context) (string, error) {
	return Eval[string](ctx, t, "location.href")
}

// Title is the page's.
func (t *Tab) Title(ctx context.Context) (string, error) {
	return Eval[string](ctx, t, "document.title")
}

// Text is what a reader sees of the whole page.
func (t *Tab) Text(ctx context.Context) (string, error) {
	return Eval[string](ctx, t, "document.body.innerText")
}

// WaitFor waits until what a CSS selector names can be seen.
func (t *Tab) WaitFor(ctx context.Context, selector string) error {
	return t.do(ctx, "wait for "+selector, chromedp.WaitVisible(chromedp.CSS(selector)))
}

// Type types into a field, after what stands there.
func (t *Tab) Type(ctx context.Context, selector, text string) error {
	return t.do(ctx, "type into "+selector, chromedp.SendKeys(chromedp.CSS(selector), text))
}

// Click presses what a selector names. Follow waits for the page it leads to.
func (t *Tab) Click(ctx context.Context, selector string) error {
	return t.do(ctx, "click "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// Follow presses what a selector names and waits until the page it leads to is
// loaded.
func (t *Tab) Follow(ctx context.Context, selector string) error {
	_, err := ask(ctx, t, "follow "+selector, func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector)))
		return chromedp.Void{}, err
	})
	return err
}

// ClickAt presses a point of the window, whatever is there: the only way into a
// frame of another origin.
func (t *Tab) ClickAt(ctx context.Context, x, y float64) error {
	return t.do(ctx, "click", chromedp.MouseClickXY(x, y))
}

// Press presses keys, one after the other, wherever the focus is: "\t" is Tab,
// "\r" Enter.
func (t *Tab) Press(ctx context.Context, keys string) error {
	// As a keyboard does it: a key that moved the focus by going down types
	// nothing into the field that has it then.
	raw := func(p *input.DispatchKeyEventParams) {
		if p.Type == input.DispatchKeyEventTypeKeyDown {
			p.Type = input.DispatchKeyEventTypeRawKeyDown
		}
	}
	return t.do(ctx, "press keys", chromedp.KeyEvent(keys, raw))
}

// Settle waits until nothing is loading any more for a moment.
func (t *Tab) Settle(ctx context.Context) error {
	const quiet, look = 150 * time.Millisecond, 15 * time.Millisecond
	deadline := time.Now().Add(patience)
	for still := time.Duration(0); still < quiet; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.ctx.Done():
			return context.Cause(t.ctx)
		case <-time.After(look):
		}
		if time.Now().After(deadline) {
			return errors.New("the page does not stop loading")
		}
		t.mu.Lock()
		loading := len(t.open) > 0
		t.mu.Unlock()
		if still += look; loading {
			still = 0
		}
	}
	return nil
}

// Shot writes a picture of the whole page into folder, named after the page and
// the view.
func (t *Tab) Shot(ctx context.Context, folder, name string) error {
	raw, err := ask(ctx, t, "take a picture", chromedp.FullScreenshot(100))
	if err != nil {
		return err
	}
	if raw, err = smaller(raw); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, name+"-"+t.view.String()+".png"), raw, 0o644)
}

// Overflow is by how many pixels the page is wider than the window, which makes
// people scroll in two directions.
func (t *Tab) Overflow(ctx context.Context) (int, error) {
	return Eval[int](ctx, t, "Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)")
}

// Stop is a place where the focus stops on its way through a page.
type Stop struct {
	Tag  string `json:"tag"`
	ID   string `json:"id"`
	Text string `json:"text"` // its name, as far as it is text, label or value
	Seen bool   `json:"seen"` // an outline or a shadow shows where the focus is
}

// String is for messages of tests.
func (s Stop) String() string { return strings.TrimSpace(s.Tag + " " + s.Text) }

// TabWalk presses Tab until the focus has left the page or comes to where it
// was before, at most limit times, and returns where it stopped.
func (t *Tab) TabWalk(ctx context.Context, limit int) ([]Stop, error) {
	const here = `(() => {
		const e = document.activeElement;
		if (!e || e === document.body || e === document.documentElement) return {tag: "", again: false};
		const again = e.hasAttribute("data-walked");
		e.setAttribute("data-walked", "");
		const s = getComputedStyle(e);
		const text = e.getAttribute("aria-label") || e.labels?.[0]?.innerText || e.innerText || e.value || e.title || "";
		return {tag: e.localName, id: e.id, text: text.trim().slice(0, 60), again,
			seen: s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0 || s.boxShadow !== "none"};
	})()`
	var stops []Stop
	for range limit {
		if err := t.Press(ctx, "\t"); err != nil {
			return stops, err
		}
		at, err := Eval[struct {
			Stop
			Again bool `json:"again"`
		}](ctx, t, here)
		if err != nil {
			return stops, err
		}
		if at.Tag == "" || at.Again {
			return stops, nil
		}
		stops = append(stops, at.Stop)
	}
	return stops, fmt.Errorf("the focus stopped at %d places and goes on", limit)
}
