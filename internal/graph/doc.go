// Package graph speaks to Microsoft Graph v1.0 about users and who answers for
// them, their sign-in methods and their Temporary Access Passes, and sends mail.
// It is the only package that imports msgraph-sdk-go; everybody else sees the
// structs of package jml.
//
// # Which part of the SDK
//
// Only request builders and models of the sub-packages users and policies. The
// root package would pull in every API of Graph: measured, 600 seconds of
// processor time to compile instead of 290. For the same reason role assignments
// and what Setup reads are asked for by hand.
//
// Not used at all: the SDK's default middleware. Its order is drawn at random
// at each start, and it sends a POST again after 429, 503 and 504: that mints a
// second pass, which replaces one that somebody may already hold. One
// http.RoundTripper of our own stands in its place. Nothing here tries again;
// Temporal alone does.
//
// # Errors
//
// Every method answers with a *jml.Fault (use errors.As) built from the HTTP
// reply by our RoundTripper, never from an error of the SDK: those lose the
// status of a reply that is not OData, panic on an OData error without message,
// and quote URLs. If the caller's context ended, errors.Is finds
// context.Canceled or context.DeadlineExceeded in the error too.
//
// Facts without another source are from learn.microsoft.com/graph/api.
package graph
