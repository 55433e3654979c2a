package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"firstpass.internal/internal/entrasim"
)

type postCmd struct {
	Dir        string        `help:"State folder of the world." default:".dev" placeholder:"FOLDER"`
	Employee   string        `help:"Employee id." required:"" placeholder:"ID"`
	StartsIn   time.Duration `help:"How long from now the employee starts." default:"90s" placeholder:"DURATION"`
	Office     string        `help:"Where: Copenhagen, London, New York, Singapore." default:"Copenhagen" placeholder:"CITY"`
	Source     string        `help:"As which HR source: bamboohr or canonical." default:"bamboohr" enum:"bamboohr,canonical"`
	Given      string        `help:"Given name of an employee whom the tenant does not know." default:"Noor" placeholder:"NAME"`
	Family     string        `help:"And the family name." default:"Vestergaard" placeholder:"NAME"`
	Department string        `help:"The employee's; with another one than before, a mover's." placeholder:"NAME"`
	AddUser    bool          `help:"Make the user in the simulated tenant, if it has none."`
	Left       bool          `help:"The employee does not work here any more."`
}

// Run implements the command.
func (p *postCmd) Run(ctx context.Context, t terminal) error {
	s, err := openSite(p.Dir)
	if err != nil {
		return err
	}
	place, err := findOffice(p.Office)
	if err != nil {
		return err
	}
	e := invented(p.Employee, p.Given, p.Family)
	user, err := s.tenant.find(ctx, p.Employee)
	switch {
	case err == nil:
		e = employeeOf(user)
	case !errors.Is(err, errNoUser):
		return err
	case p.AddUser:
		u := e.user()
		if manager, err := s.tenant.find(ctx, boss().EmployeeID); err == nil {
			u.ManagerID = manager.ID
		}
		if err := s.tenant.add(ctx, u); err != nil {
			return err
		}
		fmt.Fprintf(t.out, "user %s made in the tenant\n", e.UPN)
	default:
		fmt.Fprintf(t.err, "note: the tenant has no user with employee id %s yet; the joiner waits for one (--add-user makes it)\n", p.Employee)
	}
	r := record{employee: e, Start: time.Now().Add(p.StartsIn), Office: place, Left: p.Left, Department: p.Department}
	date, clock, err := r.local()
	if err != nil {
		return err
	}
	status, answer, err := s.hr.Post(ctx, p.Source, r, time.Now())
	if err != nil {
		return fmt.Errorf("the intake does not answer, is firstpass-dev running? %w", err)
	}
	if status != http.StatusOK {
		return fmt.Errorf("the intake answers %d: %s", status, answer)
	}
	what := fmt.Sprintf("starts on %s at %s in %s", date, clock, place.Name)
	if p.Left {
		what = "has left"
	}
	fmt.Fprintf(t.out, "%s, employee %s, %s: %d %s\n", e.name(), e.ID, what, status, answer)
	return nil
}

// site is a running world seen from another process.
type site struct {
	ports  worldPorts
	hr     *hrSystem
	tenant *tenantPage
	mail   *mailPageClient
	phone  *phonePageClient
}

func openSite(dir string) (*site, error) {
	ports, err := readPorts(dir)
	if err != nil {
		return nil, err
	}
	k, err := openKeys(filepath.Join(dir, "keys"))
	if err != nil {
		return nil, err
	}
	return &site{
		ports:  ports,
		hr:     newHRSystem(ports, k),
		tenant: &tenantPage{url: "http://" + loopback(ports.Manage)},
		mail:   &mailPageClient{url: "http://" + loopback(ports.MailPage)},
		phone:  &phonePageClient{url: "http://" + loopback(ports.TextPage)},
	}, nil
}

var errNoUser = errors.New("no such user")

// tenantPage drives the simulated tenant by its management listener.
type tenantPage struct{ url string }

// find returns the user with an employee id.
func (p *tenantPage) find(ctx context.Context, employeeID string) (entrasim.User, error) {
	var all struct{ Users []entrasim.User }
	if err := callJSON(ctx, http.MethodGet, p.url+"/sim/users", nil, &all); err != nil {
		return entrasim.User{}, fmt.Errorf("the simulated tenant does not answer, is firstpass-dev running? %w", err)
	}
	for _, u := range all.Users {
		if u.EmployeeID == employeeID {
			return u, nil
		}
	}
	return entrasim.User{}, fmt.Errorf("employee id %s: %w in the tenant", employeeID, errNoUser)
}

func (p *tenantPage) add(ctx context.Context, u entrasim.User) error {
	return callJSON(ctx, http.MethodPost, p.url+"/sim/users", u, nil)
}

// signIn returns the session, or why it was refused.
func (p *tenantPage) signIn(ctx context.Context, upn, passcode string) (entrasim.Session, error) {
	var s entrasim.Session
	err := callJSON(ctx, http.MethodPost, p.url+"/sim/signin", map[string]string{"userPrincipalName": upn, "passcode": passcode}, &s)
	return s, err
}

func (p *tenantPage) register(ctx context.Context, session, kind string) error {
	return callJSON(ctx, http.MethodPost, p.url+"/sim/register", map[string]string{"sessionId": session, "kind": kind}, nil)
}
