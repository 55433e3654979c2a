package identity_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/pickup/identity"
)

func TestCheckFact(t *testing.T) {
	born := jml.Date{Year: 1994, Month: 3, Day: 17}
	v := newVerifier(t, newClock(), map[string]identity.Proof{
		"both":   {Kind: jml.ProofFact, Ask: []string{identity.FactBirthDate, identity.FactEmployeeID}},
		"born":   {Kind: jml.ProofFact, Ask: []string{identity.FactBirthDate}},
		"number": {Kind: jml.ProofFact, Ask: []string{identity.FactEmployeeID}},
		"desk":   {Kind: jml.ProofDesk},
	})
	with := func(d jml.Date, id string) jml.Snapshot { return jml.Snapshot{BirthDate: d, EmployeeID: id} }
	typed := func(d jml.Date, id string) identity.Fact { return identity.Fact{BirthDate: d, EmployeeID: id} }
	for name, tc := range map[string]struct {
		proof string
		typed identity.Fact
		hr    jml.Snapshot
		want  bool
	}{
		"both right":             {"both", typed(born, "A-0417"), with(born, "A-0417"), true},
		"blanks and case":        {"both", typed(born, " a-0417 "), with(born, "A-0417"), true},
		"wide digits":            {"number", typed(jml.Date{}, "０４１７"), with(born, "0417"), true},
		"leading zero lost":      {"number", typed(jml.Date{}, "417"), with(born, "0417"), false},
		"blank inside":           {"number", typed(jml.Date{}, "04 17"), with(born, "0417"), false},
		"birth date alone":       {"born", typed(born, ""), with(born, "0417"), true},
		"born a day later":       {"born", typed(jml.Date{Year: 1994, Month: 3, Day: 18}, ""), with(born, ""), false},
		"day and month mixed":    {"born", typed(jml.Date{Year: 1994, Month: 7, Day: 3}, ""), with(jml.Date{Year: 1994, Month: 3, Day: 7}, ""), false},
		"birth date wrong":       {"both", typed(jml.Date{Year: 1995, Month: 3, Day: 17}, "A-0417"), with(born, "A-0417"), false},
		"number wrong":           {"both", typed(born, "A-0418"), with(born, "A-0417"), false},
		"nothing typed":          {"both", identity.Fact{}, with(born, "A-0417"), false},
		"HR has no birth date":   {"born", typed(born, ""), with(jml.Date{}, "1"), false},
		"neither has one":        {"born", identity.Fact{}, with(jml.Date{}, "1"), false},
		"neither has a number":   {"number", identity.Fact{}, with(born, ""), false},
		"number of blanks":       {"number", typed(jml.Date{}, "  "), with(born, " "), false},
		"a proof of another":     {"desk", typed(born, "1"), with(born, "1"), false},
		"a proof there is not":   {"none", typed(born, "1"), with(born, "1"), false},
		"what is not asked, too": {"born", typed(born, "wrong"), with(born, "0417"), true},
	} {
		if got := v.CheckFact(tc.proof, tc.typed, tc.hr); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestReady(t *testing.T) {
	oidc := func(match string) identity.Proof {
		return identity.Proof{Kind: jml.ProofOIDC, Issuer: "https://broker.example.org", ClientID: "c", ClientSecret: "s", Match: match}
	}
	v := newVerifier(t, newClock(), map[string]identity.Proof{
		"both":    {Kind: jml.ProofFact, Ask: []string{identity.FactBirthDate, identity.FactEmployeeID}},
		"eid":     oidc(rule),
		"index":   oidc(`claims.upn == employee["upn"]`),
		"guarded": oidc(`claims.birthdate == employee.birth_date && (!has(employee.phone) || claims.phone == employee.phone)`),
		"opt":     oidc(`claims.birthdate == employee.birth_date && claims.phone == employee.?phone.orValue("none")`),
		"in":      oidc(`claims.birthdate == employee.birth_date && ("phone" in employee ? claims.phone == employee["phone"] : true)`),
	})
	nothing := jml.Snapshot{EmployeeID: "  "}
	for proof, want := range map[string]string{
		"both":    "birth_date, employee_id",
		"eid":     "birth_date, family_name, given_name",
		"index":   "upn",
		"guarded": "birth_date",
		"opt":     "birth_date",
		"in":      "birth_date",
	} {
		err := v.Ready(proof, nothing)
		if err == nil || !strings.HasSuffix(err.Error(), "HR gave no "+want) || !strings.HasPrefix(err.Error(), "proofs."+proof) {
			t.Errorf("%s: %v", proof, err)
		}
		if err := v.Ready(proof, astrid()); err != nil {
			t.Errorf("%s: %v", proof, err)
		}
	}
	if err := v.Ready("none", astrid()); !errors.Is(err, identity.ErrUnknown) {
		t.Errorf("%v", err)
	}
	for _, err := range []error{
		second(v.Finish(t.Context(), "both", identity.Flow{}, nil, astrid())),
		third(v.Begin(t.Context(), "both", "")),
		second(v.Origin(t.Context(), "both")),
	} {
		if !errors.Is(err, identity.ErrUnknown) {
			t.Errorf("a proof of kind fact gave %v", err)
		}
	}
}

func second[T any](_ T, err error) error        { return err }
func third[T, U any](_ T, _ U, err error) error { return err }

func TestFactPrintsNothing(t *testing.T) {
	f := identity.Fact{BirthDate: jml.Date{Year: 1994, Month: 3, Day: 17}, EmployeeID: "A-0417"}
	out := fmt.Sprintf("%v %+v %#v %s %d %v", f, f, f, f, f, &f)
	if strings.Contains(out, "1994") || strings.Contains(out, "0417") {
		t.Error(out)
	}
}

func TestNewReportsAllAtOnceByPath(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := identity.New(identity.Config{ReturnURL: "http://pickup.example.org/p/eid/return", Proofs: map[string]identity.Proof{
		"a": {Kind: jml.ProofFact},
		"b": {Kind: jml.ProofFact, Ask: []string{"birth_date", "shoe_size"}},
		"c": {Kind: jml.ProofFact, Ask: []string{"birth_date", "birth_date"}},
		"d": {Kind: jml.ProofOIDC, Issuer: "http://broker.example.org", ACRValues: []string{"low high"}, Match: "claims.x ==", Subject: "claims.sub ==", CAFile: empty},
		"e": {Kind: jml.ProofManager},
	}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"proofs.a.ask: asks for nothing", "proofs.b.ask: entry 2", "proofs.c.ask: entry 2", "proofs.d.issuer: not https", "proofs.d.client_id: missing",
		"proofs.d.client_secret_file: missing", "proofs.d.acr_values[0]", "proofs.d.match: does not compile: line 1, column", "proofs.d.subject: does not compile", "proofs.d.ca_file", "return URL: not https"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %q", want, err)
		}
	}
}

func TestRulesThatProveNothingAreRefused(t *testing.T) {
	for match, want := range map[string]string{
		"":                            "missing",
		"true":                        "says the same of everybody",
		"claims.email_verified":       "says the same of everybody",
		"employee.birth_date != \"\"": "says the same of everybody",
		`has(claims.sub) && has(employee.given_name)`:                          "namesakes",
		`sameName(claims.name, employee.given_name)`:                           "namesakes",
		`claims.country == employee.country`:                                   "namesakes",
		`claims.birthdate == employee.birthdate`:                               `employee has no "birthdate"; it has`,
		`claims.birthdate == employee["birthdate"]`:                            `employee has no "birthdate"`,
		`claims == employee`:                                                   "must name employee's fields",
		`employee.exists(k, employee[k] == claims.sub)`:                        "must name employee's fields",
		`claims.birthdate == employee.birth_date && employee[claims.x] == "y"`: "must name employee's fields",
		`employee.birth_date`:                                                  "must give true or false, not string",
		"claims.birthdate\n  == emplyee.birth_date":                            "line 2, column 6: undeclared reference to 'emplyee'",
		`sameName(claims.name, 7) && employee.upn == "x"`:                      "does not compile: line 1, column 9",
		`claims.upn.matches("(") && employee.upn == "x"`:                       "does not compile",
		strings.Repeat("(", 500) + "1" + strings.Repeat(")", 500):              "does not compile",
	} {
		_, err := identity.New(identity.Config{ReturnURL: returnURL, Proofs: map[string]identity.Proof{
			"eid": {Kind: jml.ProofOIDC, Issuer: "https://broker.example.org", ClientID: "c", ClientSecret: "s", Match: match},
		}})
		if err == nil || !strings.HasPrefix(err.Error(), "proofs.eid.match: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v", match, err)
		}
	}
	for subject, want := range map[string]string{`"x"`: "everybody has the same", "claims.sub == 'x'": "must give a text, not bool", "employee.upn": "undeclared"} {
		_, err := identity.New(identity.Config{ReturnURL: returnURL, Proofs: map[string]identity.Proof{
			"eid": {Kind: jml.ProofOIDC, Issuer: "https://broker.example.org", ClientID: "c", ClientSecret: "s", Match: rule, Subject: subject},
		}})
		if err == nil || !strings.HasPrefix(err.Error(), "proofs.eid.subject: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", subject, err)
		}
	}
}
