package entrasim

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Names of the operations, for Match.Operation and Request.Operation.
const (
	OpToken                     = "token"
	OpListUsers                 = "listUsers"
	OpGetUser                   = "getUser"
	OpListSponsors              = "listSponsors"
	OpSendMail                  = "sendMail"
	OpCheckMemberGroups         = "checkMemberGroups"
	OpTransitiveMemberOf        = "transitiveMemberOf"
	OpListRoleAssignments       = "listRoleAssignments"
	OpListMethods               = "listMethods"
	OpListPasses                = "listPasses"
	OpCreatePass                = "createPass"
	OpGetPass                   = "getPass"
	OpDeletePass                = "deletePass"
	OpGetMethod                 = "getMethod"    // of any kind: Match.Path tells them apart
	OpDeleteMethod              = "deleteMethod" // likewise
	OpRevokeSessions            = "revokeSignInSessions"
	OpGetPolicy                 = "getPolicy"
	OpListOrganization          = "listOrganization"
	OpListAccessPolicies        = "listConditionalAccessPolicies"
	OpListDomains               = "listDomains"
	OpListFederation            = "listFederationConfiguration"
	OpGetMethodsPolicy          = "getAuthenticationMethodsPolicy"
	opUnknown                   = "unknown"
	methodsPath                 = "/v1.0/users/{userId}/authentication/methods"
	passesPath                  = "/v1.0/users/{userId}/authentication/temporaryAccessPassMethods"
	passPath                    = passesPath + "/{methodId}"
	policyPath                  = "/v1.0/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/{configurationId}"
	requestLimit          int64 = 64 << 10 // bytes; the largest body here, but for a mail, has about 200
)

// service tells which back end answers: they word errors differently.
type service int

const (
	directory service = iota
	authService
	exchange
)

// route is one Graph operation. A permission list is any-of; several lists must
// all be met.
type route struct {
	op, method, path string
	service          service
	permissions      [][]string
	handle           func(*Tenant, *call) reply
}

// routes is built anew on each call, which costs nothing worth a global.
//
// Source of the permissions: learn.microsoft.com/graph/permissions-reference
// and the page of each operation.
func routes() []route {
	users := []string{"User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
	groups := []string{"GroupMember.Read.All", "Group.Read.All", "Directory.Read.All"}
	roles := []string{"RoleManagement.Read.Directory", "RoleManagement.Read.All", "RoleManagement.ReadWrite.Directory", "Directory.Read.All"}
	methods := []string{"UserAuthenticationMethod.Read.All", "UserAuthenticationMethod.ReadWrite.All"}
	passWrite := []string{"UserAuthMethod-TAP.ReadWrite.All", "UserAuthenticationMethod.ReadWrite.All"}
	passRead := append([]string{"UserAuthMethod-TAP.Read.All", "UserAuthenticationMethod.Read.All"}, passWrite...)
	policy := []string{"Policy.Read.AuthenticationMethod", "Policy.ReadWrite.AuthenticationMethod"}
	sponsors := []string{"User.Read.All", "User.ReadWrite.All"} // Directory.* is not among them
	send := []string{"Mail.Send"}
	any := func(p ...[]string) [][]string { return p }
	sessions := []string{"User.RevokeSessions.All", "User.ReadWrite.All", "Directory.ReadWrite.All"}
	access := []string{"Policy.Read.All"}
	domains := []string{"Domain.Read.All", "Domain.ReadWrite.All"}
	return append([]route{
		{OpListUsers, http.MethodGet, "/v1.0/users", directory, any(users), (*Tenant).listUsers},
		{OpGetUser, http.MethodGet, "/v1.0/users/{userId}", directory, any(users), (*Tenant).getUser},
		{OpListSponsors, http.MethodGet, "/v1.0/users/{userId}/sponsors", directory, any(sponsors), (*Tenant).listSponsors},
		{OpSendMail, http.MethodPost, "/v1.0/users/{userId}/sendMail", exchange, any(send), (*Tenant).sendMail},
		{OpCheckMemberGroups, http.MethodPost, "/v1.0/users/{userId}/checkMemberGroups", directory, any(users, groups), (*Tenant).checkMemberGroups},
		{OpTransitiveMemberOf, http.MethodGet, "/v1.0/users/{userId}/transitiveMemberOf", directory, any(users), (*Tenant).transitiveMemberOf},
		{OpListRoleAssignments, http.MethodGet, "/v1.0/roleManagement/directory/roleAssignments", directory, any(roles), (*Tenant).listRoleAssignments},
		{OpListMethods, http.MethodGet, methodsPath, authService, any(methods), (*Tenant).listMethods},
		{OpListPasses, http.MethodGet, passesPath, authService, any(passRead), (*Tenant).listPasses},
		{OpCreatePass, http.MethodPost, passesPath, authService, any(passWrite), (*Tenant).createPass},
		{OpGetPass, http.MethodGet, passPath, authService, any(passRead), (*Tenant).getPass},
		{OpDeletePass, http.MethodDelete, passPath, authService, any(passWrite), (*Tenant).deletePass},
		{OpGetPolicy, http.MethodGet, policyPath, authService, any(policy), (*Tenant).getPolicy},
		{OpListOrganization, http.MethodGet, "/v1.0/organization", directory, nil, (*Tenant).listOrganization},
		{OpRevokeSessions, http.MethodPost, "/v1.0/users/{userId}/revokeSignInSessions", directory, any(sessions), (*Tenant).revokeSignInSessions},
		{OpListAccessPolicies, http.MethodGet, "/v1.0/identity/conditionalAccess/policies", directory, any(access), (*Tenant).listAccessPolicies},
		{OpListDomains, http.MethodGet, "/v1.0/domains", directory, any(domains), (*Tenant).listDomains},
		{OpListFederation, http.MethodGet, "/v1.0/domains/{domainId}/federationConfiguration", directory, any(domains), (*Tenant).listFederation},
		{OpGetMethodsPolicy, http.MethodGet, "/v1.0/policies/authenticationMethodsPolicy", authService, any(append(access, policy...)), (*Tenant).getMethodsPolicy},
	}, append(bulkRoutes(), methodRoutes()...)...)
}

// matchTemplate compares an escaped path with a template segment by segment and
// returns the unescaped parameters. An empty segment matches no parameter.
func matchTemplate(template, escapedPath string) (map[string]string, bool) {
	want, got := strings.Split(template, "/"), strings.Split(escapedPath, "/")
	if len(want) != len(got) {
		return nil, false
	}
	args := map[string]string{}
	for i, w := range want {
		g, err := url.PathUnescape(got[i])
		if err != nil {
			return nil, false
		}
		if strings.HasPrefix(w, "{") {
			if g == "" {
				return nil, false
			}
			args[strings.Trim(w, "{}")] = g
		} else if w != g {
			return nil, false
		}
	}
	return args, true
}

// work answers one Graph request as if nothing ever went wrong.
func (t *Tenant) work(c *call) reply {
	roles, refused := t.authorize(c)
	if refused != nil {
		return *refused
	}
	if c.route == nil {
		t.violate(c, "request", "the contract has no such operation")
		if c.otherMethod {
			return refusal(directory, http.StatusMethodNotAllowed, "Request_BadRequest", "This path does not take this method.")
		}
		return notFound(directory, "There is nothing at this path.")
	}
	if c.bodyProblem != nil {
		return *c.bodyProblem
	}
	if t.cfg.Strict {
		if problems := t.contract.CheckRequest(c.r.Method, c.r.URL, c.r.Header, c.body); len(problems) > 0 {
			t.violate(c, "request", problems...)
			return badRequest(c.route.service, "The request breaks the contract: "+strings.Join(problems, "; "))
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c.granted = t.st.Permissions[c.appID]
	if t.st.Behaviour.PermissionsFromToken {
		c.granted = roles
	}
	for _, need := range c.route.permissions {
		if !c.may(need...) {
			return denied(c.route.service)
		}
	}
	rep := c.route.handle(t, c)
	if rep.changed {
		if err := t.commit(); err != nil {
			return refusal(c.route.service, http.StatusInternalServerError, "internalServerError", "The simulator could not save its state.")
		}
	}
	return rep
}

func (c *call) may(any ...string) bool {
	return slices.ContainsFunc(any, func(p string) bool { return slices.Contains(c.granted, p) })
}
