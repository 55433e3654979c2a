package jml

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// TestTransitions drives journeys through worlds of chance until each change of
// stage that the table has was seen, and demands that no other was.
func TestTransitions(t *testing.T) {
	const most = 100_000
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			missing := map[[2]Stage]bool{}
			table := map[[2]Stage]bool{}
			for _, c := range Transitions(kind) {
				if c.On == "" {
					t.Errorf("%s to %s: say what brings it about", c.From, c.To)
				}
				table[[2]Stage{c.From, c.To}], missing[[2]Stage{c.From, c.To}] = true, true
			}
			random := rand.New(rand.NewPCG(5, 26))
			runs := 0
			for ; runs < most && (len(missing) > 0 || runs < 5000); runs++ {
				w := newWorld(kind, random.IntN)
				if w.one(4) {
					w.midway()
				} else {
					w.changes[[2]Stage{"", w.stage}]++
				}
				for on := true; on; {
					var err error
					if on, err = w.step(); err != nil {
						t.Fatalf("%v\n%s", err, strings.Join(w.trace, "\n"))
					}
				}
				for c := range w.changes {
					delete(missing, c)
					if !table[c] {
						t.Fatalf("%s to %s is not in the table:\n%s", c[0], c[1], strings.Join(w.trace, "\n"))
					}
				}
			}
			for c := range missing {
				t.Errorf("%s to %s never happens", c[0], c[1])
			}
			t.Logf("%d journeys", runs)
		})
	}
}

// midway puts w where few journeys get to by chance: a pass has just reached what
// was wanted, and more is wanted now; or one is out while an approver, who is no
// longer needed, has yet to answer.
func (w *world) midway() {
	s := &w.s
	w.events, w.stage = 3+w.pick(9), StagePass
	s.Now = s.Start()
	if !s.Profile.Chosen() {
		s.Profile = w.profile(s.Kind)
	}
	if s.Kind == KindStaging {
		s.Approval = Approval{AskedAt: s.Now, Until: s.Request.Until, Decided: s.Now, Approved: true}
	} else if w.one(2) {
		s.Profile.Approve, s.Profile.Late = false, LateNow
		s.Approval = Approval{AskedAt: s.Now, Until: s.AskUntil()}
	}
	s.Pass = &RunningPass{UserID: "u", Start: s.Start(), Match: s.Facts.UserMatch(), Require: s.Profile.Requirement()}
	if w.until = s.Deadline(); w.one(2) {
		w.ended([]PassEnd{EndRegistered, EndAlready}[w.pick(2)])
		s.Profile.Devices, s.Profile.Approve = 2, w.one(2)
	}
}

// TestJourneysDoc keeps the generated parts of docs/journeys.md as the code is.
func TestJourneysDoc(t *testing.T) {
	const path = "../../docs/journeys.md"
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	doc := string(raw)
	for _, kind := range Kinds() {
		doc = fill(t, doc, "diagram: "+string(kind), diagram(kind))
		doc = fill(t, doc, "lives: "+string(kind), table(kind))
	}
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" { // declared in countries_test.go
		if err := os.WriteFile(path, []byte(doc), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if doc != string(raw) {
		t.Errorf("%s is not what the code does: go test ./internal/jml -run JourneysDoc -update", path)
	}
}

// fill returns doc with text between the markers of name.
func fill(t *testing.T, doc, name, text string) string {
	t.Helper()
	open, end := "<!-- "+name+" -->\n", "<!-- end -->"
	before, rest, ok := strings.Cut(doc, open)
	if !ok {
		t.Fatalf("docs/journeys.md has no %q", open)
	}
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatalf("%q has no end", open)
	}
	return before + open + text + end + after
}

// diagram draws the transitions of a kind. Where all open stages lead to an
// outcome by the same cause, there is one arrow for all.
func diagram(kind Kind) string {
	var b strings.Builder
	b.WriteString("```mermaid\nstateDiagram-v2\n")
	all := Transitions(kind)
	for _, c := range all {
		if c.From == "" {
			fmt.Fprintf(&b, "    [*] --> open : %s\n", label(c.On))
		}
	}
	b.WriteString("    state open {\n        [*] --> scheduled\n")
	type cause struct {
		to Stage
		on string
	}
	drawn := map[cause]bool{}
	var outside []string
	for _, c := range all {
		switch {
		case c.From == "":
		case !c.To.Closed():
			fmt.Fprintf(&b, "        %s --> %s : %s\n", c.From, c.To, label(c.On))
		case !drawn[cause{c.To, c.On}]:
			drawn[cause{c.To, c.On}] = true
			var from []string
			for _, o := range all {
				if o.To == c.To && o.On == c.On {
					from = append(from, string(o.From))
				}
			}
			if len(from) >= 3 {
				from = []string{"open"}
			}
			for _, f := range from {
				outside = append(outside, fmt.Sprintf("    %s --> %s : %s\n", f, c.To, label(c.On)))
			}
		}
	}
	b.WriteString("    }\n" + strings.Join(outside, ""))
	for _, o := range Outcomes() {
		if strings.Contains(strings.Join(outside, ""), "--> "+string(o)+" ") {
			fmt.Fprintf(&b, "    %s --> [*]\n", o)
		}
	}
	b.WriteString("```\n")
	return b.String()
}

// label is what mermaid takes in an arrow's text: it reads colons and semicolons
// as its own.
func label(on string) string {
	return strings.NewReplacer(": ", " - ", ";", ",").Replace(on)
}

// table tells the lives of a kind, moment by moment.
func table(kind Kind) string {
	var b strings.Builder
	b.WriteString("| | " + strings.Join(moments(), " | ") + " |\n|---" + strings.Repeat("|---", len(moments())) + "|\n")
	for _, l := range lives() {
		if l.kind != kind {
			continue
		}
		b.WriteString("| **" + l.name + "** |")
		for m := range moments() {
			b.WriteString(" " + inWords(l.story(moment(m))) + " |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// inWords tells a story to people.
func inWords(plans []Plan) string {
	var out []string
	for i, p := range plans {
		switch p.Step {
		case StepWait:
			words := map[Stage]string{StageScheduled: "waits", StageApproval: "waits for a yes", StageBlocked: "stands still"}[p.Stage]
			if p.Block != nil {
				words += ": `" + string(p.Block.Reason) + "`"
			}
			out = append(out, words)
		case StepAsk:
			out = append(out, "asks for approval")
		case StepRemove:
			out = append(out, "removes methods")
		case StepIssue:
			if i > 1 && plans[0].Step != StepPreflight {
				out = append(out, "makes another pass")
			} else {
				out = append(out, "makes a pass")
			}
		case StepKeep:
			if i == len(plans)-1 {
				out = append(out, "the pass stays")
			}
		case StepRequire:
			out = append(out, "tells the pass what completes it now")
		case StepWithdraw:
			out = append(out, "revokes the pass")
		case StepTell:
			out = append(out, map[Message]string{MessageMoved: "tells the employee", MessageMissed: "tells manager or HR", MessageAlert: "alerts"}[p.Message])
		case StepClose:
			out = append(out, "**"+string(p.Stage)+"**")
		case StepRest:
			out = append(out, "stays as it ended")
		case StepReopen:
			out = append(out, "begins anew")
		}
	}
	return strings.Join(out, ", ")
}
