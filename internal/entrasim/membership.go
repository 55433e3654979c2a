package entrasim

import (
	"net/http"
	"slices"
	"strings"
)

// checkMemberGroups answers which of up to 20 groups the user is in, through
// nested groups too.
//
// Source: learn.microsoft.com/graph/api/directoryobject-checkmembergroups
func (t *Tenant) checkMemberGroups(c *call) reply {
	u, refused := t.directoryUser(c)
	if u == nil {
		return refused
	}
	var in struct {
		GroupIDs []string `json:"groupIds"`
	}
	if bad := c.decode(directory, &in); bad != nil {
		return *bad
	}
	if len(in.GroupIDs) == 0 || len(in.GroupIDs) > 20 {
		return refusal(directory, http.StatusBadRequest, "Request_BadRequest", "groupIds must name 1 to 20 groups.")
	}
	of := t.st.groupsOf(u, true)
	value := []string{}
	for _, id := range in.GroupIDs {
		if !isGUID(id) {
			return refusal(directory, http.StatusBadRequest, "Request_BadRequest", "groupIds holds something that is not a GUID.")
		}
		if slices.ContainsFunc(of, func(g string) bool { return strings.EqualFold(g, id) }) {
			value = append(value, id)
		}
	}
	return reply{status: http.StatusOK, body: object{"@odata.context": c.context("Collection(Edm.String)"), "value": value}}
}

// memberOfProps are what $select may name on transitiveMemberOf, with the kinds
// of object that have them.
var memberOfProps = map[string][]string{
	"id": {"group", "directoryRole"}, "displayName": {"group", "directoryRole"}, "description": {"group", "directoryRole"},
	"isAssignableToRole": {"group"}, "securityEnabled": {"group"}, "mailEnabled": {"group"}, "groupTypes": {"group"},
	"roleTemplateId": {"directoryRole"},
}

// transitiveMemberOf lists the user's groups and tenant-wide directory roles,
// roles given to one of his groups included. A role scoped to an administrative
// unit is not a membership and does not show, which is the trap for whoever
// asks nothing else. Objects the app may not read come with their id alone.
//
// Source: learn.microsoft.com/graph/api/user-list-transitivememberof
func (t *Tenant) transitiveMemberOf(c *call) reply {
	u, refused := t.directoryUser(c)
	if u == nil {
		return refused
	}
	var sel []string
	if s := c.query.Get("$select"); s != "" {
		for name := range strings.SplitSeq(s, ",") {
			if memberOfProps[name] == nil {
				return badRequest(directory, "A property in $select is not known here: "+name)
			}
			sel = append(sel, name)
		}
	}
	var all []any
	add := func(kind string, readable bool, o object) {
		for name := range o {
			if name != "id" && !readable {
				o[name] = nil
			}
			if sel != nil && !slices.Contains(sel, name) {
				delete(o, name)
			}
		}
		o["@odata.type"] = "#microsoft.graph." + kind
		all = append(all, o)
	}
	groups := t.st.groupsOf(u, true)
	for _, id := range groups {
		if g := t.st.group(id); g != nil {
			add("group", c.may("GroupMember.Read.All", "Group.Read.All", "Directory.Read.All"), object{
				"id": g.ID, "displayName": g.DisplayName, "description": nil, "groupTypes": []string{},
				"isAssignableToRole": orNullBool(g.RoleAssignable), "securityEnabled": true, "mailEnabled": false})
		}
	}
	var seen []string
	for _, r := range t.st.Roles {
		if r.AdminUnitID != "" || slices.Contains(seen, r.RoleID) || r.PrincipalID != u.ID && !slices.Contains(groups, r.PrincipalID) {
			continue
		}
		seen = append(seen, r.RoleID)
		add("directoryRole", c.may("RoleManagement.Read.Directory", "Directory.Read.All"), object{
			"id": r.RoleID, "displayName": r.RoleName, "description": nil, "roleTemplateId": r.RoleID})
	}
	return t.page(c, "directoryObjects", all)
}

// orNullBool: a group not made for roles has isAssignableToRole null.
func orNullBool(b bool) any {
	if !b {
		return nil
	}
	return true
}

// listRoleAssignments answers all assignments, or those made to one principal itself,
// scoped ones included; those of his groups must be asked for by group id.
//
// Source: learn.microsoft.com/graph/api/rbacapplication-list-roleassignments
func (t *Tenant) listRoleAssignments(c *call) reply {
	prop, value, err := parseEq(c.query.Get("$filter"))
	everybody := !c.query.Has("$filter")
	if !everybody && (err != nil || prop != "principalId") {
		return refusal(directory, http.StatusBadRequest, "Request_UnsupportedQuery", "This tenant lists role assignments by $filter=principalId eq 'id' only.")
	}
	var all []any
	for _, r := range t.st.Roles {
		if everybody || strings.EqualFold(r.PrincipalID, value) {
			all = append(all, object{"id": r.ID, "principalId": r.PrincipalID, "roleDefinitionId": r.RoleID, "directoryScopeId": r.scope()})
		}
	}
	return t.page(c, "roleManagement/directory/roleAssignments", all)
}
