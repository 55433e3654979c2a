package entrasim

import (
	"log/slog"
	"time"
)

// Values used when Config leaves the field empty. They are no secrets: they
// open nothing but a simulator on loopback.
const (
	DefaultTenantID       = "5f0e1c52-7b0a-4c1e-9a55-0e5e1f9d2a10"
	DefaultClientID       = "c0ffee00-1d5e-4b7a-8a3c-6f1f57a55001"
	DefaultClientSecret   = "entrasim-client-secret"
	DefaultIdentityHeader = "entrasim-identity-header"
	DefaultDomain         = "firstpass.example"
)

// DefaultPermissions returns the application permissions granted when nothing
// else is said: the least the product can work with. Names as in the Graph
// permissions reference (learn.microsoft.com/graph/permissions-reference).
func DefaultPermissions() []string {
	return []string{
		"UserAuthMethod-TAP.ReadWrite.All",
		"UserAuthenticationMethod.Read.All",
		"User.Read.All",
		"Policy.Read.AuthenticationMethod",
		"GroupMember.Read.All",
		"RoleManagement.Read.Directory",
	}
}

// Config says how to start a tenant. The zero value starts one on two free
// loopback ports with a random seed and nothing in its directory.
type Config struct {
	// Addr is where Graph and the token endpoint listen (TLS); default
	// 127.0.0.1:0. ManageAddr is the plain-http management listener, same
	// default. Anything but a loopback address is refused by Start.
	Addr, ManageAddr string

	// Now is the tenant's clock; default time.Now. Everything about passes,
	// propagation and sessions follows it. Access tokens follow the wall clock
	// instead, since the client that caches them does too.
	Now func() time.Time

	// Seed feeds ids, passcodes and random faults; 0 draws one. It is logged
	// and returned by Tenant.Seed, so that a failed run can be repeated.
	Seed uint64

	// StateFile keeps the tenant over restarts, kill -9 included: it is
	// replaced atomically at every change. What it holds wins over Policy,
	// Setup, Behaviour and GrantedPermissions below. Empty keeps all in memory.
	StateFile string

	TenantID, ClientID, ClientSecret string

	// Apps are clients besides the one above, and applications that people sign
	// in to. Operators are those people; what StateFile holds wins over them.
	Apps      []App
	Operators []Operator

	// DeviceInterval is how many seconds a device is told to wait between two
	// questions; default 5.
	DeviceInterval int

	// IdentityHeader is what GET /msi/token on the management listener wants
	// in X-IDENTITY-HEADER (App Service managed identity).
	IdentityHeader string

	// GrantedPermissions of the default app; nil means DefaultPermissions.
	GrantedPermissions []string

	// CertDir keeps the certificate authority over restarts, so that a client
	// set up once goes on trusting it. Leaf certificates are made anew at each
	// start. Empty: everything is thrown away at Close.
	CertDir string

	// Strict answers a Graph request that breaks the contract with 400 and
	// records it for ContractViolations. Replies are checked too.
	Strict bool

	Policy       *PassPolicy  // nil: DefaultPassPolicy
	Setup        Setup        // zero value: one managed domain, no Conditional Access
	Behaviour    Behaviour    // zero value: the documented behaviour
	RandomFaults RandomFaults // zero value: none

	// PageSize is the length of a collection page when $top does not say;
	// default 100.
	PageSize int

	Logger *slog.Logger // default: discards
}

func (c Config) withDefaults() Config {
	set := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	set(&c.Addr, "127.0.0.1:0")
	set(&c.ManageAddr, "127.0.0.1:0")
	set(&c.TenantID, DefaultTenantID)
	set(&c.ClientID, DefaultClientID)
	set(&c.ClientSecret, DefaultClientSecret)
	set(&c.IdentityHeader, DefaultIdentityHeader)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.GrantedPermissions == nil {
		c.GrantedPermissions = DefaultPermissions()
	}
	if c.DeviceInterval <= 0 {
		c.DeviceInterval = 5
	}
	if c.PageSize <= 0 {
		c.PageSize = 100
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}
