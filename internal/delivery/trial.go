package delivery

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	texttemplate "text/template"
	"text/template/parse"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

// names calls f with every name that t takes of the view, and whether anything
// hangs on its value: it stands in a condition, or goes to a function.
func names(t *texttemplate.Template, f func(name string, decides bool)) {
	var walk func(n parse.Node, decides bool)
	list := func(l *parse.ListNode) {
		if l != nil {
			for _, n := range l.Nodes {
				walk(n, false)
			}
		}
	}
	branch := func(b parse.BranchNode) {
		walk(b.Pipe, true)
		list(b.List)
		list(b.ElseList)
	}
	walk = func(n parse.Node, decides bool) {
		switch n := n.(type) {
		case *parse.ListNode:
			list(n)
		case *parse.ActionNode:
			walk(n.Pipe, false)
		case *parse.IfNode:
			branch(n.BranchNode)
		case *parse.WithNode:
			branch(n.BranchNode)
		case *parse.RangeNode:
			branch(n.BranchNode)
		case *parse.TemplateNode:
			if n.Pipe != nil {
				walk(n.Pipe, false)
			}
		case *parse.PipeNode:
			for _, c := range n.Cmds {
				walk(c, decides || len(n.Cmds) > 1)
			}
		case *parse.CommandNode:
			for _, a := range n.Args {
				walk(a, decides || len(n.Args) > 1)
			}
		case *parse.FieldNode:
			f(strings.Join(n.Ident, "."), decides)
		case *parse.VariableNode:
			if len(n.Ident) > 1 {
				f(strings.Join(n.Ident[1:], "."), decides)
			}
		case *parse.ChainNode:
			f(strings.Join(n.Field, "."), decides)
		}
	}
	for _, each := range t.Templates() {
		if each.Tree != nil {
			list(each.Root)
		}
	}
}

func (t *template) parts() []*texttemplate.Template {
	return []*texttemplate.Template{t.subject, t.sms, t.body}
}

// checkNames finds names that the view does not have, in whatever branch.
func (t *template) checkNames() error {
	var errs []error
	known := reflect.TypeFor[view]()
	for _, part := range t.parts() {
		names(part, func(name string, _ bool) {
			if _, ok := known.FieldByName(name); !ok {
				errs = append(errs, fmt.Errorf("%s: there is no {{.%s}}", part.Name(), name))
			}
		})
	}
	return errors.Join(errs...)
}

// Samples are told apart from whatever stands in a template.
const (
	sampleGiven     = "Samplegiven"
	sampleFamily    = "Samplefamily"
	sampleAddressee = "Sampleaddressee"
	sampleSignIn    = "sample.signin@example.com"
	sampleReference = "smpl9ref"
)

// sample is a view with everything in it that m can have.
func sample(m jml.Message) view {
	v := view{
		Organisation: "Sampleorganisation", Help: "Samplehelp.", SignInURL: markSignIn, Page: markPage, Locale: "en",
		Addressee: sampleAddressee, GivenName: sampleGiven, FamilyName: sampleFamily, Employee: sampleGiven + " " + sampleFamily,
		Site: "Samplesite", SignInName: sampleSignIn,
		From: "samplefrom", FromBrief: "samplefrom", Until: "sampleuntil", UntilBrief: "sampleuntil",
		Start: "samplestart", StartBrief: "samplestart", CollectedAt: "samplecollected", CollectedAtBrief: "samplecollected",
		Device: "sampledevice", Requester: "samplerequester",
		Methods: "samplemethods", Reference: sampleReference, Pass: "a", EnterPass: "b", UsePass: "c", OtherWays: "d",
	}
	v.mark(only(m, sampleContents()))
	return v
}

// dimension is something that varies: how to take each of its values.
type dimension []func(*view)

// dimensions lists what varies in messages of this kind, by the name whose use
// makes it matter.
func dimensions(m jml.Message) map[string]dimension {
	flag := func(field func(*view) *bool) dimension {
		return dimension{func(v *view) { *field(v) = false }, func(v *view) { *field(v) = true }}
	}
	keep := func(*view) {}
	out := map[string]dimension{
		"Help":        {keep, func(v *view) { v.Help = "" }},
		"Page":        {keep, func(v *view) { v.Page = "" }},
		"Addressee":   {keep, func(v *view) { v.Addressee = "" }},
		"GivenName":   {keep, func(v *view) { v.GivenName = "" }},
		"FamilyName":  {keep, func(v *view) { v.FamilyName = "" }},
		"Employee":    {keep, func(v *view) { v.Employee = "" }},
		"Site":        {keep, func(v *view) { v.Site = "" }},
		"SignInName":  {keep, func(v *view) { v.SignInName = "" }},
		"Start":       {keep, func(v *view) { v.Start, v.StartBrief = "", "" }},
		"CollectedAt": {keep, func(v *view) { v.CollectedAt, v.CollectedAtBrief = "", "" }},
		"Half":        {keep, func(v *view) { v.Half = 1 }, func(v *view) { v.Half = 2 }},
		"OneTime":     flag(func(v *view) *bool { return &v.OneTime }),
		"Replaces":    flag(func(v *view) *bool { return &v.Replaces }),
		"Collected":   flag(func(v *view) *bool { return &v.Collected }),
		"Started":     flag(func(v *view) *bool { return &v.Started }),
		"Expired":     flag(func(v *view) *bool { return &v.Expired }),
		"Device":      {keep, func(v *view) { v.Device = "" }},
		"Requester":   {keep, func(v *view) { v.Requester = "" }},
	}
	journey := dimension{keep}
	for _, k := range jml.Kinds() {
		if k != jml.KindJoiner {
			journey = append(journey, func(v *view) { v.Journey = string(k) })
		}
	}
	out["Journey"] = journey
	if mayHandOn(m) {
		out["HandOn"] = flag(func(v *view) *bool { return &v.HandOn })
	}
	if brings(m) {
		out["HandOn"] = append(out["HandOn"], func(v *view) { v.HandOn, v.Technician = true, true })
	}
	reasons := dimension{keep}
	for _, r := range jml.Reasons() {
		reasons = append(reasons, func(v *view) { v.Reason = string(r) })
	}
	out["Reason"] = reasons
	if !brings(m) {
		out["From"] = dimension{keep, func(v *view) { v.From, v.FromBrief = "", "" }}
		out["Until"] = dimension{keep, func(v *view) { v.Until, v.UntilBrief = "", "" }}
	}
	if mayLackLink(m) {
		out["Link"] = dimension{keep, func(v *view) { v.Link, v.PickupReference = "", "" }}
	} else {
		out["Reference"] = dimension{keep, func(v *view) { v.Reference = "" }}
	}
	return out
}

// maxTrials bounds the work of loading a template: about 20 us each, and more for
// each that reads differently from those before.
const maxTrials = 40_000

// try carries the template out with every combination of what its conditions
// ask about, so that a template that is wrong stops the process at its start
// and not a joiner.
func (t *template) try() error {
	dims := dimensions(t.message)
	body, sms := bounds(t.message, true)
	var used []string
	var errs []error
	for _, part := range t.parts() {
		names(part, func(name string, decides bool) {
			mark, isSecret := secretMarks()[name]
			if _, inBody := body[mark]; isSecret && !inBody && sms[mark].most == 0 {
				errs = append(errs, fmt.Errorf("%s: a message of this kind has no {{.%s}}", part.Name(), name))
			}
			name = strings.TrimSuffix(name, "Brief")
			if _, varies := dims[name]; decides && varies && !slices.Contains(used, name) {
				used = append(used, name)
			}
		})
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	// These need not stand in a condition to be missed.
	for _, name := range []string{"Link", "HandOn"} {
		_, varies := dims[name]
		if varies && !slices.Contains(used, name) {
			used = append(used, name)
		}
	}
	trials := 1
	for _, name := range used {
		trials *= len(dims[name])
	}
	if trials > maxTrials {
		return fmt.Errorf("%s: its conditions ask about too much to try it all", t.body.Name())
	}
	type outcome struct {
		words
		handOn         bool
		employee, link string
	}
	seen := map[outcome]bool{}
	for i := range trials {
		v := sample(t.message)
		for _, name := range used {
			d := dims[name]
			d[i%len(d)](&v)
			i /= len(d)
		}
		if v.Journey != string(jml.KindStaging) && (v.Technician || v.Device == "") {
			continue // only a staging has either
		}
		w, err := t.execute(v)
		if err != nil {
			return err
		}
		// Much of what varies shows in one branch only.
		o := outcome{w, v.HandOn, v.Employee, v.Link}
		if seen[o] {
			continue
		}
		seen[o] = true
		if err := t.tryOne(v, w); err != nil {
			return err
		}
	}
	return nil
}

// tryOne looks at w, which t made of v.
func (t *template) tryOne(v view, w words) error {
	f, err := t.set(w)
	if err != nil {
		return err
	}
	c := only(t.message, sampleContents())
	if v.Link == "" {
		c.Link, c.PickupReference = secret.Passcode{}, secret.Passcode{}
	}
	if err := t.holds(f, c, sampleReference); err != nil {
		return err
	}
	for part, s := range map[string]string{t.sms.Name(): f.sms, t.body.Name(): f.text} {
		if v.HandOn && v.Employee != "" && !strings.Contains(s, v.Employee) {
			return fmt.Errorf("%s: {{.Employee}} is missing; with {{.HandOn}} the message speaks to somebody else, and must say whom it is about", part)
		}
	}
	// Subjects show on lock screens and in logs of mail servers, text messages
	// on lost phones.
	for _, s := range []string{sampleSignIn, sampleGiven, sampleFamily, sampleAddressee} {
		if strings.Contains(f.subject, s) {
			return fmt.Errorf("%s: a subject must name nobody", t.subject.Name())
		}
	}
	if strings.Contains(f.sms, sampleSignIn) {
		return fmt.Errorf("%s: a text message must not hold {{.SignInName}}", t.sms.Name())
	}
	for part, s := range map[string]string{t.subject.Name(): f.subject, t.sms.Name(): f.sms} {
		for _, name := range systems() {
			if strings.Contains(strings.ToLower(s), name) {
				return fmt.Errorf("%s: must not name the system that a pass is for, nor one of those that make it", part)
			}
		}
	}
	return nil
}

// systems lists, in lower case, what would tell the finder of a phone where to
// try what is on it.
func systems() []string {
	return []string{"temporary access pass", "microsoft", "entra id", "windows hello", "authenticator", "firstpass", "sendgrid", "twilio"}
}
