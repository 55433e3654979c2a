package graph

import (
	"context"

	kiota "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"firstpass.internal/internal/jml"
)

// Privilege returns what makes the user privileged, in two reads:
//
//   - transitiveMemberOf shows tenant-wide roles, those that come through a
//     group included, and role-assignable groups;
//   - roleManagement/directory/roleAssignments shows the user's own assignments,
//     those scoped to an administrative unit and custom roles included.
//
// Roles is the larger of the two counts; RoleGroups counts role-assignable
// groups.
//
// Not seen: roles the user may activate but has not (PIM eligibility, which is
// roleManagement/directory/roleEligibilitySchedules), and role-assignable
// groups he owns: that would take a third read, GET
// /users/{id}/ownedObjects/microsoft.graph.group with $select
// id,isAssignableToRole. A joiner who owns such a group before his first
// sign-in was made its owner by somebody who could equally have put him in it.
//
// Permissions: User.Read.All, GroupMember.Read.All, RoleManagement.Read.Directory.
// Without GroupMember.Read.All Graph lists groups with all their properties
// null, so none looks role-assignable; that is reported as a denied Fault with
// Code groupsUnreadable.
func (c *Client) Privilege(ctx context.Context, userID string) (jml.Privilege, error) {
	const op = "read roles"
	if !guid.MatchString(userID) {
		return jml.Privilege{}, refuse(op, "badUserID", "")
	}
	var member jml.Privilege
	if _, err := c.do(ctx, op, func(ctx context.Context) error {
		objects, err := all(ctx, c.root, func(ctx context.Context, link string) (models.DirectoryObjectCollectionResponseable, error) {
			b := c.users().ByUserId(userID).TransitiveMemberOf()
			if link != "" {
				return b.WithUrl(link).Get(ctx, nil)
			}
			return b.Get(ctx, &users.ItemTransitiveMemberOfRequestBuilderGetRequestConfiguration{
				QueryParameters: &users.ItemTransitiveMemberOfRequestBuilderGetQueryParameters{
					// securityEnabled is never null in a group that may be read.
					Select: []string{"id", "isAssignableToRole", "securityEnabled"},
				}})
		})
		if err != nil {
			return err
		}
		member, err = privilegeOf(objects)
		return err
	}); err != nil {
		return jml.Privilege{}, err
	}
	var assigned int
	if _, err := c.do(ctx, op, func(ctx context.Context) error {
		list, err := all(ctx, c.root, func(ctx context.Context, link string) (models.UnifiedRoleAssignmentCollectionResponseable, error) {
			return c.roleAssignments(ctx, userID, link)
		})
		assigned = len(list)
		return err
	}); err != nil {
		return jml.Privilege{}, notAboutAUser(err)
	}
	member.Roles = max(member.Roles, assigned)
	return member, nil
}

func privilegeOf(objects []models.DirectoryObjectable) (jml.Privilege, error) {
	var p jml.Privilege
	for _, o := range objects {
		switch v := o.(type) {
		case models.DirectoryRoleable:
			p.Roles++
		case models.Groupable:
			if v.GetSecurityEnabled() == nil {
				return p, &jml.Fault{System: system, Kind: jml.FaultDenied, Code: "groupsUnreadable", Reason: jml.ReasonPermissionMissing}
			}
			if deref(v.GetIsAssignableToRole()) {
				p.RoleGroups++
			}
		default:
			// Administrative units give nothing. An object without a type may
			// be a role.
			if o == nil || deref(o.GetOdataType()) == "" {
				return p, bad("untypedObject")
			}
		}
	}
	return p, nil
}

// roleAssignments is one page of the assignments made to a principal, by hand:
// the SDK's package for this path costs more to compile than this one.
func (c *Client) roleAssignments(ctx context.Context, principal, link string) (models.UnifiedRoleAssignmentCollectionResponseable, error) {
	params := map[string]string{}
	if link != "" {
		params["request-raw-url"] = link
	}
	r := kiota.NewRequestInformationWithMethodAndUrlTemplateAndPathParameters(kiota.GET,
		"{+baseurl}/roleManagement/directory/roleAssignments{?%24filter}", params)
	r.QueryParametersAny["%24filter"] = "principalId eq '" + principal + "'"
	r.Headers.TryAdd("Accept", "application/json")
	res, err := c.adapter.Send(ctx, r, models.CreateUnifiedRoleAssignmentCollectionResponseFromDiscriminatorValue,
		kiota.ErrorMappings{"XXX": odataerrors.CreateODataErrorFromDiscriminatorValue})
	if err != nil || res == nil {
		return nil, err
	}
	list, ok := res.(models.UnifiedRoleAssignmentCollectionResponseable)
	if !ok {
		return nil, bad("badReply")
	}
	return list, nil
}
