// Package entrasim is a Microsoft Entra tenant played on loopback: the token
// endpoint and the part of Microsoft Graph v1.0 that issuing Temporary Access
// Passes and telling people of them touches, and the identity provider that
// operators sign in at (signin.go), over TLS, plus a second, plain-http listener
// which drives it and answers what happened.
//
// It exists because the two things that matter most about a pass cannot be
// tried on a real tenant at will: what is left behind when an answer is lost,
// and what the documents disagree about. So every documented disagreement is a
// switch (Behaviour), every way of losing an answer is a Fault, and the tenant
// remembers what it did (Requests, PassEvents, MaxLivePasses).
//
//	tenant, err := entrasim.Start(entrasim.Config{Seed: 7, Strict: true})
//	...
//	defer tenant.Close()
//	user, err := tenant.AddUser(entrasim.User{EmployeeID: "1001", UPN: "joiner@firstpass.example"})
//	lost := tenant.MustInject(entrasim.Fault{
//		Match: entrasim.Match{Operation: entrasim.OpCreatePass},
//		After: true, Drop: true, // the pass is made, its code reaches nobody
//	})
//	// ... run the product against tenant.URL(), trusting tenant.CAPEM() ...
//	<-lost.Arrived()
//	tenant.PassLive(user.ID)
//
// In tests use entrasimtest.Start, which closes the tenant by itself.
//
// # What it does not check
//
// It is one tenant with one directory replica; it knows no licences, no
// delegated calls and no $batch. Conditional Access and federation are told of
// (Setup) and not obeyed. Where Microsoft's pages
// are silent the choice made here is named at the switch that makes it.
//
// # Guard rails
//
// Both listeners refuse any address that is not loopback, and nothing that
// ships may import this package. A passcode is kept as a salted SHA-256 from
// the moment its POST is answered; neither the state file, the history, the
// log nor the management pages ever hold one. If one is mailed, Outbox holds it,
// in memory.
package entrasim
