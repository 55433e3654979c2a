package entrasim

import (
	"net/http"
	"slices"
)

// listMethods answers password, pass and whatever is registered.
//
// Source: learn.microsoft.com/graph/api/authentication-list-methods
func (t *Tenant) listMethods(c *call) reply {
	u, refused := t.authUser(c)
	if u == nil {
		return refused
	}
	null := t.st.Behaviour.NullMethodCreated
	value := []any{Method{ID: passwordMethodID, Kind: KindPassword, Created: &u.Created}.render(null)}
	for _, m := range t.st.listed(u.ID, c.now) {
		value = append(value, m.render(null))
	}
	for _, p := range t.st.shown(u.ID, c.now) {
		o := t.st.renderPass(p, u, c.now)
		o["@odata.type"] = passType
		value = append(value, o)
	}
	return reply{status: http.StatusOK, body: object{
		"@odata.context": c.context("users('" + u.ID + "')/authentication/methods"), "value": value}}
}

// methodRoutes are reading and deleting one method, for each kind.
func methodRoutes() []route {
	all := []string{"UserAuthenticationMethod.ReadWrite.All"}
	var out []route
	for _, d := range deletable() {
		path := "/v1.0/users/{userId}/authentication/" + d.path + "/{methodId}"
		write := append([]string{d.permission + ".ReadWrite.All"}, all...)
		read := append([]string{d.permission + ".Read.All", "UserAuthenticationMethod.Read.All"}, write...)
		out = append(out,
			route{OpGetMethod, http.MethodGet, path, authService, [][]string{read},
				func(t *Tenant, c *call) reply { return t.getMethod(c, d.kind, d.path) }},
			route{OpDeleteMethod, http.MethodDelete, path, authService, [][]string{write},
				func(t *Tenant, c *call) reply { return t.deleteMethod(c, d.kind) }})
	}
	return out
}

// getMethod answers one method without @odata.type: the path says it.
func (t *Tenant) getMethod(c *call, kind MethodKind, path string) reply {
	u, refused := t.authUser(c)
	if u == nil {
		return refused
	}
	for _, m := range t.st.listed(u.ID, c.now) {
		if m.ID == c.arg("methodId") && m.Kind == kind {
			o := m.render(t.st.Behaviour.NullMethodCreated)
			delete(o, "@odata.type")
			o["@odata.context"] = c.context("users('" + u.ID + "')/authentication/" + path + "/$entity")
			return reply{status: http.StatusOK, body: o}
		}
	}
	return notFound(authService, "The user has no such method.")
}

// deleteMethod deletes a method of the kind that the path is for. The default
// method stays while there is another one that could be the default.
//
// Source: learn.microsoft.com/graph/api/phoneauthenticationmethod-delete and
// github.com/microsoftgraph/microsoft-graph-docs issues 14470 and 18091, whose
// wordings these are. Which methods count as other ones no page says.
func (t *Tenant) deleteMethod(c *call, kind MethodKind) reply {
	u, refused := t.authUser(c)
	if u == nil {
		return refused
	}
	// A deleted one that is still listed can't be deleted again.
	i := slices.IndexFunc(t.st.Methods[u.ID], func(m *methodRecord) bool {
		return m.ID == c.arg("methodId") && m.Kind == kind && m.Deleted.IsZero()
	})
	if i < 0 {
		return notFound(authService, "The user has no such method.")
	}
	m := t.st.Methods[u.ID][i]
	if m.Default && slices.ContainsFunc(t.st.Methods[u.ID], func(o *methodRecord) bool { return o != m && o.couldBeDefault() }) {
		if kind == KindPhone {
			return badRequest(authService, "The requested authentication method id of ["+m.ID+"] matches the user's current default authentication method, and cannot be deleted until the default authentication method is changed")
		}
		return badRequest(authService, "Cannot delete default method with other methods configured. Please change default method before deletion.")
	}
	m.Deleted = c.now
	t.cfg.Logger.Info("method deleted", "user", u.ID, "kind", string(kind))
	return reply{status: http.StatusNoContent, changed: true}
}

func (m *methodRecord) couldBeDefault() bool {
	return m.Deleted.IsZero() && (m.Kind == KindPhone || m.Kind == KindAuthenticator || m.Kind == KindSoftwareOath)
}

// revokeSignInSessions ends what the user is signed in to. The real one takes
// minutes to reach everything; here it is done at once.
//
// Source: learn.microsoft.com/graph/api/user-revokesigninsessions
func (t *Tenant) revokeSignInSessions(c *call) reply {
	u, refused := t.directoryUser(c)
	if u == nil {
		return refused
	}
	u.SessionsRevoked = append(u.SessionsRevoked, c.now)
	t.endSessions(func(s *Session) bool { return s.UserID == u.ID }, c.now)
	return reply{status: http.StatusOK, changed: true, body: object{"@odata.context": c.context("Edm.Boolean"), "value": true}}
}
