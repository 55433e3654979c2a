package graph

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"firstpass.internal/internal/jml"
)

// shown are the properties that decisions need.
func shown() []string {
	return []string{"id", "userPrincipalName", "accountEnabled", "userType", "creationType", "externalUserState", "identities",
		"department", "jobTitle", "country", "employeeType", "companyName"}
}

// FindUsers returns the users that m matches: none, one, or two when there are
// at least two. Comparing is Entra's, which takes no notice of case but in
// onPremisesImmutableId. Permission: User.Read.All.
//
// The filters need no advanced query: eq on all three attributes is served by
// the directory's plain index. learn.microsoft.com/graph/aad-advanced-queries
func (c *Client) FindUsers(ctx context.Context, m jml.Match) ([]jml.User, error) {
	const op = "find user"
	if m.Attribute == jml.MatchObjectID {
		return c.userByID(ctx, op, m.Value)
	}
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
				Select: shown(),
				Top:    &two,
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
		user, err := userOf(op, u)
		if err != nil {
			return nil, err
		}
		out = append(out, user)
	}
	return out, nil
}

func userOf(op string, u models.Userable) (jml.User, error) {
	if u == nil || !guid.MatchString(deref(u.GetId())) {
		return jml.User{}, &jml.Fault{System: system, Op: op, Kind: jml.FaultUnavailable, Code: "badUserID"}
	}
	return jml.User{ID: *u.GetId(), UPN: deref(u.GetUserPrincipalName()),
		Enabled: deref(u.GetAccountEnabled()), External: external(u), Guest: strings.EqualFold(deref(u.GetUserType()), "Guest"),
		Department: deref(u.GetDepartment()), JobTitle: deref(u.GetJobTitle()), Country: deref(u.GetCountry()),
		EmployeeType: deref(u.GetEmployeeType()), Company: deref(u.GetCompanyName())}, nil
}

// userByID returns the user with an object id; none if there is none. Graph takes
// a user principal name in the same place, so what is no id is refused here.
// learn.microsoft.com/graph/api/user-get
func (c *Client) userByID(ctx context.Context, op, id string) ([]jml.User, error) {
	if !guid.MatchString(id) {
		return nil, refuse(op, "badMatch", "")
	}
	var found models.Userable
	_, err := c.do(ctx, op, func(ctx context.Context) (err error) {
		found, err = c.users().ByUserId(id).Get(ctx, &users.UserItemRequestBuilderGetRequestConfiguration{
			QueryParameters: &users.UserItemRequestBuilderGetQueryParameters{Select: shown()},
		})
		if err == nil && found == nil {
			return bad("emptyReply")
		}
		return err
	})
	var fault *jml.Fault
	switch {
	case errors.As(err, &fault) && fault.Kind == jml.FaultNotFound && fault.Code == "Request_ResourceNotFound":
		return []jml.User{}, nil
	case err != nil:
		return nil, err
	}
	user, err := userOf(op, found)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(user.ID, id) {
		return nil, &jml.Fault{System: system, Op: op, Kind: jml.FaultUnavailable, Code: "badUserID"}
	}
	return []jml.User{user}, nil
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
