package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/ops/api"
)

type boardCmd struct {
	Days int  `help:"How many days ahead it looks." default:"14" placeholder:"N"`
	Once bool `help:"Print it once, as without a terminal."`
}

// outlook is what the board shows.
type outlook struct {
	Summary  api.Summary     `json:"summary"`
	Journeys api.JourneyPage `json:"journeys"`
	// fault says why it is not as of now.
	fault string
}

// onBoard is how many journeys are asked for. They come in the order in which
// the board shows them, and no screen has more lines.
const onBoard = 500

// Run implements the command.
func (b *boardCmd) Run(ctx context.Context, env *environment) error {
	return env.api(ctx, "", func(c *api.ClientWithResponses) error {
		page, tag, err := listing(ctx, c, api.ListJourneysParams{}, onBoard)
		if err != nil {
			return err
		}
		sum, err := c.GetSummaryWithResponse(ctx)
		if err != nil {
			return err
		}
		o := outlook{Summary: *sum.JSON200, Journeys: *page}
		if t, ok := env.screen(ctx); ok && !b.Once && !env.json {
			defer t.close()
			return b.live(ctx, c, t, o, tag)
		}
		if err := env.stale(page.Board); err != nil {
			return err
		}
		return env.print(o, func(w io.Writer) {
			_, _ = io.WriteString(w, strings.Join(b.draw(o, time.Now(), 0, 0, false), "\n")+"\n")
		})
	})
}

// screen is a terminal that is drawn anew.
type screen struct {
	in      io.Reader
	out     io.Writer
	size    func() (width, height int)
	resized <-chan os.Signal
	colour  bool
	close   func()
}

// screen returns the terminal, if there is one; keys come as they are pressed.
// stty does what the standard library has no call for. Where there is none, q
// wants Enter.
func (e *environment) screen(ctx context.Context) (screen, bool) {
	in, isFile := e.term.in.(*os.File)
	if !isFile || !isTerminal(e.term.out) || !isTerminal(in) || e.getenv("TERM") == "dumb" {
		return screen{}, false
	}
	stty := func(args ...string) (string, error) {
		cmd := exec.CommandContext(context.WithoutCancel(ctx), "stty", args...)
		cmd.Stdin = in
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err
	}
	before, err := stty("-g")
	if err == nil {
		_, err = stty("-icanon", "-echo", "min", "1")
	}
	resized, stop := resizes()
	fmt.Fprint(e.term.out, "\x1b[?1049h\x1b[?25l") // a screen of our own, no cursor
	return screen{
		in: in, out: e.term.out, resized: resized, colour: e.getenv("NO_COLOR") == "",
		size: func() (width, height int) {
			said, _ := stty("size")
			if _, err := fmt.Sscanf(said, "%d %d", &height, &width); err != nil || width < 1 || height < 1 {
				return 80, 24
			}
			return width, height
		},
		close: func() {
			stop()
			fmt.Fprint(e.term.out, "\x1b[?25h\x1b[?1049l")
			if err == nil {
				_, _ = stty(before)
			}
		},
	}, true
}

// How often the board is drawn although nothing has changed: times to the start
// run on, and feeds fall silent.
const drawEvery = 15 * time.Second

// live draws the board until somebody presses q or ctx ends.
func (b *boardCmd) live(ctx context.Context, c *api.ClientWithResponses, t screen, o outlook, tag string) error {
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	go func() {
		for key := make([]byte, 1); ; {
			if _, err := t.in.Read(key); err != nil || key[0] == 'q' || key[0] == 'Q' {
				quit()
				return
			}
		}
	}()
	fresh := make(chan outlook)
	go follow(ctx, c, tag, fresh)
	tick := time.NewTicker(drawEvery)
	defer tick.Stop()
	for {
		width, height := t.size()
		lines := b.draw(o, time.Now(), width, height, t.colour)
		// One write: half a screen flickers.
		_, _ = io.WriteString(t.out, "\x1b[H"+strings.Join(lines, "\x1b[K\r\n")+"\x1b[K\x1b[J")
		select {
		case <-ctx.Done():
			return nil
		case now := <-fresh:
			if now.fault != "" {
				o.fault = now.fault
			} else {
				o = now
			}
		case <-t.resized:
		case <-tick.C:
			if sum, err := c.GetSummaryWithResponse(ctx); err == nil {
				o.Summary = *sum.JSON200
			}
		}
	}
}

// follow sends what is new, or why it is not known, until ctx ends.
func follow(ctx context.Context, c *api.ClientWithResponses, tag string, fresh chan<- outlook) {
	wait := newsWithin
	for ctx.Err() == nil {
		page, newer, err := listing(ctx, c, api.ListJourneysParams{Wait: &wait, IfNoneMatch: &tag}, onBoard)
		var o outlook
		switch {
		case err != nil:
			o.fault = err.Error()
		case page == nil:
			continue
		default:
			sum, err := c.GetSummaryWithResponse(ctx)
			if err != nil {
				o.fault = err.Error()
				break
			}
			o, tag = outlook{Summary: *sum.JSON200, Journeys: *page}, newer
		}
		select {
		case fresh <- o:
		case <-ctx.Done():
			return
		}
		if o.fault != "" {
			pause(ctx, newsAgain)
		}
	}
}

// paint wraps words in a colour. What it says is said in words too.
type paint func(colour, s string) string

const (
	red    = "31"
	yellow = "33"
	bold   = "1"
)

// draw returns the lines of the board; width and height of 0 are without end.
func (b *boardCmd) draw(o outlook, now time.Time, width, height int, colour bool) []string {
	p := paint(func(_, s string) string { return s })
	if colour {
		p = func(colour, s string) string { return "\x1b[" + colour + "m" + s + "\x1b[0m" }
	}
	var out []string
	line := func(colour, s string) {
		if s = cut(s, width); colour != "" {
			s = p(colour, s)
		}
		out = append(out, s)
	}
	b.head(o, now, line)
	rows := o.Journeys.Items
	needs := slices.DeleteFunc(slices.Clone(rows), func(r api.JourneyRow) bool { return !r.NeedsAction })
	blocked := slices.DeleteFunc(slices.Clone(rows), func(r api.JourneyRow) bool { return r.NeedsAction || r.Stage != jml.StageBlocked })
	rest := slices.DeleteFunc(slices.Clone(rows), func(r api.JourneyRow) bool { return r.NeedsAction || r.Stage == jml.StageBlocked })
	room := func(share int) int { // lines for a section, its head and what is left out included
		if height == 0 {
			return onBoard
		}
		return max(2, (height-len(out)-1)/share)
	}
	section(line, "NEEDS SOMEBODY", red, needs, room(2), func(r api.JourneyRow) string { return "! " + rowWords(r) + "  " + nextStep(r) })
	section(line, "BLOCKED, goes on by itself", yellow, blocked, room(3), func(r api.JourneyRow) string { return "x " + rowWords(r) + "  " + nextStep(r) })
	b.days(rest, now, room(1), line)
	if height > 0 {
		if len(out) > height-1 {
			out = out[:height-1]
		}
		for len(out) < height-1 {
			out = append(out, "")
		}
		out = append(out, cut("q quits. firstpass show REF tells more.", width))
	}
	return out
}

// head tells the counts.
func (b *boardCmd) head(o outlook, now time.Time, line func(colour, s string)) {
	s := o.Summary
	line(bold, "Firstpass, "+now.UTC().Format("Mon 2 Jan 2006 15:04 UTC"))
	if s.Halt.On {
		line(red, haltWords(s.Halt))
	}
	if fault := cmp.Or(o.fault, o.Journeys.Board.Fault); fault != "" {
		line(red, "as of "+stamp(o.Journeys.Board.Read)+": "+fault)
	}
	line("", fmt.Sprintf("%d journeys: %d need somebody, %d blocked, %d with a live pass, %d lost", s.Board.Rows, s.NeedsAction, s.Stages[string(jml.StageBlocked)], s.LivePasses, s.Lost))
	line("", fmt.Sprintf("start within 24 h: %d, %d ready, %d at risk; within 7 days: %d, %d ready, %d at risk", s.Day.Total, s.Day.Ready, s.Day.AtRisk, s.Week.Total, s.Week.Ready, s.Week.AtRisk))
	feeds := fmt.Sprintf("%d feeds", s.Feeds)
	if len(s.TroubledFeeds) > 0 {
		feeds += ", in trouble: " + strings.Join(s.TroubledFeeds, " ")
	}
	if len(s.PausedFeeds) > 0 {
		feeds += ", paused: " + strings.Join(s.PausedFeeds, " ")
	}
	line("", fmt.Sprintf("%s; %d records in quarantine, %d held changes", feeds, s.Quarantined, s.HeldChanges))
	for _, gap := range s.Gaps {
		line(yellow, "not known: "+gap)
	}
}

func section(line func(colour, s string), title, colour string, rows []api.JourneyRow, room int, words func(api.JourneyRow) string) {
	if len(rows) == 0 {
		return
	}
	line("", "")
	line(bold, fmt.Sprintf("%s (%d)", title, len(rows)))
	shown := min(len(rows), max(room-3, 1))
	for _, r := range rows[:shown] {
		line(colour, words(r))
	}
	if shown < len(rows) {
		line("", fmt.Sprintf("  and %d more: firstpass list", len(rows)-shown))
	}
}

// days tells who starts when.
func (b *boardCmd) days(rows []api.JourneyRow, now time.Time, room int, line func(colour, s string)) {
	end := now.Add(time.Duration(b.Days) * 24 * time.Hour)
	used, left, day := 0, 0, ""
	for _, r := range rows {
		if r.Starts.IsZero() && r.PassID == "" || r.Starts.After(end) {
			continue
		}
		if used+3 > room {
			left++
			continue
		}
		at := "without a start"
		if !r.Starts.IsZero() {
			at = r.Starts.UTC().Format("Mon 2 Jan 2006")
		}
		if at != day {
			day = at
			line("", "")
			line(bold, day)
			used += 2
		}
		line("", "  "+rowWords(r))
		used++
	}
	if left > 0 {
		line("", fmt.Sprintf("  and %d more: firstpass list --until %dd", left, b.Days))
	}
}

// rowWords is a journey in one line.
func rowWords(r api.JourneyRow) string {
	start := "     "
	if !r.Starts.IsZero() {
		start = r.Starts.UTC().Format("02.01. 15:04")
	}
	words := fmt.Sprintf("%-12s  %-10s  %-8s  %s", start, stageOf(r), r.Kind, r.Ref)
	if r.Site != "" {
		words += "  " + r.Site
	}
	if r.Channel != "" {
		words += "  by " + r.Channel
	}
	if !r.Expires.IsZero() {
		words += "  pass until " + r.Expires.UTC().Format("02.01. 15:04")
	}
	if r.Reason != "" {
		words += "  " + string(r.Reason)
	}
	return words
}

// nextStep is what to do about a journey that does not go on.
func nextStep(r api.JourneyRow) string {
	switch {
	case r.Reason != "":
		return jml.Blocked(r.Reason, "").Advice
	case r.Stage == jml.StageApproval:
		return "Approve or refuse it."
	case r.Lost:
		return "Look in Entra whether its pass is live."
	}
	return ""
}

// cut makes s fit into width characters, 0 for any, without what a terminal
// would obey.
func cut(s string, width int) string {
	s = plain(s)
	if width <= 0 || utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}
