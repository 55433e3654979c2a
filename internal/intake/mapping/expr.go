package mapping

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// timeLimit bounds one expression, or one item with all its fields.
const timeLimit = time.Second

// Vars are the values expressions see. Those outside an expression's scope are
// not looked at. Body, Item and Fetched are trees: nil, bool, string, int64,
// float64, []any and map[string]any.
type Vars struct {
	Source   string
	Settings map[string]string
	Header   map[string]string // by names in lower case
	Body     any
	Item     any
	Fetched  any
	Since    string // RFC 3339; empty on a full read
	Now      string // RFC 3339
}

// ResolveName implements CEL's activation.
func (v *Vars) ResolveName(name string) (any, bool) {
	switch name {
	case "source":
		return v.Source, true
	case "settings":
		return v.Settings, true
	case "header":
		return v.Header, true
	case "body":
		return v.Body, true
	case "item":
		return v.Item, true
	case "fetched":
		return v.Fetched, true
	case "since":
		return v.Since, true
	case "now":
		return v.Now, true
	}
	return nil, false
}

// Parent implements CEL's activation.
func (v *Vars) Parent() cel.Activation { return nil }

// Classes of what goes wrong with an expression. CEL's own texts quote keys and
// values of the body.
var (
	errMissingKey = errors.New("could not be evaluated: missing key")
	errIndex      = errors.New("could not be evaluated: no such position in the list")
	errWrongType  = errors.New("could not be evaluated: wrong type")
	errTooCostly  = errors.New("could not be evaluated: takes too long (cost, memory or time limit)")
	errEvaluate   = errors.New("could not be evaluated")
	errNoText     = errors.New("is not a text")
	errNoBool     = errors.New("is not true or false")
	errNoList     = errors.New("is not a list")
	errNoTree     = errors.New("holds what JSON can't")
)

// Expr is a compiled expression. It may be used by many goroutines at once.
type Expr struct {
	program cel.Program
	keys    map[string]bool // that it spells itself
}

// Text evaluates e to a text without blanks around it. Integers become their
// digits, moments RFC 3339; null and an empty optional give "".
//
// The errors of Text, Bool and List quote no value. One that wraps ctx.Err()
// says that ctx ended, and nothing of the expression.
func (e *Expr) Text(ctx context.Context, v Vars) (string, error) {
	ctx2, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	out, err := e.text(ctx2, &v)
	return out, ended(ctx, err)
}

// Bool evaluates e to true or false; null is neither.
func (e *Expr) Bool(ctx context.Context, v Vars) (bool, error) {
	ctx2, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	out, err := e.eval(ctx2, &v)
	if err != nil {
		return false, ended(ctx, err)
	}
	b, ok := out.(types.Bool)
	if !ok {
		return false, errNoBool
	}
	return bool(b), nil
}

// List evaluates e to a list of trees.
func (e *Expr) List(ctx context.Context, v Vars) ([]any, error) {
	ctx2, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	out, err := e.eval(ctx2, &v)
	if err != nil {
		return nil, ended(ctx, err)
	}
	list, ok := out.(traits.Lister)
	if !ok {
		return nil, errNoList
	}
	return trees(list)
}

// ended returns err, unless ctx has ended: then that is all there is to say.
func ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("stopped: %w", ctx.Err())
	}
	return err
}

func (e *Expr) text(ctx context.Context, v *Vars) (string, error) {
	out, err := e.eval(ctx, v)
	if err != nil {
		return "", err
	}
	return textOf(out)
}

func (e *Expr) eval(ctx context.Context, v *Vars) (ref.Val, error) {
	out, _, err := e.program.ContextEval(ctx, v)
	if err == nil {
		return out, nil
	}
	var own ownError
	if errors.As(err, &own) {
		return nil, own
	}
	s := err.Error()
	if key, ok := strings.CutPrefix(s, "no such key: "); ok {
		if e.keys[key] {
			return nil, fmt.Errorf("%w %q", errMissingKey, key)
		}
		return nil, errMissingKey
	}
	switch {
	case strings.HasPrefix(s, "index out of bounds"):
		return nil, errIndex
	case strings.HasPrefix(s, "no such overload"), strings.Contains(s, "type conversion error"):
		return nil, errWrongType
	case strings.Contains(s, "cost limit"), strings.Contains(s, "memory limit"), strings.Contains(s, "interrupted"), ctx.Err() != nil:
		return nil, errTooCostly
	}
	return nil, errEvaluate
}

// truth is text for a field that is true or false. Null is not known, and so no.
func (e *Expr) truth(ctx context.Context, v *Vars) (bool, error) {
	out, err := e.eval(ctx, v)
	if err != nil {
		return false, err
	}
	switch b := out.(type) {
	case types.Bool:
		return bool(b), nil
	case types.Null:
		return false, nil
	}
	return false, errNoBool
}

// textOf returns a field's value without the blanks around it, which people
// type and no field means. Doubles and booleans are no texts: an id that came
// as 1.5 or true is a mistake in the mapping.
func textOf(v ref.Val) (string, error) {
	switch v := v.(type) {
	case types.String:
		return strings.TrimSpace(string(v)), nil
	case types.Int:
		return strconv.FormatInt(int64(v), 10), nil
	case types.Uint:
		return strconv.FormatUint(uint64(v), 10), nil
	case types.Null:
		return "", nil
	case types.Timestamp:
		return v.Time.UTC().Format(time.RFC3339Nano), nil
	case *types.Optional:
		if !v.HasValue() {
			return "", nil
		}
		return textOf(v.GetValue())
	}
	return "", errNoText
}

// trees returns the members of a list as trees.
func trees(list traits.Lister) ([]any, error) {
	out := []any{}
	for it := list.Iterator(); it.HasNext() == types.True; {
		one, err := treeOf(it.Next())
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// treeOf turns a value of CEL's into a tree. What came from a body is handed
// back as it is; only what the expression built is copied.
func treeOf(v ref.Val) (any, error) {
	switch v := v.(type) {
	case types.Null:
		return nil, nil
	case types.Bool:
		return bool(v), nil
	case types.String:
		return string(v), nil
	case types.Int:
		return int64(v), nil
	case types.Uint:
		if uint64(v) > math.MaxInt64 {
			return strconv.FormatUint(uint64(v), 10), nil
		}
		return int64(v), nil
	case types.Double:
		return float64(v), nil
	case types.Timestamp:
		return textOf(v)
	case *types.Optional:
		if v.HasValue() {
			return treeOf(v.GetValue())
		}
		return nil, nil
	case traits.Lister:
		return trees(v)
	case traits.Mapper:
		if m, ok := v.Value().(map[string]any); ok {
			return m, nil
		}
		out := map[string]any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			k := it.Next()
			name, ok := k.(types.String)
			if !ok {
				return nil, errNoTree
			}
			one, err := treeOf(v.Get(k))
			if err != nil {
				return nil, err
			}
			out[string(name)] = one
		}
		return out, nil
	}
	return nil, errNoTree
}
