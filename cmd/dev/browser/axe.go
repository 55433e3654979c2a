package browser

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// axe-core 4.14.1, as its npm package has it. Mozilla Public License 2.0: see
// axe/LICENSE and axe/LICENSE-3RD-PARTY.txt.
//
//go:embed axe/axe.min.js
var axeCore string

// Violation is a rule of accessibility that a page breaks.
type Violation struct {
	Rule   string `json:"id"`
	Impact string `json:"impact"`
	Help   string `json:"help"`
	Nodes  []struct {
		HTML string `json:"html"`
		Why  string `json:"failureSummary"`
	} `json:"nodes"`
}

// String tells what is wrong and where.
func (v Violation) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s (%s): %s", v.Rule, v.Impact, v.Help)
	for _, n := range v.Nodes {
		fmt.Fprintf(&out, "\n  %s\n    %s", n.HTML, strings.ReplaceAll(n.Why, "\n", "\n    "))
	}
	return out.String()
}

// Axe checks the page as it stands against WCAG 2.2, levels A and AA, and
// axe-core's best practices. It does not look into frames.
func (t *Tab) Axe(ctx context.Context) ([]Violation, error) {
	if t.view.NoScript {
		// Scripts that the page did not run so far, it does not run now.
		if err := t.script(ctx, true); err != nil {
			return nil, err
		}
		defer func() { _ = t.script(ctx, false) }() // the next step would say it too
	}
	if err := t.do(ctx, "load axe-core", void(chromedp.Evaluate[bool](axeCore+";true"))); err != nil {
		return nil, err
	}
	const run = `axe.run(document, {
		iframes: false,
		resultTypes: ["violations"],
		runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"],
		rules: {"target-size": {enabled: true}},
	}).then(r => JSON.stringify(r.violations))`
	raw, err := ask(ctx, t, "run axe-core", chromedp.Evaluate[string](run, chromedp.EvalAwaitPromise))
	if err != nil {
		return nil, err
	}
	var out []Violation
	if err := json.Unmarshal([]byte(raw), &out); err != nil {
		return nil, fmt.Errorf("axe-core's answer: %w", err)
	}
	return out, nil
}

func (t *Tab) script(ctx context.Context, on bool) error {
	return t.do(ctx, "switch scripts", command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on}))
}

// void is a step whose value nobody wants.
func void[T any](a chromedp.Action[T]) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := a(ctx, t)
		return err
	})
}
