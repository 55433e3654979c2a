package main

import (
	"path/filepath"
	"strconv"

	"firstpass.internal/cmd/dev/local"
	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/ops/access"
)

// OpsURL is the console's address, and the API's. It goes by a name: to pages at
// 127.0.0.1, such as the tenant's, the console is another site.
func (w *world) OpsURL() string { return "https://localhost:" + strconv.Itoa(w.Ports.Ops) }

// openOps makes the console's certificate and returns what its clients trust.
func (w *world) openOps() (string, error) {
	_, trust, err := local.Certificate(filepath.Join(w.cfg.Dir, "ops"), "ops")
	return trust, err
}

// opsApps are the console's registration in the tenant, and a machine's.
func (w *world) opsApps() []entrasim.App {
	return []entrasim.App{
		{ClientID: opsClient, Secret: w.Keys.Ops, RedirectURIs: []string{w.OpsURL() + "/sign-in/callback"}, PublicClient: true},
		{ClientID: robotClient, Secret: w.Keys.Robot, Roles: []string{string(access.Operator)}},
	}
}

// Who works with the console. Nobody is in the directory that passes are for.
const (
	opsOperator = "ines.duarte@example.com"
	opsApprover = "omar.haddad@example.com"
	opsViewer   = "vera.lind@example.com"
	opsAuditor  = "aksel.moe@example.com"
	opsDesk     = "dita.kral@example.com"
	opsNobody   = "nils.stray@example.com"
)

func operators() []entrasim.Operator {
	return []entrasim.Operator{
		{UPN: opsOperator, Name: "Ines Duarte", Roles: []string{string(access.Operator)}},
		{UPN: opsApprover, Name: "Omar Haddad", Roles: []string{string(access.Approver), string(access.Viewer)}},
		{UPN: opsViewer, Name: "Vera Lind", Roles: []string{string(access.Viewer)}},
		{UPN: opsAuditor, Name: "Aksel Moe", Roles: []string{string(access.Auditor)}},
		{UPN: opsDesk, Name: "Dita Kral", Roles: []string{string(access.Desk)}},
		{UPN: opsNobody, Name: "Nils Stray"},
	}
}
