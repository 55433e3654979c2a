package profile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"

	"firstpass.internal/internal/jml"
)

// Limits of one rule. Real ones cost less than a hundred units.
const (
	ruleCost   = 100_000 // CEL's units; some 20 ms
	ruleMemory = 1 << 20 // CEL's elements: members, and ten bytes of text each
)

const employeeName, userName = "employee", "user"

// variables are what rules see, by their whole names: CEL checks at load that
// there is such a field and that it is used as what it is.
func variables() map[string]*cel.Type {
	out := map[string]*cel.Type{"journey": cel.StringType, "source": cel.StringType}
	for name, v := range values("", "", jml.Snapshot{}, &jml.User{}) {
		switch v.(type) {
		case types.Bool:
			out[name] = cel.BoolType
		case types.String:
			out[name] = cel.StringType
		}
	}
	return out
}

// values are the variables of one question. Without a user those of the user are
// left out.
func values(kind jml.Kind, source string, s jml.Snapshot, user *jml.User) map[string]any {
	out := map[string]any{
		"journey":                types.String(kind),
		"source":                 types.String(source),
		"employee.employee_id":   types.String(s.EmployeeID),
		"employee.upn":           types.String(s.UPN),
		"employee.country":       types.String(s.Country),
		"employee.site":          types.String(s.Site),
		"employee.zone":          types.String(s.Zone),
		"employee.locale":        types.String(s.Locale),
		"employee.department":    types.String(s.Department),
		"employee.employee_type": types.String(s.EmployeeType),
		"employee.job_title":     types.String(s.JobTitle),
		"employee.device":        types.String(s.Device),
		"employee.manager_id":    types.String(s.ManagerID),
		"employee.rehire":        types.Bool(s.Rehire),
		"employee.has_mail":      types.Bool(s.PersonalMail != ""),
		"employee.has_phone":     types.Bool(s.Phone != ""),
	}
	if user != nil {
		_, domain, _ := strings.Cut(user.UPN, "@")
		out["user.department"] = types.String(user.Department)
		out["user.job_title"] = types.String(user.JobTitle)
		out["user.country"] = types.String(user.Country)
		out["user.employee_type"] = types.String(user.EmployeeType)
		out["user.company"] = types.String(user.Company)
		out["user.domain"] = types.String(strings.ToLower(domain))
		out["user.guest"] = types.Bool(user.Guest)
	}
	return out
}

// compiler compiles rules.
type compiler struct {
	env *cel.Env
	// ofUser are the variables that are unknown while the user is.
	ofUser []*cel.AttributePatternType
	fields map[string][]string // of employee and user, sorted
}

func newCompiler() (*compiler, error) {
	out := &compiler{fields: map[string][]string{}}
	with := []cel.EnvOption{
		ext.Strings(ext.StringsVersion(4)),
		cel.ASTValidators(cel.ValidateRegexLiterals()),
	}
	for name, t := range variables() {
		with = append(with, cel.Variable(name, t))
		of, field, _ := strings.Cut(name, ".")
		out.fields[of] = append(out.fields[of], field)
		if of == userName {
			out.ofUser = append(out.ofUser, cel.AttributePattern(name))
		}
	}
	for _, list := range out.fields {
		slices.Sort(list)
	}
	var err error
	if out.env, err = cel.NewEnv(with...); err != nil {
		return nil, fmt.Errorf("profile: CEL: %w", err)
	}
	return out, nil
}

// rule is a compiled rule. It may be used by many goroutines.
type rule struct {
	program cel.Program
	user    bool // it names the user
}

// compile compiles a rule. Errors quote the rule, which is configuration, and
// point into it.
func (c *compiler) compile(expr string) (*rule, error) {
	parsed, issues := c.env.Parse(expr)
	user := false
	if issues.Err() == nil {
		var err error
		if user, err = c.known(parsed.NativeRep()); err != nil {
			return nil, err
		}
		parsed, issues = c.env.Check(parsed)
	}
	if issues.Err() != nil {
		first := issues.Errors()[0]
		text, _, _ := strings.Cut(first.Message, "\n")
		return nil, fmt.Errorf("does not compile: line %d, column %d: %s", first.Location.Line(), first.Location.Column()+1, text)
	}
	if t := parsed.OutputType(); t.Kind() != types.BoolKind {
		return nil, fmt.Errorf("must give true or false, not %s", t)
	}
	options := []cel.EvalOption{cel.OptOptimize}
	if user {
		// It takes three times as long.
		options = append(options, cel.OptPartialEval)
	}
	program, err := c.env.Program(parsed, cel.CostLimit(ruleCost), cel.MemoryLimit(ruleMemory), cel.EvalOptions(options...))
	if err != nil {
		text, _, _ := strings.Cut(err.Error(), "\n")
		return nil, fmt.Errorf("does not compile: %s", text)
	}
	return &rule{program: program, user: user}, nil
}

// known refuses fields that there are not, of which CEL would only say that it
// does not know employee. It reports whether the rule names the user.
func (c *compiler) known(a *ast.AST) (user bool, bad error) {
	named := map[int64]bool{} // identifiers that a field's name goes with
	ast.PreOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.SelectKind:
			of := e.AsSelect().Operand()
			if of.Kind() != ast.IdentKind || of.AsIdent() != employeeName && of.AsIdent() != userName {
				return
			}
			named[of.ID()] = true
			user = user || of.AsIdent() == userName
			field, list := e.AsSelect().FieldName(), c.fields[of.AsIdent()]
			switch {
			case bad != nil:
			case !slices.Contains(list, field):
				bad = fmt.Errorf("%s has no %q; it has %s", of.AsIdent(), field, strings.Join(list, ", "))
			case e.AsSelect().IsTestOnly():
				bad = fmt.Errorf(`has(%s.%s) says nothing: what is left out is ""; compare with that`, of.AsIdent(), field)
			}
		case ast.IdentKind:
			if name := e.AsIdent(); bad == nil && (name == employeeName || name == userName) && !named[e.ID()] {
				bad = fmt.Errorf("must name fields, as in %s.%s", name, c.fields[name][0])
			}
		}
	}))
	return user, bad
}

// truth is what a rule says of somebody.
type truth int

const (
	no truth = iota
	yes
	open // it needs the user, whom nobody knows
)

// The classes of what goes wrong with a rule. CEL's own texts quote
// values.
var (
	errWrongType = errors.New("a value is not what the rule takes it for")
	errCostly    = errors.New("the rule takes too long")
	errEvaluate  = errors.New("the rule can't be evaluated")
)

// ask evaluates the rule. One that fails is not true.
func (r *rule) ask(vars any) (truth, error) {
	out, _, err := r.program.Eval(vars)
	if types.IsUnknown(out) {
		return open, nil
	}
	if err == nil {
		if b, _ := out.(types.Bool); bool(b) {
			return yes, nil
		}
		return no, nil
	}
	switch text := err.Error(); {
	case strings.HasPrefix(text, "no such overload"), strings.Contains(text, "conversion error"):
		return no, errWrongType
	case strings.Contains(text, "cost limit"), strings.Contains(text, "memory limit"):
		return no, errCostly
	}
	return no, errEvaluate
}
