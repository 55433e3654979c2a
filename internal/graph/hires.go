package graph

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	kiota "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"firstpass.internal/internal/jml"
)

const (
	// hiresAtOnce is the most users that Graph puts on one page.
	// learn.microsoft.com/graph/api/user-list
	hiresAtOnce = 999
	// hirePageLimit ends a chain of links that leads round in a circle. Graph
	// may put fewer on a page than it was asked for: with its usual 100 this is
	// still enough for 100,000 hires.
	hirePageLimit = 1000
)

// hireProperties are what is asked for of each hire. Graph leaves most of them
// out unless they are named.
// learn.microsoft.com/graph/api/resources/user
func hireProperties() []string {
	return []string{"id", "accountEnabled", "userType", "displayName", "givenName", "surname", "userPrincipalName",
		"employeeId", "employeeHireDate", "employeeType", "jobTitle", "department", "companyName", "officeLocation", "country",
		"usageLocation", "preferredLanguage", "mobilePhone", "otherMails", "onPremisesImmutableId", "createdDateTime"}
}

// Hires reads the users whose employeeHireDate is from from to to, both
// included, in whole seconds, and hands each to yield as the tree that Graph
// wrote: its own names, texts, booleans and lists of texts, and nil for what the
// user has not. Times are texts as Graph wrote them, so that the written day is
// not lost: the hire date is an instant, usually midnight in UTC.
//
// Users are handed over page by page. After an error there may be more of them,
// so who counts the missing must not count then. An error of yield ends the
// reading and comes back as it is. Asking twice may yield a user twice or not at
// all, if the directory changes between two pages; and this query is answered
// from an index that lags behind the directory, by how much is not documented.
//
// The manager is not among the properties: it needs $expand, which does not go
// together with the advanced query that a filter by hire date is. Permission:
// User.Read.All.
// learn.microsoft.com/graph/aad-advanced-queries
func (c *Client) Hires(ctx context.Context, from, to time.Time, yield func(map[string]any) error) error {
	const op = "list hires"
	if to.Before(from) {
		return refuse(op, "badWindow", "")
	}
	filter := "employeeHireDate ge " + from.UTC().Format(time.RFC3339) + " and employeeHireDate le " + to.UTC().Format(time.RFC3339)
	link := ""
	for range hirePageLimit {
		var page hirePage
		_, err := c.do(ctx, op, func(ctx context.Context) (err error) {
			page, err = c.hirePage(ctx, filter, link)
			return err
		})
		if err != nil {
			return err
		}
		// Not within do: it would take a panic of yield for one of the SDK.
		for _, user := range page.Value {
			if err := yield(user); err != nil {
				return err
			}
		}
		if page.NextLink == "" {
			return nil
		}
		link = page.NextLink
	}
	return &jml.Fault{System: system, Op: op, Kind: jml.FaultUnavailable, Code: "endlessPages"}
}

// hirePage is one page of users.
type hirePage struct {
	Value    []map[string]any `json:"value"`
	NextLink string           `json:"@odata.nextLink"`
}

// hirePage reads the page at link, or the first one. The reply is decoded here:
// the SDK's model would make a time of the hire date and lose how it was
// written.
func (c *Client) hirePage(ctx context.Context, filter, link string) (hirePage, error) {
	count, top := true, int32(hiresAtOnce)
	// The header is not part of a link and must be sent with each page.
	// learn.microsoft.com/graph/query-parameters
	headers := kiota.NewRequestHeaders()
	headers.Add("ConsistencyLevel", "eventual")
	get := &users.UsersRequestBuilderGetRequestConfiguration{Headers: headers}
	b := c.users()
	if link != "" {
		b = b.WithUrl(link)
	} else {
		get.QueryParameters = &users.UsersRequestBuilderGetQueryParameters{
			Filter: &filter, Select: hireProperties(), Top: &top,
			Count: &count, // makes it an advanced query; the number itself is not used
		}
	}
	r, err := b.ToGetRequestInformation(ctx, get)
	if err != nil {
		return hirePage{}, err
	}
	res, err := c.adapter.SendPrimitive(ctx, r, "[]byte",
		kiota.ErrorMappings{"XXX": odataerrors.CreateODataErrorFromDiscriminatorValue})
	if err != nil {
		return hirePage{}, err
	}
	raw, ok := res.([]byte)
	if !ok {
		return hirePage{}, bad("emptyReply")
	}
	var page hirePage
	if json.Unmarshal(raw, &page) != nil {
		return hirePage{}, bad("badReply")
	}
	return page, c.checkHires(page)
}

// checkHires looks at a page before any of it is handed over.
func (c *Client) checkHires(page hirePage) error {
	if page.Value == nil {
		return bad("emptyReply") // "nobody" must be said, not concluded
	}
	for _, user := range page.Value {
		if id, _ := user["id"].(string); !guid.MatchString(id) {
			return bad("badUserID")
		}
		// Without one it was not found by this filter. Graph passes over what it
		// does not support without a word, and then this is the whole tenant.
		if at, _ := user["employeeHireDate"].(string); at == "" {
			return bad("noHireDate")
		}
	}
	if page.NextLink == "" {
		return nil
	}
	if u, err := url.Parse(page.NextLink); err != nil || u.Scheme != c.root.Scheme || u.Host != c.root.Host {
		return bad("foreignLink") // a token would go there
	}
	return nil
}
