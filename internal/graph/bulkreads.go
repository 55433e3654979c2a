package graph

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"

	kiota "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"firstpass.internal/internal/jml"
)

// valuesAtOnce is how many values a filter may compare with by in. One more is
// refused as "too many child clauses".
// learn.microsoft.com/graph/filter-query-parameter, github.com/microsoftgraph/microsoft-graph-docs issue 21098
const valuesAtOnce = 15

// FindUsers is Client.FindUsers for many values of one attribute: by each value
// the users it matches, none, one, or two when there are at least two. Values
// count as one if they differ in nothing that Entra takes notice of.
func (b *Bulk) FindUsers(ctx context.Context, attribute string, values []string) map[string]Of[[]jml.User] {
	const op = "find user"
	out := map[string]Of[[]jml.User]{}
	if attribute == jml.MatchObjectID {
		b.oneByOne(ctx, attribute, values, out)
		return out
	}
	if !slices.Contains(jml.MatchAttributes(), attribute) {
		for _, v := range values {
			out[v] = Of[[]jml.User]{Err: refuse(op, "badMatch", "")}
		}
		return out
	}
	spelt := map[string][]string{} // as Entra compares, to as they were given
	var keys []string
	for _, v := range values {
		k := folded(attribute, v)
		if v == "" {
			out[v] = Of[[]jml.User]{Err: refuse(op, "badMatch", "")}
			continue
		}
		if len(spelt[k]) == 0 {
			keys = append(keys, k)
		}
		if !slices.Contains(spelt[k], v) {
			spelt[k] = append(spelt[k], v)
		}
	}
	chunks := slices.Collect(slices.Chunk(keys, valuesAtOnce))
	var parts []part
	for _, chunk := range chunks {
		quoted := make([]string, len(chunk))
		for i, k := range chunk {
			quoted[i] = "'" + strings.ReplaceAll(spelt[k][0], "'", "''") + "'"
		}
		parts = append(parts, get("/users?$filter="+url.QueryEscape(attribute+" in ("+strings.Join(quoted, ",")+")")+
			"&$select="+strings.Join(append(shown(), attributeBut(attribute)...), ",")+"&$top=999"))
	}
	var mu sync.Mutex
	var alone []string // what one reply did not hold, or named otherwise than we do
	b.each(ctx, op, parts, func(i int, body []byte, err error) {
		found, whole, err := usersIn(op, attribute, chunks[i], body, err)
		mu.Lock()
		defer mu.Unlock()
		for _, k := range chunks[i] {
			for _, v := range spelt[k] {
				switch {
				case err != nil:
					out[v] = Of[[]jml.User]{Err: err}
				case !whole:
					alone = append(alone, v)
				default:
					out[v] = Of[[]jml.User]{Value: found[k][:min(len(found[k]), 2)]}
				}
			}
		}
	})
	b.oneByOne(ctx, attribute, alone, out)
	return out
}

// attributeBut are the attributes to ask for beyond those that are shown.
func attributeBut(attribute string) []string {
	if slices.Contains(shown(), attribute) {
		return nil
	}
	return []string{attribute}
}

// folded is a value as Entra compares it.
func folded(attribute, value string) string {
	if attribute == "onPremisesImmutableId" {
		return value
	}
	return strings.ToLower(value)
}

// usersIn reads the users of one filter, by the folded value that each has.
// whole is false where the reply goes on, or holds somebody by a value that was
// not asked for: Entra compares otherwise than folded then.
func usersIn(op, attribute string, asked []string, body []byte, err error) (found map[string][]jml.User, whole bool, _ error) {
	if err != nil {
		return nil, false, err
	}
	page, err := parse[models.UserCollectionResponseable](op, body, models.CreateUserCollectionResponseFromDiscriminatorValue)
	if err != nil {
		return nil, false, err
	}
	if page.GetValue() == nil {
		f := bad("emptyReply")
		f.Op = op
		return nil, false, f
	}
	found = map[string][]jml.User{}
	whole = deref(page.GetOdataNextLink()) == ""
	for _, u := range page.GetValue() {
		user, err := userOf(op, u)
		if err != nil {
			return nil, false, err
		}
		var value string
		switch attribute {
		case "employeeId":
			value = deref(u.GetEmployeeId())
		case "userPrincipalName":
			value = deref(u.GetUserPrincipalName())
		case "onPremisesImmutableId":
			value = deref(u.GetOnPremisesImmutableId())
		}
		k := folded(attribute, value)
		found[k] = append(found[k], user)
		whole = whole && slices.Contains(asked, k)
	}
	return found, whole, nil
}

func (b *Bulk) oneByOne(ctx context.Context, attribute string, values []string, out map[string]Of[[]jml.User]) {
	for _, v := range values {
		b.requests.Add(1)
		b.batches.Add(1)
		users, err := b.c.FindUsers(ctx, jml.Match{Attribute: attribute, Value: v})
		out[v] = Of[[]jml.User]{users, err}
	}
}

// Methods is Client.Methods for many users, by their ids.
func (b *Bulk) Methods(ctx context.Context, userIDs []string) map[string]Of[[]jml.Method] {
	const op = "list methods"
	return ofEach(ctx, b, op, userIDs,
		func(id string) part { return get("/users/" + id + "/authentication/methods") },
		func(_ string, body []byte) ([]jml.Method, bool, error) {
			page, err := parse[models.AuthenticationMethodCollectionResponseable](op, body, models.CreateAuthenticationMethodCollectionResponseFromDiscriminatorValue)
			if err != nil {
				return nil, false, err
			}
			if page.GetValue() == nil || slices.Contains(page.GetValue(), nil) {
				f := bad("emptyReply")
				f.Op = op
				return nil, false, f
			}
			out := make([]jml.Method, 0, len(page.GetValue()))
			for _, m := range page.GetValue() {
				out = append(out, method(m))
			}
			return out, deref(page.GetOdataNextLink()) == "", nil
		}, b.c.Methods)
}

// Addressees is Client.Addressees without a sponsor for many users, by their ids.
func (b *Bulk) Addressees(ctx context.Context, userIDs []string) map[string]Of[jml.Addressees] {
	const op = "read addressees"
	query := "?$select=id,accountEnabled,mail,mobilePhone&$expand=" + url.QueryEscape("manager($select="+strings.Join(addresseeProperties(), ",")+")")
	return ofEach(ctx, b, op, userIDs,
		func(id string) part { return get("/users/" + id + query) },
		func(id string, body []byte) (jml.Addressees, bool, error) {
			u, err := parse[models.Userable](op, body, models.CreateUserFromDiscriminatorValue)
			if err != nil {
				return jml.Addressees{}, false, err
			}
			out, err := addresseesOf(u, id)
			return out, true, err
		}, nil)
}

// addresseesOf reads a user's own addresses and his manager, as Addressees does.
func addresseesOf(u models.Userable, userID string) (out jml.Addressees, err error) {
	if !strings.EqualFold(deref(u.GetId()), userID) {
		return out, bad("badUserID")
	}
	if deref(u.GetAccountEnabled()) {
		out.WorkMail, out.WorkPhone = deref(u.GetMail()), e164(deref(u.GetMobilePhone()))
	}
	if m := u.GetManager(); m != nil {
		out.Manager, err = addressee(m, userID)
	}
	return out, err
}

// ofEach asks one thing of each user. alone asks it of one whose answer did not
// fit one reply; nil if there is no such.
func ofEach[T any](ctx context.Context, b *Bulk, op string, ids []string, ask func(id string) part,
	read func(id string, body []byte) (T, bool, error), alone func(context.Context, string) (T, error)) map[string]Of[T] {
	out := map[string]Of[T]{}
	var good, longer []string
	var parts []part
	for _, id := range ids {
		if !guid.MatchString(id) {
			out[id] = Of[T]{Err: refuse(op, "badUserID", "")}
			continue
		}
		good, parts = append(good, id), append(parts, ask(id))
	}
	var mu sync.Mutex
	b.each(ctx, op, parts, func(i int, body []byte, err error) {
		var v T
		whole := true
		if err == nil {
			v, whole, err = read(good[i], body)
		}
		mu.Lock()
		defer mu.Unlock()
		if !whole && err == nil && alone != nil {
			longer = append(longer, good[i])
			return
		}
		out[good[i]] = Of[T]{v, err}
	})
	for _, id := range longer {
		b.requests.Add(1)
		b.batches.Add(1)
		v, err := alone(ctx, id)
		out[id] = Of[T]{v, err}
	}
	return out
}

// MemberOf is Client.MemberOf for many users, by their ids. Fewer than fill a
// page of members are asked for their groups; of more, the groups are asked for
// their members, who come 999 a page.
// learn.microsoft.com/graph/api/group-list-transitivemembers
func (b *Bulk) MemberOf(ctx context.Context, userIDs, groupIDs []string) map[string]Of[[]string] {
	out := map[string]Of[[]string]{}
	if len(groupIDs) == 0 {
		for _, id := range userIDs {
			out[id] = Of[[]string]{Value: []string{}}
		}
		return out
	}
	if len(userIDs) >= membersAtOnce {
		members, err := b.members(ctx, groupIDs)
		var fault *jml.Fault
		if !errors.As(err, &fault) || fault.Code != "endlessPages" {
			for _, id := range userIDs {
				in := []string{}
				for _, g := range groupIDs {
					if _, is := members[g][strings.ToLower(id)]; is {
						in = append(in, g)
					}
				}
				out[id] = Of[[]string]{in, err}
			}
			return out
		}
	}
	const op = "check groups"
	for _, id := range userIDs {
		out[id] = Of[[]string]{Value: []string{}}
	}
	for chunk := range slices.Chunk(groupIDs, groupsAtOnce) {
		some := ofEach(ctx, b, op, userIDs,
			func(id string) part {
				return part{"POST", "/users/" + id + "/checkMemberGroups", map[string]any{"groupIds": chunk}}
			},
			func(_ string, body []byte) ([]string, bool, error) {
				var reply struct{ Value []string }
				if json.Unmarshal(body, &reply) != nil || reply.Value == nil {
					f := bad("emptyReply")
					f.Op = op
					return nil, false, f
				}
				return reply.Value, true, nil
			}, nil)
		for id, of := range some {
			before := out[id]
			out[id] = Of[[]string]{append(before.Value, of.Value...), errors.Join(before.Err, of.Err)}
		}
	}
	return out
}

// membersAtOnce is the largest page of members.
const membersAtOnce = 999

// members returns the members of groups, by group, direct or not, of any type.
func (b *Bulk) members(ctx context.Context, groupIDs []string) (map[string]map[string]struct{}, error) {
	out := map[string]map[string]struct{}{}
	for _, g := range groupIDs {
		if !guid.MatchString(g) {
			return nil, refuse("list members", "badGroupID", "")
		}
		list, err := b.list(ctx, "list members", "/groups/"+g+"/transitiveMembers?$select=id&$top=999")
		if err != nil {
			return nil, err
		}
		out[g] = map[string]struct{}{}
		for _, m := range list {
			out[g][strings.ToLower(m.ID)] = struct{}{}
		}
	}
	return out, nil
}

// Privileges is what makes users of a tenant privileged, for all of them.
type Privileges struct {
	roles  map[string]int // assignments, by principal
	groups map[string][]string
}

// Of returns what makes one user privileged, as Client.Privilege does: Any is
// the same; Roles may count a role twice that comes by two ways.
func (p *Privileges) Of(userID string) jml.Privilege {
	id := strings.ToLower(userID)
	out := jml.Privilege{Roles: p.roles[id], RoleGroups: len(p.groups[id])}
	for _, g := range p.groups[id] {
		out.Roles += p.roles[g]
	}
	return out
}

// Privileges reads the tenant's role assignments and the members of its
// role-assignable groups, of which a tenant has 500 at most. What Privilege does
// not see, this does not see either.
//
// Permissions: as Privilege.
// learn.microsoft.com/graph/api/rbacapplication-list-roleassignments,
// learn.microsoft.com/entra/identity/role-based-access-control/groups-concept
func (b *Bulk) Privileges(ctx context.Context) (*Privileges, error) {
	const op = "read roles"
	assigned, err := b.list(ctx, op, "/roleManagement/directory/roleAssignments")
	if err != nil {
		return nil, notAboutAUser(err)
	}
	groups, err := b.list(ctx, op, "/groups?$filter="+url.QueryEscape("isAssignableToRole eq true")+"&$select=id&$top=999")
	if err != nil {
		return nil, notAboutAUser(err)
	}
	out := &Privileges{roles: map[string]int{}, groups: map[string][]string{}}
	for _, a := range assigned {
		out.roles[strings.ToLower(a.PrincipalID)]++
	}
	var ids []string
	for _, g := range groups {
		ids = append(ids, g.ID)
	}
	members, err := b.members(ctx, ids)
	if err != nil {
		return nil, notAboutAUser(err)
	}
	for g, list := range members {
		for id := range list {
			out.groups[id] = append(out.groups[id], strings.ToLower(g))
		}
	}
	return out, nil
}

// reference is an object of which only ids are read.
type reference struct {
	ID          string `json:"id"`
	PrincipalID string `json:"principalId"`
}

// references is a page of them.
type references struct {
	Value []reference `json:"value"`
	Next  *string     `json:"@odata.nextLink"`
}

// GetValue and GetOdataNextLink make it a page as the SDK has them.

// GetValue implements page.
func (r *references) GetValue() []reference { return r.Value }

// GetOdataNextLink implements page.
func (r *references) GetOdataNextLink() *string { return r.Next }

// list reads a collection to its end. It waits out throttling as a batch does.
func (b *Bulk) list(ctx context.Context, op, path string) ([]reference, error) {
	var out []reference
	_, err := b.c.do(ctx, op, func(ctx context.Context) (err error) {
		out, err = all(ctx, b.c.root, func(ctx context.Context, link string) (*references, error) { return b.page(ctx, op, path, link) })
		return err
	})
	return out, err
}

func (b *Bulk) page(ctx context.Context, op, path, link string) (*references, error) {
	for try := 1; ; try++ {
		if err := b.ready(ctx, op); err != nil {
			return nil, err
		}
		b.requests.Add(1)
		b.batches.Add(1)
		page := &references{}
		_, err := b.c.do(ctx, op, func(ctx context.Context) error {
			target := link
			if target == "" {
				target = b.c.root.String() + "/v1.0" + path
			}
			r := kiota.NewRequestInformationWithMethodAndUrlTemplateAndPathParameters(kiota.GET, "{+baseurl}", map[string]string{"request-raw-url": target})
			r.Headers.TryAdd("Accept", "application/json")
			body, err := b.c.raw(ctx, r)
			if err != nil {
				return err
			}
			if json.Unmarshal(body, page) != nil {
				return bad("badReply")
			}
			return nil
		})
		if b.cfg.Answered != nil && err == nil {
			b.cfg.Answered(0)
		}
		var fault *jml.Fault
		if errors.As(err, &fault) && fault.Retryable() && try < batchTries && ctx.Err() == nil {
			b.hold(max(fault.RetryAfter, backoff(try)))
			continue
		}
		return page, err
	}
}
