package mapping

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"
)

// Limits of one expression. The ones that are written for real are a thousand
// times cheaper; these stop one that grows with a hostile body.
const (
	costLimit = 1_000_000 // CEL's cost units; some 200 ms
	// minMemory is the least limit of a value, in CEL's elements: members of
	// lists and maps, and ten bytes of text each. A larger body raises it to an
	// element for each byte, twice what a body can have.
	minMemory = 1 << 20
	// maxDepth of a value; the deepest tree has 64. CEL's own default is 5.
	maxDepth = 100
	// checkEvery is after how many rounds of a loop the time is looked at.
	checkEvery = 100
	// weighEvery is after how many rounds of a loop its values are weighed. A
	// loop that builds a list weighs the whole of it.
	weighEvery = 256
)

// Scope says which variables an expression sees.
type Scope int

// The scopes. settings and source are in all of them.
const (
	ScopeBody         Scope = iota + 1 // header, body
	ScopeItem                          // header, body, item
	ScopeFetched                       // header, body, item, fetched
	ScopeHint                          // fetched: the signature covers nothing else
	ScopeRequest                       // since, now
	ScopeFetchRequest                  // header, body, item
)

// names lists the variables of a scope.
func (s Scope) names() []string {
	always := []string{"source", "settings"}
	switch s {
	case ScopeBody:
		return append(always, "header", "body")
	case ScopeItem, ScopeFetchRequest:
		return append(always, "header", "body", "item")
	case ScopeFetched:
		return append(always, "header", "body", "item", "fetched")
	case ScopeHint:
		return append(always, "fetched")
	case ScopeRequest:
		return append(always, "since", "now")
	}
	return nil
}

// why tells an operator what to do about a variable that s does not have.
func (s Scope) why() string {
	switch s {
	case ScopeHint:
		return "the signature does not cover the body, so only fetched may be used"
	case ScopeRequest:
		return "there is no body before the request"
	case ScopeItem:
		return "only a source with fetch has fetched"
	case ScopeFetchRequest:
		return "the request is what gives fetched"
	}
	return "the body is not split into items yet"
}

// variables gives the type of each variable there is.
func variables() map[string]*cel.Type {
	texts := cel.MapType(cel.StringType, cel.StringType)
	return map[string]*cel.Type{
		"source": cel.StringType, "settings": texts, "header": texts, "since": cel.StringType, "now": cel.StringType,
		"body": cel.DynType, "item": cel.DynType, "fetched": cel.DynType,
	}
}

// Compiler compiles expressions. It may be used by many goroutines at once.
type Compiler struct {
	envs   map[Scope]*cel.Env
	limits []cel.ProgramOption
	schema *schema
}

// NewCompiler returns a Compiler for bodies, pages and files of up to maxBody
// bytes; 0 for small ones only.
//
// A split can hand over a list of any length that fits, but the cost limit stops
// one that builds or filters a list of more than some 30,000 members.
func NewCompiler(maxBody int64) (*Compiler, error) {
	base, err := cel.NewEnv(append(functions(newLocations()),
		cel.OptionalTypes(),
		ext.Strings(ext.StringsVersion(4)),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateDurationLiterals(), arguments{}),
	)...)
	if err != nil {
		return nil, fmt.Errorf("mapping: CEL: %w", err)
	}
	s, err := newSchema()
	if err != nil {
		return nil, err
	}
	memory := min(max(maxBody, minMemory), math.MaxInt32)
	out := &Compiler{
		envs:   map[Scope]*cel.Env{},
		schema: s,
		limits: []cel.ProgramOption{
			cel.CostLimit(costLimit),
			cel.MemoryLimit(uint32(memory)),
			cel.MemoryTracking(
				types.MemoryTrackerSampleInterval(weighEvery),
				// Its defaults refuse lists of 10,000 members.
				types.MemoryTrackerSizeCalculator(types.NewSizeCalculator(types.SizeCalculatorMaxDepth(maxDepth), types.SizeCalculatorMaxTraversal(int(memory)+1)))),
			cel.InterruptCheckFrequency(checkEvery),
			cel.EvalOptions(cel.OptOptimize),
		},
	}
	for scope := ScopeBody; scope <= ScopeFetchRequest; scope++ {
		var vars []cel.EnvOption
		for _, name := range scope.names() {
			vars = append(vars, cel.Variable(name, variables()[name]))
		}
		if out.envs[scope], err = base.Extend(vars...); err != nil {
			return nil, fmt.Errorf("mapping: CEL: %w", err)
		}
	}
	return out, nil
}

// Text compiles an expression for Expr.Text. Errors quote the expression,
// which is configuration, and point into it.
func (c *Compiler) Text(scope Scope, expr string) (*Expr, error) {
	return c.compile(scope, expr, "a text", func(t *cel.Type) bool {
		for _, no := range []*cel.Type{cel.BoolType, cel.DoubleType, cel.BytesType, cel.DurationType} {
			if t.IsExactType(no) {
				return false
			}
		}
		return t.Kind() != types.ListKind && t.Kind() != types.MapKind
	})
}

// Bool compiles an expression for Expr.Bool. Errors are as in Text.
func (c *Compiler) Bool(scope Scope, expr string) (*Expr, error) {
	return c.compile(scope, expr, "true or false", func(t *cel.Type) bool { return t.Kind() == types.BoolKind })
}

// List compiles an expression for Expr.List. Errors are as in Text.
func (c *Compiler) List(scope Scope, expr string) (*Expr, error) {
	return c.compile(scope, expr, "a list", func(t *cel.Type) bool { return t.Kind() == types.ListKind })
}

// compile checks an expression as far as that goes before it runs: most have
// the type dyn, which says nothing.
func (c *Compiler) compile(scope Scope, expr, want string, fits func(*cel.Type) bool) (*Expr, error) {
	env, ok := c.envs[scope]
	if !ok {
		return nil, errors.New("mapping: no such scope")
	}
	checked, issues := env.Compile(expr)
	if issues.Err() != nil {
		first := issues.Errors()[0]
		text, _, _ := strings.Cut(first.Message, "\n")
		for name := range variables() {
			if strings.HasPrefix(text, "undeclared reference to '"+name+"'") && !slices.Contains(scope.names(), name) {
				text = fmt.Sprintf("%s is not known here (%s); known are %s", name, scope.why(), strings.Join(scope.names(), ", "))
				break
			}
		}
		return nil, fmt.Errorf("does not compile: line %d, column %d: %s", first.Location.Line(), first.Location.Column()+1, text)
	}
	if t := checked.OutputType(); t.Kind() != types.DynKind && !fits(t) {
		return nil, fmt.Errorf("must give %s, not %s", want, t)
	}
	p, err := env.Program(checked, c.limits...)
	if err != nil {
		text, _, _ := strings.Cut(err.Error(), "\n")
		return nil, fmt.Errorf("does not compile: %s", text)
	}
	return &Expr{program: p, keys: literalKeys(checked.NativeRep())}, nil
}

// literalKeys lists the names that an expression itself spells: text from the
// configuration, which an error may quote.
func literalKeys(a *ast.AST) map[string]bool {
	out := map[string]bool{}
	ast.PreOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.SelectKind:
			out[e.AsSelect().FieldName()] = true
		case ast.LiteralKind:
			if s, ok := e.AsLiteral().(types.String); ok {
				out[string(s)] = true
			}
		}
	}))
	return out
}
