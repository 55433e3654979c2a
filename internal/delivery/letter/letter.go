// Package letter is the channel for whoever has neither phone nor mail: it
// writes letters into a folder, ready to print, fold and put into a window
// envelope.
//
// A letter carries the link to the pick-up page, or the code that goes with it,
// never both and never a passcode. Whoever reads the folder reads the links: it
// must be readable by the print room alone.
package letter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"firstpass.internal/internal/delivery/channel"
	"firstpass.internal/internal/jml"
)

// Config says what letters look like and where they go. Texts are one line.
type Config struct {
	// Folder is where letters are written. It has to exist: were it made here,
	// letters would end on the wrong disk while a share is not mounted.
	Folder string
	// HTML and PDF say in which forms; one at least.
	HTML, PDF     bool
	Organisation  string
	ReturnAddress string // small, over the address; optional
	Help          string // whom to ask, a sentence; optional
	Now           func() time.Time
}

// Channel is the channel of kind letter. It is safe for concurrent use.
type Channel struct {
	cfg    Config
	html   page
	pdf    typesetter
	folder *folder
}

var _ channel.Channel = (*Channel)(nil)

// maxLine bounds the texts of a Config, in bytes.
const maxLine = 300

// New returns a Channel, or everything that is wrong with cfg at once. It does
// not touch the folder; a dry Post does.
func New(cfg Config) (*Channel, error) {
	var errs []error
	bad := func(field, what string) { errs = append(errs, fmt.Errorf("letter: %s: %s", field, what)) }
	if cfg.Folder == "" {
		bad("folder", "missing")
	}
	if !cfg.HTML && !cfg.PDF {
		bad("format", "neither html nor pdf")
	}
	if cfg.Organisation == "" {
		bad("organisation name", "missing")
	}
	for _, f := range []struct{ name, text string }{
		{"organisation name", cfg.Organisation}, {"return address", cfg.ReturnAddress}, {"organisation help", cfg.Help},
	} {
		if f.text != oneLine(f.text) || len(f.text) > maxLine {
			bad(f.name, "not one line of text")
		}
	}
	if cfg.Now == nil {
		bad("clock", "missing")
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	html, err := newPage()
	if err != nil {
		return nil, fmt.Errorf("letter: template: %w", err)
	}
	pdf, err := newTypesetter()
	if err != nil {
		return nil, fmt.Errorf("letter: fonts: %w", err)
	}
	return &Channel{cfg: cfg, html: html, pdf: pdf, folder: &folder{path: cfg.Folder}}, nil
}

// Address implements channel.Channel: a letter goes to the employee's site.
func (*Channel) Address() jml.AddressKind { return jml.AddressNone }

// Self implements channel.Channel.
func (*Channel) Self() string { return "" }

// Carries implements channel.Channel. A passcode on paper would lie in a tray
// for days, a link to say "not me" would come too late, and what speaks to
// others is no letter to the employee.
func (*Channel) Carries(m jml.Message) bool {
	switch m {
	case jml.MessageLink, jml.MessageCode, jml.MessageReminder:
		return true
	}
	return false
}

// Post implements channel.Channel. The receipt's id is the name of the files,
// without its ending. With dry it sets the letter, if it can, and tries the
// folder.
//
// A letter that is written again replaces itself, unless somebody took it away.
func (c *Channel) Post(ctx context.Context, op string, m channel.Message, dry bool) (jml.Receipt, error) {
	if ctx.Err() != nil {
		return jml.Receipt{}, unavailable(op, "canceled")
	}
	if dry {
		if c.Carries(m.Notice.Message) && !lacking(m) {
			if _, err := c.files(op, m); err != nil {
				return jml.Receipt{}, err
			}
		}
		return jml.Receipt{}, c.folder.try(op)
	}
	files, err := c.files(op, m)
	if err != nil {
		return jml.Receipt{}, err
	}
	name, err := fileName(op, m)
	if err != nil {
		return jml.Receipt{}, err
	}
	if err := c.folder.write(op, name, files); err != nil {
		return jml.Receipt{}, err
	}
	return jml.Receipt{MessageID: name}, nil
}

// files returns the letter by the ending of its file's name; nil for one that
// is not to be there.
func (c *Channel) files(op string, m channel.Message) (map[string][]byte, error) {
	s, err := c.compose(op, m)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	if c.cfg.HTML {
		if out[".html"], err = c.html.render(s); err != nil {
			return nil, refuse(op, "html", jml.ReasonMessageRefused)
		}
	}
	if c.cfg.PDF {
		out[".pdf"], err = c.pdf.render(s)
		if errors.Is(err, errScript) && !c.cfg.HTML {
			return nil, refuse(op, "scriptNotInPDF", jml.ReasonMessageRefused)
		}
		if err != nil && !errors.Is(err, errScript) {
			return nil, refuse(op, "pdf", jml.ReasonMessageRefused)
		}
	}
	return out, nil
}

// lacking reports whether the secret is not there that m is about.
func lacking(m channel.Message) bool {
	return m.Notice.Message == jml.MessageLink && m.Contents.Link.Empty() ||
		m.Notice.Message == jml.MessageCode && m.Contents.Code.Empty()
}

const system = "letter"

func refuse(op, code string, reason jml.BlockReason) *jml.Fault {
	return &jml.Fault{System: system, Op: op, Kind: jml.FaultRefused, Code: code, Reason: reason}
}

func unavailable(op, code string) *jml.Fault {
	return &jml.Fault{System: system, Op: op, Kind: jml.FaultUnavailable, Code: code, Reason: jml.ReasonChannelUnavailable}
}

// oneLine drops what would break a line or turn the direction of what follows:
// a name must not lay out the letter.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == '\u2028', r == '\u2029':
			return ' '
		case r < ' ', r >= 0x7f && r < 0xa0, r == utf8.RuneError,
			r == 0x061c, r == 0x200e, r == 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfeff:
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' }), " ")
}
