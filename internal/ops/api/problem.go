package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"firstpass.internal/internal/ops"
)

// problemKind is a kind of problem. Its type is /problems/ and the kind: stable, and
// explained in docs/api.md.
type problemKind string

// The kinds, beyond those of ops.RefusalKind.
const (
	kindInvalid  problemKind = "invalid"
	kindMissing  problemKind = "missing"
	kindMethod   problemKind = "method"
	kindTooLarge problemKind = "too-large"
	kindMedia    problemKind = "media-type"
	kindAway     problemKind = "away"
	kindInternal problemKind = "internal"
)

// said returns the status and the title of a kind.
func (k problemKind) said() (int, string) {
	switch k {
	case "sign-in":
		return http.StatusUnauthorized, "Sign in first"
	case "forbidden":
		return http.StatusForbidden, "Your roles do not allow it"
	case kindInvalid:
		return http.StatusBadRequest, "The request is not valid"
	case kindMissing:
		return http.StatusNotFound, "There is no such thing"
	case "state":
		return http.StatusConflict, "Not as things stand"
	case "version":
		return http.StatusPreconditionFailed, "Somebody was quicker"
	case kindAway:
		return http.StatusServiceUnavailable, "Something that is needed does not answer"
	case kindMethod:
		return http.StatusMethodNotAllowed, "This method is not for this path"
	case kindTooLarge:
		return http.StatusRequestEntityTooLarge, "The body is too long"
	case kindMedia:
		return http.StatusUnsupportedMediaType, "The body is not JSON"
	}
	return http.StatusInternalServerError, "Firstpass made a mistake"
}

// refused returns the kind of a refusal.
func refused(r ops.RefusalKind) problemKind {
	switch r {
	case ops.RefusedSignIn:
		return "sign-in"
	case ops.RefusedForbidden, ops.RefusedInvalid, ops.RefusedMissing, ops.RefusedState, ops.RefusedVersion, ops.RefusedAway:
		return problemKind(r)
	}
	return kindInternal
}

// problem is an error that the API itself finds.
type problem struct {
	kind   problemKind
	detail string
	do     string
	allow  string // the header of a 405
	errors []ProblemError
}

func (p *problem) Error() string { return p.detail }

// wrong is one thing that is wrong with a request.
type wrong struct{ path, what string }

// unfit returns the problem of a request that the description does not allow.
func unfit(all ...wrong) *problem {
	p := &problem{kind: kindInvalid, detail: "the request does not fit the description of the API", do: "errors says what is wrong, and GET /v1/openapi.yaml what is right"}
	for _, w := range all {
		p.errors = append(p.errors, ProblemError{Path: w.path, What: w.what})
	}
	return p
}

// problemOf returns what to say of an error; secret reports that the error is
// none that people outside may read.
func problemOf(err error) (p *problem, secret bool) {
	var refusal *ops.Refusal
	switch {
	case errors.As(err, &p):
		return p, false
	case errors.As(err, &refusal):
		k := refused(refusal.Kind)
		return &problem{kind: k, detail: refusal.What, do: refusal.Do}, k == kindInternal
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &problem{kind: kindAway, detail: "it took too long", do: "look whether it is done, otherwise try again"}, false
	}
	return &problem{kind: kindInternal, detail: "something went wrong", do: "give request_id to who runs Firstpass; its log says more"}, true
}

// fail answers a request with a problem.
func (f *front) fail(w http.ResponseWriter, r *http.Request, err error) {
	p, secret := problemOf(err)
	id, _ := r.Context().Value(requestKey{}).(string)
	if secret {
		f.logger.ErrorContext(r.Context(), "api: failed", "request_id", id, "operation", r.Pattern, "error", err)
	}
	status, title := p.kind.said()
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Del("ETag")
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(status)
	// Who went away does not read it.
	_ = json.NewEncoder(w).Encode(Problem{
		Type: "/problems/" + string(p.kind), Title: title, Status: status, Detail: p.detail, Do: p.do, RequestID: id, Errors: p.errors,
	})
}

type requestKey struct{}

// properID is a request id that may stand in a log and a header.
var properID = regexp.MustCompile(`^[0-9A-Za-z._-]{1,64}$`)

// requestID returns the id that a request brings, if it is a proper one, or else
// a new one.
func requestID(r *http.Request) string {
	if ids := r.Header.Values("X-Request-Id"); len(ids) == 1 && properID.MatchString(ids[0]) {
		return ids[0]
	}
	return strings.ToLower(rand.Text())
}

// where returns the lines of code that led to a panic, without values.
func where() []string {
	var out []string
	pc := make([]uintptr, 32)
	frames := runtime.CallersFrames(pc[:runtime.Callers(3, pc)])
	for {
		frame, more := frames.Next()
		out = append(out, frame.Function+":"+strconv.Itoa(frame.Line))
		if !more {
			return out
		}
	}
}
