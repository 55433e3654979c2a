package main

import (
	"bytes"
	"testing"
	"time"
)

func TestGauge(t *testing.T) {
	type at struct {
		after       time.Duration
		done, total int
	}
	for _, c := range []struct {
		name string
		live bool
		at   []at
		want string
	}{
		{"a pipe gets a line every ten seconds", false,
			[]at{{time.Second, 10, 100}, {9 * time.Second, 50, 100}, {time.Second, 60, 100}, {10 * time.Second, 100, 100}},
			"read 50 of 100, 50%, 10s left\nread 100 of 100, 100%\n"},
		{"a terminal gets one line that is written over", true,
			[]at{{time.Second, 10, 100}, {time.Millisecond, 11, 100}, {time.Second, 100, 100}},
			"\r\x1b[K[===                           ] read 10 of 100, 10%, 9s left" +
				"\r\x1b[K[==============================] read 100 of 100, 100%\r\x1b[K"},
		{"without a total there is no bar", true, []at{{time.Second, 10, 0}}, "\r\x1b[Kread 10\r\x1b[K"},
		{"nothing done yet", false, []at{{10 * time.Second, 0, 100}}, "read 0 of 100, 0%\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			now := time.Date(2026, 3, 2, 7, 0, 0, 0, time.UTC)
			g := &gauge{out: &out, live: c.live, what: "read", now: func() time.Time { return now }, began: now, shown: now}
			for _, a := range c.at {
				now = now.Add(a.after)
				g.at(a.done, a.total)
			}
			g.end()
			if out.String() != c.want {
				t.Errorf("got  %q\nwant %q", out.String(), c.want)
			}
		})
	}
}
