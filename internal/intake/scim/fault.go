package scim

import (
	"errors"
	"net/http"
	"strconv"
)

// ErrUnprocessable is what a Sink answers for a resource that it kept aside
// because it can't be mapped. The client is told of success: it can't mend our
// mapping, and would send the same for ever.
var ErrUnprocessable = errors.New("scim: the resource is kept aside, it can't be mapped")

const schemaError = "urn:ietf:params:scim:api:messages:2.0:Error"

// fault is an answer of RFC 7644 3.12. Its detail names attributes and never
// quotes what the client sent.
type fault struct {
	status int
	kind   string // scimType, or empty
	detail string
	cause  error // for the log, not for the client
}

func (f *fault) Error() string { return "scim: " + f.detail }

func (f *fault) Unwrap() error { return f.cause }

func (f *fault) body() map[string]any {
	b := map[string]any{
		"schemas": []any{schemaError},
		"status":  strconv.Itoa(f.status),
		"detail":  f.detail,
	}
	if f.kind != "" {
		b["scimType"] = f.kind
	}
	return b
}

// bad is a 400 with one of the scimTypes of RFC 7644 table 9.
func bad(kind, detail string) *fault {
	return &fault{status: http.StatusBadRequest, kind: kind, detail: detail}
}

func notFound() *fault {
	return &fault{status: http.StatusNotFound, detail: "no such resource"}
}

func taken(attribute string) *fault {
	return &fault{status: http.StatusConflict, kind: "uniqueness",
		detail: "another resource has this " + attribute + "; look for it with a filter and change that one"}
}

func unavailable(cause error) *fault {
	return &fault{status: http.StatusServiceUnavailable, detail: "not taken; please repeat", cause: cause}
}

// broken is what repeating does not mend.
func broken(cause error) *fault {
	return &fault{status: http.StatusInternalServerError, detail: "the resource can't be read; tell the operator of this service", cause: cause}
}

// asFault makes an answer of any error. What is not a fault is ours.
func asFault(err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	return unavailable(err)
}
