package graph

import (
	"context"
	"slices"
	"strings"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"firstpass.internal/internal/jml"
)

// FindUsers returns the users that m matches: none, one, or two when there are
// at least two. Comparing is Entra's, which takes no notice of case but in
// onPremisesImmutableId. Permission: User.Read.All.
//
// The filters need no advanced query: eq on all three attributes is served by
// the directory's plain index. learn.microsoft.com/graph/aad-advanced-queries
func (c *Client) FindUsers(ctx context.Context, m jml.Match) ([]jml.User, error) {
	const op = "find user"
	if !slices.Contains(jml.MatchAttributes(), m.Attribute) || m.Value == "" {
		return nil, refuse(op, "badMatch", "")
	}
	filter := m.Attribute + " eq '" + strings.ReplaceAll(m.Value, "'", "''") + "'"
	two := int32(2) // tells one from many
	var found []models.Userable
	_, err := c.do(ctx, op, func(ctx context.Context) error {
		res, err := c.users().Get(ctx, &users.UsersRequestBuilderGetRequestConfiguration{
			QueryParameters: &users.UsersRequestBuilderGetQueryParameters{
				Filter: &filter,
				Select: []string{"id", "userPrincipalName", "accountEnabled", "userType", "creationType", "externalUserState", "identities",
					"department", "jobTitle", "country", "employeeType", "companyName"},
				Top: &two,
			}})
		if err != nil {
			return err
		}
		if res == nil || res.GetValue() == nil {
			return bad("emptyReply")
		}
		found = res.GetValue()
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := []jml.User{}
	for _, u := range found {
		if u == nil || !guid.MatchString(deref(u.GetId())) {
			return nil, &jml.Fault{System: system, Op: op, Kind: jml.FaultUnavailable, Code: "badUserID"}
		}
		out = append(out, jml.User{ID: *u.GetId(), UPN: deref(u.GetUserPrincipalName()),
			Enabled: deref(u.GetAccountEnabled()), External: external(u), Guest: strings.EqualFold(deref(u.GetUserType()), "Guest"),
			Department: deref(u.GetDepartment()), JobTitle: deref(u.GetJobTitle()), Country: deref(u.GetCountry()),
			EmployeeType: deref(u.GetEmployeeType()), Company: deref(u.GetCompanyName())})
	}
	return out, nil
}

// external reports whether the user signs in elsewhere. userType does not tell:
// an internal guest is a Guest and may have a pass.
// learn.microsoft.com/graph/api/resources/objectidentity
func external(u models.Userable) bool {
	if strings.EqualFold(deref(u.GetCreationType()), "Invitation") || deref(u.GetExternalUserState()) != "" {
		return true
	}
	return slices.ContainsFunc(u.GetIdentities(), func(i models.ObjectIdentityable) bool {
		return i != nil && (strings.EqualFold(deref(i.GetSignInType()), "federated") ||
			strings.EqualFold(deref(i.GetIssuer()), "ExternalAzureAD"))
	})
}
