// Package identity checks who a visitor of the pick-up page is, beyond holding
// link and code: by facts that HR knows, or by signing in at an OpenID provider
// whose claims must match what HR says.
//
// # Facts
//
// CheckFact compares what was typed with the snapshot. Facts are weak: a date of
// birth has some 20,000 likely values and friends know it. They are worth
// something only because three wrong ones lock the link.
//
// # OpenID Connect
//
// Begin and Finish are an authorisation code flow with PKCE (OpenID Connect Core
// 1.0; RFC 7636). Between them the page keeps the Flow in the visitor's sealed
// cookie, and forgets it when Finish is called: a Flow is for one answer. A fresh
// sign-in is asked for by max_age=300 and checked by auth_time, so a session that
// somebody left open on a shared machine is no proof. A provider that leaves out
// auth_time is refused; OpenID Connect Core, 3.1.2.1 obliges it to answer max_age
// with one.
//
// The profile's rule decides whether the claims are the employee's. It is CEL
// (cel.dev) over claims and employee, with CEL's strings extension and sameName:
//
//	claims.birthdate == employee.birth_date &&
//	sameName(claims.family_name, employee.family_name) &&
//	sameName(claims.given_name, employee.given_name)
//
//	// Sweden: the first eight digits of the personal number
//	claims.ssn.substring(0, 8) == employee.birth_date.replace("-", "")
//
// claims holds the ID token's, and the userinfo endpoint's where a proof asks for
// them. employee holds texts: employee_id, given_name, family_name, birth_date
// (YYYY-MM-DD), upn, personal_mail, phone (E.164), country (ISO 3166-1 alpha-2).
// What is missing on either side makes the rule false; what HR left empty is
// missing, so that two empty fields never agree. has(employee.upn) and
// claims.?email test for it.
//
// A rule must name claims and something of employee that tells namesakes apart: a
// rule that compares names alone is refused when it is loaded.
//
// # National eIDs
//
// BankID, MitID, Vipps, itsme, FranceConnect and their like are reached by their
// own OpenID provider or by a broker's. Which claim holds what, and which level of
// assurance is called how in acr_values, stands in the provider's documentation.
//
// # Entra Verified ID with Face Check
//
// Verified ID is no OpenID provider. Its Request Service API is REST: the verifier
// posts a presentation request, shows its QR code, and is called back with the
// credential's claims and, if the request asks for faceCheck, with the match
// score (learn.microsoft.com/entra/verified-id/using-facecheck). Firstpass does
// not speak it. It is reached through a broker that does, and that is an OpenID
// provider towards us: one of the identity verification partners, or a small
// service of your own. Such a broker has to
//
//   - ask for faceCheck and a photo claim, and require the confidence itself,
//   - accept the credential of the issuers you trust, and no other,
//   - tell by acr that all of this was done, so that acr_values can require it,
//   - hand on a claim that identifies the employee, such as the employee id, not
//     a name alone,
//   - set auth_time to the presentation.
package identity
