package graph

import (
	"slices"

	"firstpass.internal/internal/jml"
)

// Need is an application permission and what it is for.
type Need struct {
	Permission string
	For        string
	// Or are wider permissions that do as well. Grant them only if something
	// else needs them.
	Or []string
	// Optional says that without it Firstpass works, and knows less.
	Optional bool
}

// Met reports whether granted holds the permission or a wider one.
func (n Need) Met(granted []string) bool {
	return slices.ContainsFunc(append([]string{n.Permission}, n.Or...), func(p string) bool { return slices.Contains(granted, p) })
}

// Uses says what is configured, so that nobody grants more than that takes.
type Uses struct {
	Mail        bool             // a channel sends by Graph
	Remove      []jml.MethodKind // kinds of methods that a journey may delete; usually none or jml.Removable()
	EndSessions bool             // a recovery may sign people out
}

// Needs lists the application permissions, the least for each call.
// https://learn.microsoft.com/graph/permissions-reference and the page of each
// operation
func Needs(u Uses) []Need {
	const everyMethod = "UserAuthenticationMethod.ReadWrite.All"
	out := []Need{
		{Permission: "UserAuthMethod-TAP.ReadWrite.All", For: "create, list and delete passes", Or: []string{everyMethod}},
		{Permission: "UserAuthenticationMethod.Read.All", For: "see which methods are registered", Or: []string{everyMethod}},
		{Permission: "User.Read.All", For: "find the user, and read hires for sources of kind entra"},
		{Permission: "Policy.Read.AuthenticationMethod", For: "read the pass policy"},
		{Permission: "GroupMember.Read.All", For: "tell who is in the policy's groups, and in role-assignable ones"},
		{Permission: "RoleManagement.Read.Directory", For: "tell privileged people apart"},
	}
	if u.Mail {
		out = append(out, Need{Permission: "Mail.Send", For: "send mail; restrict it to the mailbox of the channel (Exchange, RBAC for Applications)"})
	}
	for _, k := range u.Remove {
		if p := removePermission(k); p != "" {
			out = append(out, Need{Permission: p, For: "remove methods of kind " + string(k), Or: []string{everyMethod}})
		}
	}
	if u.EndSessions {
		out = append(out, Need{Permission: "User.RevokeSessions.All", For: "sign people out who lost a device", Or: []string{"User.ReadWrite.All", "Directory.ReadWrite.All"}})
	}
	return append(out,
		Need{Permission: "Policy.Read.All", For: "look for Conditional Access policies that lock out holders of passes", Optional: true},
		Need{Permission: "Domain.Read.All", For: "look for federated domains that do", Optional: true})
}

// removePermission is the least permission to delete a method of kind k; empty
// if none can.
func removePermission(k jml.MethodKind) string {
	switch k {
	case jml.MethodFIDO2:
		return "UserAuthMethod-Passkey.ReadWrite.All"
	case jml.MethodWindowsHello:
		return "UserAuthMethod-WindowsHello.ReadWrite.All"
	case jml.MethodPlatform:
		return "UserAuthMethod-PlatformCred.ReadWrite.All"
	case jml.MethodAuthenticator:
		return "UserAuthMethod-MicrosoftAuthApp.ReadWrite.All"
	case "phone":
		return "UserAuthMethod-Phone.ReadWrite.All"
	case "softwareOath":
		return "UserAuthMethod-SoftwareOATH.ReadWrite.All"
	}
	return ""
}
