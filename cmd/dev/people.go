package main

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"firstpass.internal/internal/eidsim"
	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/jml"
)

// employee is an invented new colleague.
type employee struct {
	ID, Given, Family string
	UPN               string // the name they sign in with
	Mail              string // private mailbox
	Phone             string // private, in E.164
	Born              jml.Date
}

func (e employee) name() string { return e.Given + " " + e.Family }

// invented makes up what follows from id and name.
func invented(id, given, family string) employee {
	local := strings.ToLower(given + "." + family)
	local = strings.ReplaceAll(local, " ", "-")
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // a hash takes everything
	n := int(h.Sum32() >> 1)
	return employee{ID: id, Given: given, Family: family, UPN: local + "@example.com", Mail: local + "@example.org",
		Phone: fmt.Sprintf("+4555%06d", n%1_000_000),
		Born:  jml.Date{Year: 1965 + n%40, Month: time.Month(1 + n%12), Day: 1 + n%28}}
}

// firstPeople are in the tenant of every new world.
func firstPeople() []employee {
	return []employee{invented("1001", "Signe", "Holm"), invented("1002", "Mateo", "Rivas")}
}

func (e employee) user() entrasim.User {
	return entrasim.User{EmployeeID: e.ID, UPN: e.UPN, GivenName: e.Given, Surname: e.Family}
}

// employeeOf is the reverse of user.
func employeeOf(u entrasim.User) employee {
	e := invented(u.EmployeeID, u.GivenName, u.Surname)
	e.UPN = u.UPN
	return e
}

// boss is everybody's manager, who has a mailbox.
func boss() entrasim.User {
	return entrasim.User{EmployeeID: "9001", UPN: "karin.sand@example.com", GivenName: "Karin", Surname: "Sand", Mail: "karin.sand@example.com"}
}

// technician sets up devices, and can be reached at work.
func technician() entrasim.User {
	e := invented("2001", "Timo", "Brandt")
	u := e.user()
	u.Mail, u.MobilePhone = e.UPN, e.Phone
	return u
}

// deskMail is where the service desk reads.
const deskMail = "servicedesk@example.com"

// Hire puts a user into the tenant, as the joiner process of an IT department
// does, with a manager.
func (w *world) Hire(e employee) (entrasim.User, error) {
	u := e.user()
	w.hiring.Lock()
	defer w.hiring.Unlock()
	for _, known := range w.Tenant.Users() {
		if known.UPN == boss().UPN {
			u.ManagerID = known.ID
		}
	}
	if u.ManagerID == "" {
		manager, err := w.Tenant.AddUser(boss())
		if err != nil {
			return manager, err
		}
		u.ManagerID = manager.ID
	}
	return w.Tenant.AddUser(u)
}

// populate fills the tenant of a new world.
func (w *world) populate() error {
	if len(w.Tenant.Users()) > 0 {
		return nil
	}
	var err error
	for _, e := range firstPeople() {
		_, one := w.Hire(e)
		err = errors.Join(err, one)
	}
	_, one := w.Tenant.AddUser(technician())
	return errors.Join(err, one)
}

// persona is how the simulated eID knows e.
func (e employee) persona() eidsim.Persona {
	return eidsim.Persona{Key: "employee-" + e.ID, Sub: "eid-" + e.ID, GivenName: e.Given, FamilyName: e.Family,
		Birthdate: e.Born.String(), ACR: eidsim.ACRHigh}
}

// personas are who can sign in at the simulated eID: the first people, and a
// namesake of the first of them.
func personas() []eidsim.Persona {
	var out []eidsim.Persona
	for _, e := range firstPeople() {
		out = append(out, e.persona())
	}
	namesake := out[0]
	namesake.Key, namesake.Sub, namesake.Birthdate = "namesake", "eid-namesake", "1950-01-31"
	return append(out, namesake)
}
