package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// The HR sources of a world.
const (
	sourceBambooHR  = "bamboohr"
	sourceCanonical = "canonical"
)

// record is what HR knows of an employee.
type record struct {
	employee
	Start     time.Time // the instant; told as local date and time of the office
	Office    office
	Left      bool // no longer employed
	Withdrawn bool // the offer was, before the start

	Department string
	JobTitle   string
	Device     string    // class of device
	Effective  time.Time // when the position takes effect; told as the office's date; zero: at once
}

// status is what a source says of r.
func (r record) status() jml.Status {
	switch {
	case r.Left:
		return jml.StatusLeft
	case r.Withdrawn:
		return jml.StatusCancelled
	}
	return jml.StatusScheduled
}

// hrSystem posts records to a world's intake, signed.
type hrSystem struct {
	intake string // URL up to the source
	keys   *keys
	client *http.Client
}

func newHRSystem(ports worldPorts, k *keys) *hrSystem {
	return &hrSystem{intake: "http://" + loopback(ports.Intake) + "/v1/intake/", keys: k, client: &http.Client{Timeout: 30 * time.Second}}
}

// HR is the HR system of this world.
func (w *world) HR() *hrSystem { return newHRSystem(w.Ports, w.Keys) }

// Post sends a record as one of the sources and returns the answer.
func (h *hrSystem) Post(ctx context.Context, source string, r record, at time.Time) (status int, answer string, err error) {
	var body []byte
	var header http.Header
	switch source {
	case sourceBambooHR:
		if body, err = bambooBody(r); err == nil {
			header = bambooHeader(h.keys.BambooHR, body, at)
		}
	case sourceCanonical:
		if body, err = canonicalBody(r, at); err == nil {
			header, err = standardHeader(h.keys.Canonical, rand.Text(), body, at)
		}
	default:
		err = fmt.Errorf("no source %q; there are %s and %s", source, sourceBambooHR, sourceCanonical)
	}
	if err != nil {
		return 0, "", err
	}
	return h.send(ctx, source, body, header)
}

func (h *hrSystem) send(ctx context.Context, source string, body []byte, header http.Header) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.intake+source, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header = header
	res, err := h.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	return res.StatusCode, strings.TrimSpace(string(answer)), err
}

// local returns the civil date and time of day at which r starts.
func (r record) local() (jml.Date, jml.Clock, error) {
	zone, err := jml.LoadZone(r.Office.Zone)
	if err != nil {
		return jml.Date{}, jml.Clock{}, fmt.Errorf("zone of %s: %w", r.Office.Name, err)
	}
	date, clock := civil(r.Start.In(zone))
	return date, clock, nil
}

// civil takes t apart.
func civil(t time.Time) (jml.Date, jml.Clock) {
	return jml.Date{Year: t.Year(), Month: t.Month(), Day: t.Day()}, jml.Clock{Hour: t.Hour(), Minute: t.Minute(), Second: t.Second()}
}

// effective is the civil date on which the position takes effect; zero for at
// once.
func (r record) effective() (jml.Date, error) {
	if r.Effective.IsZero() {
		return jml.Date{}, nil
	}
	r.Start = r.Effective
	date, _, err := r.local()
	return date, err
}

// bambooBody is a BambooHR webhook with fields: the shape of the payload, not
// the wording of any sample.
//
// Source: documentation.bamboohr.com/docs/webhooks
func bambooBody(r record) ([]byte, error) {
	date, clock, err := r.local()
	if err != nil {
		return nil, err
	}
	effective, err := r.effective()
	if err != nil {
		return nil, err
	}
	status := map[jml.Status]string{jml.StatusScheduled: "Active", jml.StatusLeft: "Inactive", jml.StatusCancelled: "Offer withdrawn"}[r.status()]
	type value struct {
		Value string `json:"value"`
	}
	type item struct {
		ID            string           `json:"id"`
		ChangedFields []string         `json:"changedFields"`
		Fields        map[string]value `json:"fields"`
	}
	return json.Marshal(map[string][]item{"employees": {{
		ID: r.ID, ChangedFields: []string{"Hire Date"},
		Fields: map[string]value{
			"Employee #": {r.ID}, "Status": {status}, "Hire Date": {date.String()}, "Start Time": {clock.String()},
			"Location": {r.Office.Name}, "First name": {r.Given}, "Last name": {r.Family},
			"Work Email": {r.UPN}, "Home Email": {r.Mail}, "Mobile Phone": {r.Phone}, "Date of Birth": {written(r.Born)},
			"Department": {r.Department}, "Job Title": {r.JobTitle}, "Device": {r.Device}, "Effective Date": {written(effective)},
		},
	}}})
}

// written is empty for a date that HR does not have.
func written(d jml.Date) string {
	if d.IsZero() {
		return ""
	}
	return d.String()
}

func bambooHeader(key string, body []byte, at time.Time) http.Header {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	mac.Write([]byte(stamp))
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set("X-BambooHR-Timestamp", stamp)
	h.Set("X-BambooHR-Signature", hex.EncodeToString(mac.Sum(nil)))
	return h
}

// canonicalBody is Firstpass's own format, published at
// /schemas/snapshot.v1.json.
func canonicalBody(r record, at time.Time) ([]byte, error) {
	date, clock, err := r.local()
	if err != nil {
		return nil, err
	}
	effective, err := r.effective()
	if err != nil {
		return nil, err
	}
	return json.Marshal(jml.Snapshot{
		EmployeeID: r.ID, Status: r.status(), StartDate: date, StartTime: &clock, Zone: r.Office.Zone,
		GivenName: r.Given, FamilyName: r.Family, UPN: r.UPN, PersonalMail: r.Mail, Phone: r.Phone, BirthDate: r.Born, ObservedAt: at.UTC(),
		Department: r.Department, JobTitle: r.JobTitle, Device: r.Device, EffectiveDate: effective,
	})
}

// standardHeader signs the way of Standard Webhooks. A delivery that is sent
// again keeps its id.
//
// Source: github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
func standardHeader(secret, id string, body []byte, at time.Time) (http.Header, error) {
	encoded, ok := strings.CutPrefix(secret, "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil {
		return nil, errors.New("the secret of the canonical source is not whsec_ and base64; remove it to have a new one drawn")
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body)
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", stamp)
	h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return h, nil
}

// JourneyID is the workflow ID of an employee's journey.
func (w *world) JourneyID(kind jml.Kind, source, employeeID string) (string, error) {
	refs, err := intake.LoadRefs(w.Keys.file(refsKey))
	if err != nil {
		return "", err
	}
	return workflows.JourneyID(kind, source, refs.Ref(source, employeeID)), nil
}
