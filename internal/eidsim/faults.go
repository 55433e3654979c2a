package eidsim

import "time"

// Endpoint names one of the provider's.
type Endpoint string

// The endpoints.
const (
	Discovery     Endpoint = "discovery"
	Keys          Endpoint = "keys"
	Authorisation Endpoint = "authorisation"
	Token         Endpoint = "token"
	UserInfo      Endpoint = "userinfo"
)

// Answer decides what the authorisation endpoint does. The zero Answer shows the
// page, for a person to pick.
type Answer struct {
	Persona string // signs this one in at once
	Error   string // answers with this error code at once
}

// Faults is all that the provider does wrong. They stay until replaced; the zero
// Faults are none.
type Faults struct {
	// Of the network.
	Down   bool                // every connection is closed without an answer
	Slow   time.Duration       // wall clock, before every answer
	Status map[Endpoint]int    // answers with this status, and with Body
	Body   map[Endpoint]string // with Status; text/plain

	// Of the discovery document.
	OtherMetadataIssuer bool // it names another issuer
	PlainTokenEndpoint  bool // its token endpoint is http
	OnlySecretPost      bool // takes client_secret_post alone
	NoClientSecret      bool // takes private_key_jwt alone
	NoIssuerSupport     bool // does not announce that answers carry iss

	// Of the answer to the browser.
	OtherState  bool
	OtherIssuer bool // in iss
	NoIssuer    bool // no iss

	// Of the ID token.
	OtherNonce       bool
	NoNonce          bool
	OtherAudience    bool
	TwoAudiences     bool // the client is one of them, and azp the other one
	OtherTokenIssuer bool
	Expired          bool
	IssuedAhead      bool // by ten minutes
	OldAuthTime      bool // signed in an hour ago
	NoAuthTime       bool
	AlgNone          bool           // unsigned
	HMAC             bool           // signed by the client secret
	OtherKey         bool           // signed by a key that is not published, under the id of one that is
	OtherHash        bool           // at_hash is of another access token
	Claims           map[string]any // over all the others; nil deletes
	RawPayload       string         // instead of all claims
	NoToken          bool           // no id_token at all

	// Of the rest.
	CodesForever bool // a code works again and again
	OtherUser    bool // userinfo speaks of somebody else
}
