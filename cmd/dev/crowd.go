package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"firstpass.internal/internal/intake"
	"firstpass.internal/internal/jml"
	"firstpass.internal/workflows"
)

// answerLimit is when the strictest HR system hangs up.
//
// Source: developer.personio.de/docs/webhooks-1
const answerLimit = 3 * time.Second

// crowd is an HR system with many new employees, each of whom it tells of once,
// signed, and again until it is answered 200.
type crowd struct {
	url, key string
	refs     intake.Refs
	client   *http.Client
	start    jml.Date
	drawn    atomic.Int64
}

// Crowd returns one for this world. Its employees start so late that their
// joiners only wait.
func (w *world) Crowd() (*crowd, error) {
	refs, err := intake.LoadRefs(w.Keys.file(refsKey))
	if err != nil {
		return nil, err
	}
	far := time.Now().AddDate(0, 2, 0)
	return &crowd{
		url: w.IntakeURL(sourceCanonical), key: w.Keys.Canonical, refs: refs,
		start: jml.Date{Year: far.Year(), Month: far.Month(), Day: far.Day()},
		client: &http.Client{
			// Later than the limit, so that an answer that is too late is seen
			// as that.
			Timeout:   4 * answerLimit,
			Transport: &http.Transport{MaxIdleConnsPerHost: 4096, IdleConnTimeout: time.Minute},
		},
	}, nil
}

// letter is one delivery of one new employee.
type letter struct {
	ID     string // of the delivery
	Joiner string // workflow ID
	Body   []byte
}

// Next invents a new employee.
func (c *crowd) Next() (letter, error) {
	id := fmt.Sprintf("C%06d", c.drawn.Add(1))
	e := invented(id, "Kim", "Crowd "+id)
	body, err := json.Marshal(jml.Snapshot{
		EmployeeID: id, Status: jml.StatusScheduled, StartDate: c.start, Zone: "Europe/Copenhagen",
		GivenName: e.Given, FamilyName: e.Family, UPN: e.UPN, PersonalMail: e.Mail, ObservedAt: time.Now().UTC(),
	})
	return letter{ID: "msg_" + id, Joiner: workflows.JourneyID(jml.KindJoiner, sourceCanonical, c.refs.Ref(sourceCanonical, id)), Body: body}, err
}

// Letters invents n new employees.
func (c *crowd) Letters(n int) ([]letter, error) {
	out := make([]letter, n)
	for i := range out {
		var err error
		if out[i], err = c.Next(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// reply is what became of one try.
type reply struct {
	Taken  bool // 200
	Later  bool // 503 with Retry-After
	Status int  // 0: no answer
	Took   time.Duration
	Err    error // why neither
}

// Send posts a letter once, signed now.
func (c *crowd) Send(ctx context.Context, l letter) reply {
	header, err := standardHeader(c.key, l.ID, l.Body, time.Now())
	if err != nil {
		return reply{Err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(l.Body))
	if err != nil {
		return reply{Err: err}
	}
	req.Header = header
	began := time.Now()
	res, err := c.client.Do(req)
	if err != nil {
		return reply{Took: time.Since(began), Err: err}
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	r := reply{Status: res.StatusCode, Took: time.Since(began)}
	switch {
	case err != nil:
		r.Status, r.Err = 0, err
	case res.StatusCode == http.StatusOK:
		var got intake.Received
		if err := json.Unmarshal(answer, &got); err != nil || got.Accepted != 1 && !got.Duplicate {
			r.Err = fmt.Errorf("answered 200 and took nothing: %s", answer)
			break
		}
		r.Taken = true
	case res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != "":
		r.Later = true
	default:
		r.Err = fmt.Errorf("answered %d: %s", res.StatusCode, bytes.TrimSpace(answer))
	}
	return r
}
