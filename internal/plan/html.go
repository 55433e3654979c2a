package plan

import (
	_ "embed" // the page
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

// Words is words, for the page.
func (r Result) Words() string { return r.words() }

// Who is who, for the page.
func (o Outcome) Who() string { return o.who() }

// Ways is ways, for the page.
func (o Outcome) Ways() string { return o.ways() }

// Remark says what is special about somebody who gets a pass.
func (o Outcome) Remark() string {
	switch {
	case o.Result == ResultApproval:
		return "needs approval by " + utc(o.DecideBy)
	case o.Late:
		return "after the start"
	}
	return ""
}

// Lateness is late, for the page.
func (v Wave) Lateness() string { return v.late() }

// Busy is busy, for the page.
func (b Budget) Busy() string { return b.busy() }

// sum is one number of the head.
type sum struct {
	Result Result
	Count  int
	Words  string
}

// group is a reason with its people.
type group struct {
	Reason
	People  []Outcome
	Details bool // somebody has one
}

// page is what page.html shows.
type page struct {
	*Plan
	Total       int
	Sums        []sum
	Groups      []group
	Given       []Outcome
	DayBars     bool
	DayChart    template.HTML
	BudgetChart template.HTML
}

// HTML writes the plan as one page that needs nothing else: no script, no font,
// no picture from elsewhere.
func HTML(w io.Writer, p *Plan) error {
	t, err := template.New("plan").Funcs(template.FuncMap{
		"utc":     utc,
		"seconds": func(t time.Time) string { return t.UTC().Format("15:04:05") },
		"percent": func(f float64) string { return fmt.Sprintf("%.0f%%", 100*f) },
	}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("plan: page: %w", err)
	}
	v := page{Plan: p, Total: len(p.People), Given: p.byIssue(), DayBars: len(p.Days) > 0, DayChart: dayChart(p.Days), BudgetChart: budgetChart(p.Budget)}
	for _, r := range Results() {
		if n := p.Counts[r]; n > 0 {
			v.Sums = append(v.Sums, sum{r, n, r.words()})
		}
	}
	for _, r := range p.Reasons {
		g := group{Reason: r}
		for _, o := range p.People {
			if o.Result == r.Result && o.Cause == r.Cause {
				g.People, g.Details = append(g.People, o), g.Details || o.Detail != ""
			}
		}
		v.Groups = append(v.Groups, g)
	}
	return t.Execute(w, v)
}

// The charts are drawn on a sheet of these measures.
const (
	sheetWide, sheetHigh = 900.0, 240.0
	left, bottom, top    = 44.0, 40.0, 14.0
)

// column is one bar: its height, a part of it, and what stands below.
type column struct {
	high, part float64
	label      string
}

// chart draws columns with a scale up to most, and lines across. It writes
// numbers and labels of ours, nothing that anybody said.
func chart(title, text string, columns []column, most float64, unit string, lines map[string]float64) template.HTML {
	var b strings.Builder
	plot := sheetHigh - bottom - top
	y := func(v float64) float64 { return top + plot*(1-min(v, most)/most) }
	fmt.Fprintf(&b, `<svg viewBox="0 0 %.0f %.0f" role="img" aria-labelledby="%[3]s-t %[3]s-d"><title id="%[3]s-t">%s</title><desc id="%[3]s-d">%s</desc>`,
		sheetWide, sheetHigh, strings.ReplaceAll(strings.ToLower(title), " ", "-"), title, template.HTMLEscapeString(text))
	for i := range 5 {
		v := most * float64(i) / 4
		fmt.Fprintf(&b, `<line class="axis" x1="%.0f" x2="%.0f" y1="%.1f" y2="%.1f"/><text x="%.0f" y="%.1f" text-anchor="end">%s</text>`,
			left, sheetWide, y(v), y(v), left-6, y(v)+4, fmt.Sprintf("%.0f", v)+unit)
	}
	wide := (sheetWide - left) / float64(max(len(columns), 1))
	every := max(1, int(math.Ceil(float64(len(columns))*92/(sheetWide-left))))
	for i, c := range columns {
		x, bar := left+wide*float64(i), min(wide*0.8, 48)
		x += (wide - bar) / 2
		if c.high > 0 {
			height := y(0) - y(c.high)
			trouble := height * c.part / c.high
			if rest := height - trouble; rest > 0 {
				gap := 0.0
				if trouble > 0 && rest > 3 {
					gap = 2
				}
				fmt.Fprintf(&b, `<rect class="bars" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, x, y(c.high), bar, max(rest-gap, 1))
			}
			if trouble > 0 {
				fmt.Fprintf(&b, `<rect class="trouble" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, x, y(0)-trouble, bar, max(trouble, 1))
			}
			if c.high > most {
				fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="middle">%.0f%s</text>`, x+bar/2, top-3, c.high, unit)
			}
		}
		if i%every == 0 {
			fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, min(max(x+bar/2, left+40), sheetWide-40), sheetHigh-bottom+18, c.label)
		}
	}
	for class, v := range lines {
		if v <= most {
			fmt.Fprintf(&b, `<line class="%s" x1="%.0f" x2="%.0f" y1="%.1f" y2="%.1f"/>`, class, left, sheetWide, y(v), y(v))
		}
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // numbers, and labels that are made here
}

func dayChart(days []Day) template.HTML {
	var columns []column
	most, starts, trouble := 1.0, 0, 0
	for _, d := range days {
		columns = append(columns, column{float64(d.Starts), float64(d.Trouble), d.Date})
		most = max(most, float64(d.Starts))
		starts, trouble = starts+d.Starts, trouble+d.Trouble
	}
	return chart("Starts by day", fmt.Sprintf("%d starts on %d days, %d of them in trouble; at most %.0f on one day.", starts, len(days), trouble, most),
		columns, math.Ceil(most/4)*4, "", nil)
}

// chartedHours bounds the columns of the budget's chart.
const chartedHours = 120

// budgetChart draws the busiest window of each hour in which anything comes due.
func budgetChart(b Budget) template.HTML {
	var columns []column
	most := 1.0
	for _, w := range b.Windows {
		label := w.At.UTC().Truncate(time.Hour).Format("01-02 15:04")
		if n := len(columns); n == 0 || columns[n-1].label != label {
			columns = append(columns, column{label: label})
		}
		c := &columns[len(columns)-1]
		c.high = max(c.high, 100*w.share())
		most = max(most, c.high)
	}
	if n := len(columns); n > chartedHours {
		columns = slices.Clone(columns[:chartedHours])
	}
	scale := 100.0 // so that what is allowed is always in sight
	if most > scale {
		scale = 200
	}
	return chart("Graph budget", fmt.Sprintf("%d hours in which something comes due; at most %.0f per cent of the budget in one window.", len(columns), most),
		columns, scale, "%", map[string]float64{"limit": 100, "share": 100 * b.Share})
}
