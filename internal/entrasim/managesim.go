package entrasim

import "net/http"

type credentials struct {
	UPN      string `json:"userPrincipalName"`
	Passcode string `json:"passcode"`
}

type registration struct {
	SessionID string `json:"sessionId"`
	Method
}

func (t *Tenant) simRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /sim/policy", func(w http.ResponseWriter, _ *http.Request) {
		manageJSON(w, http.StatusOK, t.Policy())
	})
	mux.HandleFunc("PUT /sim/policy", func(w http.ResponseWriter, r *http.Request) {
		p := t.Policy() // fields not named stay
		if readJSON(w, r, &p) {
			done(w, http.StatusOK, &p, t.SetPolicy(p))
		}
	})
	mux.HandleFunc("GET /sim/setup", func(w http.ResponseWriter, _ *http.Request) {
		manageJSON(w, http.StatusOK, t.Setup())
	})
	mux.HandleFunc("PUT /sim/setup", func(w http.ResponseWriter, r *http.Request) {
		s := t.Setup()
		if readJSON(w, r, &s) {
			done(w, http.StatusOK, &s, t.SetSetup(s))
		}
	})
	mux.HandleFunc("GET /sim/methoddeletions", func(w http.ResponseWriter, _ *http.Request) {
		manageJSON(w, http.StatusOK, object{"deletions": t.MethodDeletions()})
	})
	mux.HandleFunc("GET /sim/behaviour", func(w http.ResponseWriter, _ *http.Request) {
		manageJSON(w, http.StatusOK, t.Behaviour())
	})
	mux.HandleFunc("PUT /sim/behaviour", func(w http.ResponseWriter, r *http.Request) {
		b := t.Behaviour()
		if readJSON(w, r, &b) {
			done(w, http.StatusOK, &b, t.SetBehaviour(b))
		}
	})
	mux.HandleFunc("GET /sim/permissions", func(w http.ResponseWriter, _ *http.Request) {
		manageJSON(w, http.StatusOK, object{"permissions": t.Permissions("")})
	})
	mux.HandleFunc("PUT /sim/permissions", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			ClientID    string   `json:"clientId"`
			Permissions []string `json:"permissions"`
		}
		if readJSON(w, r, &in) {
			done(w, http.StatusOK, &in, t.SetPermissions(in.ClientID, in.Permissions...))
		}
	})
	mux.HandleFunc("GET /sim/operators", func(w http.ResponseWriter, _ *http.Request) {
		manageJSON(w, http.StatusOK, object{"operators": orEmpty(t.Operators())})
	})
	mux.HandleFunc("PUT /sim/operators", func(w http.ResponseWriter, r *http.Request) {
		var in Operator
		if readJSON(w, r, &in) {
			o, err := t.SetOperator(in)
			done(w, http.StatusOK, &o, err)
		}
	})
	mux.HandleFunc("DELETE /sim/operators/{upn}", func(w http.ResponseWriter, r *http.Request) {
		done(w, http.StatusNoContent, nil, t.RemoveOperator(r.PathValue("upn")))
	})
	mux.HandleFunc("POST /sim/apps", func(w http.ResponseWriter, r *http.Request) {
		var in App
		if readJSON(w, r, &in) {
			done(w, http.StatusNoContent, nil, t.AddApp(in)) // the answer repeats no secret
		}
	})
	mux.HandleFunc("POST /sim/keys/rotate", func(w http.ResponseWriter, r *http.Request) {
		done(w, http.StatusNoContent, nil, t.RotateKey(r.URL.Query().Get("keep") != "0"))
	})
	mux.HandleFunc("GET /sim/requests", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("count") == "1" {
			manageJSON(w, http.StatusOK, t.Counts())
			return
		}
		manageJSON(w, http.StatusOK, object{"requests": orEmpty(t.Requests())})
	})
	mux.HandleFunc("DELETE /sim/requests", func(w http.ResponseWriter, _ *http.Request) {
		t.ResetRequests()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /sim/passevents", func(w http.ResponseWriter, _ *http.Request) {
		manageJSON(w, http.StatusOK, object{"events": orEmpty(t.PassEvents())})
	})
	mux.HandleFunc("GET /sim/violations", func(w http.ResponseWriter, _ *http.Request) {
		manageJSON(w, http.StatusOK, object{"violations": orEmpty(t.ContractViolations())})
	})
	mux.HandleFunc("GET /sim/ca.pem", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = w.Write(t.CAPEM()) // the client may be gone
	})
	mux.HandleFunc("GET /sim/state", func(w http.ResponseWriter, _ *http.Request) {
		manageJSON(w, http.StatusOK, t.overview())
	})
	mux.HandleFunc("POST /sim/signin", func(w http.ResponseWriter, r *http.Request) {
		if isForm(r) {
			t.signInForm(w, r)
			return
		}
		var in credentials
		if !readJSON(w, r, &in) {
			return
		}
		s, err := t.SignIn(in.UPN, in.Passcode)
		if err != nil {
			manageError(w, http.StatusForbidden, err)
			return
		}
		manageJSON(w, http.StatusOK, s)
	})
	mux.HandleFunc("POST /sim/register", func(w http.ResponseWriter, r *http.Request) {
		if isForm(r) {
			t.registerForm(w, r)
			return
		}
		var in registration
		if !readJSON(w, r, &in) {
			return
		}
		m, err := t.Register(Session{ID: in.SessionID}, in.Method)
		if err != nil {
			manageError(w, http.StatusForbidden, err)
			return
		}
		manageJSON(w, http.StatusCreated, m)
	})
}

// overview is what a person or a script asks first. The client secret is not in
// it: who started the tenant has it.
func (t *Tenant) overview() object {
	counts, violations, perms, policy, behaviour := t.Counts(), t.ContractViolations(), t.Permissions(""), t.Policy(), t.Behaviour()
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	live, highest := 0, 0
	for _, u := range t.st.Users {
		live += t.passLive(u.ID, now)
		highest = max(highest, t.st.MaxLive[u.ID])
	}
	return object{
		"tenantId": t.cfg.TenantID, "clientId": t.cfg.ClientID, "url": t.URL(), "now": now, "seed": t.seed, "strict": t.cfg.Strict,
		"users": len(t.st.Users), "groups": len(t.st.Groups), "livePasses": live, "maxLivePassesOfAnyUser": highest,
		"requests": counts, "permissions": perms, "policy": policy, "behaviour": behaviour, "violations": len(violations),
	}
}
