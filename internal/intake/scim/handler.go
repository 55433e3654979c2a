package scim

import (
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"firstpass.internal/internal/intake/tree"
	"firstpass.internal/internal/ledger"
)

// Store keeps resources; *ledger.Ledger is one. What it has acknowledged is on
// disk.
type Store interface {
	PutResource(ctx context.Context, r ledger.Resource, expectVersion int) error
	Resource(ctx context.Context, source, id string) (ledger.Resource, error)
	ResourceByKey(ctx context.Context, source, key string) (ledger.Resource, error)
	ResourceByNameKey(ctx context.Context, source, nameKey string) (ledger.Resource, error)
	Resources(ctx context.Context, source string, offset, limit int) ([]ledger.Resource, int, error)
	DropResource(ctx context.Context, source, id string) error
}

// Sink takes what a resource now says, id and meta included, and must not change
// it. The same may come again. It answers nil once the fact can't be lost,
// ErrUnprocessable if it kept the resource aside, and else the client repeats.
// It has to bound its own time: the request's end does not end it.
type Sink interface {
	Take(ctx context.Context, resource map[string]any, deleted bool) error
}

// Config is what a Handler needs, all of it.
type Config struct {
	Source string
	Store  Store
	Sink   Sink
	// Key is a keyed hash. kind is externalId or userName.
	Key     func(kind, value string) string
	Now     func() time.Time
	MaxBody int64 // bytes, of a request and of a resource
	// BaseURL returns the source's root as the client knows it, without a slash
	// at its end; locations begin with it.
	BaseURL func(*http.Request) string
	Logger  *slog.Logger
}

const (
	mediaType  = "application/scim+json" // RFC 7644 8.1
	retryAfter = "30"                    // seconds, with a 503

	schemaList = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	pageSize   = 100 // resources, unless count asks for less
)

// Handler serves, below the source's root and with or without /v2 before it,
//
//	/Users, /Users/{id}                             RFC 7644 3.3 to 3.6
//	/Bulk                                           RFC 7644 3.7
//	/bulkUpload                                     the same as Entra's API-driven inbound
//	/ServiceProviderConfig /ResourceTypes /Schemas  RFC 7644 4
//
// The path's case does not matter: Entra's bulk form says /users.
type Handler struct {
	cfg    Config
	shapes shapes

	// In this order, if several are taken.
	byKey, byNameKey, byID locks
}

// New returns a Handler; its error says that cfg is incomplete.
func New(cfg Config) (*Handler, error) {
	if cfg.Source == "" || cfg.Store == nil || cfg.Sink == nil || cfg.Key == nil || cfg.Now == nil ||
		cfg.MaxBody <= 0 || cfg.BaseURL == nil || cfg.Logger == nil {
		return nil, errors.New("scim: incomplete Config")
	}
	h := &Handler{cfg: cfg, shapes: newShapes()}
	for _, l := range []*locks{&h.byKey, &h.byNameKey, &h.byID} {
		l.seed = maphash.MakeSeed()
	}
	return h, nil
}

// reply is an answer; its body is left out if nil.
type reply struct {
	status   int
	body     any
	location string
	version  string
	later    bool // ask to repeat what failed
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rep, err := h.route(w, r)
	if err != nil {
		f := asFault(err)
		if f.status >= http.StatusInternalServerError {
			h.cfg.Logger.ErrorContext(r.Context(), "scim could not take a request; it has to come again", "source", h.cfg.Source, "error", f.cause)
		} else {
			h.cfg.Logger.InfoContext(r.Context(), "scim refused a request", "source", h.cfg.Source, "status", f.status, "why", f.detail)
		}
		rep = reply{status: f.status, body: f.body(), later: f.status == http.StatusServiceUnavailable}
	}
	head := w.Header()
	head.Set("X-Content-Type-Options", "nosniff")
	if rep.location != "" {
		head.Set("Location", rep.location)
	}
	if rep.version != "" {
		head.Set("ETag", rep.version)
	}
	if rep.later {
		head.Set("Retry-After", retryAfter)
	}
	if rep.body != nil {
		head.Set("Content-Type", mediaType)
	}
	w.WriteHeader(rep.status)
	if rep.body != nil {
		_ = json.NewEncoder(w).Encode(rep.body)
	}
}

// route finds who answers. What was begun for a client that hangs up is brought
// to its end: it may never repeat.
func (h *Handler) route(w http.ResponseWriter, r *http.Request) (reply, error) {
	ctx := context.WithoutCancel(r.Context())
	base := strings.TrimRight(h.cfg.BaseURL(r), "/")
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if fold(parts[0]) == "v2" {
		base += "/" + parts[0]
		parts = parts[1:]
	}
	if len(parts) == 0 || len(parts) > 2 {
		return reply{}, notFound()
	}
	id := ""
	if len(parts) == 2 {
		id = parts[1]
	}
	switch what := fold(parts[0]); {
	case what == "users":
		return h.users(ctx, w, r, base, id)
	case (what == "bulk" || what == "bulkupload") && len(parts) == 1:
		if r.Method != http.MethodPost {
			return reply{}, notAllowed(w, http.MethodPost)
		}
		doc, err := h.read(w, r)
		if err != nil {
			return reply{}, err
		}
		return h.bulk(ctx, base, doc, what == "bulkupload")
	case what == "serviceproviderconfig" && len(parts) == 1, what == "resourcetypes", what == "schemas":
		if r.Method != http.MethodGet {
			return reply{}, notAllowed(w, http.MethodGet)
		}
		return h.discover(base, what, id, r.URL.Query().Has("filter"))
	}
	return reply{}, notFound()
}

func (h *Handler) users(ctx context.Context, w http.ResponseWriter, r *http.Request, base, id string) (reply, error) {
	if id == "" {
		switch r.Method {
		case http.MethodGet:
			return h.list(ctx, base, r.URL.Query())
		case http.MethodPost:
			doc, err := h.read(w, r)
			if err != nil {
				return reply{}, err
			}
			return h.create(ctx, base, doc, false)
		}
		return reply{}, notAllowed(w, http.MethodGet, http.MethodPost)
	}
	match := strings.Join(r.Header.Values("If-Match"), ",")
	switch r.Method {
	case http.MethodGet:
		return h.one(ctx, base, id, strings.Join(r.Header.Values("If-None-Match"), ","))
	case http.MethodDelete:
		return h.remove(ctx, id, match)
	case http.MethodPut, http.MethodPatch:
		doc, err := h.read(w, r)
		if err != nil {
			return reply{}, err
		}
		if r.Method == http.MethodPut {
			return h.put(ctx, base, id, match, doc)
		}
		return h.patch(ctx, base, id, match, doc)
	}
	return reply{}, notAllowed(w, http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete)
}

func (h *Handler) put(ctx context.Context, base, id, match string, doc map[string]any) (reply, error) {
	attrs, err := h.shapes.normal(doc)
	if err != nil {
		return reply{}, err
	}
	return h.change(ctx, base, id, match, func(map[string]any) (map[string]any, error) { return attrs, nil })
}

func (h *Handler) patch(ctx context.Context, base, id, match string, doc map[string]any) (reply, error) {
	ops, err := readPatch(doc)
	if err != nil {
		return reply{}, err
	}
	return h.change(ctx, base, id, match, func(attrs map[string]any) (map[string]any, error) { return h.shapes.patch(attrs, ops) })
}

func (h *Handler) one(ctx context.Context, base, id, noneMatch string) (reply, error) {
	rec, err := h.load(ctx, id)
	if err != nil {
		return reply{}, err
	}
	if noneMatch != "" && ifMatch(noneMatch, rec.Version) {
		return reply{status: http.StatusNotModified, version: etag(rec.Version)}, nil
	}
	return h.whole(http.StatusOK, base, rec), nil
}

// list is GET /Users, RFC 7644 3.4.2.
func (h *Handler) list(ctx context.Context, base string, query url.Values) (reply, error) {
	start, err := number(query, "startIndex", 1)
	if err != nil {
		return reply{}, err
	}
	count, err := number(query, "count", pageSize)
	if err != nil {
		return reply{}, err
	}
	start, count = max(start, 1), min(max(count, 0), pageSize)
	var found []ledger.Resource
	total := 0
	if filter := query.Get("filter"); filter != "" {
		found, err = h.search(ctx, filter)
		total = len(found) // one at most
		if start > 1 || count == 0 {
			found = nil
		}
	} else if found, total, err = h.cfg.Store.Resources(ctx, h.cfg.Source, start-1, count); err != nil {
		err = unavailable(err)
	}
	if err != nil {
		return reply{}, err
	}
	out := []any{}
	for _, r := range found {
		rec, err := open(r)
		if err != nil {
			return reply{}, err
		}
		out = append(out, rec.render(location(base, rec.ID)))
	}
	return reply{status: http.StatusOK, body: map[string]any{
		"schemas":      []any{schemaList},
		"totalResults": total,
		"startIndex":   start,
		"itemsPerPage": len(out),
		"Resources":    out,
	}}, nil
}

// search finds the resource that a filter names. It asks the Store for one of
// the identifiers and compares the others itself.
func (h *Handler) search(ctx context.Context, filter string) ([]ledger.Resource, error) {
	c, err := parseFilter(filter)
	if err != nil {
		return nil, err
	}
	wants, err := c.identifiers()
	if err != nil {
		return nil, err
	}
	var r ledger.Resource
	// In which order does not matter: each finds one resource at most.
	if id, ok := wants["id"]; ok {
		if uuid.Validate(id) != nil {
			return nil, nil
		}
		r, err = h.cfg.Store.Resource(ctx, h.cfg.Source, id)
	} else if v, ok := wants["externalid"]; ok {
		r, err = h.cfg.Store.ResourceByKey(ctx, h.cfg.Source, h.cfg.Key("externalId", v))
	} else {
		r, err = h.cfg.Store.ResourceByNameKey(ctx, h.cfg.Source, h.cfg.Key("userName", fold(wants["username"])))
	}
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, unavailable(err)
	}
	rec, err := open(r)
	if err != nil {
		return nil, err
	}
	have := map[string]string{"id": r.ID, "externalid": text(rec.attrs, "externalId"), "username": fold(text(rec.attrs, "userName"))}
	for name, want := range wants {
		if name == "username" {
			want = fold(want)
		}
		if have[name] != want {
			return nil, nil
		}
	}
	return []ledger.Resource{r}, nil
}

// identifiers returns what c asks of id, externalId and userName, by folded
// name; a fault if it asks for anything else.
func (c *condition) identifiers() (map[string]string, error) {
	wants := map[string]string{}
	equals := c.equals()
	for name, v := range equals {
		want, ok := v.(string)
		switch name = fold(name); {
		case !ok, name != "id" && name != "externalid" && name != "username":
			return nil, filterUnsupported()
		}
		wants[name] = want
	}
	if len(wants) == 0 {
		return nil, filterUnsupported()
	}
	return wants, nil
}

func filterUnsupported() error {
	return bad("invalidFilter", "only eq on id, externalId and userName, joined by and, can be asked for")
}

func number(query url.Values, name string, otherwise int) (int, error) {
	v := query.Get(name)
	if v == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		return 0, bad("invalidValue", name+" is not a number")
	}
	return n, nil
}

// read takes a body to pieces; its size, depth and number of values are bounded.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	if t := r.Header.Get("Content-Type"); t != "" {
		kind, _, err := mime.ParseMediaType(t)
		if err != nil || kind != mediaType && kind != "application/json" {
			return nil, &fault{status: http.StatusUnsupportedMediaType, detail: "the body is not " + mediaType}
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.cfg.MaxBody))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, tooLarge()
		}
		return nil, bad("invalidSyntax", "the body did not arrive whole")
	}
	v, err := tree.Decode(mediaType, body, tree.DefaultLimits())
	if err != nil {
		return nil, bad("invalidSyntax", err.Error())
	}
	doc, ok := v.(map[string]any)
	if !ok {
		return nil, bad("invalidSyntax", "the body is not an object")
	}
	return doc, nil
}

func tooLarge() *fault {
	return &fault{status: http.StatusRequestEntityTooLarge, detail: "the body or the resource is too large; see maxPayloadSize in ServiceProviderConfig"}
}

func notAllowed(w http.ResponseWriter, methods ...string) error {
	w.Header().Set("Allow", strings.Join(methods, ", "))
	return &fault{status: http.StatusMethodNotAllowed, detail: "this method is not served here"}
}

func location(base, id string) string { return base + "/Users/" + id }

// whole answers with a resource.
func (h *Handler) whole(status int, base string, rec record) reply {
	at := location(base, rec.ID)
	return reply{status: status, body: rec.render(at), location: at, version: etag(rec.Version)}
}

// ifMatch reports whether a list of entity tags (RFC 9110 13.1.1) has the
// version. It compares weakly, as RFC 7644 3.14 has it; an empty list asks for
// nothing.
func ifMatch(tags string, version int) bool {
	if tags == "" {
		return true
	}
	for tag := range strings.SplitSeq(tags, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == "*" || tag == `"`+strconv.Itoa(version)+`"` {
			return true
		}
	}
	return false
}

func (h *Handler) log(ctx context.Context, what string, rec record) {
	h.cfg.Logger.InfoContext(ctx, "scim "+what+" a resource", "source", h.cfg.Source, "id", rec.ID, "version", rec.Version)
}
