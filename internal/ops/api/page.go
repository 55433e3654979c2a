package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/ops/board"
)

// defaultLimit is what the description says of limit.
const defaultLimit = 200

func limit(given *int) int {
	if given == nil {
		return defaultLimit
	}
	return *given
}

// cursor is where a page of the board ended: the last journey on it, and how
// many there were up to it, for when that one is gone.
type cursor struct {
	ID string `json:"id"`
	At int    `json:"at"`
}

func (c cursor) String() string {
	raw, err := json.Marshal(c)
	if err != nil {
		return "" // a string and a number always marshal
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// parseCursor reads what a page gave; empty is the beginning.
func parseCursor(s string) (cursor, error) {
	var c cursor
	if s == "" {
		return c, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil || c.ID == "" || c.At < 1 {
		return c, unfit(wrong{"query.cursor", "it is none that a page gave"})
	}
	return c, nil
}

// pageOf cuts the page after c out of rows.
func pageOf(rows []board.Row, state board.State, c cursor, limit int) JourneyPage {
	from := 0
	if c.ID != "" {
		from = min(c.At, len(rows))
		if i := slices.IndexFunc(rows, func(r board.Row) bool { return r.WorkflowID == c.ID }); i >= 0 {
			from = i + 1
		}
	}
	to := min(from+limit, len(rows))
	page := JourneyPage{Items: all(rows[from:to], row), Board: freshness(state), Total: len(rows)}
	if to < len(rows) {
		page.Next = cursor{rows[to-1].WorkflowID, to}.String()
	}
	return page
}

// withoutClock returns the page as of no time: that the board was read again and
// said the same is no news.
func (p JourneyPage) withoutClock() JourneyPage {
	p.Board.Read = time.Time{}
	return p
}

// tagOf returns the ETag of what a reply says.
func tagOf(v any) (string, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("api: make an ETag: %w", err)
	}
	sum := sha256.Sum256(raw)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, nil
}

// holds reports whether an If-None-Match names tag. Weak tags count, as RFC 9110
// has it for reading (section 13.1.2): proxies make strong ones weak.
func holds(header, tag string) bool {
	for have := range strings.SplitSeq(header, ",") {
		have = strings.TrimSpace(have)
		if have == "*" || strings.TrimPrefix(have, "W/") == tag {
			return true
		}
	}
	return false
}
