package entrasim

import (
	"slices"
)

// SetManager makes managerID the user's manager; empty takes him away.
func (t *Tenant) SetManager(userID, managerID string) error {
	_, err := t.UpdateUser(userID, func(u *User) { u.ManagerID = managerID })
	return err
}

// AddSponsor adds a user or a group to the user's sponsors.
func (t *Tenant) AddSponsor(userID, sponsorID string) error {
	_, err := t.UpdateUser(userID, func(u *User) { u.SponsorIDs = append(u.SponsorIDs, sponsorID) })
	return err
}

// groupProps are what $select may name of a sponsor that is a group. A group of
// this tenant has no mailbox.
var groupProps = map[string]func(*Group) any{
	"id":          func(g *Group) any { return g.ID },
	"displayName": func(g *Group) any { return g.DisplayName },
	"mail":        func(*Group) any { return nil },
}

// listSponsors lists the user's sponsors in the order they were added. Whether
// Entra keeps that order is on no page. Groups that the app may not read come
// with their id alone.
//
// Source: learn.microsoft.com/graph/api/user-list-sponsors
func (t *Tenant) listSponsors(c *call) reply {
	u, refused := t.directoryUser(c)
	if u == nil {
		return refused
	}
	sel, err := parseSelect(c.query.Get("$select"))
	if err != nil {
		return badRequest(directory, err.Error())
	}
	readable := c.may("GroupMember.Read.All", "Group.Read.All", "Directory.Read.All")
	var all []any
	for _, id := range u.SponsorIDs {
		if s := t.st.user(id); s != nil && !c.now.Before(s.VisibleAt) {
			o := t.renderUser(c, s, sel, nil)
			o["@odata.type"] = "#microsoft.graph.user"
			all = append(all, o)
		}
		if g := t.st.group(id); g != nil {
			o := object{"@odata.type": "#microsoft.graph.group"}
			for name, render := range groupProps {
				if slices.Contains(sel, name) {
					o[name] = nil
					if readable || name == "id" {
						o[name] = render(g)
					}
				}
			}
			all = append(all, o)
		}
	}
	return t.page(c, "directoryObjects", all)
}
