package entrasim

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
)

// managementHandler is the plain-http listener that drives the tenant. It
// changes state without a password, so pages of other sites and names that
// merely resolve to loopback are kept out.
func (t *Tenant) managementHandler() http.Handler {
	mux := http.NewServeMux()
	t.pageRoutes(mux)
	t.directoryRoutes(mux)
	t.simRoutes(mux)
	t.faultRoutes(mux)
	mux.HandleFunc("GET /msi/token", func(w http.ResponseWriter, r *http.Request) {
		c := t.newCall(w, r)
		t.play(w, c, Request{Kind: KindTokenRequest, Operation: OpToken, Template: "/msi/token"}, func() reply { return t.managedIdentity(c) })
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		manageError(w, http.StatusNotFound, errors.New("there is nothing here for "+r.Method))
	})
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		manageError(w, http.StatusForbidden, errors.New("requests of other sites are refused"))
	}))
	guarded := crossOrigin.Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !t.enter() {
			panic(http.ErrAbortHandler)
		}
		defer t.inflight.Done()
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if !loopbackHost(r.Host) {
			manageError(w, http.StatusMisdirectedRequest, errors.New("ask for a loopback name"))
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

func loopbackHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func manageJSON(w http.ResponseWriter, status int, v any) {
	raw, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		status, raw = http.StatusInternalServerError, []byte(`{"error":{"message":"the answer cannot be rendered"}}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(append(raw, '\n')) // the client may be gone
}

// manageError answers {"error":{"code","message"}}; code is set for a refusal
// of the simulated person.
func manageError(w http.ResponseWriter, status int, err error) {
	e := object{"message": err.Error()}
	if why := SignInRefusal(""); errors.As(err, &why) {
		e["code"] = string(why)
	}
	manageJSON(w, status, object{"error": e})
}

// readJSON reads the request's JSON object into v, strictly. False means the
// answer has been written.
func readJSON(w http.ResponseWriter, r *http.Request, v any) bool {
	if mt, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mt != "application/json" {
		manageError(w, http.StatusUnsupportedMediaType, errors.New("the Content-Type must be application/json"))
		return false
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, requestLimit))
	if err == nil {
		err = strictJSON(raw, v)
	}
	if err != nil {
		manageError(w, http.StatusBadRequest, err)
		return false
	}
	return true
}

// done answers v, or 400 with the error.
func done(w http.ResponseWriter, status int, v any, err error) {
	if err != nil {
		manageError(w, http.StatusBadRequest, err)
		return
	}
	if v == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	manageJSON(w, status, v)
}
