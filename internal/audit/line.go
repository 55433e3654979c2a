package audit

import (
	_ "embed"
	"encoding/hex"
	"encoding/json"
)

// Line is a row on the stream for a SIEM: flat, with who and why. Personal data.
// row.schema.json describes it.
type Line struct {
	Seq  uint64 `json:"seq"`
	Hash string `json:"hash"` // hex
	Entry
	Erased  bool        `json:"erased,omitempty"` // who and why were written down and are gone
	Chain   string      `json:"chain,omitempty"`
	Cleared [][2]uint64 `json:"cleared,omitempty"`
}

// Line is r as the stream and --json have it.
func (r Row) Line() Line {
	return Line{Seq: r.Seq, Hash: hex.EncodeToString(r.Hash), Entry: r.Entry, Erased: r.Erased, Chain: r.Chain, Cleared: r.Cleared}
}

// MarshalJSON makes a row the line that the stream has of it.
func (r Row) MarshalJSON() ([]byte, error) { return json.Marshal(r.Line()) }

//go:embed row.schema.json
var schema string

// Schema is the JSON Schema of a line of the stream.
func Schema() string { return schema }
