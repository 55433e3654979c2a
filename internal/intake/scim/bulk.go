package scim

import (
	"context"
	"net/http"
	"strconv"
	"strings"
)

const (
	schemaBulkRequest  = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
	schemaBulkResponse = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"

	// patience is how many operations in a row may find the Sink or the Store
	// away before the rest is not tried: each try may wait for seconds. It is
	// more than one, so that a single employee who fails does not hold up the
	// others.
	patience = 5

	// maxOperations bounds a bulk request. Entra's own limit is 50
	// (learn.microsoft.com/graph/api/resources/synchronization-bulkupload).
	maxOperations = 1000
)

// bulk is POST /Bulk, RFC 7644 3.7. Operations are done in their order, and each
// stands for itself.
//
// A value bulkId:X stands for the id of the resource that an earlier operation
// of the request made under the bulkId X. One that points forward or nowhere is
// a 409: we resolve no circles. Two operations may have one bulkId, as in
// Microsoft's own example; the later one counts from then on.
//
// POST on an externalId that exists replaces that resource: in Microsoft's form
// POST is the only method, and the server finds out what it means by externalId
// (learn.microsoft.com, inbound-provisioning-api-faqs). What a record
// leaves out is unassigned then; that Microsoft reads it so is not confirmed.
//
// upload answers as Entra's API-driven inbound does, 202, since the scripts
// written for it look at nothing else. For the same reason the whole request is
// a 503 then if one operation was: doing all of it again does no harm, as long
// as it consists of POST, PUT and PATCH with externalId.
func (h *Handler) bulk(ctx context.Context, base string, doc map[string]any, upload bool) (reply, error) {
	if err := message(doc, schemaBulkRequest); err != nil {
		return reply{}, err
	}
	ops, ok := doc[key(doc, "Operations")].([]any)
	if !ok {
		return reply{}, bad("invalidSyntax", "the request has no Operations")
	}
	if len(ops) > maxOperations {
		return reply{}, &fault{status: http.StatusRequestEntityTooLarge, detail: "more than " + strconv.Itoa(maxOperations) + " operations; see maxOperations in ServiceProviderConfig"}
	}
	most, ok := doc[key(doc, "failOnErrors")].(int64)
	if !ok || most < 1 {
		most = maxOperations + 1 // RFC 7644 3.7.3: unless told, go on
	}
	ids := map[string]string{}
	out := []any{}
	var failed int64
	away := 0 // operations in a row that found the Sink or the Store away
	var later *fault
	for _, e := range ops {
		op := readBulkOperation(e)
		var rep reply
		var err error
		if away == patience {
			err = later
		} else {
			rep, err = h.operate(ctx, base, op, ids)
		}
		if err == nil {
			away = 0
			out = append(out, op.answer(rep))
			continue
		}
		f := asFault(err)
		out = append(out, op.answer(reply{status: f.status, body: f.body(), location: op.location(base)}))
		if f.status >= http.StatusInternalServerError && away < patience {
			h.cfg.Logger.ErrorContext(ctx, "scim could not take an operation of a bulk request", "source", h.cfg.Source, "error", f.cause)
		}
		if f.status == http.StatusServiceUnavailable {
			later = f
			away = min(away+1, patience)
		} else {
			away = 0
		}
		if failed++; failed >= most {
			break
		}
	}
	if failed > 0 {
		h.cfg.Logger.WarnContext(ctx, "scim refused operations of a bulk request", "source", h.cfg.Source, "operations", len(ops), "failed", failed)
	}
	if upload && later != nil {
		return reply{}, later
	}
	rep := reply{status: http.StatusOK, later: later != nil, body: map[string]any{"schemas": []any{schemaBulkResponse}, "Operations": out}}
	if upload {
		rep.status = http.StatusAccepted
	}
	return rep, nil
}

// bulkOperation is one of a bulk request. Names and methods may be in any case.
type bulkOperation struct {
	method, bulkID, version, id string
	data                        any
	wrong                       *fault // or nil
}

func readBulkOperation(e any) bulkOperation {
	m, ok := e.(map[string]any)
	if !ok {
		return bulkOperation{wrong: bad("invalidSyntax", "an operation is not an object")}
	}
	if !distinct(m) {
		return bulkOperation{wrong: twice()}
	}
	get := func(name string) string { return text(m, key(m, name)) }
	op := bulkOperation{
		method:  strings.ToUpper(get("method")),
		bulkID:  get("bulkId"),
		version: get("version"),
		data:    m[key(m, "data")],
	}
	parts := strings.Split(strings.Trim(get("path"), "/"), "/")
	if fold(parts[0]) == "v2" {
		parts = parts[1:]
	}
	if len(parts) == 2 {
		op.id = parts[1]
	}
	if len(parts) == 0 || len(parts) > 2 || fold(parts[0]) != "users" || (op.id == "") != (op.method == http.MethodPost) {
		op.wrong = bad("invalidPath", "an operation's path is neither /Users, for POST, nor /Users/ID")
	}
	return op
}

// location is where a failed operation was to go, RFC 7644 3.7.3: POST has no
// such place.
func (op bulkOperation) location(base string) string {
	if op.id == "" || strings.HasPrefix(op.id, bulkReference) {
		return ""
	}
	return location(base, op.id)
}

// answer is the part of the reply for op. A resource is not repeated there, as
// RFC 7644 3.7.3 leaves free; a fault is.
func (op bulkOperation) answer(rep reply) map[string]any {
	a := map[string]any{"method": op.method, "status": strconv.Itoa(rep.status)}
	if op.bulkID != "" {
		a["bulkId"] = op.bulkID
	}
	if rep.location != "" {
		a["location"] = rep.location
	}
	if rep.version != "" {
		a["version"] = rep.version
	}
	if rep.status >= http.StatusBadRequest {
		a["response"] = rep.body
	}
	return a
}

func (h *Handler) operate(ctx context.Context, base string, op bulkOperation, ids map[string]string) (reply, error) {
	if op.wrong != nil {
		return reply{}, op.wrong
	}
	id, ok := resolve(op.id, ids).(string)
	if !ok {
		return reply{}, unresolved()
	}
	if op.method == http.MethodDelete {
		rep, err := h.remove(ctx, id, op.version)
		rep.location = location(base, id)
		return rep, err
	}
	data, ok := op.data.(map[string]any)
	if !ok {
		return reply{}, bad("invalidSyntax", "an operation has no object as its data")
	}
	data, ok = resolve(data, ids).(map[string]any)
	if !ok {
		return reply{}, unresolved()
	}
	switch op.method {
	case http.MethodPost:
		rep, err := h.create(ctx, base, data, true)
		if err == nil && op.bulkID != "" {
			ids[op.bulkID] = rep.location[strings.LastIndexByte(rep.location, '/')+1:]
		}
		return rep, err
	case http.MethodPut:
		return h.put(ctx, base, id, op.version, data)
	case http.MethodPatch:
		return h.patch(ctx, base, id, op.version, data)
	}
	return reply{}, &fault{status: http.StatusMethodNotAllowed, detail: "an operation's method is none of POST, PUT, PATCH and DELETE"}
}

const bulkReference = "bulkId:"

func unresolved() error {
	return &fault{status: http.StatusConflict, kind: "invalidValue", detail: "a bulkId names no resource that an earlier operation of the request made"}
}

// resolve returns v with ids in place of references; nil if one names nothing.
func resolve(v any, ids map[string]string) any {
	switch v := v.(type) {
	case string:
		name, ok := strings.CutPrefix(v, bulkReference)
		if !ok {
			return v
		}
		if id, ok := ids[name]; ok {
			return id
		}
		return nil
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			r := resolve(e, ids)
			if r == nil && e != nil {
				return nil
			}
			out = append(out, r)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, e := range v {
			r := resolve(e, ids)
			if r == nil && e != nil {
				return nil
			}
			out[name] = r
		}
		return out
	}
	return v
}
