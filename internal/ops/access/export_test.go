package access

// OwnPath is for tests from outside.
var OwnPath = ownPath
