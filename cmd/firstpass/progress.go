package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// gauge tells whoever waits how far something is that takes minutes: on a
// terminal by a line that is written over, else by a line now and then.
type gauge struct {
	out  io.Writer
	live bool // out is a terminal
	what string
	now  func() time.Time

	began, shown time.Time
}

// How often a gauge tells.
const (
	gaugeLive  = 100 * time.Millisecond
	gaugePlain = 10 * time.Second
)

func (e *environment) gauge(what string) *gauge {
	g := &gauge{out: e.term.err, live: isTerminal(e.term.err), what: what, now: time.Now}
	g.began = g.now()
	g.shown = g.began
	return g
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// at takes note that done of total are done; a total of 0 is not known.
func (g *gauge) at(done, total int) {
	every := gaugePlain
	if g.live {
		every = gaugeLive
	}
	if now := g.now(); now.Sub(g.shown) >= every {
		g.shown = now
		g.show(done, total)
	}
}

// end leaves the terminal at the beginning of an empty line.
func (g *gauge) end() {
	if g.live {
		fmt.Fprint(g.out, "\r\x1b[K")
	}
}

// width is how many characters the bar has.
const width = 30

func (g *gauge) show(done, total int) {
	line := fmt.Sprintf("%s %d", g.what, done)
	if total > 0 {
		line = fmt.Sprintf("%s %d of %d, %d%%", g.what, done, total, 100*done/total)
		if spent := g.now().Sub(g.began); done > 0 && done < total {
			left := time.Duration(float64(spent) / float64(done) * float64(total-done))
			line += ", " + left.Round(time.Second).String() + " left"
		}
	}
	if !g.live {
		fmt.Fprintln(g.out, line)
		return
	}
	if total > 0 {
		full := min(width, width*done/total)
		line = "[" + strings.Repeat("=", full) + strings.Repeat(" ", width-full) + "] " + line
	}
	fmt.Fprint(g.out, "\r\x1b[K"+line)
}
