package scim

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"firstpass.internal/internal/ledger"
)

// Every write tells the Sink first and writes the Store second, and only then
// is the client answered. What a crash or a fault between the two leaves behind
// is mended by the client, which had no answer or a 503 and repeats:
//
//   - The Sink fails: nothing has changed. The repetition does all of it.
//   - The Store fails after the Sink: the Sink knows the newest, the Store does
//     not. The repetition finds what the first try found, tells the Sink the
//     same once more, which does no harm since it is state and not an event, and
//     writes. A POST gets another id then, so nobody should know an employee by
//     the id of a resource that has an externalId.
//   - The answer is lost: a PUT, PATCH or DELETE repeated changes nothing, but
//     tells the Sink again; a POST is told 409 and finds its resource by filter,
//     which clients do anyway.
//
// The other order would lose facts: a resource in the Store that the Sink never
// saw looks done to the client, which compares before it writes.
//
// Writes to one resource take turns, so the Sink sees them in the order of the
// Store. Another process may come between: then the Store says conflict, and
// the write starts over from what is there now. If it is refused in the end, the
// Sink is told what the Store holds.

// tries is how often a write starts over because another process wrote
// meanwhile.
const tries = 3

// create is POST. With upsert it replaces the resource that has the same
// externalId instead of refusing.
func (h *Handler) create(ctx context.Context, base string, in map[string]any, upsert bool) (reply, error) {
	attrs, err := h.shapes.normal(in)
	if err != nil {
		return reply{}, err
	}
	if err := identified(attrs); err != nil {
		return reply{}, err
	}
	key, nameKey := h.keys(attrs)
	defer h.byKey.lock(key)()
	defer h.byNameKey.lock(nameKey)()
	had, err := h.holder(ctx, key, h.cfg.Store.ResourceByKey)
	if err != nil {
		return reply{}, err
	}
	if had != "" && upsert {
		return h.change(ctx, base, had, "", func(map[string]any) (map[string]any, error) { return attrs, nil })
	}
	rec := record{Resource: ledger.Resource{Source: h.cfg.Source, ID: uuid.NewString()}}
	rec, err = h.next(rec, attrs)
	if err != nil {
		return reply{}, err
	}
	if err := h.unique(ctx, rec); err != nil {
		return reply{}, err
	}
	if err := h.tell(ctx, rec, false); err != nil {
		return reply{}, err
	}
	err = h.cfg.Store.PutResource(ctx, rec.Resource, 0)
	if errors.Is(err, ledger.ErrConflict) {
		if err := h.retell(ctx, rec); err != nil {
			return reply{}, err
		}
		if err := h.unique(ctx, rec); err != nil {
			return reply{}, err
		}
		return reply{}, unavailable(ledger.ErrConflict) // whoever was in the way has gone again
	}
	if err != nil {
		return reply{}, unavailable(err)
	}
	h.log(ctx, "created", rec)
	return h.whole(http.StatusCreated, base, rec), nil
}

// change is PUT and PATCH: edit gets the attributes as they are, for itself, and
// returns what they shall be, in normal form.
func (h *Handler) change(ctx context.Context, base, id, match string, edit func(map[string]any) (map[string]any, error)) (reply, error) {
	defer h.byID.lock(id)()
	var told *record // to the Sink, but not in the Store
	for range tries {
		rec, same, err := h.edit(ctx, id, match, edit)
		if err == nil {
			err = h.tell(ctx, rec, false)
		}
		if err != nil {
			return reply{}, h.refuse(ctx, err, told)
		}
		told = &rec
		err = h.keep(ctx, rec, same)
		switch {
		case err == nil:
			h.log(ctx, "changed", rec)
			return h.whole(http.StatusOK, base, rec), nil
		case !errors.Is(err, ledger.ErrConflict) && !errors.Is(err, ledger.ErrNotFound):
			return reply{}, unavailable(err)
		}
	}
	return reply{}, h.refuse(ctx, &fault{status: http.StatusConflict, detail: "others change the resource at the same time; please repeat"}, told)
}

// keep writes rec. If it is the same as before, it only makes sure that it still
// is: otherwise the Sink has just been told what is no longer so.
func (h *Handler) keep(ctx context.Context, rec record, same bool) error {
	if !same {
		return h.cfg.Store.PutResource(ctx, rec.Resource, rec.Version-1)
	}
	now, err := h.cfg.Store.Resource(ctx, h.cfg.Source, rec.ID)
	if err == nil && now.Version != rec.Version {
		return ledger.ErrConflict
	}
	return err
}

// edit returns the next version of a resource, and whether it says the same as
// the one that is there.
func (h *Handler) edit(ctx context.Context, id, match string, edit func(map[string]any) (map[string]any, error)) (record, bool, error) {
	old, err := h.load(ctx, id)
	if err != nil {
		return record{}, false, err
	}
	if !ifMatch(match, old.Version) {
		return record{}, false, &fault{status: http.StatusPreconditionFailed, detail: "the resource has another version"}
	}
	before := old.Body
	attrs, err := edit(old.attrs)
	if err != nil {
		return record{}, false, err
	}
	if err := identified(attrs); err != nil {
		return record{}, false, err
	}
	rec, err := h.next(old, attrs)
	if err != nil {
		return record{}, false, err
	}
	if bytes.Equal(before, rec.Body) {
		old.attrs = attrs
		return old, true, nil // RFC 7644 3.5.2.1: no new version, no new time
	}
	return rec, false, h.unique(ctx, rec)
}

// remove is DELETE.
func (h *Handler) remove(ctx context.Context, id, match string) (reply, error) {
	defer h.byID.lock(id)()
	rec, err := h.load(ctx, id)
	if err != nil {
		return reply{}, err
	}
	if !ifMatch(match, rec.Version) {
		return reply{}, &fault{status: http.StatusPreconditionFailed, detail: "the resource has another version"}
	}
	rec.Version++
	rec.Modified = h.after(rec.Modified) // an end is younger than what it ends
	if err := h.tell(ctx, rec, true); err != nil {
		return reply{}, err
	}
	if err := h.cfg.Store.DropResource(ctx, h.cfg.Source, id); err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return reply{}, unavailable(err)
	}
	h.log(ctx, "deleted", rec)
	return reply{status: http.StatusNoContent}, nil
}

// refuse returns the fault that err is. If the Sink was told what the Store then
// did not take, the Sink first gets told what the Store holds.
func (h *Handler) refuse(ctx context.Context, err error, told *record) error {
	f := asFault(err)
	if told == nil || f.status >= http.StatusInternalServerError {
		return f // the client repeats, which mends it
	}
	if err := h.retell(ctx, *told); err != nil {
		return err
	}
	return f
}

// retell tells the Sink what the Store holds in place of told.
func (h *Handler) retell(ctx context.Context, told record) error {
	held, err := h.load(ctx, told.ID)
	if err == nil {
		return h.tell(ctx, held, false)
	}
	if asFault(err).status != http.StatusNotFound {
		return err
	}
	same, err := h.holder(ctx, told.Key, h.cfg.Store.ResourceByKey)
	if err != nil {
		return err
	}
	named, err := h.holder(ctx, told.NameKey, h.cfg.Store.ResourceByNameKey)
	if err != nil {
		return err
	}
	if told.Key == "" {
		same = named
	}
	if same == "" {
		if err := h.tell(ctx, told, true); err != nil {
			return err
		}
	}
	// Last, because the Sink may know employees by userName.
	for _, id := range []string{same, named} {
		if id == "" {
			continue
		}
		if held, err = h.load(ctx, id); err != nil {
			return err
		}
		if err := h.tell(ctx, held, false); err != nil {
			return err
		}
	}
	return nil
}

// tell brings rec to the Sink. One that the Sink keeps aside counts as told.
func (h *Handler) tell(ctx context.Context, rec record, deleted bool) error {
	err := h.cfg.Sink.Take(ctx, rec.render(""), deleted)
	if errors.Is(err, ErrUnprocessable) {
		h.cfg.Logger.WarnContext(ctx, "scim: a resource is kept aside, it can't be mapped", "source", h.cfg.Source, "id", rec.ID)
		return nil
	}
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// next returns rec in its next version, with attrs.
func (h *Handler) next(rec record, attrs map[string]any) (record, error) {
	body, err := encode(attrs)
	if err != nil {
		return record{}, err
	}
	if int64(len(body)) > h.cfg.MaxBody {
		return record{}, tooLarge()
	}
	rec.attrs, rec.Body = attrs, body
	rec.Key, rec.NameKey = h.keys(attrs)
	rec.Version++
	rec.Modified = h.after(rec.Modified)
	if rec.Created.IsZero() {
		rec.Created = rec.Modified
	}
	return rec, nil
}

// after is now, but later than last by the Store's millisecond at least: the
// clocks of two processes differ, and what looks older may be passed over.
func (h *Handler) after(last time.Time) time.Time {
	now := h.cfg.Now().UTC().Truncate(time.Millisecond)
	if now.After(last) {
		return now
	}
	return last.Add(time.Millisecond)
}

// keys returns what the Store finds a resource by.
func (h *Handler) keys(attrs map[string]any) (key, nameKey string) {
	if v := text(attrs, "externalId"); v != "" {
		key = h.cfg.Key("externalId", v)
	}
	if v := text(attrs, "userName"); v != "" {
		nameKey = h.cfg.Key("userName", fold(v))
	}
	return key, nameKey
}

// unique refuses rec if another resource has its externalId or userName.
func (h *Handler) unique(ctx context.Context, rec record) error {
	id, err := h.holder(ctx, rec.Key, h.cfg.Store.ResourceByKey)
	if err != nil {
		return err
	}
	if id != "" && id != rec.ID {
		return taken("externalId")
	}
	if id, err = h.holder(ctx, rec.NameKey, h.cfg.Store.ResourceByNameKey); err != nil {
		return err
	}
	if id != "" && id != rec.ID {
		return taken("userName")
	}
	return nil
}

// holder returns the id of the resource that has key; empty if none has.
func (h *Handler) holder(ctx context.Context, key string, by func(ctx context.Context, source, key string) (ledger.Resource, error)) (string, error) {
	if key == "" {
		return "", nil
	}
	r, err := by(ctx, h.cfg.Source, key)
	if errors.Is(err, ledger.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", unavailable(err)
	}
	return r.ID, nil
}

// load returns a resource of the Store; a fault if it has none.
func (h *Handler) load(ctx context.Context, id string) (record, error) {
	if uuid.Validate(id) != nil {
		return record{}, notFound() // none of ours, and a text that a database may refuse
	}
	r, err := h.cfg.Store.Resource(ctx, h.cfg.Source, id)
	if errors.Is(err, ledger.ErrNotFound) {
		return record{}, notFound()
	}
	if err != nil {
		return record{}, unavailable(err)
	}
	return open(r)
}

func open(r ledger.Resource) (record, error) {
	attrs, err := decodeStored(r.Body)
	if err != nil {
		return record{}, broken(err)
	}
	return record{Resource: r, attrs: attrs}, nil
}
