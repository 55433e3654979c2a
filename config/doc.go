// Package config reads Firstpass's configuration: one strict YAML file, with
// secrets in files of their own and single values overridden by environment
// variables.
//
// Load works in pure steps (read, defaults, decode, validate), so that one run
// reports everything that is wrong, each problem with the path of its key.
// Whether the files a configuration names are there is a question about a
// machine, not about the configuration; CheckFiles answers it.
package config
