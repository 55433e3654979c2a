package entrasim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

type object = map[string]any

// reply is an answer before it is written, so that a fault can lose it and the
// contract can be checked against it. fail is rendered last, since it repeats
// the request ids.
type reply struct {
	status  int
	header  http.Header
	body    any
	raw     []byte // instead of body
	fail    *failure
	changed bool // the directory is not what it was
}

type failure struct {
	service       service
	code, message string
}

func refusal(s service, status int, code, message string) reply {
	return reply{status: status, fail: &failure{s, code, message}}
}

func badRequest(s service, message string) reply {
	code := "BadRequest"
	if s == authService {
		code = "badRequest"
	}
	return refusal(s, http.StatusBadRequest, code, message)
}

func notFound(s service, message string) reply {
	code := "ResourceNotFound"
	if s == authService {
		code = "resourceNotFound"
	}
	return refusal(s, http.StatusNotFound, code, message)
}

func unauthorized(message string) reply {
	r := refusal(directory, http.StatusUnauthorized, "InvalidAuthenticationToken", message)
	r.header = http.Header{"Www-Authenticate": {`Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000"`}}
	return r
}

// denied is worded as each service words it; clients tell them apart.
func denied(s service) reply {
	if s == exchange {
		return refusal(s, http.StatusForbidden, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
	}
	if s == authService {
		return refusal(s, http.StatusForbidden, "accessDenied", "Request Authorization failed")
	}
	return refusal(s, http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
}

// call is one request on its way through the tenant.
type call struct {
	t           *Tenant
	r           *http.Request
	now         time.Time
	requestID   string
	clientID    string // client-request-id
	route       *route
	otherMethod bool // the path exists, for another method
	args        map[string]string
	query       url.Values
	body        []byte
	bodyProblem *reply
	appID       string
	granted     []string
}

func (t *Tenant) newCall(w http.ResponseWriter, r *http.Request) *call {
	c := &call{t: t, r: r, now: t.now(), requestID: traceID(), clientID: r.Header.Get("client-request-id"), query: r.URL.Query()}
	if !isGUID(c.clientID) {
		// Anything else is not echoed: the history keeps it, and a header is
		// no place for somebody's text.
		c.clientID = c.requestID
	}
	for _, rt := range routes() {
		if args, ok := matchTemplate(rt.path, r.URL.EscapedPath()); ok {
			if rt.method == r.Method {
				c.route, c.args = &rt, args
				break
			}
			c.otherMethod = true
		}
	}
	c.readBody(w)
	return c
}

func (c *call) service() service {
	if c.route == nil {
		return directory
	}
	return c.route.service
}

// readBody takes the body in, within the limit. A compressed one is refused:
// clients of this API have sent plain bodies labelled gzip, which Graph answers
// with 400.
func (c *call) readBody(w http.ResponseWriter) {
	if enc := c.r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		bad := badRequest(c.service(), "A compressed request body is not taken here.")
		c.bodyProblem = &bad
		return
	}
	limit := requestLimit
	if c.service() == exchange {
		limit = mailLimit
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, c.r.Body, limit))
	if err != nil {
		bad := badRequest(c.service(), "The request body could not be read.")
		if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
			bad = refusal(c.service(), http.StatusRequestEntityTooLarge, "RequestBodyTooLarge", "The request body is too long.")
		}
		c.bodyProblem = &bad
		return
	}
	c.body = body
}

func (c *call) arg(name string) string { return c.args[name] }

func (c *call) base() string { return "https://" + c.r.Host }

func (c *call) context(of string) string { return c.base() + "/v1.0/$metadata#" + of }

// decode reads the JSON body into v: one value, no unknown field.
func (c *call) decode(s service, v any) *reply {
	if mt, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type")); mt != "application/json" {
		bad := refusal(s, http.StatusUnsupportedMediaType, "BadRequest", "The Content-Type must be application/json.")
		return &bad
	}
	if err := strictJSON(c.body, v); err != nil {
		// The decoder's own text may quote what it read, so it is not repeated.
		bad := badRequest(s, "The request body is not the JSON object this operation takes, or has a property it does not.")
		return &bad
	}
	return nil
}

func strictJSON(raw []byte, v any) error {
	if trimmed := bytes.TrimSpace(raw); len(trimmed) == 0 || trimmed[0] != '{' {
		return errors.New("not a JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON object")
	}
	return nil
}

// bytes renders the body; nil means there is none.
func (rep *reply) bytes(c *call) []byte {
	switch {
	case rep.raw != nil:
		return rep.raw
	case rep.fail != nil:
		inner := object{"date": c.now.Format("2006-01-02T15:04:05"), "request-id": c.requestID, "client-request-id": c.clientID}
		if rep.fail.service == authService {
			inner["message"] = rep.fail.message
		}
		rep.body = object{"error": object{"code": rep.fail.code, "message": rep.fail.message, "innerError": inner}}
	case rep.body == nil:
		return nil
	}
	raw, err := json.Marshal(rep.body)
	if err != nil { // all bodies are maps, texts, numbers and lists made here
		panic("entrasim: " + err.Error())
	}
	return raw
}

const odataJSON = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"

func (c *call) fullHeader(rep reply, hasBody bool) http.Header {
	h := http.Header{}
	h.Set("request-id", c.requestID)
	h.Set("client-request-id", c.clientID)
	h.Set("Cache-Control", "no-cache")
	if hasBody {
		h.Set("Content-Type", odataJSON)
		if rep.fail != nil {
			h.Set("Content-Type", "application/json")
		}
	}
	for k, v := range rep.header {
		h[k] = v
	}
	return h
}
