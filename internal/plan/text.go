package plan

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// listedAtMost bounds the people that are listed for each cause and day; JSON
// and the page have all.
const listedAtMost = 20

// words says what a result means.
func (r Result) words() string {
	switch r {
	case ResultBlocked:
		return "will get no pass"
	case ResultUnknown:
		return "could not be looked at"
	case ResultHeld:
		return "held, until somebody decides"
	case ResultApproval:
		return "will get a pass, once somebody approves"
	case ResultIssue:
		return "will get a pass"
	case ResultPass:
		return "have a pass under way"
	}
	return "need none"
}

// who names an outcome, as far as it may be named.
func (o Outcome) who() string {
	var parts []string
	for _, s := range []string{o.Name, o.EmployeeID, o.Where, o.Ref} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ", ")
}

// ways lists the routes of an outcome.
func (o Outcome) ways() string {
	var parts []string
	for _, r := range o.Routes {
		parts = append(parts, fmt.Sprintf("%s by %s to %s", r.Message, r.Channel, words(string(r.Recipient))))
	}
	return strings.Join(parts, "; ")
}

func words(s string) string { return strings.ReplaceAll(s, "_", " ") }

const clock = "2006-01-02 15:04"

func utc(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(clock)
}

// Text writes the plan for people: the sum first, then what somebody has to do
// something about, then the rest by day.
func Text(w io.Writer, p *Plan) {
	fmt.Fprintf(w, "%d people, looked at %s UTC\n", len(p.People), utc(p.At))
	for _, r := range Results() {
		if n := p.Counts[r]; n > 0 {
			fmt.Fprintf(w, "%7d  %s\n", n, r.words())
		}
	}
	for _, n := range p.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	for _, r := range p.Reasons {
		fmt.Fprintf(w, "\n%s: %d %s\n  %s\n", r.Cause, r.Count, r.Result.words(), r.Advice)
		shown := 0
		for _, o := range p.People {
			if o.Cause != r.Cause || o.Result != r.Result {
				continue
			}
			if shown++; shown > listedAtMost {
				continue
			}
			line := "  " + o.who()
			if o.StartLocal != "" {
				line += ", starts " + o.StartLocal
			}
			if o.Detail != "" {
				line += ": " + o.Detail
			}
			fmt.Fprintln(w, line)
		}
		if more := shown - listedAtMost; more > 0 {
			fmt.Fprintf(w, "  and %d more; --json and --html list all\n", more)
		}
	}
	textDays(w, p)
	textBudget(w, p.Budget)
	fmt.Fprintf(w, "\nread: %d requests to Graph in %d exchanges, %.1f s; one person at a time would take %d requests\n",
		p.Reading.Requests, p.Reading.Exchanges, p.Reading.Seconds, p.Reading.Alone)
}

// textDays lists who gets something, by the day on which it goes out.
func textDays(w io.Writer, p *Plan) {
	day, shown := "", 0
	var tw *tabwriter.Writer
	flush := func() {
		if tw == nil {
			return
		}
		_ = tw.Flush()
		if more := shown - listedAtMost; more > 0 {
			fmt.Fprintf(w, "  and %d more\n", more)
		}
	}
	for _, o := range p.byIssue() {
		if d := o.IssueAt.UTC().Format(time.DateOnly); d != day {
			flush()
			day, shown = d, 0
			fmt.Fprintf(w, "\n%s (UTC)\n", d)
			tw = tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
			fmt.Fprintln(tw, "  UTC\tLOCAL\tWHO\tPROFILE\tBY\tVALID UNTIL (UTC)\t")
		}
		if shown++; shown > listedAtMost {
			continue
		}
		mark := ""
		if o.Result == ResultApproval {
			mark = "needs approval by " + utc(o.DecideBy)
		} else if o.Late {
			mark = "after the start"
		}
		fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\n", o.IssueAt.UTC().Format("15:04"), o.IssueLocal, o.who(), o.Profile, o.ways(), utc(o.Until), mark)
	}
	flush()
}

// byIssue returns who gets something, in the order in which it goes out.
func (p *Plan) byIssue() []Outcome {
	var out []Outcome
	for _, o := range p.People {
		if o.Result == ResultIssue || o.Result == ResultApproval {
			out = append(out, o)
		}
	}
	sortByIssue(out)
	return out
}

func textBudget(w io.Writer, b Budget) {
	if b.Busiest == nil {
		return
	}
	fmt.Fprintf(w, "\nGraph: %d requests and %d writes in all; the limits are %d units in 10 s and %d writes in 150 s\n", b.Total.Requests, b.Total.Writes, b.UnitsLimit, b.WritesLimit)
	fmt.Fprintf(w, "busiest: %s UTC, %s\n", utc(b.Busiest.At), b.busy())
	if len(b.Waves) > 0 {
		fmt.Fprintf(w, "earliest safe waves, at %.0f%% of the budget:\n", 100*b.Share)
		tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
		fmt.Fprintln(tw, "  DUE (UTC)\tPEOPLE\tFROM\tDONE BY\t")
		for i, v := range b.Waves {
			if i == listedAtMost {
				fmt.Fprintf(tw, "  and %d more\t\t\t\t\n", len(b.Waves)-listedAtMost)
				break
			}
			fmt.Fprintf(tw, "  %s\t%d\t%s\t%s\t%s\n", utc(v.Due), v.People, v.From.UTC().Format(time.TimeOnly), v.Done.UTC().Format(time.TimeOnly), v.late())
		}
		_ = tw.Flush()
	}
	for _, a := range b.Advice {
		fmt.Fprintf(w, "it does not fit: %s\n", a)
	}
}

func (v Wave) late() string {
	if v.Late == 0 {
		return ""
	}
	return fmt.Sprintf("%d after their start", v.Late)
}

// busy says in words what the busiest window means.
func (b Budget) busy() string {
	var who []string
	if n := b.Busiest.People; n > 0 {
		who = append(who, fmt.Sprintf("%d people come due", n))
	}
	if n := b.Busiest.Collecting; n > 0 {
		who = append(who, fmt.Sprintf("%d come for their pass, if all do at their start", n))
	}
	s := strings.Join(who, " and ") + "; " + fmt.Sprintf("%.0f%% of the units of 10 s, %.0f%% of the writes of 150 s", 100*b.Busiest.UnitShare, 100*b.Busiest.WriteShare)
	if b.Clears > window.Seconds() {
		return s + fmt.Sprintf("; the queue is through after %s", (time.Duration(b.Clears)*time.Second).String())
	}
	return s + "; no queue"
}
