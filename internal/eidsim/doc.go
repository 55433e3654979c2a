// Package eidsim is a national-eID broker played on loopback: an OpenID provider
// with discovery, keys, authorisation, token and userinfo endpoints over TLS, and
// a page on which a person picks who he is.
//
// It exists because no broker can be asked to lie. Every way in which an answer
// may be forged, stale or missing is a field of Faults.
//
//	broker, err := eidsim.Start(eidsim.Config{RedirectURL: "https://pickup.example.org/p/eid/return"})
//	...
//	defer broker.Close()
//	broker.SetAnswer(eidsim.Answer{Persona: "astrid"}) // no page: sign in at once
//	broker.SetFaults(eidsim.Faults{OtherNonce: true})
//
// It is written from OpenID Connect Core 1.0, Discovery 1.0, RFC 6749, RFC 7636
// (PKCE), RFC 7518 (ES256) and RFC 9207 (iss in the answer), and it is strict
// with its client: PKCE by S256, state and nonce are required, redirect_uri must
// be the registered one letter for letter, and a code works once within a minute.
//
// # Guard rails
//
// It listens on loopback addresses only, its certificate authority can vouch for
// loopback names only, and nothing that ships may import it. It uses the standard
// library alone, and nothing of the product, so as not to share its mistakes.
package eidsim
