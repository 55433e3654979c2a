package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
)

// Who works at the service desk, as the command line's --actor has it.
const (
	operator = "ines.duarte"
	approver = "omar.haddad"
)

// securityMail is where those read who approve.
const securityMail = "security@example.com"

// recoveryTale: somebody who holds a role has their key stolen. Who takes the
// call asks, somebody else approves; sessions and key go, and then there is a
// pass.
//
// Beyond a pick-up it costs the approval: a mail, an update, and a second
// preflight, since days may lie between. And the removal: an end to sessions, a
// list, a deletion and a list that proves it. The command line's own look at user
// and methods is counted, too. Measured: 25 requests, 35 actions, 123 events.
func (d *demo) recoveryTale() tale {
	p := newPlayer("1042", "Signe", "Holm")
	var key string
	return tale{
		steps: slices.Concat(
			[]step{
				d.hire(p, "Signe signs in with a key", "administers user accounts, which is a role",
					entrasim.Method{Kind: entrasim.KindFIDO2, DisplayName: "Signe's key"}, entrasim.Method{Kind: entrasim.KindPhone, PhoneNumber: p.Phone}),
				d.holdsRole(p, "User Administrator"),
				d.say(p, "HR has known the employee for years", startsIn(-longAgo)),
				d.begin,
				d.methods(p, &key),
				d.recovers(p, &key),
				d.mail(p, "Who approves is asked, since Signe holds a role", securityMail, regexp.MustCompile("needs a yes or no")),
				d.notYet(p),
				d.cannotApprove(jml.KindRecovery, p, operator, "Who asked can't approve"),
				d.approves(jml.KindRecovery, p),
				d.seeSignedOut(p),
				d.seeRemoved(p, "The stolen key is removed", entrasim.KindFIDO2),
			},
			d.collects(p),
			[]step{d.seeNotice(p), d.signIn(p), d.register(p, "a new key", entrasim.Method{Kind: entrasim.KindFIDO2, DisplayName: "Signe's new key"}),
				d.nudge(jml.KindRecovery, p), d.seeRevoked(p), d.tryLate(p),
				d.closes(jml.KindRecovery, p, jml.StageCompleted, removed(jml.MethodFIDO2), ", with what was removed"),
				d.fails("Another recovery at once is refused", "recover", func() []string { return append(d.recovery(p), "--loss", "lost") }, "again|rest|already|too soon|less than"),
			}),
		leaves: []string{"recovery", "pass"},
		most:   limits{graph: 28, actions: 40, events: 138},
	}
}

// holdsRole gives p a directory role.
func (d *demo) holdsRole(p *player, role string) step {
	return func(context.Context) error {
		_, err := d.world.Tenant.AddRoleAssignment(entrasim.RoleAssignment{PrincipalID: p.user.ID, RoleName: role})
		return err
	}
}

// methods lists what p has, and picks the key.
func (d *demo) methods(p *player, key *string) step {
	return func(ctx context.Context) error {
		return d.expect(ctx, 20*time.Second, "Signe calls, her key was stolen: what does she have?", "firstpass methods lists the key, and no phone number", func() (string, error) {
			out, err := d.firstpass(ctx, "methods", "--source", sourceBambooHR, "--employee-id", p.ID, "--json")
			if err != nil {
				return "", giveUp{err}
			}
			var list []struct {
				ID, Label string
				Kind      jml.MethodKind
			}
			if err := json.Unmarshal(out, &list); err != nil {
				return "", giveUp{err}
			}
			var labels []string
			for _, m := range list {
				labels = append(labels, m.Label)
				if m.Kind == jml.MethodFIDO2 {
					*key = m.ID
				}
			}
			if *key == "" || len(list) != 2 || strings.Contains(string(out), p.Phone) {
				return "", giveUp{fmt.Errorf("%d methods", len(list))}
			}
			return "firstpass methods: " + strings.Join(labels, ", "), nil
		})
	}
}

// recovery is the command line that asks for one, but for what was lost.
func (d *demo) recovery(p *player) []string {
	return []string{"--source", sourceBambooHR, "--employee-id", p.ID, "--verified", "callback", "--ticket", "INC-4711", "--actor", operator}
}

func (d *demo) recovers(p *player, key *string) step {
	return func(ctx context.Context) error {
		return d.expect(ctx, 20*time.Second, "The helpdesk asks for a recovery", "firstpass recover succeeds", func() (string, error) {
			_, err := d.firstpass(ctx, append([]string{"recover"}, append(d.recovery(p), "--loss", "stolen", "--method", *key)...)...)
			if err != nil {
				return "", giveUp{err}
			}
			return "firstpass recover --loss stolen --verified callback --ticket INC-4711 --method … --actor " + operator, nil
		})
	}
}

// seeSignedOut waits until the user was signed out everywhere.
func (d *demo) seeSignedOut(p *player) step {
	return func(ctx context.Context) error {
		return d.expect(ctx, 20*time.Second, "All sessions are ended", "the tenant has signed the user out everywhere, once", func() (string, error) {
			switch n := len(d.world.Tenant.SessionsRevoked(p.user.ID)); n {
			case 0:
				return "", errors.New("it has not")
			case 1:
				return "who has the key is out", nil
			default:
				return "", giveUp{fmt.Errorf("%d times", n)}
			}
		})
	}
}

// notYet checks that nothing happens without a yes.
func (d *demo) notYet(p *player) step {
	return func(ctx context.Context) error {
		return d.expect(ctx, time.Second, "Until somebody has, nothing happens", "no link, no pass, every method still there", func() (string, error) {
			if n := len(d.world.Mailbox.MailsTo(p.Mail)); n > p.mails {
				return "", giveUp{fmt.Errorf("%d mails", n)}
			}
			if n := len(d.world.Tenant.MethodDeletions()); n > 0 {
				return "", giveUp{fmt.Errorf("%d methods removed", n)}
			}
			return "no link and no pass", d.noPass(p)
		})
	}
}

// cannotApprove has somebody try who may not.
func (d *demo) cannotApprove(kind jml.Kind, p *player, actor, what string) step {
	return func(ctx context.Context) error {
		ref, err := d.ref(kind, p)
		if err != nil {
			return err
		}
		return d.fails(what, "approve", func() []string { return []string{ref, "--actor", actor, "--reason", "it is mine"} }, "can't approve it")(ctx)
	}
}

func (d *demo) approves(kind jml.Kind, p *player) step {
	return func(ctx context.Context) error {
		ref, err := d.ref(kind, p)
		if err != nil {
			return err
		}
		return d.expect(ctx, 20*time.Second, "Somebody else approves", "firstpass approve "+ref+" succeeds", func() (string, error) {
			if _, err := d.firstpass(ctx, "approve", ref, "--actor", approver, "--reason", "spoke to the team lead"); err != nil {
				return "", giveUp{err}
			}
			return "firstpass approve " + ref + " --actor " + approver, nil
		})
	}
}

// fails has a command refused, in words that match says.
func (d *demo) fails(what, command string, args func() []string, says string) step {
	return func(ctx context.Context) error {
		return d.expect(ctx, 20*time.Second, what, "firstpass "+command+" fails and says why", func() (string, error) {
			_, err := d.firstpass(ctx, append([]string{command}, args()...)...)
			if err == nil {
				return "", giveUp{errors.New("it succeeded")}
			}
			_, why, _ := strings.Cut(err.Error(), "firstpass: ")
			why, _, _ = strings.Cut(why, "\n")
			if !regexp.MustCompile(says).MatchString(err.Error()) {
				return "", giveUp{err}
			}
			return fmt.Sprintf("%q", strings.TrimPrefix(why, "refused: ")), nil
		})
	}
}
