package entrasim

import (
	"net/http"
	"strings"
	"time"
)

// serveTLS sends a request to Graph or to the token endpoint. Whatever is
// neither gets Graph's 404, as on the real host.
func (t *Tenant) serveTLS(w http.ResponseWriter, r *http.Request) {
	if !t.enter() {
		panic(http.ErrAbortHandler)
	}
	defer t.inflight.Done()
	c := t.newCall(w, r)
	if entra, op, template := t.entraHandler(r); entra != nil {
		rec := Request{Kind: KindTokenRequest, Operation: op, Template: template}
		if r.Method == http.MethodGet {
			rec.Kind = KindMetadataRequest
		}
		t.play(w, c, rec, func() reply { return entra(c) })
		return
	}
	if r.Method == http.MethodPost && r.URL.Path == batchPath {
		t.play(w, c, Request{Kind: KindBatch, Operation: OpBatch, Template: batchPath}, func() reply { return t.batch(c) })
		return
	}
	rec := Request{Kind: KindGraphRequest, Operation: opUnknown}
	if c.route != nil {
		rec.Operation, rec.Template = c.route.op, c.route.path
	}
	t.play(w, c, rec, func() reply { return t.work(c) })
}

// play does the work, with whatever fault is due before, after or instead of
// it, and enters the outcome in the history before the client can see it.
func (t *Tenant) play(w http.ResponseWriter, c *call, rec Request, work func() reply) {
	begun := time.Now() // wall clock: how long the client waited
	rec.Time, rec.Method, rec.Path = c.now, c.r.Method, c.r.URL.Path
	rec.RequestID, rec.ClientRequestID = c.requestID, c.clientID
	for name := range c.query {
		rec.Query = append(rec.Query, name)
	}
	f := t.faults.take(rec)
	rec.Fault = f.String()

	var rep reply
	aborted := f.pause(t.closing, false)
	if !aborted && f.replaces(false) {
		rep = f.reply(c)
	} else if !aborted {
		c.now = t.now() // a hold may have lasted
		rep = work()
		rec.WorkStatus = rep.status
	}
	body := rep.bytes(c)
	header := c.fullHeader(rep, body != nil)
	if t.cfg.Strict && rec.Kind == KindGraphRequest && c.route != nil && rec.WorkStatus != 0 {
		t.violate(c, "reply", t.contract.CheckReply(c.r.Method, c.r.URL, rep.status, header, body)...)
	}
	aborted = aborted || f.pause(t.closing, true)
	if !aborted && f.replaces(true) {
		rep = f.reply(c)
		body = rep.bytes(c)
		header = c.fullHeader(rep, body != nil)
	}
	drop := aborted || f.drops()
	if !drop {
		rec.Status = rep.status
	}
	rec.Duration = time.Since(begun)
	t.history.add(rec)
	f.done()
	t.cfg.Logger.Info("request", "op", rec.Operation, "method", rec.Method, "template", rec.Template, "status", rec.Status,
		"request-id", rec.RequestID, "fault", rec.Fault)
	if drop {
		panic(http.ErrAbortHandler) // net/http closes the connection, no byte is sent
	}
	for k, v := range header {
		w.Header()[http.CanonicalHeaderKey(k)] = v
	}
	w.WriteHeader(rep.status)
	_, _ = w.Write(body) // the client may be gone; the history has the outcome
}

// Operations of the identity provider, for Match.Operation. OpToken is among
// those of Graph.
const (
	OpMetadata   = "metadata" // openid configuration, instance discovery
	OpKeys       = "keys"
	OpAuthorize  = "authorize" // with it the pages of a device and of signing out
	OpDeviceCode = "deviceCode"
)

// entraHandler finds the handler of an authority path, or nil.
func (t *Tenant) entraHandler(r *http.Request) (handle func(*call) reply, op, template string) {
	is := func(method, suffix string) bool { return r.Method == method && strings.HasSuffix(r.URL.Path, suffix) }
	switch {
	case is(http.MethodPost, "/oauth2/v2.0/token"):
		return t.token, OpToken, "/{tenant}/oauth2/v2.0/token"
	case is(http.MethodPost, "/oauth2/v2.0/devicecode"):
		return t.deviceCode, OpDeviceCode, "/{tenant}/oauth2/v2.0/devicecode"
	case is(http.MethodGet, "/v2.0/.well-known/openid-configuration"):
		return t.openIDConfiguration, OpMetadata, "/{tenant}/v2.0/.well-known/openid-configuration"
	case is(http.MethodGet, "/discovery/v2.0/keys"):
		return t.publishedKeys, OpKeys, "/{tenant}/discovery/v2.0/keys"
	case is(http.MethodGet, "/oauth2/v2.0/authorize"):
		return t.authorise, OpAuthorize, "/{tenant}/oauth2/v2.0/authorize"
	case is(http.MethodGet, "/oauth2/v2.0/logout"):
		return t.endSession, OpAuthorize, "/{tenant}/oauth2/v2.0/logout"
	case r.Method == http.MethodGet && r.URL.Path == "/devicelogin":
		return t.deviceLogin, OpAuthorize, r.URL.Path
	case r.Method == http.MethodGet && r.URL.Path == "/common/discovery/instance":
		return t.instanceDiscovery, OpMetadata, r.URL.Path
	}
	return nil, "", ""
}
