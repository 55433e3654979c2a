// Package scim is a SCIM 2.0 service provider for employees: HR products and
// identity governance tools push Users to it (RFC 7643, RFC 7644), and so does
// whoever speaks the bulk form of Microsoft Entra's API-driven inbound
// provisioning.
//
// It keeps what was pushed in a Store and tells a Sink what each resource now
// says. It maps nothing and decides nothing. Whoever serves it has checked the
// caller's credentials before.
//
// Where it departs from the RFCs, it does so because the clients do:
//
//   - userName is not required if externalId is there. HR pushes a hire long
//     before anybody gave them a user name.
//   - POST within a bulk request replaces the resource that has this
//     externalId. Microsoft's bulk form knows no other method and means upsert.
//   - A PATCH with a filter that matches nothing adds a value made from the
//     filter, if it consists of eq alone. Entra sends
//     emails[type eq "work"].value for a user without mail address and expects
//     the address to be there afterwards. RFC 7644 3.5.2.3 wants noTarget.
//   - "True" and "False" are taken for booleans, a text for a manager.
//   - attributes and excludedAttributes are ignored: replies are whole.
//   - Filters know eq on id, externalId and userName, joined by and.
//   - Passwords are dropped wherever they stand. Nothing here may keep one.
package scim
