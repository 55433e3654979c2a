package graph

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
)

// policyCache keeps the tenant's policy, which every journey reads and which
// changes a few times a year.
type policyCache struct {
	keep  time.Duration
	fetch chan struct{} // held by who fetches; a channel, so that waiting ends with the context

	mu    *sync.Mutex
	value *jml.PassPolicy
	at    time.Time
}

func newPolicyCache(keep time.Duration) policyCache {
	return policyCache{keep: keep, fetch: make(chan struct{}, 1), mu: &sync.Mutex{}}
}

func (p *policyCache) get(now time.Time) (jml.PassPolicy, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.value == nil || now.Sub(p.at) >= p.keep {
		return jml.PassPolicy{}, false
	}
	return detached(*p.value), true
}

// detached returns v with lists of its own: what is in the cache is shared.
func detached(v jml.PassPolicy) jml.PassPolicy {
	for _, list := range []*[]string{&v.IncludeGroups, &v.IncludeUsers, &v.ExcludeGroups, &v.ExcludeUsers} {
		*list = slices.Clone(*list)
	}
	return v
}

func (p *policyCache) set(v *jml.PassPolicy, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.value, p.at = v, now
}

// PassPolicy returns the tenant's Temporary Access Pass configuration, up to
// Config.CacheFor old; a pass refused for a reason of policy empties the cache.
// Permission: Policy.Read.AuthenticationMethod.
//
// Targets that are no GUID are left out: Graph takes no question about them,
// and its answer to the POST is the truth anyhow.
func (c *Client) PassPolicy(ctx context.Context) (jml.PassPolicy, error) {
	const op = "read pass policy"
	if v, ok := c.policy.get(c.now()); ok {
		return v, nil
	}
	select {
	case c.policy.fetch <- struct{}{}:
		defer func() { <-c.policy.fetch }()
	case <-ctx.Done():
		return jml.PassPolicy{}, outbound.Told(ctx, &jml.Fault{System: system, Op: op, Kind: jml.FaultUnavailable, Code: "timeout"})
	}
	if v, ok := c.policy.get(c.now()); ok {
		return v, nil // somebody else fetched it meanwhile
	}
	var pol jml.PassPolicy
	_, err := c.do(ctx, op, func(ctx context.Context) error {
		res, err := c.policies().AuthenticationMethodsPolicy().AuthenticationMethodConfigurations().
			ByAuthenticationMethodConfigurationId("TemporaryAccessPass").Get(ctx, nil)
		if err != nil {
			return err
		}
		conf, ok := res.(models.TemporaryAccessPassAuthenticationMethodConfigurationable)
		if !ok || conf.GetState() == nil {
			return bad("badReply")
		}
		pol = passPolicy(conf)
		return nil
	})
	if err != nil {
		return jml.PassPolicy{}, notAboutAUser(err)
	}
	c.policy.set(&pol, c.now())
	return detached(pol), nil
}

func passPolicy(conf models.TemporaryAccessPassAuthenticationMethodConfigurationable) jml.PassPolicy {
	pol := jml.PassPolicy{
		Enabled:     deref(conf.GetState()) == models.ENABLED_AUTHENTICATIONMETHODSTATE,
		Minimum:     minutes(conf.GetMinimumLifetimeInMinutes()),
		Default:     minutes(conf.GetDefaultLifetimeInMinutes()),
		Maximum:     minutes(conf.GetMaximumLifetimeInMinutes()),
		OneTimeOnly: deref(conf.GetIsUsableOnce()),
	}
	for _, t := range conf.GetIncludeTargets() {
		if t == nil {
			continue
		}
		if strings.EqualFold(deref(t.GetId()), "all_users") {
			pol.AllUsers = true
			continue
		}
		target(&pol.IncludeUsers, &pol.IncludeGroups, t.GetId(), t.GetTargetType())
	}
	for _, t := range conf.GetExcludeTargets() {
		if t != nil {
			target(&pol.ExcludeUsers, &pol.ExcludeGroups, t.GetId(), t.GetTargetType())
		}
	}
	return pol
}

// target files one target. A type this SDK does not know is taken for a group.
func target(users, groups *[]string, id *string, kind *models.AuthenticationMethodTargetType) {
	list := groups
	if kind != nil && *kind == models.USER_AUTHENTICATIONMETHODTARGETTYPE {
		list = users
	}
	if guid.MatchString(deref(id)) {
		*list = append(*list, *id)
	}
}

// notAboutAUser keeps a 404 of something that is not a user from being read as
// "the user is not there yet", which would be waited for without end.
func notAboutAUser(err error) error {
	var f *jml.Fault
	if errors.As(err, &f) && f.Kind == jml.FaultNotFound {
		f.Reason = jml.ReasonUnknownRefusal
	}
	return err
}
