// Package docs holds those documents that the program itself shows.
package docs

import _ "embed"

//go:embed operations.md
var operations string

// Operations returns operations.md: the runbooks that the console links to.
func Operations() string { return operations }
