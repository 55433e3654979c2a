// Package mapping turns what an HR system sends into snapshots, by the CEL
// expressions of its source.
//
// Expressions are compiled once, when the configuration is loaded, and see only
// what their place allows. At run time each has a budget of cost, memory and
// time, because what it works on comes from outside. Errors name fields and
// positions and never values: they reach logs.
package mapping
