package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf16"

	commonpb "go.temporal.io/api/common/v1"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
)

// canary looks for secrets where none may be, in any form that some encoder on
// the way may have given them.
type canary struct {
	forms [][]byte
}

func newCanary(codes ...string) canary {
	add := map[string]bool{}
	for _, code := range codes {
		for _, s := range []string{
			code, html.EscapeString(code), url.QueryEscape(code), url.PathEscape(code),
			hex.EncodeToString([]byte(code)), jsonText(code, true), jsonText(code, false),
		} {
			add[s] = true
		}
		// Within a longer base64 text the code starts at one of three places; what
		// its neighbours share in is cut off.
		for lead := range 3 {
			padded := append(make([]byte, lead), code...)
			from, whole := (lead*8+5)/6, len(padded)*8/6
			for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				add[e.EncodeToString(padded)[from:whole]] = true
			}
		}
		var wide []byte
		for _, u := range utf16.Encode([]rune(code)) {
			wide = append(wide, byte(u), byte(u>>8))
		}
		add[string(wide)] = true
	}
	var c canary
	for form := range add {
		c.forms = append(c.forms, []byte(form))
	}
	return c
}

func jsonText(s string, escapeHTML bool) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(escapeHTML)
	_ = enc.Encode(s) // a string can always be encoded
	return string(bytes.Trim(b.Bytes(), "\"\n"))
}

// In reports whether data holds a secret.
func (c canary) In(data []byte) bool {
	for _, form := range c.forms {
		if bytes.Contains(data, form) {
			return true
		}
	}
	return false
}

// digitCanary looks for codes of a few digits. Any long number holds them by
// chance, so they count only where no digit stands beside them.
type digitCanary struct {
	codes []string
}

func newDigitCanary(codes ...string) digitCanary { return digitCanary{codes} }

// In reports whether data holds a code.
func (c digitCanary) In(data []byte) bool {
	for _, code := range c.codes {
		for from := 0; ; {
			i := bytes.Index(data[from:], []byte(code))
			if i < 0 {
				break
			}
			i += from
			from = i + 1
			if end := i + len(code); (i == 0 || !digit(data[i-1])) && (end == len(data) || !digit(data[end])) {
				return true
			}
		}
	}
	return false
}

func digit(b byte) bool { return b >= '0' && b <= '9' }

// plainReferences are references as they are kept: in one word.
func plainReferences(references []string) (out []string) {
	for _, r := range references {
		out = append(out, strings.ReplaceAll(r, "-", ""))
	}
	return out
}

// canaries look for secrets of several kinds.
type canaries []interface{ In(data []byte) bool }

// In reports whether data holds one of them.
func (c canaries) In(data []byte) bool {
	for _, one := range c {
		if one.In(data) {
			return true
		}
	}
	return false
}

// Files reads every file under dir. It returns those that hold a secret, and how
// much was read.
func (c canaries) Files(dir string) (found []string, files int, size int64, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a temporary file that has been renamed
		}
		if err != nil {
			return err
		}
		files, size = files+1, size+int64(len(data))
		look := c
		if base := filepath.Base(path); strings.HasPrefix(base, "temporal.") {
			// Temporal's database and log hold numbers enough to have any six
			// digits by chance. What they hold of ours is decoded and looked
			// through in the histories.
			look = slices.DeleteFunc(slices.Clone(c), func(one interface{ In([]byte) bool }) bool {
				_, digits := one.(digitCanary)
				return digits
			})
		}
		if look.In(data) {
			found = append(found, path)
		}
		return nil
	})
	return found, files, size, err
}

// History decrypts every payload of a workflow's history and looks into it. It
// returns how many events there are.
func (c canaries) History(ctx context.Context, cl client.Client, payloads converter.PayloadCodec, workflowID string) (events int, err error) {
	return c.Run(ctx, cl, payloads, workflowID, "")
}

// Run is History for one run of a workflow.
func (c canaries) Run(ctx context.Context, cl client.Client, payloads converter.PayloadCodec, workflowID, run string) (events int, err error) {
	visit := proxy.VisitPayloadsOptions{
		SkipSearchAttributes: true, // stored in clear, searched as they are
		Visitor: func(at *proxy.VisitPayloadsContext, list []*commonpb.Payload) ([]*commonpb.Payload, error) {
			if _, header := at.Parent.(*commonpb.Header); header {
				// Ids of traces, which interceptors write in clear; they were
				// looked through with the event.
				return list, nil
			}
			plain, err := payloads.Decode(list)
			if err != nil {
				return nil, err
			}
			for _, p := range plain {
				if c.In(p.GetData()) {
					return nil, fmt.Errorf("a payload of %s holds a secret", workflowID)
				}
			}
			return list, nil
		},
	}
	history := cl.GetWorkflowHistory(ctx, workflowID, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		if err != nil {
			return events, err
		}
		events++
		raw, err := proto.Marshal(event)
		if err != nil {
			return events, err
		}
		if c.In(raw) {
			return events, fmt.Errorf("event %d of %s holds a secret in clear", event.GetEventId(), workflowID)
		}
		if err := proxy.VisitPayloads(ctx, event, visit); err != nil {
			return events, fmt.Errorf("event %d of %s (%s): %w", event.GetEventId(), workflowID, event.GetEventType(), err)
		}
	}
	return events, nil
}
