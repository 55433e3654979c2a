package graph

import (
	"fmt"
	"net/url"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	kiota "github.com/microsoft/kiota-abstractions-go"
	kiotahttp "github.com/microsoft/kiota-http-go"
	kiotajson "github.com/microsoft/kiota-serialization-json-go"
	"github.com/microsoftgraph/msgraph-sdk-go/policies"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"firstpass.internal/internal/outbound"
)

// Client speaks to one tenant. It is safe for concurrent use; make one a
// process, since each has a token and a policy of its own to fetch.
type Client struct {
	root    *url.URL // scheme and host of Graph
	scope   string
	cred    azcore.TokenCredential
	adapter kiota.RequestAdapter
	policy  policyCache
	now     func() time.Time // for ages and HTTP dates, never for a pass
}

// New reads the credential's files and returns a Client. It makes no network
// call; Permissions is the cheapest proof that the credential works.
func New(cfg Config) (*Client, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	root, err := url.Parse(cfg.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("graph: endpoint: %w", err)
	}
	transport, err := outbound.Transport(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	cred, err := newCredential(cfg, outbound.Client(transport, cfg.Timeout))
	if err != nil {
		return nil, err
	}
	c := &Client{
		root:   root,
		scope:  cfg.Endpoint + "/.default",
		cred:   cred,
		policy: newPolicyCache(cfg.CacheFor),
		now:    time.Now,
	}
	own := &middleware{next: transport, userAgent: cfg.UserAgent, observe: cfg.Observe, now: time.Now}
	// The JSON factories are handed over here. Left nil, the adapter would use
	// global registries which the SDK's root package fills.
	c.adapter, err = kiotahttp.NewNetHttpRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
		authenticator{c}, kiotajson.NewJsonParseNodeFactory(), kiotajson.NewJsonSerializationWriterFactory(),
		outbound.Client(own, cfg.Timeout))
	if err != nil {
		return nil, fmt.Errorf("graph: request adapter: %w", err)
	}
	c.adapter.SetBaseUrl(cfg.Endpoint + "/v1.0")
	return c, nil
}

// Format prints no field: among them are the credential and its token cache.
func (*Client) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("graph.Client")) }

// The adapter writes the base URL into a builder's parameter map at each call,
// so a builder shared by goroutines would be a data race: one a call.

func (c *Client) users() *users.UsersRequestBuilder {
	return users.NewUsersRequestBuilderInternal(map[string]string{}, c.adapter)
}

func (c *Client) policies() *policies.PoliciesRequestBuilder {
	return policies.NewPoliciesRequestBuilderInternal(map[string]string{}, c.adapter)
}
