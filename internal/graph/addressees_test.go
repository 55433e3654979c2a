package graph_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"firstpass.internal/internal/entrasim"
	"firstpass.internal/internal/entrasim/entrasimtest"
	"firstpass.internal/internal/jml"
)

func TestAddressees(t *testing.T) {
	tenant := startTenant(t, func(c *entrasim.Config) { c.PageSize = 2 })
	c := newClient(t, tenantConfig(t, tenant))
	user := func(name string, change func(*entrasim.User)) string {
		u := entrasim.User{UPN: name + "@firstpass.example", Mail: name + ".mail@firstpass.example", GivenName: name}
		if change != nil {
			change(&u)
		}
		return entrasimtest.User(t, tenant, u).ID
	}
	boss := user("Odile", func(u *entrasim.User) { u.MobilePhone, u.PreferredLanguage = "+33 6 55 50 10 01", "fr-FR" })
	left := user("Left", func(u *entrasim.User) { u.Disabled = true })
	bare := user("Bare", func(u *entrasim.User) { u.Mail, u.GivenName = "", "" })
	host := user("Sven", func(u *entrasim.User) { u.MobilePhone = "08-555 010 02" })
	second := user("Second", nil)
	group := must(tenant.AddGroup(entrasim.Group{DisplayName: "hosts"})).ID
	odile := jml.Addressee{GivenName: "Odile", Mail: "Odile.mail@firstpass.example", Phone: "+33655501001", Locale: "fr-FR"}
	sven := jml.Addressee{GivenName: "Sven", Mail: "Sven.mail@firstpass.example"}
	for name, tt := range map[string]struct {
		mail     string
		phone    string
		manager  string
		sponsors []string
		want     jml.Addressees // with the sponsor
	}{
		"nobody":              {"", "", "", nil, jml.Addressees{}},
		"own mail":            {"joiner@firstpass.example", "", "", nil, jml.Addressees{WorkMail: "joiner@firstpass.example"}},
		"own phone":           {"", "+47 555 01 002", "", nil, jml.Addressees{WorkPhone: "+4755501002"}},
		"own phone not plain": {"", "555 01 002", "", nil, jml.Addressees{}},
		"manager":             {"", "", boss, nil, jml.Addressees{Manager: odile}},
		"manager has left":    {"", "", left, nil, jml.Addressees{}},
		"manager has nothing": {"", "", bare, nil, jml.Addressees{}},
		"sponsor":             {"", "", "", []string{host}, jml.Addressees{Sponsor: sven}},
		"both":                {"m@firstpass.example", "", boss, []string{host, second}, jml.Addressees{WorkMail: "m@firstpass.example", Manager: odile, Sponsor: sven}},
		"first who counts":    {"", "", boss, []string{group, left, bare, host, second}, jml.Addressees{Manager: odile, Sponsor: sven}},
		"no sponsor counts":   {"", "", "", []string{group, left}, jml.Addressees{}},
	} {
		id := user("J"+strings.ReplaceAll(name, " ", ""), func(u *entrasim.User) {
			u.Mail, u.MobilePhone, u.ManagerID, u.SponsorIDs = tt.mail, tt.phone, tt.manager, tt.sponsors
		})
		got, err := c.Addressees(t.Context(), id, true)
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", name, err, diff)
		}
		tenant.ResetRequests()
		tt.want.Sponsor = jml.Addressee{}
		got, err = c.Addressees(t.Context(), strings.ToUpper(id), false)
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s, sponsor not asked for: %v (-want +got)\n%s", name, err, diff)
		}
		if n := tenant.Counts().Graph; n != 1 {
			t.Errorf("%s: %d requests without the sponsor", name, n)
		}
	}

	// Somebody else may read the mailbox of a disabled account, a technician's too.
	off := user("Off", func(u *entrasim.User) { u.Disabled, u.MobilePhone = true, "+33655501003" })
	if got, err := c.Addressees(t.Context(), off, false); err != nil || got != (jml.Addressees{}) {
		t.Errorf("disabled: %+v, %v", got, err)
	}

	// Nobody vouches for himself.
	self := user("Self", nil)
	if err := errors.Join(tenant.SetManager(self, self), tenant.AddSponsor(self, self), tenant.AddSponsor(self, host)); err != nil {
		t.Fatal(err)
	}
	got, err := c.Addressees(t.Context(), self, true)
	if diff := cmp.Diff(jml.Addressees{WorkMail: "Self.mail@firstpass.example", Sponsor: sven}, got); err != nil || diff != "" {
		t.Errorf("self: %v (-want +got)\n%s", err, diff)
	}

	var f *jml.Fault
	if _, err := c.Addressees(t.Context(), userID, true); !errors.As(err, &f) || f.Kind != jml.FaultNotFound {
		t.Errorf("a user who is not there: %v", err)
	}
	for _, id := range []string{"", "..", "joiner@firstpass.example", userID + "/manager"} {
		tenant.ResetRequests()
		if _, err := c.Addressees(t.Context(), id, true); !errors.As(err, &f) || f.Code != "badUserID" || tenant.Counts().Graph != 0 {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestAddresseesThatMakeNoSense(t *testing.T) {
	const manager = `"manager":{"@odata.type":"#microsoft.graph.user","id":"` + groupID + `","accountEnabled":true,"mail":"robin.vale@example.com"}`
	for name, tt := range map[string]struct {
		user, sponsors, code string // code empty: no error
		want                 jml.Addressees
	}{
		"as it should be":   {`{"id":"` + userID + `",` + manager + `}`, `{"value":[]}`, "", jml.Addressees{Manager: jml.Addressee{Mail: "robin.vale@example.com"}}},
		"somebody else":     {`{"id":"` + groupID + `",` + manager + `}`, `{"value":[]}`, "badUserID", jml.Addressees{}},
		"manager untyped":   {`{"id":"` + userID + `","manager":{"id":"x","mail":"robin.vale@example.com"}}`, `{"value":[]}`, "untypedObject", jml.Addressees{}},
		"manager null":      {`{"id":"` + userID + `","manager":null}`, `{"value":[]}`, "", jml.Addressees{}},
		"manager a contact": {`{"id":"` + userID + `","manager":{"@odata.type":"#microsoft.graph.orgContact","id":"x","mail":"robin.vale@example.com"}}`, `{"value":[]}`, "", jml.Addressees{}},
		"not said whether enabled": {`{"id":"` + userID + `","manager":{"@odata.type":"#microsoft.graph.user","id":"x","mail":"robin.vale@example.com"}}`, `{"value":[]}`, "",
			jml.Addressees{}},
		"sponsors not said": {`{"id":"` + userID + `"}`, `{}`, "emptyReply", jml.Addressees{}},
		"sponsor null":      {`{"id":"` + userID + `"}`, `{"value":[null]}`, "untypedObject", jml.Addressees{}},
		"sponsor untyped":   {`{"id":"` + userID + `"}`, `{"value":[{"id":"x"}]}`, "untypedObject", jml.Addressees{}},
		"link elsewhere":    {`{"id":"` + userID + `"}`, `{"value":[],"@odata.nextLink":"https://example.com/"}`, "foreignLink", jml.Addressees{}},
	} {
		srv := newServer(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/sponsors") {
				writeJSON(w, 200, tt.sponsors)
				return
			}
			writeJSON(w, 200, tt.user)
		})
		got, err := newClient(t, srv.config(t)).Addressees(t.Context(), userID, true)
		var f *jml.Fault
		switch {
		case tt.code == "" && err != nil, tt.code != "" && (!errors.As(err, &f) || f.Code != tt.code || f.Kind != jml.FaultUnavailable):
			t.Errorf("%s: %v", name, err)
		case err != nil && strings.Contains(err.Error(), "robin"):
			t.Errorf("%s: the error shows an address", name)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}
