package chain

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"firstpass.internal/internal/audit"
)

// Problem is one thing that is wrong with a chain.
type Problem struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"` // from 1 on
	Seq  uint64 `json:"seq"`            // of the row
	What string `json:"what"`
}

func (p Problem) String() string {
	if p.File == "" {
		return fmt.Sprintf("row %d: %s", p.Seq, p.What)
	}
	return fmt.Sprintf("%s:%d: row %d: %s", p.File, p.Line, p.Seq, p.What)
}

// Report says what a verification found. The chain is good if there are no
// Problems.
type Report struct {
	Chain    string      `json:"chain"` // id, as row 0 has it
	Rows     int         `json:"rows"`
	Files    int         `json:"files,omitempty"`
	Heads    int         `json:"heads"`
	Last     uint64      `json:"last"` // seq of the newest row
	Head     *audit.Head `json:"head,omitempty"`
	Erased   int         `json:"erased"` // rows whose personal part is not there any more
	Problems []Problem   `json:"problems"`
	More     int         `json:"more,omitempty"` // problems beyond those listed
}

// Good reports whether nothing is wrong.
func (r *Report) Good() bool { return len(r.Problems) == 0 }

// maxProblems bounds a report.
const maxProblems = 100

// verifier follows a chain row by row.
type verifier struct {
	keys   []ed25519.PublicKey // none: signatures are not looked at
	kept   []audit.SignedHead  // heads that were kept elsewhere
	report Report

	next uint64 // seq that has to come
	prev []byte // hash of the row before

	head     *audit.Head
	erased   map[uint64]bool // live: rows without their personal part
	keptSeen map[int]bool
}

func newVerifier(keys []ed25519.PublicKey, kept []audit.SignedHead) *verifier {
	return &verifier{keys: keys, kept: kept, prev: audit.Genesis(), erased: map[uint64]bool{}, keptSeen: map[int]bool{},
		report: Report{Problems: []Problem{}}}
}

// place is where something stands.
type place struct {
	file string
	line int
}

func (v *verifier) wrong(at place, seq uint64, format string, args ...any) {
	if len(v.report.Problems) >= maxProblems {
		v.report.More++
		return
	}
	v.report.Problems = append(v.report.Problems, Problem{at.file, at.line, seq, fmt.Sprintf(format, args...)})
}

// checked is what can be said of a row without those around it.
type checked struct {
	body  essence
	hash  []byte
	raw   []byte // canonical JSON of the row
	fault string // not empty: the line is no row, and the rest means nothing
	odd   string // it is one, and this is wrong with it
}

// essence is what a verification has to know of a row. Whatever else stands in
// one, its hash is about.
type essence struct {
	Seq      uint64      `json:"seq"`
	Event    audit.Event `json:"event"`
	Chain    string      `json:"chain"`
	Personal string      `json:"personal"`
	Cleared  [][2]uint64 `json:"cleared"`
}

// check looks at a line by itself. It takes apart what encode put together, byte
// by byte: what a JSON parser passes over, such as a field nobody knows, must
// not hide in a line.
func check(text []byte) checked {
	const hashSize = 64
	rest, isLine := bytes.CutPrefix(text, []byte(lineBegin))
	if !isLine || len(rest) < hashSize {
		return checked{fault: "the line is no row"}
	}
	hash := string(rest[:hashSize])
	rest, isLine = bytes.CutPrefix(rest[hashSize:], []byte(lineRow))
	rest, hasEnd := bytes.CutSuffix(rest, []byte("}"))
	if !isLine || !hasEnd {
		return checked{fault: "the line is no row"}
	}
	var personal *audit.Salted
	// It can't stand in a string, where its quotes would be escaped.
	if i := bytes.LastIndex(rest, []byte(linePersonal+`{"salt":`)); i >= 0 {
		part := rest[i+len(linePersonal):]
		rest = rest[:i]
		personal = new(audit.Salted)
		if err := json.Unmarshal(part, personal); err != nil {
			return checked{fault: "the personal part is no JSON"}
		}
		if again, err := json.Marshal(personal); err != nil || !bytes.Equal(again, part) {
			return checked{fault: "the personal part is not as Firstpass writes it"}
		}
	}
	c := examine(rest, personal)
	var err error
	if c.hash, err = hex.DecodeString(hash); err != nil || hex.EncodeToString(c.hash) != hash {
		return checked{fault: "the hash is no hash"}
	}
	return c
}

// examine looks at a row's body and personal part.
func examine(raw []byte, personal *audit.Salted) checked {
	c := checked{raw: raw}
	if err := json.Unmarshal(raw, &c.body); err != nil {
		return checked{fault: "the row is no JSON"}
	}
	switch {
	case personal == nil:
	case c.body.Personal == "":
		c.odd = "has a personal part that the row knows nothing of"
	case !personal.Matches(c.body.Personal):
		c.odd = "the personal part (who and why) was changed"
	}
	return c
}

// row takes the next row.
func (v *verifier) row(at place, c checked) {
	if c.fault != "" {
		// What comes next tells whether it stood for a row.
		v.wrong(at, v.next, "%s", c.fault)
		return
	}
	seq := c.body.Seq
	switch {
	case seq > v.next:
		v.wrong(at, seq, "%s before it are missing", span(v.next, seq-1))
	case seq < v.next:
		v.wrong(at, seq, "comes where row %d should: it is out of order or stands twice", v.next)
	}
	if c.odd != "" {
		v.wrong(at, seq, "%s", c.odd)
	}
	if seq == 0 {
		v.report.Chain = c.body.Chain
		if c.body.Event != audit.EventLedgerOpened || c.body.Chain == "" {
			v.wrong(at, seq, "is not the beginning of a chain")
		}
	} else if c.body.Event == audit.EventLedgerOpened || c.body.Chain != "" {
		v.wrong(at, seq, "begins another chain")
	}
	// After a gap the hash before is not known, and one fault is told once.
	if seq == v.next && !bytes.Equal(audit.Link(v.prev, c.raw), c.hash) {
		v.wrong(at, seq, "the hash does not fit: this row was changed, or it is not the one that followed row %s", before(seq))
	}
	for _, r := range c.body.Cleared {
		for s := range v.erased {
			if r[0] <= s && s <= r[1] {
				delete(v.erased, s)
			}
		}
	}
	v.report.Rows++
	v.report.Last = seq
	v.next, v.prev = seq+1, c.hash
	for i, k := range v.kept {
		if k.Head.Seq == seq {
			v.keptSeen[i] = true
			if k.Head.Hash != hex.EncodeToString(c.hash) {
				v.wrong(at, seq, "is not the row that the kept head of %s is about: rows up to it were rewritten", k.Head.Time.Format(time.RFC3339))
			}
		}
	}
}

func before(seq uint64) string {
	if seq == 0 {
		return "-1 (there is none)"
	}
	return fmt.Sprint(seq - 1)
}

func span(first, last uint64) string {
	if first == last {
		return fmt.Sprintf("row %d", first)
	}
	return fmt.Sprintf("rows %d to %d", first, last)
}

// signed takes a head, which stands after the row it is about.
func (v *verifier) signed(at place, s audit.SignedHead) {
	h := s.Head
	if v.keys != nil && !s.SignedBy(v.keys) {
		v.wrong(at, h.Seq, "the head is not signed by the key you gave: it was changed, or somebody else signed it")
	}
	if h.Chain != v.report.Chain {
		v.wrong(at, h.Seq, "the head is one of another chain")
	}
	if v.report.Rows == 0 || h.Seq != v.report.Last || h.Hash != hex.EncodeToString(v.prev) {
		v.wrong(at, h.Seq, "the head is not about the row before it: rows since the last head were changed, added or taken away")
	}
	switch {
	case v.head == nil && h.Previous != nil:
		v.wrong(at, h.Seq, "the head before this one, at row %d, is missing", h.Previous.Seq)
	case v.head != nil && (h.Previous == nil || *h.Previous != (audit.HeadRef{Seq: v.head.Seq, Hash: v.head.Hash})):
		v.wrong(at, h.Seq, "the head does not follow the one at row %d: a head was taken away or added", v.head.Seq)
	}
	v.head = &h
	v.report.Heads++
	v.report.Head = &h
}

// end tells what only the end shows.
func (v *verifier) end() *Report {
	for i, k := range v.kept {
		at := place{}
		if v.keys != nil && !k.SignedBy(v.keys) {
			v.wrong(at, k.Head.Seq, "the kept head is not signed by the key you gave")
		}
		if k.Head.Chain != v.report.Chain {
			v.wrong(at, k.Head.Seq, "the kept head is one of another chain")
		} else if !v.keptSeen[i] {
			v.wrong(at, k.Head.Seq, "the kept head of %s is about this row, and it is missing: the newest rows were cut off", k.Head.Time.Format(time.RFC3339))
		}
	}
	var bare []uint64
	for s := range v.erased {
		bare = append(bare, s)
	}
	slices.Sort(bare)
	for _, s := range bare {
		v.wrong(place{}, s, "the personal part (who and why) is gone, and no row personal.erased says so")
	}
	return &v.report
}
