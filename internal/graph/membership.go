package graph

import (
	"context"
	"slices"

	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

// groupsAtOnce is the most that checkMemberGroups takes.
// learn.microsoft.com/graph/api/directoryobject-checkmembergroups
const groupsAtOnce = 20

// MemberOf returns those of groupIDs that the user is a member of, directly or
// through another group. It makes one call for each 20 groups and none for no
// groups. Permissions: User.Read.All and GroupMember.Read.All.
func (c *Client) MemberOf(ctx context.Context, userID string, groupIDs []string) ([]string, error) {
	const op = "check groups"
	if !guid.MatchString(userID) {
		return nil, refuse(op, "badUserID", "")
	}
	if slices.ContainsFunc(groupIDs, func(id string) bool { return !guid.MatchString(id) }) {
		return nil, refuse(op, "badGroupID", "")
	}
	in := []string{}
	for chunk := range slices.Chunk(groupIDs, groupsAtOnce) {
		body := users.NewItemCheckMemberGroupsPostRequestBody()
		body.SetGroupIds(chunk)
		_, err := c.do(ctx, op, func(ctx context.Context) error {
			res, err := c.users().ByUserId(userID).CheckMemberGroups().PostAsCheckMemberGroupsPostResponse(ctx, body, nil)
			if err != nil {
				return err
			}
			if res == nil || res.GetValue() == nil {
				return bad("emptyReply")
			}
			in = append(in, res.GetValue()...)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return in, nil
}
