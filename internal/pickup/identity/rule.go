package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
)

// Limits of one rule. Real ones cost less than a hundred units and microseconds.
const (
	ruleTime   = 100 * time.Millisecond
	ruleCost   = 100_000 // CEL's units; some 20 ms
	ruleMemory = 1 << 20 // CEL's elements: members, and ten bytes of text each
	// checkEvery is after how many rounds of a loop the time is looked at.
	checkEvery = 100
)

const claimsName, employeeName = "claims", "employee"

// rules compiles expressions.
type rules struct {
	ofMatch, ofSubject *cel.Env
}

func newRules() (*rules, error) {
	base, err := cel.NewEnv(
		cel.OptionalTypes(),
		ext.Strings(ext.StringsVersion(4)),
		cel.ASTValidators(cel.ValidateRegexLiterals()),
		cel.Variable(claimsName, cel.MapType(cel.StringType, cel.DynType)),
		cel.Function("sameName", cel.Overload("same_name_text_text", []*cel.Type{cel.StringType, cel.StringType}, cel.BoolType,
			cel.BinaryBinding(func(a, b ref.Val) ref.Val {
				x, _ := a.(types.String) // the overload takes nothing else
				y, _ := b.(types.String)
				return types.Bool(sameName(string(x), string(y)))
			}))),
	)
	if err != nil {
		return nil, fmt.Errorf("CEL: %w", err)
	}
	match, err := base.Extend(cel.Variable(employeeName, cel.MapType(cel.StringType, cel.StringType)))
	if err != nil {
		return nil, fmt.Errorf("CEL: %w", err)
	}
	return &rules{ofMatch: match, ofSubject: base}, nil
}

// rule is a compiled expression. It may be used by many goroutines.
type rule struct {
	program cel.Program
	// needs lists the fields of employee without which it can't be true.
	needs []string
	keys  map[string]bool // that it spells itself
}

// match compiles a rule. Errors quote the rule, which is configuration, and
// point into it.
func (r *rules) match(expr string) (*rule, error) {
	out, use, err := compile(r.ofMatch, expr, types.BoolKind, "true or false")
	if err != nil {
		return nil, err
	}
	for _, field := range use.fields {
		if !slices.Contains(employeeFields(), field) {
			return nil, fmt.Errorf("employee has no %q; it has %s", field, strings.Join(employeeFields(), ", "))
		}
	}
	switch {
	case use.whole:
		return nil, errors.New("must name employee's fields, as in employee.birth_date")
	case !use.claims || len(use.fields) == 0:
		return nil, errors.New("must compare claims with employee: as it is, it says the same of everybody")
	case !slices.ContainsFunc(use.fields, func(f string) bool { return slices.Contains(telling(), f) }):
		return nil, fmt.Errorf("compares nothing that tells namesakes apart; name at least one of employee.%s", strings.Join(telling(), ", employee."))
	}
	for _, field := range use.fields {
		if !use.guarded[field] {
			out.needs = append(out.needs, field)
		}
	}
	return out, nil
}

// subject compiles an expression that gives a text.
func (r *rules) subject(expr string) (*rule, error) {
	out, use, err := compile(r.ofSubject, expr, types.StringKind, "a text")
	if err != nil {
		return nil, err
	}
	if !use.claims {
		return nil, errors.New("must use claims: as it is, everybody has the same identifier")
	}
	return out, nil
}

func compile(env *cel.Env, expr string, kind types.Kind, want string) (*rule, usage, error) {
	if strings.TrimSpace(expr) == "" {
		return nil, usage{}, errors.New("missing")
	}
	checked, issues := env.Compile(expr)
	if issues.Err() != nil {
		first := issues.Errors()[0]
		text, _, _ := strings.Cut(first.Message, "\n")
		return nil, usage{}, fmt.Errorf("does not compile: line %d, column %d: %s", first.Location.Line(), first.Location.Column()+1, text)
	}
	if t := checked.OutputType(); t.Kind() != types.DynKind && t.Kind() != kind {
		return nil, usage{}, fmt.Errorf("must give %s, not %s", want, t)
	}
	program, err := env.Program(checked,
		cel.CostLimit(ruleCost),
		cel.MemoryLimit(ruleMemory),
		cel.InterruptCheckFrequency(checkEvery),
		cel.EvalOptions(cel.OptOptimize),
	)
	if err != nil {
		text, _, _ := strings.Cut(err.Error(), "\n")
		return nil, usage{}, fmt.Errorf("does not compile: %s", text)
	}
	use := usageOf(checked.NativeRep())
	return &rule{program: program, keys: use.keys}, use, nil
}

// usage is what an expression does with its variables.
type usage struct {
	claims  bool
	fields  []string        // of employee, sorted
	guarded map[string]bool // those of fields that it tests for
	whole   bool            // uses employee otherwise than by a field's name
	keys    map[string]bool // all names it spells
}

func usageOf(a *ast.AST) usage {
	out := usage{guarded: map[string]bool{}, keys: map[string]bool{}}
	named := map[int64]bool{} // identifiers that a field's name goes with
	field := func(of ast.Expr, name string, guard bool) {
		if of.Kind() != ast.IdentKind || of.AsIdent() != employeeName {
			return
		}
		named[of.ID()] = true
		out.fields = append(out.fields, name)
		out.guarded[name] = out.guarded[name] || guard
	}
	text := func(e ast.Expr) (string, bool) {
		if e.Kind() != ast.LiteralKind {
			return "", false
		}
		s, ok := e.AsLiteral().(types.String)
		return string(s), ok
	}
	ast.PreOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.SelectKind:
			s := e.AsSelect()
			out.keys[s.FieldName()] = true
			field(s.Operand(), s.FieldName(), s.IsTestOnly())
		case ast.CallKind:
			args := e.AsCall().Args()
			if len(args) != 2 {
				return
			}
			switch e.AsCall().FunctionName() {
			case operators.Index:
				if s, ok := text(args[1]); ok {
					field(args[0], s, false)
				}
			case operators.OptIndex, operators.OptSelect:
				if s, ok := text(args[1]); ok {
					field(args[0], s, true)
				}
			case operators.In:
				if s, ok := text(args[0]); ok {
					field(args[1], s, true)
				}
			}
		case ast.LiteralKind:
			if s, ok := text(e); ok {
				out.keys[s] = true
			}
		case ast.IdentKind:
			switch e.AsIdent() {
			case claimsName:
				out.claims = true
			case employeeName:
				// A parent is visited before its child.
				out.whole = out.whole || !named[e.ID()]
			}
		}
	}))
	slices.Sort(out.fields)
	out.fields = slices.Compact(out.fields)
	return out
}

// Classes of what goes wrong. CEL's own texts quote keys and values of claims.
var (
	errMissing   = errors.New("the rule misses a claim")
	errWrongType = errors.New("a claim has another type than the rule takes")
	errCostly    = errors.New("the rule takes too long")
	errEvaluate  = errors.New("the rule can't be evaluated")
)

// holds reports whether the rule is true. The error says why it could not be told,
// and quotes nothing but names that the rule spells itself.
func (r *rule) holds(ctx context.Context, claims map[string]any, employee map[string]string) (bool, error) {
	out, err := r.eval(ctx, map[string]any{claimsName: claims, employeeName: employee})
	if err != nil {
		return false, err
	}
	b, ok := out.(types.Bool)
	if !ok {
		return false, errWrongType
	}
	return bool(b), nil
}

// text gives the rule's text; integers become their digits.
func (r *rule) text(ctx context.Context, claims map[string]any) (string, error) {
	out, err := r.eval(ctx, map[string]any{claimsName: claims})
	if err != nil {
		return "", err
	}
	var s string
	switch v := out.(type) {
	case types.String:
		s = strings.TrimSpace(string(v))
	case types.Int:
		s = strconv.FormatInt(int64(v), 10)
	default:
		return "", errWrongType
	}
	if s == "" {
		return "", errMissing
	}
	return s, nil
}

func (r *rule) eval(ctx context.Context, vars map[string]any) (ref.Val, error) {
	ctx, cancel := context.WithTimeout(ctx, ruleTime)
	defer cancel()
	out, _, err := r.program.ContextEval(ctx, vars)
	if err == nil {
		return out, nil
	}
	s := err.Error()
	if key, ok := strings.CutPrefix(s, "no such key: "); ok {
		if r.keys[key] {
			return nil, fmt.Errorf("%w: %s", errMissing, key)
		}
		return nil, errMissing
	}
	switch {
	case strings.HasPrefix(s, "no such overload"), strings.Contains(s, "type conversion error"):
		return nil, errWrongType
	case strings.Contains(s, "cost limit"), strings.Contains(s, "memory limit"), strings.Contains(s, "interrupted"), ctx.Err() != nil:
		return nil, errCostly
	}
	return nil, errEvaluate
}
