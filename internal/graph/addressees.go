package graph

import (
	"context"
	"regexp"
	"strings"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"firstpass.internal/internal/jml"
)

// addresseeProperties are what is asked for of a manager or a sponsor.
func addresseeProperties() []string {
	return []string{"id", "accountEnabled", "givenName", "mail", "mobilePhone", "preferredLanguage"}
}

// Addressees returns the user's own work mail and phone, his manager and, if
// sponsor is set, his first sponsor. It is one request, and one more for the
// sponsor: a request for users takes one relation in $expand.
// github.com/microsoftgraph/microsoft-graph-docs issue 96
//
// Who is not there is zero. So is who can't be told something in confidence or
// vouch for the user: a disabled account, whose mailbox others may read by now;
// a contact or a group, which nobody signs in as; the user himself. For the same
// reason a disabled user has no work mail and phone. Of several sponsors the
// first that is none of these, and has an address, counts; their order is
// Entra's.
//
// A phone number that is not plainly E.164 is left out: the directory takes any
// text. Locale is preferredLanguage as it stands there, mostly BCP 47.
//
// Permission: User.Read.All.
// learn.microsoft.com/graph/api/user-list-manager, user-list-sponsors
func (c *Client) Addressees(ctx context.Context, userID string, sponsor bool) (jml.Addressees, error) {
	const op = "read addressees"
	if !guid.MatchString(userID) {
		return jml.Addressees{}, refuse(op, "badUserID", "")
	}
	var out jml.Addressees
	_, err := c.do(ctx, op, func(ctx context.Context) error {
		u, err := c.users().ByUserId(userID).Get(ctx, &users.UserItemRequestBuilderGetRequestConfiguration{
			QueryParameters: &users.UserItemRequestBuilderGetQueryParameters{
				Select: []string{"id", "accountEnabled", "mail", "mobilePhone"},
				Expand: []string{"manager($select=" + strings.Join(addresseeProperties(), ",") + ")"},
			}})
		if err != nil {
			return err
		}
		if u == nil || !strings.EqualFold(deref(u.GetId()), userID) {
			return bad("badUserID")
		}
		if deref(u.GetAccountEnabled()) {
			out.WorkMail, out.WorkPhone = deref(u.GetMail()), e164(deref(u.GetMobilePhone()))
		}
		if m := u.GetManager(); m != nil { // without a manager there is no such property
			out.Manager, err = addressee(m, userID)
		}
		return err
	})
	if err == nil && sponsor {
		out.Sponsor, err = c.sponsor(ctx, op, userID)
	}
	if err != nil {
		return jml.Addressees{}, err
	}
	return out, nil
}

func (c *Client) sponsor(ctx context.Context, op, userID string) (jml.Addressee, error) {
	var first jml.Addressee
	_, err := c.do(ctx, op, func(ctx context.Context) error {
		list, err := all(ctx, c.root, func(ctx context.Context, link string) (models.DirectoryObjectCollectionResponseable, error) {
			b := c.users().ByUserId(userID).Sponsors()
			if link != "" {
				return b.WithUrl(link).Get(ctx, nil)
			}
			return b.Get(ctx, &users.ItemSponsorsRequestBuilderGetRequestConfiguration{
				QueryParameters: &users.ItemSponsorsRequestBuilderGetQueryParameters{Select: addresseeProperties()}})
		})
		if err != nil {
			return err
		}
		for _, o := range list {
			if first, err = addressee(o, userID); err != nil || first != (jml.Addressee{}) {
				return err
			}
		}
		return nil
	})
	return first, err
}

// addressee reads what stands near the user userID: zero if it is nobody to
// turn to.
func addressee(o models.DirectoryObjectable, userID string) (jml.Addressee, error) {
	// An object without a type may be anybody.
	if o == nil || deref(o.GetOdataType()) == "" {
		return jml.Addressee{}, bad("untypedObject")
	}
	u, ok := o.(models.Userable)
	if !ok || !deref(u.GetAccountEnabled()) || strings.EqualFold(deref(u.GetId()), userID) {
		return jml.Addressee{}, nil
	}
	return jml.Addressee{GivenName: deref(u.GetGivenName()), Mail: deref(u.GetMail()),
		Phone: e164(deref(u.GetMobilePhone())), Locale: deref(u.GetPreferredLanguage())}, nil
}

// international is a number of ITU-T E.164: a country code, which never begins
// with 0, and 15 digits at most. Fewer than 7 are no mobile anywhere.
var international = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// e164 returns the number that written plainly is, without what people put
// between digits; else nothing. +49 (0) 30 is not plain: whether the 0 is dialled
// depends on who reads it. Nor is a national number: its country is a guess.
func e164(written string) string {
	n := strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\u00a0', '\u202f', '-', '\u2010', '\u2011', '\u2013', '.', '/':
			return -1
		}
		return r
	}, written)
	if strings.Contains(n, "(0)") {
		return ""
	}
	n = strings.NewReplacer("(", "", ")", "").Replace(n)
	if !international.MatchString(n) {
		return ""
	}
	return n
}
