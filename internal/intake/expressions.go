package intake

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
	"cel.dev/cel-go/ext"
)

// Limits of one expression. The ones that are written for real are a thousand
// times cheaper; these stop one that grows with a hostile body.
const (
	costLimit = 1_000_000 // CEL's cost units; some 200 ms
	timeLimit = time.Second
	// memoryFactor allows values of so many times the largest body, counted in
	// CEL's elements (characters, items). A split holds the body once.
	memoryFactor = 4
	minMemory    = 1 << 20
)

// expressions compiles CEL.
type expressions struct {
	memory  uint32   // limit, in elements
	forBody *cel.Env // knows body, header, source
	forItem *cel.Env // and item
}

func newExpressions(maxBody int64) (*expressions, error) {
	body, err := cel.NewEnv(
		cel.Variable("body", cel.DynType),
		cel.Variable("header", cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable("source", cel.StringType),
		cel.OptionalTypes(),
		ext.Strings(ext.StringsVersion(4)),
		cel.Function("localDate",
			cel.Overload("local_date", []*cel.Type{cel.StringType}, cel.StringType,
				cel.UnaryBinding(func(v ref.Val) ref.Val { return dateValue(localDate(text(v))) })),
			// HR systems write null for an empty field.
			cel.Overload("local_date_null", []*cel.Type{cel.NullType}, cel.StringType,
				cel.UnaryBinding(func(ref.Val) ref.Val { return types.String("") })),
			cel.Overload("local_date_layout", []*cel.Type{cel.StringType, cel.StringType}, cel.StringType,
				cel.BinaryBinding(func(v, layout ref.Val) ref.Val {
					l, err := parseDateLayout(text(layout))
					if err != nil {
						return dateValue("", err)
					}
					return dateValue(l.date(text(v)))
				})),
		),
	)
	if err != nil {
		return nil, fmt.Errorf("intake: CEL: %w", err)
	}
	item, err := body.Extend(cel.Variable("item", cel.DynType))
	if err != nil {
		return nil, fmt.Errorf("intake: CEL: %w", err)
	}
	memory := min(max(memoryFactor*maxBody, minMemory), math.MaxUint32)
	return &expressions{uint32(memory), body, item}, nil
}

func text(v ref.Val) string {
	s, _ := v.Value().(string) // the overload takes nothing else
	return s
}

// ownError is an error of our own wording, which quotes no value.
type ownError struct{ error }

func dateValue(s string, err error) ref.Val {
	if err != nil {
		return types.WrapErr(ownError{err})
	}
	return types.String(s)
}

// compile checks an expression. Its errors quote the expression, which is
// configuration, and point into it.
func (x *expressions) compile(env *cel.Env, expr string) (cel.Program, *cel.Type, error) {
	ast, issues := env.Compile(expr)
	if issues.Err() != nil {
		return nil, nil, fmt.Errorf("does not compile: %s", firstLine(issues.Err().Error()))
	}
	p, err := env.Program(ast, cel.CostLimit(costLimit), cel.MemoryLimit(x.memory), cel.InterruptCheckFrequency(1000))
	if err != nil {
		return nil, nil, fmt.Errorf("does not compile: %s", firstLine(err.Error()))
	}
	return p, ast.OutputType(), nil
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return strings.TrimPrefix(s, "ERROR: ")
}

// Classes of what goes wrong with an expression. CEL's own texts quote keys and
// values of the body.
var (
	errMissingKey = errors.New("could not be evaluated: missing key")
	errWrongType  = errors.New("could not be evaluated: wrong type")
	errTooCostly  = errors.New("could not be evaluated: takes too long")
	errEvaluate   = errors.New("could not be evaluated")
	errNoText     = errors.New("is not a text")
	errNoList     = errors.New("is not a list")
)

func eval(ctx context.Context, p cel.Program, vars map[string]any) (ref.Val, error) {
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	v, _, err := p.ContextEval(ctx, vars)
	if err == nil {
		return v, nil
	}
	var own ownError
	switch s := err.Error(); {
	case errors.As(err, &own):
		return nil, own
	case strings.HasPrefix(s, "no such key"):
		return nil, errMissingKey
	case strings.HasPrefix(s, "no such overload"), strings.Contains(s, "type conversion error"):
		return nil, errWrongType
	case strings.Contains(s, "cost limit"), strings.Contains(s, "memory limit"), strings.Contains(s, "interrupted"), ctx.Err() != nil:
		return nil, errTooCostly
	}
	return nil, errEvaluate
}

// textOf returns a field's value without the blanks around it, which people
// type and no field means; empty if the expression gives null or an empty
// optional.
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

// mayBeText reports whether an expression of type t can give a text. Most have
// the type dyn, which says nothing before they run.
func mayBeText(t *cel.Type) bool {
	for _, no := range []*cel.Type{cel.BoolType, cel.DoubleType, cel.BytesType, cel.DurationType} {
		if t.IsExactType(no) {
			return false
		}
	}
	return t.Kind() != types.ListKind && t.Kind() != types.MapKind
}

// listOf returns the items of a split as plain Go values.
func listOf(v ref.Val) ([]any, error) {
	list, ok := v.(traits.Lister)
	if !ok {
		return nil, errNoList
	}
	out, ok := plain(list).([]any)
	if !ok {
		return nil, errNoList
	}
	return out, nil
}

// plain turns what CEL gives into what encoding/json gives. CEL's own way goes
// through double and would round ids.
func plain(v ref.Val) any {
	switch v := v.(type) {
	case traits.Lister:
		out := []any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			out = append(out, plain(it.Next()))
		}
		return out
	case traits.Mapper:
		out := map[string]any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			k := it.Next()
			if name, ok := k.(types.String); ok {
				out[string(name)] = plain(v.Get(k))
			}
		}
		return out
	case *types.Optional:
		if v.HasValue() {
			return plain(v.GetValue())
		}
		return nil
	case types.Null:
		return nil
	}
	return v.Value()
}
