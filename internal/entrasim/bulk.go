package entrasim

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// Names of the operations that read much at once.
const (
	OpListGroups        = "listGroups"
	OpTransitiveMembers = "transitiveMembers"
)

// bulkRoutes are what is asked of groups, not of users.
func bulkRoutes() []route {
	groups := []string{"GroupMember.Read.All", "Group.Read.All", "Directory.Read.All"}
	return []route{
		{OpListGroups, http.MethodGet, "/v1.0/groups", directory, [][]string{groups}, (*Tenant).listGroups},
		{OpTransitiveMembers, http.MethodGet, "/v1.0/groups/{groupId}/transitiveMembers", directory, [][]string{groups}, (*Tenant).transitiveMembers},
	}
}

// inLimit is how many values in takes in a query that is not advanced.
// Source: learn.microsoft.com/graph/filter-query-parameter
const inLimit = 15

// inMatch reads "property in ('a','b')". The wording of the refusal is Graph's.
// Source: github.com/microsoftgraph/microsoft-graph-docs issue 21098
func inMatch(filter string) (func(*userRecord) bool, reply) {
	prop, list, ok := strings.Cut(strings.TrimSpace(filter), " in ")
	list = strings.TrimSpace(list)
	test := userFilter(prop)
	if !ok || test == nil || !strings.HasPrefix(list, "('") || !strings.HasSuffix(list, "')") {
		return nil, unsupportedFilter(prop)
	}
	var values []string
	rest := list[1 : len(list)-1]
	for rest != "" {
		end := 1
		for end < len(rest) && (rest[end] != '\'' || end+1 < len(rest) && rest[end+1] == '\'') {
			if rest[end] == '\'' {
				end++ // a quote in the value is doubled
			}
			end++
		}
		if rest[0] != '\'' || end >= len(rest) {
			return nil, badRequest(directory, "A value of in is not in quotes, or a quote in it is not doubled.")
		}
		values = append(values, strings.ReplaceAll(rest[1:end], "''", "'"))
		rest = rest[end+1:]
		if rest != "" {
			var more bool
			if rest, more = strings.CutPrefix(rest, ","); !more {
				return nil, badRequest(directory, "Values of in are divided by commas.")
			}
			rest = strings.TrimSpace(rest)
		}
	}
	if len(values) > inLimit {
		return nil, refusal(directory, http.StatusBadRequest, "Request_UnsupportedQuery",
			fmt.Sprintf("Too many child clauses specified in search filter expression containing 'OR' operators: %d. Max allowed: %d", len(values), inLimit))
	}
	return func(u *userRecord) bool {
		return slices.ContainsFunc(values, func(v string) bool { return v != "" && test(u, v) })
	}, reply{}
}

// listGroups answers all groups, or those that roles may be assigned to.
//
// Source: learn.microsoft.com/graph/api/group-list
func (t *Tenant) listGroups(c *call) reply {
	filter := c.query.Get("$filter")
	if filter != "" && filter != "isAssignableToRole eq true" {
		return refusal(directory, http.StatusBadRequest, "Request_UnsupportedQuery", "This tenant lists groups by isAssignableToRole eq true only.")
	}
	var all []any
	for _, g := range t.st.Groups {
		if filter == "" || g.RoleAssignable {
			all = append(all, object{"id": g.ID})
		}
	}
	return t.page(c, "groups(id)", all)
}

// transitiveMembers answers the users of a group and of the groups in it, and
// those groups.
//
// Source: learn.microsoft.com/graph/api/group-list-transitivemembers
func (t *Tenant) transitiveMembers(c *call) reply {
	g := t.st.group(strings.ToLower(c.arg("groupId")))
	if g == nil {
		return refusal(directory, http.StatusNotFound, "Request_ResourceNotFound", "The directory has no such group.")
	}
	var all []any
	for _, o := range t.st.Groups {
		if o.ID != g.ID && slices.Contains(t.st.groupsOf(&userRecord{User: User{GroupIDs: o.ParentIDs}}, true), g.ID) {
			all = append(all, object{"@odata.type": "#microsoft.graph.group", "id": o.ID})
		}
	}
	for _, u := range t.st.Users {
		if !c.now.Before(u.VisibleAt) && slices.Contains(t.st.groupsOf(u, true), g.ID) {
			all = append(all, object{"@odata.type": "#microsoft.graph.user", "id": u.ID})
		}
	}
	return t.page(c, "directoryObjects(id)", all)
}

func newBody(raw []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(raw)) }
