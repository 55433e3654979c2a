package graph

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"

	kiota "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"

	"firstpass.internal/internal/jml"
)

// registering is the user action that Conditional Access policies may be on.
// learn.microsoft.com/graph/api/resources/conditionalaccessapplications
const registering = "urn:user:registersecurityinfo"

// Setup reads what may keep people who have a pass from registering a method. A
// part that Graph denies is not looked at, and the result says so. After an error
// the result holds the parts that could be read. It is for a check by hand or
// once a day: Conditional Access takes one request a second of a whole tenant.
// learn.microsoft.com/graph/throttling-limits
//
// Permissions, all optional: Policy.Read.All (Conditional Access), Domain.Read.All
// (federation; Domain-InternalFederation.Read.All with it does as well),
// Policy.Read.AuthenticationMethod (registration). The organisation is read with
// User.Read.All in practice; its page names Organization.Read.All.
func (c *Client) Setup(ctx context.Context) (jml.TenantSetup, error) {
	var s jml.TenantSetup
	var errs []error
	for _, part := range []struct {
		name       jml.SetupPart
		permission string
		read       func(context.Context, *jml.TenantSetup) error
	}{
		{jml.PartConditionalAccess, "Policy.Read.All", c.accessPolicies},
		{jml.PartFederation, "Domain.Read.All", c.federatedDomains},
		{jml.PartRegistration, "Policy.Read.AuthenticationMethod", c.campaign},
		{jml.PartOrganisation, "Organization.Read.All", c.organisation},
	} {
		err := part.read(ctx, &s)
		var f *jml.Fault
		switch {
		case errors.As(err, &f) && f.Kind == jml.FaultDenied && f.System == system:
			s.Skipped = append(s.Skipped, jml.SkippedPart{Part: part.name, Permission: part.permission})
		case err != nil:
			errs = append(errs, notAboutAUser(err))
		}
	}
	return s, errors.Join(errs...)
}

// accessPolicy is the part of a conditionalAccessPolicy that bears on
// registering.
// learn.microsoft.com/graph/api/resources/conditionalaccesspolicy
type accessPolicy struct {
	Name       string `json:"displayName"`
	State      string `json:"state"`
	Conditions struct {
		Applications struct {
			UserActions []string `json:"includeUserActions"`
		} `json:"applications"`
		Users struct {
			Include  []string `json:"includeUsers"`
			Groups   []string `json:"includeGroups"`
			Roles    []string `json:"includeRoles"`
			External any      `json:"includeGuestsOrExternalUsers"`
		} `json:"users"`
		Locations *struct {
			Include []string `json:"includeLocations"`
			Exclude []string `json:"excludeLocations"`
		} `json:"locations"`
		UserRisk   []string `json:"userRiskLevels"`
		SignInRisk []string `json:"signInRiskLevels"`
	} `json:"conditions"`
	Grant *struct {
		Operator string   `json:"operator"`
		Controls []string `json:"builtInControls"`
		Strength *struct {
			Combinations []string `json:"allowedCombinations"`
		} `json:"authenticationStrength"`
	} `json:"grantControls"`
}

func (c *Client) accessPolicies(ctx context.Context, s *jml.TenantSetup) error {
	list, err := read[accessPolicy](ctx, c, "read conditional access", "/identity/conditionalAccess/policies")
	for _, p := range list {
		if p.concerns() {
			s.Policies = append(s.Policies, p.policy())
		}
	}
	return err
}

// concerns reports whether p may touch somebody without risk who registers. Who
// is invited from elsewhere has no pass.
func (p accessPolicy) concerns() bool {
	if p.State != "enabled" && p.State != "enabledForReportingButNotEnforced" {
		return false
	}
	u, on := p.Conditions.Users, func(a string) bool { return strings.EqualFold(a, registering) }
	members := slices.ContainsFunc(u.Include, func(id string) bool { return id != "None" && id != "GuestsOrExternalUsers" })
	return slices.ContainsFunc(p.Conditions.Applications.UserActions, on) && p.Grant != nil &&
		(members || len(u.Groups)+len(u.Roles) > 0) && len(p.Conditions.UserRisk)+len(p.Conditions.SignInRisk) == 0
}

func (p accessPolicy) policy() jml.AccessPolicy {
	out := jml.AccessPolicy{Name: p.Name, ReportOnly: p.State != "enabled", All: p.Grant.Operator == "AND", Controls: p.Grant.Controls}
	if l := p.Conditions.Locations; l != nil {
		out.Located = len(l.Exclude) > 0 || !slices.Contains(l.Include, "All")
	}
	if p.Grant.Strength != nil {
		out.Strength = append([]string{}, p.Grant.Strength.Combinations...)
	}
	return out
}

// federatedDomains reads the federated domains and what each does about second
// factors. A subdomain goes by its root, which is asked instead.
// learn.microsoft.com/graph/api/resources/internaldomainfederation
func (c *Client) federatedDomains(ctx context.Context, s *jml.TenantSetup) error {
	type domain struct {
		Name string `json:"id"`
		Kind string `json:"authenticationType"`
		Root *bool  `json:"isRoot"`
	}
	const op = "read federation"
	domains, err := read[domain](ctx, c, op, "/domains")
	if err != nil {
		return err
	}
	for _, d := range domains {
		if d.Kind != "Federated" || d.Root != nil && !*d.Root || d.Name == "" {
			continue
		}
		type federation struct {
			MFA string `json:"federatedIdpMfaBehavior"`
		}
		found, err := read[federation](ctx, c, op, "/domains/"+url.PathEscape(d.Name)+"/federationConfiguration")
		if err != nil {
			return err
		}
		s.Domains = append(s.Domains, jml.FederatedDomain{Name: d.Name,
			EnforcesMFA: slices.ContainsFunc(found, func(f federation) bool { return f.MFA == "enforceMfaByFederatedIdp" })})
	}
	return nil
}

// campaign reads whether users are nudged to set up a method.
// learn.microsoft.com/graph/api/resources/registrationenforcement
func (c *Client) campaign(ctx context.Context, s *jml.TenantSetup) error {
	const op = "read registration"
	_, err := c.do(ctx, op, func(ctx context.Context) error {
		raw, err := c.get(ctx, "/policies/authenticationMethodsPolicy", "")
		if err != nil {
			return err
		}
		var policy struct {
			Enforcement *struct {
				Campaign struct {
					State string `json:"state"`
				} `json:"authenticationMethodsRegistrationCampaign"`
			} `json:"registrationEnforcement"`
		}
		if json.Unmarshal(raw, &policy) != nil || policy.Enforcement == nil {
			return bad("badReply")
		}
		s.Campaign = policy.Enforcement.Campaign.State == "enabled"
		return nil
	})
	return err
}

// organisation reads whether users come from an on-premises directory: true now,
// false no longer, null never.
// learn.microsoft.com/graph/api/resources/organization
func (c *Client) organisation(ctx context.Context, s *jml.TenantSetup) error {
	type organisation struct {
		Synced *bool `json:"onPremisesSyncEnabled"`
	}
	list, err := read[organisation](ctx, c, "read organisation", "/organization?$select=id,onPremisesSyncEnabled")
	for _, o := range list {
		s.OnPremisesSync = s.OnPremisesSync || deref(o.Synced)
	}
	return err
}

// rawPage is a page of a collection, read without the SDK.
type rawPage[T any] struct {
	Value []T    `json:"value"`
	Next  string `json:"@odata.nextLink"`
}

func (p *rawPage[T]) GetValue() []T             { return p.Value }
func (p *rawPage[T]) GetOdataNextLink() *string { return &p.Next }

// read reads a collection to its end by hand: the SDK's packages for these paths
// would be compiled for a few properties.
func read[T any](ctx context.Context, c *Client, op, path string) ([]T, error) {
	var list []T
	_, err := c.do(ctx, op, func(ctx context.Context) (err error) {
		list, err = all(ctx, c.root, func(ctx context.Context, link string) (*rawPage[T], error) {
			raw, err := c.get(ctx, path, link)
			if err != nil {
				return nil, err
			}
			var p rawPage[T]
			if json.Unmarshal(raw, &p) != nil {
				return nil, bad("badReply")
			}
			return &p, nil
		})
		return err
	})
	return list, err
}

// get reads path, or link if it is not empty.
func (c *Client) get(ctx context.Context, path, link string) ([]byte, error) {
	if link == "" {
		link = c.root.String() + "/v1.0" + path
	}
	r := kiota.NewRequestInformationWithMethodAndUrlTemplateAndPathParameters(kiota.GET, "{+baseurl}", map[string]string{"request-raw-url": link})
	r.Headers.TryAdd("Accept", "application/json")
	res, err := c.adapter.SendPrimitive(ctx, r, "[]byte",
		kiota.ErrorMappings{"XXX": odataerrors.CreateODataErrorFromDiscriminatorValue})
	if err != nil {
		return nil, err
	}
	raw, ok := res.([]byte)
	if !ok {
		return nil, bad("emptyReply")
	}
	return raw, nil
}
