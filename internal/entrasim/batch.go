package entrasim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// OpBatch is a POST of several requests in one. Its parts are requests of their
// own, in the history and to faults: they are what Graph counts and throttles.
const OpBatch = "batch"

const (
	batchPath  = "/v1.0/$batch"
	batchLimit = 20
)

// batchPart is one request of a batch.
type batchPart struct {
	ID        string            `json:"id"`
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	Body      json.RawMessage   `json:"body"`
	DependsOn []string          `json:"dependsOn"`
}

// batch answers each part in a reply that is a success itself. The parts are
// done in turn, and answered last to first: Graph keeps no order. What a part
// depends on is not known here and refused, as nobody asks for it.
//
// Source: learn.microsoft.com/graph/json-batching
func (t *Tenant) batch(c *call) reply {
	if _, refused := t.authorize(c); refused != nil {
		return *refused
	}
	var in struct {
		Requests []batchPart `json:"requests"`
	}
	if c.bodyProblem != nil {
		return *c.bodyProblem
	}
	if bad := c.decode(directory, &in); bad != nil {
		return *bad
	}
	if n := len(in.Requests); n == 0 || n > batchLimit {
		return badRequest(directory, fmt.Sprintf("Number of batch request steps must be 1 to %d.", batchLimit))
	}
	seen := map[string]bool{}
	for _, p := range in.Requests {
		if p.ID == "" || seen[p.ID] || len(p.DependsOn) > 0 {
			return badRequest(directory, "A batch step has no id of its own, or depends on another.")
		}
		seen[p.ID] = true
	}
	answers := []any{}
	for _, p := range in.Requests {
		answers = append([]any{t.batchStep(c, p)}, answers...)
	}
	return reply{status: http.StatusOK, body: object{"responses": answers}}
}

// batchStep does one part: with its own ids, its own line in the history and its
// own fault.
func (t *Tenant) batchStep(outer *call, p batchPart) object {
	target, err := url.Parse("/v1.0/" + strings.TrimPrefix(p.URL, "/"))
	if err != nil || target.Host != "" {
		return object{"id": p.ID, "status": http.StatusBadRequest, "body": object{"error": object{"code": "BadRequest", "message": "The step has no relative url."}}}
	}
	header := http.Header{"Authorization": outer.r.Header["Authorization"]}
	for name, value := range p.Headers {
		header.Set(name, value)
	}
	r := (&http.Request{Method: p.Method, URL: target, Host: outer.r.Host, Header: header,
		Body: http.NoBody}).WithContext(outer.r.Context())
	if len(p.Body) > 0 {
		r.Body = newBody(p.Body)
	}
	c := t.newCall(nil, r)
	rec := Request{Kind: KindGraphRequest, Operation: opUnknown}
	if c.route != nil {
		rec.Operation, rec.Template = c.route.op, c.route.path
	}
	status, replied, body := t.playStep(c, rec)
	out := object{"id": p.ID, "status": status, "headers": object{"Content-Type": "application/json"}}
	if ra := replied.Get("Retry-After"); ra != "" {
		out["headers"] = object{"Content-Type": "application/json", "Retry-After": ra}
	}
	if len(body) > 0 {
		out["body"] = json.RawMessage(body)
	}
	return out
}

// playStep is play for a part: it has no connection to drop, so a lost answer is
// a gateway's time-out.
func (t *Tenant) playStep(c *call, rec Request) (status int, header http.Header, body []byte) {
	begun := time.Now()
	rec.Time, rec.Method, rec.Path = c.now, c.r.Method, c.r.URL.Path
	rec.RequestID, rec.ClientRequestID = c.requestID, c.clientID
	for name := range c.query {
		rec.Query = append(rec.Query, name)
	}
	f := t.faults.take(rec)
	rec.Fault = f.String()
	f.pause(t.closing, false)
	var rep reply
	if f.replaces(false) {
		rep = f.reply(c)
	} else {
		rep = t.work(c)
		rec.WorkStatus = rep.status
	}
	body = rep.bytes(c)
	header = c.fullHeader(rep, body != nil)
	if t.cfg.Strict && c.route != nil && rec.WorkStatus != 0 {
		t.violate(c, "reply", t.contract.CheckReply(c.r.Method, c.r.URL, rep.status, header, body)...)
	}
	f.pause(t.closing, true)
	if f.replaces(true) {
		rep = f.reply(c)
		body = rep.bytes(c)
		header = c.fullHeader(rep, body != nil)
	}
	if f.drops() {
		rep.status, body = http.StatusGatewayTimeout, nil
	}
	rec.Status, rec.Duration = rep.status, time.Since(begun)
	t.history.add(rec)
	f.done()
	return rep.status, header, body
}
