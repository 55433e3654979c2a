package entrasim

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// userProps renders the properties of a user that this tenant knows. A name
// missing here is answered 400 in $select, as Graph does for a misspelt one.
var userProps = map[string]func(*userRecord) any{
	"id":                            func(u *userRecord) any { return u.ID },
	"userPrincipalName":             func(u *userRecord) any { return u.UPN },
	"displayName":                   func(u *userRecord) any { return orNull(u.DisplayName) },
	"givenName":                     func(u *userRecord) any { return orNull(u.GivenName) },
	"surname":                       func(u *userRecord) any { return orNull(u.Surname) },
	"mail":                          func(u *userRecord) any { return orNull(u.Mail) },
	"otherMails":                    func(u *userRecord) any { return orEmpty(u.OtherMails) },
	"mobilePhone":                   func(u *userRecord) any { return orNull(u.MobilePhone) },
	"businessPhones":                func(*userRecord) any { return []string{} },
	"jobTitle":                      func(u *userRecord) any { return orNull(u.JobTitle) },
	"department":                    func(u *userRecord) any { return orNull(u.Department) },
	"companyName":                   func(u *userRecord) any { return orNull(u.CompanyName) },
	"officeLocation":                func(u *userRecord) any { return orNull(u.OfficeLocation) },
	"country":                       func(u *userRecord) any { return orNull(u.Country) },
	"usageLocation":                 func(u *userRecord) any { return orNull(u.UsageLocation) },
	"preferredLanguage":             func(u *userRecord) any { return orNull(u.PreferredLanguage) },
	"employeeId":                    func(u *userRecord) any { return orNull(u.EmployeeID) },
	"employeeType":                  func(u *userRecord) any { return orNull(u.EmployeeType) },
	"employeeHireDate":              func(u *userRecord) any { return timeOrNull(u.EmployeeHireDate) },
	"createdDateTime":               func(u *userRecord) any { return instant(u.Created) },
	"accountEnabled":                func(u *userRecord) any { return !u.Disabled },
	"userType":                      func(u *userRecord) any { return orNull(u.UserType) },
	"creationType":                  func(u *userRecord) any { return orNull(u.CreationType) },
	"externalUserState":             func(u *userRecord) any { return orNull(u.ExternalUserState) },
	"identities":                    func(u *userRecord) any { return orEmpty(u.Identities) },
	"onPremisesImmutableId":         func(u *userRecord) any { return orNull(u.OnPremisesImmutableID) },
	"onPremisesSyncEnabled":         func(u *userRecord) any { return u.OnPremisesSyncEnabled },
	"onPremisesExtensionAttributes": func(u *userRecord) any { return extensionAttributes(u.ExtensionAttributes) },
}

// defaultUserProps are what Graph returns without $select; the rest, employeeId
// and accountEnabled among them, must be asked for.
var defaultUserProps = []string{"id", "businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone",
	"officeLocation", "preferredLanguage", "surname", "userPrincipalName"}

// userFilters are the properties that $filter may compare with eq. The
// directory compares without case, except the immutable id, which is base64.
var userFilters = map[string]func(u *userRecord, v string) bool{
	"employeeId":            func(u *userRecord, v string) bool { return strings.EqualFold(u.EmployeeID, v) },
	"userPrincipalName":     func(u *userRecord, v string) bool { return strings.EqualFold(u.UPN, v) },
	"mail":                  func(u *userRecord, v string) bool { return strings.EqualFold(u.Mail, v) },
	"onPremisesImmutableId": func(u *userRecord, v string) bool { return u.OnPremisesImmutableID == v },
}

func (t *Tenant) listUsers(c *call) reply {
	match, refused := userMatch(c)
	if match == nil {
		return refused
	}
	sel, exp, err := parseUserShape(c.query)
	if err != nil {
		return badRequest(directory, err.Error())
	}
	var found []any
	for _, u := range t.st.Users {
		if !c.now.Before(u.VisibleAt) && match(u) {
			found = append(found, t.renderUser(c, u, sel, exp))
		}
	}
	return t.page(c, "users"+selectSuffix(c.query), found)
}

// userMatch reads $filter: one comparison with eq, or one with in, or some of employeeHireDate
// joined by and. No match means that the reply says why.
func userMatch(c *call) (func(*userRecord) bool, reply) {
	if !c.query.Has("$filter") {
		return func(*userRecord) bool { return true }, reply{}
	}
	f := c.query.Get("$filter")
	if strings.HasPrefix(strings.TrimSpace(f), hireDate+" ") {
		return hireMatch(c, f)
	}
	if _, _, in := strings.Cut(f, " in ("); in && !strings.Contains(f, " eq ") {
		return inMatch(f)
	}
	prop, value, err := parseEq(f)
	if err != nil {
		return nil, badRequest(directory, err.Error())
	}
	test := userFilter(prop)
	if test == nil {
		return nil, unsupportedFilter(prop)
	}
	return func(u *userRecord) bool { return value != "" && test(u, value) }, reply{}
}

// unsupportedFilter is worded as Graph words it.
// Source: github.com/microsoftgraph/microsoft-graph-docs-contrib issue 9095
func unsupportedFilter(prop string) reply {
	return refusal(directory, http.StatusBadRequest, "Request_UnsupportedQuery",
		"Unsupported or invalid query filter clause specified for property '"+prop+"' of resource 'User'.")
}

func userFilter(prop string) func(*userRecord, string) bool {
	if name, ok := strings.CutPrefix(prop, "onPremisesExtensionAttributes/"); ok && isExtensionAttribute(name) {
		return func(u *userRecord, v string) bool { return strings.EqualFold(u.ExtensionAttributes[name], v) }
	}
	return userFilters[prop]
}

func (t *Tenant) getUser(c *call) reply {
	u, refused := t.directoryUser(c)
	if u == nil {
		return refused
	}
	sel, exp, err := parseUserShape(c.query)
	if err != nil {
		return badRequest(directory, err.Error())
	}
	body := t.renderUser(c, u, sel, exp)
	body["@odata.context"] = c.context("users" + selectSuffix(c.query) + "/$entity")
	return reply{status: http.StatusOK, body: body}
}

// directoryUser finds the user of the path by id or UPN, or says 404.
func (t *Tenant) directoryUser(c *call) (*userRecord, reply) {
	u := t.findUser(c.arg("userId"))
	if u == nil || c.now.Before(u.VisibleAt) {
		return nil, refusal(directory, http.StatusNotFound, "Request_ResourceNotFound", "The directory has no such user, or does not show it yet.")
	}
	return u, reply{}
}

func (t *Tenant) findUser(idOrUPN string) *userRecord {
	for _, u := range t.st.Users {
		if strings.EqualFold(u.ID, idOrUPN) || strings.EqualFold(u.UPN, idOrUPN) {
			return u
		}
	}
	return nil
}

// renderUser renders sel, and the manager when exp is not nil. A user without a
// manager has no such property at all.
func (t *Tenant) renderUser(c *call, u *userRecord, sel, exp []string) object {
	o := object{}
	for _, p := range sel {
		o[p] = userProps[p](u)
	}
	if exp == nil || u.ManagerID == "" {
		return o
	}
	if m := t.st.user(u.ManagerID); m != nil && !c.now.Before(m.VisibleAt) {
		boss := t.renderUser(c, m, exp, nil)
		boss["@odata.type"] = "#microsoft.graph.user"
		o["manager"] = boss
	}
	return o
}

// parseUserShape reads $select and $expand=manager($select=…). A user takes one
// relation in $expand.
//
// Source: github.com/microsoftgraph/microsoft-graph-docs issue 96
func parseUserShape(q url.Values) (sel, exp []string, err error) {
	if sel, err = parseSelect(q.Get("$select")); err != nil || !q.Has("$expand") {
		return sel, nil, err
	}
	if n := relations(q.Get("$expand")); n > 1 {
		return nil, nil, fmt.Errorf("the result of parsing $expand contained at least %d items, but the maximum allowed is 1", n)
	}
	rest, ok := strings.CutPrefix(q.Get("$expand"), "manager")
	if !ok {
		return nil, nil, fmt.Errorf("only manager can be expanded here")
	}
	inner := ""
	if rest != "" {
		if !strings.HasPrefix(rest, "(") || !strings.HasSuffix(rest, ")") {
			return nil, nil, fmt.Errorf("the options of $expand are not in parentheses")
		}
		for opt := range strings.SplitSeq(rest[1:len(rest)-1], ";") {
			switch name, v, _ := strings.Cut(opt, "="); {
			case name == "$select":
				inner = v
			case opt == "$levels=1":
			default:
				return nil, nil, fmt.Errorf("an option of $expand is not supported here: %s", name)
			}
		}
	}
	exp, err = parseSelect(inner)
	return sel, exp, err
}

// relations counts what $expand names; commas within parentheses are of
// $select.
func relations(expand string) int {
	n, depth := 1, 0
	for _, r := range expand {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == ',' && depth == 0:
			n++
		}
	}
	return n
}

func parseSelect(s string) ([]string, error) {
	if s == "" {
		return defaultUserProps, nil
	}
	var sel []string
	for name := range strings.SplitSeq(s, ",") {
		name = strings.TrimSpace(name)
		if userProps[name] == nil {
			return nil, fmt.Errorf("a property in $select is not one of microsoft.graph.user: %s", name)
		}
		sel = append(sel, name)
	}
	return sel, nil
}

func selectSuffix(q url.Values) string {
	if s := q.Get("$select"); s != "" {
		return "(" + s + ")"
	}
	return ""
}

// parseEq reads one comparison, prop eq 'value'; a doubled quote inside the
// value is one quote.
func parseEq(f string) (prop, value string, err error) {
	prop, rest, ok := strings.Cut(strings.TrimSpace(f), " ")
	op, lit, ok2 := strings.Cut(strings.TrimSpace(rest), " ")
	lit = strings.TrimSpace(lit)
	if !ok || !ok2 || op != "eq" || len(lit) < 2 || lit[0] != '\'' || lit[len(lit)-1] != '\'' {
		return "", "", fmt.Errorf("the $filter is not understood; this tenant knows property eq 'value' only")
	}
	lit = lit[1 : len(lit)-1]
	value = strings.ReplaceAll(lit, "''", "'")
	if strings.Count(strings.ReplaceAll(lit, "''", ""), "'") > 0 {
		return "", "", fmt.Errorf("a quote inside the $filter value is not doubled")
	}
	return prop, value, nil
}

// page answers the part of all that $top and $skiptoken ask for.
func (t *Tenant) page(c *call, entity string, all []any) reply {
	size := t.cfg.PageSize
	if s := c.query.Get("$top"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 999 {
			return badRequest(directory, "$top is not a number from 1 to 999")
		}
		size = n
	}
	from := 0
	if s := c.query.Get("$skiptoken"); s != "" {
		raw, err := base64.RawURLEncoding.DecodeString(s)
		n, err2 := strconv.Atoi(strings.TrimPrefix(string(raw), "from:"))
		if cmp.Or(err, err2) != nil || n < 0 {
			return refusal(directory, http.StatusBadRequest, "Directory_ExpiredPageToken", "The $skiptoken is not one of this tenant.")
		}
		from = n
	}
	from = min(from, len(all))
	to := min(from+size, len(all))
	body := object{"@odata.context": c.context(entity), "value": orEmpty(slices.Clone(all[from:to]))}
	if from == 0 && c.advanced() {
		body["@odata.count"] = len(all) // on the first page only
	}
	if to < len(all) {
		q := url.Values{}
		for k, v := range c.query {
			q[k] = v
		}
		q.Set("$skiptoken", base64.RawURLEncoding.EncodeToString([]byte("from:"+strconv.Itoa(to))))
		body["@odata.nextLink"] = c.base() + c.r.URL.EscapedPath() + "?" + q.Encode()
	}
	return reply{status: http.StatusOK, body: body}
}

func extensionAttributes(m map[string]string) object {
	o := object{}
	for i := range 15 {
		name := "extensionAttribute" + strconv.Itoa(i+1)
		o[name] = orNull(m[name])
	}
	return o
}

func isExtensionAttribute(name string) bool {
	digits, ok := strings.CutPrefix(name, "extensionAttribute")
	n, err := strconv.Atoi(digits)
	return ok && err == nil && n >= 1 && n <= 15 && digits == strconv.Itoa(n)
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func timeOrNull(at *time.Time) any {
	if at == nil {
		return nil
	}
	return instant(*at)
}

// instant writes a time the way Graph does: UTC, fraction only when there is one.
func instant(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.9999999Z") }
