package intake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
)

// source is one HR system, ready to be listened to.
type source struct {
	name    string
	profile jml.Profile
	verifier
	split   cel.Program            // nil: [body]
	mapping map[string]cel.Program // nil: items are canonical
	order   []string               // of the mapping's fields, so that reasons come in one order
	schema  *schema
}

// compileSource reads the keys and compiles the expressions of a source. It
// returns everything that is wrong, each with its path under at.
func compileSource(at string, c config.Source, profile jml.Profile, x *expressions, s *schema) (*source, error) {
	out := &source{name: c.Name, profile: profile, schema: s}
	var errs []error
	bad := func(path, problem string) {
		errs = append(errs, &config.Error{Path: at + "." + path, Problem: problem})
	}
	if profile.Name == "" {
		bad("profile", "there is no such profile")
	}

	keys, err := readKeys(at+".verify", c.Verify)
	if err != nil {
		errs = append(errs, err)
	}
	switch c.Verify.Kind {
	case config.VerifyStandardWebhooks:
		out.verifier = &standardWebhooks{tolerance: c.Verify.Tolerance, keys: keys}
	case config.VerifyHMAC:
		v, err := newHMAC(c.Verify, keys)
		var ce *config.Error
		if errors.As(err, &ce) {
			bad("verify."+ce.Path, ce.Problem)
		}
		out.verifier = v
	default:
		bad("verify.kind", "want hmac or standard_webhooks")
	}

	if c.Split != "" {
		p, t, err := x.compile(x.forBody, c.Split)
		switch {
		case err != nil:
			bad("split", err.Error())
		case t.Kind() != types.DynKind && t.Kind() != types.ListKind:
			bad("split", "must give a list")
		}
		out.split = p
	}
	if c.Map == nil && c.Verify.Kind == config.VerifyHMAC {
		bad("map", "missing")
	}
	if c.Map != nil {
		out.mapping = map[string]cel.Program{}
		for _, required := range []string{"employee_id", "status"} {
			if c.Map[required] == "" {
				bad("map."+required, "missing")
			}
		}
	}
	for name, expr := range c.Map {
		if !slices.Contains(fieldNames(), name) {
			bad("map."+name, "no field of a snapshot; fields: "+strings.Join(fieldNames(), ", "))
			continue
		}
		p, t, err := x.compile(x.forItem, expr)
		switch {
		case err != nil:
			bad("map."+name, err.Error())
		case !mayBeText(t):
			bad("map."+name, fmt.Sprintf("must give a text, not %s", t))
		}
		out.mapping[name] = p
		out.order = append(out.order, name)
	}
	slices.Sort(out.order)
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return out, nil
}

// readKeys reads the key files of v. It names files and never what they hold.
func readKeys(at string, v config.Verify) ([][]byte, error) {
	var (
		keys [][]byte
		errs []error
	)
	if len(v.KeyFiles) == 0 {
		errs = append(errs, &config.Error{Path: at + ".key_files", Problem: "missing"})
	}
	for i, name := range v.KeyFiles {
		key, err := readKey(name, v.Kind)
		if err != nil {
			errs = append(errs, &config.Error{Path: fmt.Sprintf("%s.key_files[%d]", at, i), Problem: err.Error()})
			continue
		}
		keys = append(keys, key)
	}
	return keys, errors.Join(errs...)
}

func readKey(name string, kind config.VerifyKind) ([]byte, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	// Editors end files with a line end, which vendors' keys never have.
	raw = bytes.TrimSpace(raw)
	if kind == config.VerifyStandardWebhooks {
		return parseWebhookKey(string(raw))
	}
	if len(raw) < minKey {
		return nil, fmt.Errorf("%s holds %d bytes, want a key of %d or more", name, len(raw), minKey)
	}
	return raw, nil
}

// record is one employee of a body: a snapshot, or what is wrong with it.
type record struct {
	snapshot jml.Snapshot
	raw      []byte // for the quarantine
	err      error
}

// read turns a verified body into records. A body that can't be told apart into
// employees becomes one bad record.
func (s *source) read(ctx context.Context, h http.Header, body []byte, signed, now time.Time) []record {
	decoded, err := decodeJSON(body)
	if err != nil {
		return []record{{raw: body, err: err}}
	}
	vars := map[string]any{"body": forCEL(decoded), "header": lower(h), "source": s.name}
	items := []any{decoded}
	if s.split != nil {
		v, err := eval(ctx, s.split, vars)
		if err == nil {
			items, err = listOf(v)
		}
		if err != nil {
			return []record{{raw: body, err: fmt.Errorf("split: %w", err)}}
		}
	}
	seen := signed
	if seen.IsZero() {
		seen = now
	}
	out := make([]record, 0, len(items))
	for _, item := range items {
		snap, err := s.item(ctx, vars, item, seen, now)
		raw := body
		if s.split != nil && err != nil {
			if one, e := json.Marshal(item); e == nil {
				raw = one
			}
		}
		out = append(out, record{snap, raw, err})
	}
	return out
}

func (s *source) item(ctx context.Context, vars map[string]any, item any, seen, now time.Time) (jml.Snapshot, error) {
	f, err := s.fields(ctx, vars, item)
	if err != nil {
		return jml.Snapshot{}, err
	}
	return f.snapshot(seen, now)
}

func (s *source) fields(ctx context.Context, vars map[string]any, item any) (fields, error) {
	if s.mapping == nil {
		return canonical(s.schema, item)
	}
	vars["item"] = forCEL(item)
	f := fields{}
	var errs []string
	for _, name := range s.order {
		v, err := eval(ctx, s.mapping[name], vars)
		text := ""
		if err == nil {
			text, err = textOf(v)
		}
		if err != nil {
			errs = append(errs, name+": "+err.Error())
		}
		if text != "" {
			f[name] = text
		}
	}
	if len(errs) > 0 {
		return nil, errors.New(strings.Join(errs, "; "))
	}
	// One spelling for all sources, so that the schema's form fits.
	if t, err := parseTimestamp(f["observed_at"]); err == nil {
		f["observed_at"] = t.Format(time.RFC3339Nano)
	}
	return f, s.schema.validate(f.tree())
}

// lower gives expressions the headers by their names in lower case.
func lower(h http.Header) map[string]string {
	out := make(map[string]string, len(h))
	for k, v := range h {
		out[strings.ToLower(k)] = strings.Join(v, ", ")
	}
	return out
}
