package intake

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
)

// provisioned is a source that a client provisions to. The start is in the
// title, which no client would do.
func provisioned(t *testing.T, edit ...func(*config.Source)) config.Source {
	t.Helper()
	return hook(t, "scim", append([]func(*config.Source){func(c *config.Source) {
		c.Kind, c.DefaultZone = config.SourceSCIM, "Europe/Berlin"
		c.Map = map[string]string{
			"employee_id": "item.externalId", "status": `item.active ? "scheduled" : "left"`, "start_date": "localDate(item.title)",
			"department": `body.?displayName.orValue("")`,
		}
	}}, edit...)...)
}

// scim calls the endpoint and returns the status and the id of what it answers.
func (w *world) scim(t *testing.T, method, path, token, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(method, "/v1/scim/scim"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/scim+json")
	r.Header.Set("Authorization", "Bearer "+token)
	rec := w.do(r)
	var resource struct{ ID string }
	if rec.Body.Len() > 0 && rec.Code < 300 {
		if err := json.Unmarshal(rec.Body.Bytes(), &resource); err != nil {
			t.Fatal(err)
		}
	}
	return rec.Code, resource.ID
}

const resource = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a","externalId":"7","active":true,"title":"2026-04-01","displayName":"Mines"}`

func TestProvisioning(t *testing.T) {
	w := newWorld(t, []config.Source{provisioned(t)})
	if code, _ := w.scim(t, "POST", "/Users", "wrong", resource); code != 401 || len(w.delivered) != 0 {
		t.Errorf("without proof: %d", code)
	}
	if code, _ := w.scim(t, "POST", "/Users", hookToken, strings.Repeat(" ", 64<<10+1)); code != 413 {
		t.Errorf("too large: %d", code)
	}
	code, id := w.scim(t, "POST", "/Users", hookToken, resource)
	if s := w.last(t); code != 201 || s.EmployeeID != "7" || s.Department != "Mines" || s.Status != jml.StatusScheduled {
		t.Errorf("%d, told %+v", code, s)
	}
	w.now = noon.Add(time.Minute)
	patch := func(path, value string) string {
		return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"` + path + `","value":` + value + `}]}`
	}
	if code, _ := w.scim(t, "PATCH", "/Users/"+id, hookToken, patch("title", `"2026-05-01"`)); code != 200 || w.last(t).StartDate.Month != 5 {
		t.Error(code)
	}
	w.now = noon.Add(2 * time.Minute)
	if code, _ := w.scim(t, "PATCH", "/Users/"+id, hookToken, patch("active", `"False"`)); code != 200 || w.last(t).Status != jml.StatusLeft {
		t.Error(code)
	}
}

func TestDeprovisioning(t *testing.T) {
	for _, tc := range []struct {
		name string
		at   time.Duration
		want jml.Status
	}{
		{"before the start", time.Hour, jml.StatusCancelled},
		{"after the start", 31 * day, jml.StatusLeft},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, []config.Source{provisioned(t)})
			_, id := w.scim(t, "POST", "/Users", hookToken, resource)
			w.last(t)
			w.now = noon.Add(tc.at)
			w.fail = ErrUnavailable
			if code, _ := w.scim(t, "DELETE", "/Users/"+id, hookToken, ""); code != 503 {
				t.Errorf("Temporal away: %d", code)
			}
			w.fail = nil
			if code, _ := w.scim(t, "DELETE", "/Users/"+id, hookToken, ""); code != 204 || w.last(t).Status != tc.want {
				t.Errorf("%d", code)
			}
			if code, _ := w.scim(t, "DELETE", "/Users/"+id, hookToken, ""); code != 404 || len(w.delivered) != 0 {
				t.Errorf("again: %d", code)
			}
		})
	}
}

func TestProvisioningWhileTemporalIsAway(t *testing.T) {
	w := newWorld(t, []config.Source{provisioned(t)}, func(c *HandlerConfig) { c.Patience = 100 * time.Millisecond })
	w.fail = ErrUnavailable
	if code, _ := w.scim(t, "POST", "/Users", hookToken, resource); code != 503 {
		t.Errorf("away: %d", code)
	}
	w.fail, w.hang = nil, make(chan struct{})
	began := time.Now()
	if code, _ := w.scim(t, "POST", "/Users", hookToken, resource); code != 503 || time.Since(began) > 2*time.Second {
		t.Errorf("hangs: %d after %v", code, time.Since(began))
	}
	close(w.hang)
	if code, _ := w.scim(t, "POST", "/Users", hookToken, resource); code >= 300 || len(w.delivered) != 1 {
		t.Errorf("there: %d, told %d", code, len(w.delivered))
	}
}

// TestUnreadableResource: the client has its answer, the resource is kept, and it is
// read again once the map is mended.
func TestUnreadableResource(t *testing.T) {
	w := newWorld(t, []config.Source{provisioned(t)})
	odd := strings.Replace(resource, "2026-04-01", canary, 1)
	if code, _ := w.scim(t, "POST", "/Users", hookToken, odd); code != 201 || len(w.delivered) != 0 {
		t.Errorf("%d", code)
	}
	q := w.only(t)
	if !strings.HasPrefix(q.Reason, "start_date: ") {
		t.Errorf("%+v", q)
	}
	w.noCanary(t, "")
	w.restart(t, []config.Source{provisioned(t, func(c *config.Source) { c.Map["start_date"] = `"2026-04-01"` })})
	if out := w.replay(t, q.ID); len(out.Still) != 0 || len(out.Taken) != 1 || w.last(t).Department != "Mines" {
		t.Errorf("%+v", out)
	}
}
