package entrasim

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// userBody is a User as the management listener reads it. Every field of User
// keeps its value when the JSON does not name it, which makes it a patch too.
type userBody struct {
	*User
	VisibleIn     duration `json:"visibleIn"`
	AuthVisibleIn duration `json:"authVisibleIn"`
}

// userView is what it answers.
type userView struct {
	User
	Visible     bool       `json:"visible"`
	AuthVisible bool       `json:"authVisible"`
	LivePasses  int        `json:"livePasses"`
	MaxLive     int        `json:"maxLivePasses"`
	Passes      []PassInfo `json:"passes"`
	Methods     []Method   `json:"methods"`
	// SessionsRevoked is when the user was signed out everywhere.
	SessionsRevoked []time.Time `json:"sessionsRevoked,omitempty"`
}

func (t *Tenant) userViews() []userView {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	views := make([]userView, 0, len(t.st.Users))
	for _, u := range t.st.Users {
		views = append(views, t.userView(u, now))
	}
	return views
}

func (t *Tenant) userView(u *userRecord, now time.Time) userView {
	return userView{User: u.User.clone(), Visible: !now.Before(u.VisibleAt), AuthVisible: !now.Before(u.AuthVisibleAt),
		LivePasses: t.passLive(u.ID, now), MaxLive: t.st.MaxLive[u.ID], Passes: t.passes(u.ID, now), Methods: t.st.registered(u.ID), SessionsRevoked: slices.Clone(u.SessionsRevoked)}
}

func (t *Tenant) directoryRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /sim/users", func(w http.ResponseWriter, _ *http.Request) {
		manageJSON(w, http.StatusOK, object{"users": t.userViews()})
	})
	mux.HandleFunc("POST /sim/users", func(w http.ResponseWriter, r *http.Request) {
		in := userBody{User: &User{}}
		if !readJSON(w, r, &in) {
			return
		}
		in.User.VisibleIn, in.User.AuthVisibleIn = time.Duration(in.VisibleIn), time.Duration(in.AuthVisibleIn)
		u, err := t.AddUser(*in.User)
		done(w, http.StatusCreated, u, err)
	})
	mux.HandleFunc("GET /sim/users/{id}", func(w http.ResponseWriter, r *http.Request) {
		t.mu.Lock()
		defer t.mu.Unlock()
		u := t.findUser(r.PathValue("id"))
		if u == nil {
			manageError(w, http.StatusNotFound, fmt.Errorf("no such user"))
			return
		}
		manageJSON(w, http.StatusOK, t.userView(u, t.now()))
	})
	mux.HandleFunc("PATCH /sim/users/{id}", func(w http.ResponseWriter, r *http.Request) {
		in := userBody{User: &User{}}
		for _, u := range t.Users() {
			if u.ID == r.PathValue("id") {
				in.User = &u
			}
		}
		if !readJSON(w, r, &in) {
			return
		}
		u, err := t.UpdateUser(r.PathValue("id"), func(u *User) { *u = *in.User })
		done(w, http.StatusOK, u, err)
	})
	mux.HandleFunc("DELETE /sim/users/{id}", func(w http.ResponseWriter, r *http.Request) {
		done(w, 0, nil, t.RemoveUser(r.PathValue("id")))
	})
	mux.HandleFunc("POST /sim/users/{id}/methods", func(w http.ResponseWriter, r *http.Request) {
		var m Method
		if readJSON(w, r, &m) {
			m, err := t.AddMethod(r.PathValue("id"), m)
			done(w, http.StatusCreated, m, err)
		}
	})
	mux.HandleFunc("DELETE /sim/users/{id}/methods/{method}", func(w http.ResponseWriter, r *http.Request) {
		done(w, 0, nil, t.RemoveMethod(r.PathValue("id"), r.PathValue("method")))
	})
	mux.HandleFunc("GET /sim/groups", func(w http.ResponseWriter, _ *http.Request) {
		manageJSON(w, http.StatusOK, object{"groups": t.Groups()})
	})
	mux.HandleFunc("POST /sim/groups", func(w http.ResponseWriter, r *http.Request) {
		var g Group
		if readJSON(w, r, &g) {
			g, err := t.AddGroup(g)
			done(w, http.StatusCreated, g, err)
		}
	})
	mux.HandleFunc("POST /sim/roleassignments", func(w http.ResponseWriter, r *http.Request) {
		var a RoleAssignment
		if readJSON(w, r, &a) {
			a, err := t.AddRoleAssignment(a)
			done(w, http.StatusCreated, a, err)
		}
	})
	mux.HandleFunc("DELETE /sim/roleassignments/{id}", func(w http.ResponseWriter, r *http.Request) {
		done(w, 0, nil, t.RemoveRoleAssignment(r.PathValue("id")))
	})
}
