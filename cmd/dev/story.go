package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// story tells what happens, one aligned line each: wall time, seconds since
// the webhook, words.
type story struct {
	out    io.Writer
	style  style
	opened time.Time // when the webhook was sent; zero before
}

// style is how a terminal is asked for emphasis; empty strings for a pipe.
type style struct{ bold, dim, reset string }

// styleFor respects https://no-color.org and leaves pipes alone.
func styleFor(out *os.File, getenv func(string) string) style {
	info, err := out.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 || getenv("NO_COLOR") != "" || getenv("TERM") == "dumb" {
		return style{}
	}
	return style{bold: "\x1b[1m", dim: "\x1b[2m", reset: "\x1b[0m"}
}

// tell prints what has happened; detail is put behind it, less loud.
func (s *story) tell(what, detail string) {
	since := ""
	if !s.opened.IsZero() {
		since = fmt.Sprintf("+%.1f s", time.Since(s.opened).Seconds())
	}
	line := fmt.Sprintf("%s  %8s  %s%s%s", time.Now().Format(time.TimeOnly), since, s.style.bold, what, s.style.reset)
	if detail != "" {
		line += s.style.dim + ": " + detail + s.style.reset
	}
	fmt.Fprintln(s.out, line)
}

// progress prints the parts of a start on one line as they come.
type progress struct {
	out   io.Writer
	parts int
	began time.Time
}

func newProgress(out io.Writer) *progress { return &progress{out: out, began: time.Now()} }

func (p *progress) part(name string) {
	if p.parts == 0 {
		fmt.Fprint(p.out, "Starting: ")
	} else {
		fmt.Fprint(p.out, ", ")
	}
	p.parts++
	fmt.Fprint(p.out, name)
}

func (p *progress) done() {
	fmt.Fprintf(p.out, "; ready after %.1f s\n\n", time.Since(p.began).Seconds())
}

// failed ends the line, so that an error starts one of its own.
func (p *progress) failed() {
	if p.parts > 0 {
		fmt.Fprintln(p.out)
	}
}

// table prints rows in columns.
func table(out io.Writer, rows [][]string) {
	var width []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell + strings.Repeat(" ", width[i]-len([]rune(cell))+2))
		}
		fmt.Fprintln(out, strings.TrimRight(line.String(), " "))
	}
}
