// Package profile chooses the profile of a journey, and says where the profiles
// and the tenant don't go together.
//
// # Rules
//
// A profile may have a rule (when): CEL (cel.dev) with its strings extension,
// over
//
//	employee  what HR says, by the names that map has
//	user      what Entra says of the user
//	journey   "joiner", "mover", "recovery" or "staging"
//	source    the name of the source
//
// A text that HR or Entra leaves out is "", never an error. Names and dates of
// birth are not there: no rule should depend on them. Of private mail and phone
// there is only whether HR has one: employee.has_mail, employee.has_phone.
//
// Of all rules for a kind of journey exactly one must be true. None: the
// fallback, which for a joiner the source names, and for any other kind is the
// one profile without a rule. Two: nobody is guessed at; the journey is blocked.
//
// While nobody knows the user, a rule that needs him is open. Then the profile is
// the one that has to begin first among those that may turn out to be right, so
// that no pass is late, and the rules are asked again once there is a user.
package profile
