package tree

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// Bounds of a CSV file. No employer comes near them.
const (
	maxColumns = 2_000
	maxRecord  = 256 << 10 // bytes, give or take what is buffered
	maxRows    = 10_000_000
	bufferSize = 64 << 10
)

// CSV reads files of rows (RFC 4180), of which a header line names the columns.
type CSV struct {
	// Delimiter parts fields. 0 takes the one of comma, semicolon, tab and bar
	// that occurs most in the header line, outside quotes.
	Delimiter rune
	// Encoding is utf-8, latin-1 or windows-1252; empty for utf-8.
	Encoding string
}

// Error is what is wrong with a line of a file.
type Error struct {
	Line    int // physical, from 1, that the row begins on
	Problem string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Problem) }

// Each calls yield for every row below the header, with the physical line that
// the row begins on and its texts by column name, and stops at the first error
// of yield, which it returns. Blank lines are passed over. Values stay as they
// are written: numbers too, whose leading zeros may be part of an id.
//
// A broken file is an *Error; rows before the broken line have been given by
// then. A file with only a header has no rows. One without even that is broken:
// an upload that failed must not look like a firm without employees.
//
// It holds one row at a time, of 256 KiB at most.
func (c CSV) Each(r io.Reader, yield func(line int, row map[string]any) error) error {
	in, err := c.text(r)
	if err != nil {
		return err
	}
	delimiter := c.Delimiter
	if delimiter == 0 {
		if delimiter, err = detect(in); err != nil {
			return err
		}
	}
	rows := newRows(in, delimiter)
	header, err := rows.header()
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		line, fields, err := rows.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case len(header) > 1 && len(fields) == 1 && strings.TrimSpace(fields[0]) == "":
			continue // a blank line
		case len(fields) != len(header):
			return &Error{line, fmt.Sprintf("%d fields, the header has %d", len(fields), len(header))}
		case n > maxRows:
			return &Error{line, fmt.Sprintf("more than %d rows", maxRows)}
		}
		row := make(map[string]any, len(header))
		for i, name := range header {
			row[name] = fields[i]
		}
		if err := yield(line, row); err != nil {
			return err
		}
	}
}

// text returns r as UTF-8 without a byte order mark.
func (c CSV) text(r io.Reader) (*bufio.Reader, error) {
	in := bufio.NewReaderSize(r, bufferSize)
	mark := []byte("\xef\xbb\xbf")
	start, _ := in.Peek(len(mark)) // what fails here fails again when it is read
	marked := bytes.Equal(start, mark)
	if marked {
		_, _ = in.Discard(len(mark))
	}
	var decoder *charmap.Charmap
	switch c.Encoding {
	case "", "utf-8":
		return in, nil
	case "latin-1":
		decoder = charmap.ISO8859_1
	case "windows-1252":
		decoder = charmap.Windows1252
	default:
		return nil, errors.New("encoding must be utf-8, latin-1 or windows-1252")
	}
	if marked {
		return nil, &Error{1, "begins with the byte order mark of UTF-8, but encoding is set to " + c.Encoding}
	}
	return bufio.NewReaderSize(decoder.NewDecoder().Reader(in), bufferSize), nil
}

// detect finds the delimiter in the header line without reading past it.
func detect(in *bufio.Reader) (rune, error) {
	head, _ := in.Peek(in.Size())
	head = bytes.TrimLeft(head, "\r\n")
	count := map[byte]int{}
	quoted := false
	for _, b := range head {
		if b == '\n' && !quoted {
			break
		}
		if b == '"' {
			quoted = !quoted
		}
		if !quoted {
			count[b]++
		}
	}
	best, tie := byte(','), false
	for _, b := range []byte(";\t|") {
		switch {
		case count[b] > count[best]:
			best, tie = b, false
		case count[b] == count[best] && count[b] > 0:
			tie = true
		}
	}
	if tie {
		return 0, &Error{1, "the delimiter can't be told from the header; set delimiter"}
	}
	return rune(best), nil
}

// rows reads records and names their lines.
type rows struct {
	csv  *csv.Reader
	fuse *fuse
	line int // that the last good record begins on
}

func newRows(in io.Reader, delimiter rune) *rows {
	f := &fuse{in: in, left: maxRecord}
	c := csv.NewReader(f)
	c.Comma = delimiter
	c.FieldsPerRecord = -1
	c.ReuseRecord = true
	return &rows{csv: c, fuse: f}
}

// header returns the names of the columns.
func (r *rows) header() ([]string, error) {
	line, fields, err := r.next()
	switch {
	case errors.Is(err, io.EOF):
		return nil, &Error{1, "the file is empty, it lacks even a header"}
	case err != nil:
		return nil, err
	case len(fields) > maxColumns:
		return nil, &Error{line, fmt.Sprintf("more than %d columns", maxColumns)}
	}
	names := make([]string, len(fields))
	seen := map[string]bool{}
	for i, f := range fields {
		name := strings.TrimSpace(f)
		switch {
		case name == "":
			return nil, &Error{line, fmt.Sprintf("column %d has no name", i+1)}
		case seen[name]:
			return nil, &Error{line, fmt.Sprintf("column %d has the name of another one", i+1)}
		case strings.Contains(name, "\r"):
			// Lines of an old Mac file: all of it would pass for a header.
			return nil, &Error{line, fmt.Sprintf("the name of column %d has a lone CR; lines must end in LF or CRLF", i+1)}
		}
		names[i], seen[name] = name, true
	}
	return names, nil
}

// next returns a record and the line it begins on.
func (r *rows) next() (int, []string, error) {
	r.fuse.left = maxRecord
	fields, err := r.csv.Read()
	var parse *csv.ParseError
	switch {
	case errors.Is(err, io.EOF):
		return 0, nil, io.EOF
	case errors.Is(err, errFuse):
		return 0, nil, &Error{r.line + 1, fmt.Sprintf("a row from here on has over %d bytes; a quote may not be closed", maxRecord)}
	case errors.As(err, &parse):
		return 0, nil, &Error{parse.StartLine, "a quote stands where none may, or is not closed"}
	case err != nil:
		return 0, nil, fmt.Errorf("after line %d: %w", r.line, err)
	}
	r.line, _ = r.csv.FieldPos(0)
	for i, f := range fields {
		at, _ := r.csv.FieldPos(i)
		if strings.ContainsRune(f, 0) {
			return 0, nil, &Error{at, fmt.Sprintf("field %d holds a NUL", i+1)}
		}
		if !utf8.ValidString(f) {
			return 0, nil, &Error{at, fmt.Sprintf("field %d is not UTF-8; set encoding if the file has another", i+1)}
		}
	}
	return r.line, fields, nil
}

var errFuse = errors.New("too long")

// fuse ends a record that does not end. encoding/csv would read the rest of the
// file into it.
type fuse struct {
	in   io.Reader
	left int
}

// Read implements io.Reader.
func (f *fuse) Read(p []byte) (int, error) {
	if f.left <= 0 {
		return 0, errFuse
	}
	n, err := f.in.Read(p[:min(len(p), f.left)])
	f.left -= n
	return n, err
}
