package main

import (
	"errors"
	"strings"

	"firstpass.internal/internal/entrasim"
)

// employee is an invented new colleague.
type employee struct {
	ID, Given, Family string
	UPN               string // the name they sign in with
	Mail              string // private mailbox
}

func (e employee) name() string { return e.Given + " " + e.Family }

// invented makes up what follows from id and name.
func invented(id, given, family string) employee {
	local := strings.ToLower(given + "." + family)
	local = strings.ReplaceAll(local, " ", "-")
	return employee{ID: id, Given: given, Family: family, UPN: local + "@example.com", Mail: local + "@example.org"}
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

// Hire puts a user into the tenant, as the joiner process of an IT department
// does.
func (w *world) Hire(e employee) (entrasim.User, error) { return w.Tenant.AddUser(e.user()) }

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
	return err
}
