package scim

import "net/http"

// discover is RFC 7644 4.
func (h *Handler) discover(base, what, id string, filtered bool) (reply, error) {
	if filtered {
		return reply{}, &fault{status: http.StatusForbidden, detail: "this can't be filtered"} // RFC 7644 4
	}
	switch what {
	case "serviceproviderconfig":
		return reply{status: http.StatusOK, body: h.serviceProviderConfig(base)}, nil
	case "resourcetypes":
		return pick(id, map[string]map[string]any{"User": resourceType(base)}, []string{"User"})
	}
	user, enterprise := h.shapes.user, h.shapes.enterprise
	return pick(id, map[string]map[string]any{
		user.urn:       user.describe(base),
		enterprise.urn: enterprise.describe(base),
	}, []string{user.urn, enterprise.urn})
}

// pick answers with the one that id names, or with all of them.
func pick(id string, all map[string]map[string]any, order []string) (reply, error) {
	list := []any{}
	for _, name := range order {
		if fold(name) == fold(id) {
			return reply{status: http.StatusOK, body: all[name]}, nil
		}
		list = append(list, all[name])
	}
	if id != "" {
		return reply{}, notFound()
	}
	return reply{status: http.StatusOK, body: map[string]any{
		"schemas": []any{schemaList}, "totalResults": len(list), "startIndex": 1, "itemsPerPage": len(list), "Resources": list,
	}}, nil
}

func (h *Handler) serviceProviderConfig(base string) map[string]any {
	supported := func(yes bool) map[string]any { return map[string]any{"supported": yes} }
	return map[string]any{
		"schemas":        []any{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"},
		"patch":          supported(true),
		"bulk":           map[string]any{"supported": true, "maxOperations": maxOperations, "maxPayloadSize": h.cfg.MaxBody},
		"filter":         map[string]any{"supported": true, "maxResults": pageSize},
		"changePassword": supported(false),
		"sort":           supported(false),
		"etag":           supported(true),
		"authenticationSchemes": []any{map[string]any{
			"type": "oauthbearertoken", "name": "Bearer token", "description": "As the operator of this service has configured it",
		}},
		"meta": map[string]any{"resourceType": "ServiceProviderConfig", "location": base + "/ServiceProviderConfig"},
	}
}

func resourceType(base string) map[string]any {
	return map[string]any{
		"schemas": []any{"urn:ietf:params:scim:schemas:core:2.0:ResourceType"},
		"id":      "User", "name": "User", "endpoint": "/Users", "description": "An employee",
		"schema": schemaUser,
		// Others are kept too, but we can't describe what we don't know.
		"schemaExtensions": []any{map[string]any{"schema": schemaEnterprise, "required": false}},
		"meta":             map[string]any{"resourceType": "ResourceType", "location": base + "/ResourceTypes/User"},
	}
}

func (s schema) describe(base string) map[string]any {
	return map[string]any{
		"schemas": []any{"urn:ietf:params:scim:schemas:core:2.0:Schema"},
		"id":      s.urn, "name": s.name, "description": s.about,
		"attributes": describeAll(s.attributes),
		"meta":       map[string]any{"resourceType": "Schema", "location": base + "/Schemas/" + s.urn},
	}
}

func describeAll(as []attribute) []any {
	out := []any{}
	for _, a := range as {
		d := map[string]any{
			"name": a.name, "type": a.kind, "multiValued": a.multi, "required": false, "caseExact": a.exact,
			"mutability": "readWrite", "returned": "default", "uniqueness": "none", "description": a.name + ", RFC 7643",
		}
		if a.unique {
			d["uniqueness"] = "server"
		}
		if a.kind == "reference" {
			d["referenceTypes"] = []any{"external"}
		}
		if len(a.subs) > 0 {
			d["subAttributes"] = describeAll(a.subs)
		}
		out = append(out, d)
	}
	return out
}
