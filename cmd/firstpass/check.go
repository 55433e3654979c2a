package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"firstpass.internal/config"
	"firstpass.internal/internal/graph"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/profile"
	"firstpass.internal/workflows"
)

type checkCmd struct {
	People bool `help:"Also try, for everybody who has no pass yet, whether they could have one now; changes nothing."`
}

// finding is one line of the check.
type finding struct {
	What string `json:"what"`
	OK   bool   `json:"ok"`
	Warn bool   `json:"warn,omitempty"` // it works, and somebody may regret it
	Note string `json:"note,omitempty"` // what was found
	Run  string `json:"run,omitempty"`  // what to do or run
}

// Run implements the command. It changes nothing: the channel is asked to
// validate a message, and sends none.
func (c *checkCmd) Run(ctx context.Context, env *environment) error {
	cfg, err := env.load()
	if err != nil {
		return err
	}
	var found []finding
	type part struct {
		name  string
		check func(context.Context, *config.Config) []finding
	}
	parts := []part{
		{"audit", checkAudit},
		{"ledger", checkLedger},
		{"sources", checkSources},
		{"Graph", checkGraph},
		{"channels", checkChannels},
		{"pick-up page", checkPickup},
		{"rules", checkRules},
		{"Temporal", checkTemporal},
	}
	for _, part := range parts {
		env.progress("checking %s", part.name)
		limited, cancel := context.WithTimeout(ctx, 2*time.Minute)
		found = append(found, part.check(limited, cfg)...)
		cancel()
	}
	if c.People {
		env.progress("checking people")
		found = append(found, checkPeople(ctx, env, cfg)...)
	}
	failed := 0
	for _, f := range found {
		if !f.OK {
			failed++
		}
	}
	err = env.print(found, func(w io.Writer) {
		for _, f := range found {
			mark := "pass"
			switch {
			case !f.OK:
				mark = "FAIL"
			case f.Warn:
				mark = "warn"
			}
			fmt.Fprintf(w, "%s  %s", mark, f.What)
			if f.Note != "" {
				fmt.Fprintf(w, ": %s", f.Note)
			}
			fmt.Fprintln(w)
			if f.Run != "" {
				fmt.Fprintf(w, "      → %s\n", f.Run)
			}
		}
	})
	if err == nil && failed > 0 {
		err = fmt.Errorf("%d of %d checks failed", failed, len(found))
	}
	return err
}

func checkLedger(ctx context.Context, cfg *config.Config) []finding {
	f := finding{What: "ledger", OK: true, Note: string(cfg.Ledger.Kind)}
	l, err := openLedger(ctx, cfg)
	if err != nil {
		f.OK, f.Note = false, err.Error()
		f.Run = "make the folder writable for the user that runs firstpass, or correct ledger.url_file and see that PostgreSQL answers"
		return []finding{f}
	}
	if err := l.Close(); err != nil {
		f.OK, f.Note = false, err.Error()
	}
	return []finding{f}
}

// checkSources reads the keys and compiles the expressions; no HR system is
// called.
func checkSources(_ context.Context, cfg *config.Config) []finding {
	rules, err := newRules(cfg)
	if err != nil {
		return nil // checkRules says so
	}
	if _, err := newSources(cfg, rules); err != nil {
		return []finding{{What: "sources", Note: strings.ReplaceAll(err.Error(), "\n", "; "), Run: "correct sources in the configuration; docs/sources.md explains them"}}
	}
	var found []finding
	for _, s := range cfg.Sources {
		f := finding{What: "source " + s.Name, OK: true, Note: string(s.Kind) + ", keys and expressions"}
		if s.Use != "" {
			f.Note = string(s.Kind) + " by " + s.Use + ", keys and expressions"
		}
		found = append(found, f)
	}
	return found
}

// uses says which permissions the configuration asks for.
func uses(cfg *config.Config) graph.Uses {
	u := graph.Uses{Mail: slices.ContainsFunc(cfg.Channels, func(c config.Channel) bool { return c.Kind == config.ChannelGraph })}
	for name, p := range cfg.Profiles {
		if cfg.Profile(name).Remove != jml.RemoveNone {
			u.Remove = jml.Removable()
		}
		if slices.Contains(p.For, jml.KindRecovery) {
			u.EndSessions = true
		}
	}
	return u
}

func checkGraph(ctx context.Context, cfg *config.Config) []finding {
	g, err := newGraph(cfg)
	if err != nil {
		return []finding{{What: "Graph client", Note: err.Error(), Run: "correct graph.* in the configuration"}}
	}
	granted, err := g.Permissions(ctx)
	if err != nil {
		return []finding{{What: "Entra token", Note: err.Error(), Run: "check graph.tenant_id, graph.client_id and the credential; the AADSTS code is explained at https://login.microsoftonline.com/error"}}
	}
	found := []finding{{What: "Entra token", OK: true, Note: "as application " + cfg.Graph.ClientID}}
	for _, n := range graph.Needs(uses(cfg)) {
		if !n.Optional || n.Met(granted) { // what is not looked at says so itself
			found = append(found, permission(n, granted))
		}
	}
	return append(found, checkPolicy(ctx, cfg, g)...)
}

func permission(n graph.Need, granted []string) finding {
	f := finding{What: "permission " + n.Permission, OK: n.Met(granted), Note: n.For}
	if !f.OK {
		f.Run = grant(n.Permission)
	}
	return f
}

func grant(permission string) string {
	return "Entra, App registrations, API permissions, Microsoft Graph, Application permissions: add " + permission + ", then grant admin consent; a running firstpass sees it within the hour"
}

func checkPolicy(ctx context.Context, cfg *config.Config, g *graph.Client) []finding {
	policy, err := g.PassPolicy(ctx)
	if err != nil {
		f := finding{What: "pass policy", Note: err.Error()}
		var fault *jml.Fault
		if errors.As(err, &fault) {
			f.Run = fault.Block().Advice
		}
		return []finding{f}
	}
	found := []finding{{
		What: "pass policy", OK: policy.Enabled,
		Note: fmt.Sprintf("enabled %t, lifetime %s to %s, one-time only %t", policy.Enabled, policy.Minimum, policy.Maximum, policy.OneTimeOnly),
	}}
	if !policy.Enabled {
		found[0].Run = jml.Blocked(jml.ReasonPolicyDisabled, "").Advice
	}
	if !policy.AllUsers && len(policy.IncludeGroups)+len(policy.IncludeUsers) == 0 {
		found = append(found, finding{What: "pass policy scope", Note: "nobody is included", Run: jml.Blocked(jml.ReasonOutOfScope, "").Advice})
	}
	return append(found, checkProfiles(ctx, cfg, g, policy)...)
}

// checkProfiles compares the profiles with the tenant.
func checkProfiles(ctx context.Context, cfg *config.Config, g *graph.Client, policy jml.PassPolicy) []finding {
	var found []finding
	setup, err := g.Setup(ctx)
	if err != nil {
		found = append(found, finding{What: "tenant set-up", OK: true, Warn: true, Note: "could not be looked at: " + strings.ReplaceAll(err.Error(), "\n", "; ")})
	}
	conflicts := profile.Conflicts(cfg, policy, setup)
	for _, c := range conflicts {
		found = append(found, conflict(c, "tenant set-up"))
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Profiles)) {
		if !slices.ContainsFunc(conflicts, func(c profile.Finding) bool { return c.Profile == name && c.Severity == profile.SeverityError }) {
			found = append(found, finding{What: "profile " + name + " fits the pass policy", OK: true})
		}
	}
	return found
}

// conflict is what was found about a profile, or about all, which then goes by
// the name of its cause.
func conflict(c profile.Finding, cause string) finding {
	f := finding{What: "profile " + c.Profile, OK: c.Severity != profile.SeverityError, Note: c.What, Run: c.Do}
	f.Warn = f.OK
	if c.Profile == "" {
		f.What = cause
	}
	return f
}

// conflicts reads the tenant and returns what of it the profiles do not go
// together with.
func conflicts(ctx context.Context, cfg *config.Config, g *graph.Client) ([]profile.Finding, error) {
	policy, err := g.PassPolicy(ctx)
	if err != nil {
		return nil, err
	}
	setup, err := g.Setup(ctx)
	if err != nil {
		return nil, err
	}
	return profile.Conflicts(cfg, policy, setup), nil
}

func checkChannels(ctx context.Context, cfg *config.Config) []finding {
	g, err := newGraph(cfg)
	if err != nil {
		return nil // checkGraph says so
	}
	sender, err := newSender(cfg, g)
	if err != nil {
		return []finding{{What: "channels and templates", Note: err.Error(), Run: "correct channels, or the files in messages.folder"}}
	}
	var found []finding
	for _, name := range sender.Channels() {
		f := finding{What: "channel " + name, OK: true, Note: "answers and takes our key (nothing was sent)"}
		if err := sender.Probe(ctx, name, nil); err != nil {
			f.OK, f.Note = false, err.Error()
			i := slices.IndexFunc(cfg.Channels, func(c config.Channel) bool { return c.Name == name })
			f.Run = channelAdvice(cfg.Channels[i].Kind)
		}
		found = append(found, f)
	}
	return found
}

func channelAdvice(kind config.ChannelKind) string {
	switch kind {
	case config.ChannelSendGrid:
		return "check endpoint, api_key_file (it needs the scope mail.send) and from (a verified sender)"
	case config.ChannelSMTP:
		return "check server, which must offer TLS, its certificate (ca_file), username and password_file, and from"
	case config.ChannelGraph:
		return "grant the application permission Mail.Send, and see that from is a mailbox of the tenant that the application may use"
	case config.ChannelTwilio:
		return "check account_sid and auth_token_file, and that the account is active"
	case config.ChannelLetter:
		return "make the folder, and let the user that runs firstpass write to it"
	}
	return "check the address of the webhook and its secret, and that it answers from here"
}

// checkRules compiles the rules by which profiles are chosen, and reads the
// calendars.
func checkRules(_ context.Context, cfg *config.Config) []finding {
	f := finding{What: "rules and calendars", OK: true}
	rules, err := newRules(cfg)
	if err != nil {
		f.OK, f.Note, f.Run = false, strings.ReplaceAll(err.Error(), "\n", "; "), "correct profiles and calendars in the configuration; docs/profiles.md explains them"
		return []finding{f}
	}
	found := []finding{f}
	for _, c := range rules.Check() {
		found = append(found, conflict(c, "calendars"))
	}
	return found
}

// checkPickup reads keys and words and compiles the rules; no identity provider
// is called.
func checkPickup(_ context.Context, cfg *config.Config) []finding {
	var found []finding
	for _, name := range slices.Sorted(maps.Keys(cfg.Profiles)) {
		p := cfg.Profile(name)
		if len(p.NoticeTo) == 0 {
			found = append(found, finding{What: "profile " + name + " tells of every pass", OK: true, Warn: true, Note: "nobody is told that a pass was sent or collected, so nobody can say \"not me\"",
				Run: "set profiles." + name + ".notice_to"})
		}
		if len(p.AlertTo) == 0 && p.Mode == jml.ModePickup {
			found = append(found, finding{What: "profile " + name + " tells of what is wrong", OK: true, Warn: true, Note: "nobody is told when a link is locked or a pass is disowned",
				Run: "set profiles." + name + ".alert_to to a desk"})
		}
	}
	if cfg.Pickup.URL == "" {
		return found
	}
	f := finding{What: "pick-up page", OK: true, Note: cfg.Pickup.URL + ", key, words and proofs"}
	book, err := newBook(cfg, nil)
	if err == nil {
		_, err = newPickup(cfg, nil, book, nil, slog.New(slog.DiscardHandler))
	}
	if err != nil {
		f.OK, f.Note, f.Run = false, strings.ReplaceAll(err.Error(), "\n", "; "), "correct pickup and proofs in the configuration"
	}
	return append(found, f)
}

func checkTemporal(ctx context.Context, cfg *config.Config) []finding {
	c, err := connect(ctx, cfg)
	if err != nil {
		f := finding{What: "Temporal at " + cfg.Temporal.Address, Note: err.Error()}
		var h hinted
		if errors.As(err, &h) {
			f.Run = h.hint
		}
		return []finding{f}
	}
	defer c.Close()
	found := []finding{checkNamespace(ctx, c, cfg.Temporal.Namespace)}
	found = append(found, checkAttributes(ctx, c, cfg.Temporal.Namespace)...)
	works := checkWorker(ctx, c, cfg.Temporal.TaskQueue)
	found = append(found, works)
	if !works.OK {
		return found // who should answer for the journeys?
	}
	return append(found, checkGone(ctx, cfg, c)...)
}

func checkNamespace(ctx context.Context, c client.Client, name string) finding {
	f := finding{What: "Temporal namespace " + name}
	d, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: name})
	if err != nil {
		f.Note, f.Run = err.Error(), "temporal operator namespace create --retention 2160h "+name
		return f
	}
	keeps := d.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration()
	// Closed journeys are compared with what HR says later; 30 days is the
	// longest a pass may live.
	f.OK, f.Note = keeps >= 30*24*time.Hour, fmt.Sprintf("keeps closed journeys for %d days", int(keeps.Hours()/24))
	if !f.OK {
		f.Run = "temporal operator namespace update --retention 2160h " + name
	}
	return f
}

func checkAttributes(ctx context.Context, c client.Client, namespace string) []finding {
	there, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return []finding{{What: "Temporal search attributes", Note: err.Error()}}
	}
	var found []finding
	wanted := workflows.Attributes()
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		f := finding{What: "Temporal search attribute " + name, OK: there.GetCustomAttributes()[name] == wanted[name]}
		if !f.OK {
			f.Run = "firstpass setup"
		}
		found = append(found, f)
	}
	return found
}

func checkWorker(ctx context.Context, c client.Client, queue string) finding {
	f := finding{What: "worker on task queue " + queue}
	d, err := c.DescribeTaskQueue(ctx, queue, enums.TASK_QUEUE_TYPE_WORKFLOW)
	if err != nil {
		f.Note = err.Error()
		return f
	}
	f.OK, f.Note = len(d.GetPollers()) > 0, fmt.Sprintf("%d polling", len(d.GetPollers()))
	if !f.OK {
		f.Run = "firstpass serve"
	}
	return f
}
