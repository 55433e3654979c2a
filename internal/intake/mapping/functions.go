package mapping

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"firstpass.internal/internal/jml"
)

// ownError is an error of our own wording, which quotes no value.
type ownError struct{ error }

func textValue(s string, err error) ref.Val {
	if err != nil {
		return types.WrapErr(ownError{err})
	}
	return types.String(s)
}

// str and num give the Go value; the overload takes nothing else.
func str(v ref.Val) string { s, _ := v.(types.String); return string(s) }
func num(v ref.Val) int64  { n, _ := v.(types.Int); return int64(n) }

// functions are what expressions have beyond CEL and its strings extension.
// HR systems write null for an empty field, so dates take null.
func functions(zones *locations) []cel.EnvOption {
	empty := func(ref.Val) ref.Val { return types.String("") }
	in := func(t ...*cel.Type) []*cel.Type { return t }
	return []cel.EnvOption{
		cel.Function("localDate",
			cel.Overload("local_date_text", in(cel.StringType), cel.StringType,
				cel.UnaryBinding(func(v ref.Val) ref.Val { return textValue(localDate(str(v))) })),
			cel.Overload("local_date_int", in(cel.IntType), cel.StringType,
				cel.UnaryBinding(func(v ref.Val) ref.Val { return textValue(localDate(strconv.FormatInt(num(v), 10))) })),
			cel.Overload("local_date_null", in(cel.NullType), cel.StringType, cel.UnaryBinding(empty)),
			cel.Overload("local_date_text_by", in(cel.StringType, cel.StringType), cel.StringType,
				cel.BinaryBinding(func(v, by ref.Val) ref.Val { return textValue(localDateBy(str(v), str(by), zones.load)) })),
			cel.Overload("local_date_int_by", in(cel.IntType, cel.StringType), cel.StringType,
				cel.BinaryBinding(func(v, by ref.Val) ref.Val {
					return textValue(localDateBy(strconv.FormatInt(num(v), 10), str(by), zones.load))
				})),
			cel.Overload("local_date_null_by", in(cel.NullType, cel.StringType), cel.StringType,
				cel.BinaryBinding(func(ref.Val, ref.Val) ref.Val { return types.String("") })),
		),
		cel.Function("urlEncode",
			cel.Overload("url_encode_text", in(cel.StringType), cel.StringType,
				cel.UnaryBinding(func(v ref.Val) ref.Val { return textValue(urlEncode(str(v))) })),
			cel.Overload("url_encode_int", in(cel.IntType), cel.StringType,
				cel.UnaryBinding(func(v ref.Val) ref.Val { return textValue(urlEncode(strconv.FormatInt(num(v), 10))) })),
		),
		cel.Function("asList",
			cel.Overload("as_list", in(cel.DynType), cel.ListType(cel.DynType), cel.UnaryBinding(asList)),
		),
	}
}

// asList gives a list whatever x is: XML has one child bare and two in a list.
func asList(v ref.Val) ref.Val {
	if o, ok := v.(*types.Optional); ok {
		if !o.HasValue() {
			v = types.NullValue
		} else {
			v = o.GetValue()
		}
	}
	switch v := v.(type) {
	case types.Null:
		return types.NewRefValList(types.DefaultTypeAdapter, nil)
	case traits.Lister:
		return v.(ref.Val)
	}
	return types.NewRefValList(types.DefaultTypeAdapter, []ref.Val{v})
}

var errURLTooLong = errors.New("is too long for a part of a URL")

var errDotSegment = errors.New("is . or .., which would lead to another place in the URL")

// maxURLPart bounds what is encoded, in bytes: no id is longer, and few servers
// take URLs of more than 8 KiB.
const maxURLPart = 2048

// urlEncode percent-encodes a text for a segment of a path or a value of a
// query: all but the unreserved characters of RFC 3986, 2.3. The texts "." and
// ".." are refused, because servers step up by them however they are encoded.
func urlEncode(s string) (string, error) {
	if s == "." || s == ".." {
		return "", errDotSegment
	}
	if len(s) > maxURLPart {
		return "", errURLTooLong
	}
	const hex = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
			out.WriteByte(c)
		default:
			out.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return out.String(), nil
}

// locations keeps the time zones that were named: loading one reads a file.
// Only what is a zone is kept, so a hostile body can't fill it.
type locations struct{ loaded sync.Map }

func newLocations() *locations { return &locations{} }

func (l *locations) load(name string) (*time.Location, error) {
	if loc, ok := l.loaded.Load(name); ok {
		return loc.(*time.Location), nil
	}
	loc, err := jml.LoadZone(name)
	if err != nil {
		return nil, err
	}
	l.loaded.Store(name, loc)
	return loc, nil
}

// arguments refuses, at load, what would otherwise fail or grow with an item: a
// second argument of localDate that is neither a layout nor a zone, and a text to
// replace by that is not a literal, as a body could multiply itself by itself
// within one call.
type arguments struct{}

// Name implements cel.ASTValidator.
func (arguments) Name() string { return "firstpass.arguments" }

// Validate implements cel.ASTValidator.
func (arguments) Validate(_ *cel.Env, _ cel.ValidatorConfig, a *ast.AST, issues *cel.Issues) {
	ast.PreOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || len(e.AsCall().Args()) < 2 {
			return
		}
		second := e.AsCall().Args()[1]
		literal, fixed := "", false
		if second.Kind() == ast.LiteralKind {
			var s types.String
			s, fixed = second.AsLiteral().(types.String)
			literal = string(s)
		}
		switch name := e.AsCall().FunctionName(); {
		case name == "localDate" && fixed:
			if _, err := localDateBy("", literal, jml.LoadZone); err != nil {
				issues.ReportErrorAtID(second.ID(), "%s", err.Error())
			}
		case name == "replace" && !fixed:
			issues.ReportErrorAtID(second.ID(), "the text to replace by must be a literal")
		}
	}))
}
