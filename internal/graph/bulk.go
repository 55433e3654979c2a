package graph

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	kiota "github.com/microsoft/kiota-abstractions-go"
	absser "github.com/microsoft/kiota-abstractions-go/serialization"
	kiotajson "github.com/microsoft/kiota-serialization-json-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
)

// Limits of JSON batching. Each part counts as a request of its own against the
// tenant's limits, and is throttled on its own.
// learn.microsoft.com/graph/json-batching, learn.microsoft.com/graph/throttling
const (
	partsAtOnce   = 20 // parts of one batch; more are refused
	batchesAtOnce = 4  // in flight; ours, no page names a number
	batchTries    = 5  // of one part
	bulkBackoff   = 2 * time.Second
)

// BulkConfig is what reading in bulk needs. Pause is required.
type BulkConfig struct {
	// Pause waits for d, or returns the error of ctx. Tests pass one that does
	// not wait.
	Pause func(ctx context.Context, d time.Duration) error
	// Answered, if set, is told of n parts more that have their answer. It is
	// called from several goroutines.
	Answered func(n int)
}

// Bulk reads what is asked of many users, in as few exchanges as Graph allows.
// It writes nothing. It waits out throttling of its parts, and gives up on all
// of them once Graph does not answer: the caller is a person who waits.
type Bulk struct {
	c        *Client
	cfg      BulkConfig
	requests atomic.Int64
	batches  atomic.Int64

	mu    sync.Mutex
	until time.Time // nothing is sent before
	away  error     // Graph has not answered, and is not asked again
}

// Of is what Graph says of one of many, or why it does not: Err is a *jml.Fault.
type Of[T any] struct {
	Value T
	Err   error
}

// Bulk returns a reader in bulk.
func (c *Client) Bulk(cfg BulkConfig) *Bulk { return &Bulk{c: c, cfg: cfg} }

// Requests returns how many requests Graph has counted: each part is one.
func (b *Bulk) Requests() int { return int(b.requests.Load()) }

// Exchanges returns how many HTTP exchanges those were.
func (b *Bulk) Exchanges() int { return int(b.batches.Load()) }

// part is one request of a batch. The URL is relative to the version.
type part struct {
	Method string
	URL    string
	Body   any // nil: none
}

func get(url string) part { return part{Method: "GET", URL: url} }

// each sends parts and calls take with every answer: the body of a success, or
// a *jml.Fault. take is called from several goroutines, once for each part.
func (b *Bulk) each(ctx context.Context, op string, parts []part, take func(i int, body []byte, err error)) {
	var wg sync.WaitGroup
	turn := make(chan struct{}, batchesAtOnce)
	for from := 0; from < len(parts); from += partsAtOnce {
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			to := min(from+partsAtOnce, len(parts))
			b.chunk(ctx, op, parts[from:to], func(i int, body []byte, err error) { take(from+i, body, err) })
			if b.cfg.Answered != nil {
				b.cfg.Answered(to - from)
			}
		})
	}
	wg.Wait()
}

// chunk sends one batch, and again those of its parts that Graph had no time
// for, after the longest wait that one of them was told.
func (b *Bulk) chunk(ctx context.Context, op string, parts []part, take func(i int, body []byte, err error)) {
	left := make([]int, len(parts))
	for i := range left {
		left[i] = i
	}
	for try := 1; len(left) > 0; try++ {
		if err := b.ready(ctx, op); err != nil {
			for _, i := range left {
				take(i, nil, err)
			}
			return
		}
		answers, err := b.send(ctx, op, parts, left)
		if err != nil {
			var fault *jml.Fault
			if errors.As(err, &fault) && fault.Retryable() && try < batchTries && ctx.Err() == nil {
				b.hold(max(fault.RetryAfter, backoff(try)))
				continue
			}
			if ctx.Err() == nil {
				b.giveUp(err)
			}
			for _, i := range left {
				take(i, nil, err)
			}
			return
		}
		var again []int
		var wait time.Duration
		failed := 0
		for _, i := range left {
			a := answers[i]
			if a.fault == nil {
				take(i, a.body, nil)
				continue
			}
			if a.fault.Retryable() && try < batchTries {
				again, wait = append(again, i), max(wait, a.fault.RetryAfter, backoff(try))
				continue
			}
			if a.fault.Retryable() {
				failed++
			}
			take(i, nil, a.fault)
		}
		if failed == len(parts) {
			// One part may have a fault of its own. If none is answered, the next
			// batch would be waited for in vain as well.
			b.giveUp(answers[left[0]].fault)
		}
		if left = again; len(left) > 0 {
			b.hold(wait)
		}
	}
}

func backoff(try int) time.Duration { return outbound.Bounded(bulkBackoff << (try - 1)) }

// hold keeps every batch from being sent for d: who is told to wait by one part
// would be told so by the next as well.
func (b *Bulk) hold(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.c.now().Add(d); t.After(b.until) {
		b.until = t
	}
}

func (b *Bulk) giveUp(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = err
}

// ready returns once something may be sent.
func (b *Bulk) ready(ctx context.Context, op string) error {
	b.mu.Lock()
	away, wait := b.away, b.until.Sub(b.c.now())
	b.mu.Unlock()
	if away != nil {
		return away
	}
	if wait > 0 {
		if err := b.cfg.Pause(ctx, wait); err != nil {
			return outbound.Told(ctx, &jml.Fault{System: system, Op: op, Kind: jml.FaultUnavailable, Code: "interrupted"})
		}
	}
	return nil
}

// answer is what a batch says of one of its parts.
type answer struct {
	body  []byte
	fault *jml.Fault
}

// send sends the parts named by which, and returns their answers by index.
func (b *Bulk) send(ctx context.Context, op string, parts []part, which []int) (map[int]answer, error) {
	type request struct {
		ID      string            `json:"id"`
		Method  string            `json:"method"`
		URL     string            `json:"url"`
		Headers map[string]string `json:"headers,omitempty"`
		Body    any               `json:"body,omitempty"`
	}
	var body struct {
		Requests []request `json:"requests"`
	}
	for _, i := range which {
		r := request{ID: strconv.Itoa(i), Method: parts[i].Method, URL: parts[i].URL, Body: parts[i].Body}
		if r.Body != nil {
			r.Headers = map[string]string{"Content-Type": "application/json"}
		}
		body.Requests = append(body.Requests, r)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, refuse(op, "badBatch", "")
	}
	b.batches.Add(1)
	b.requests.Add(int64(len(which)))
	var reply struct {
		Responses []struct {
			ID      string
			Status  int
			Headers map[string]string
			Body    json.RawMessage
		}
	}
	if _, err := b.c.do(ctx, op, func(ctx context.Context) error {
		r := kiota.NewRequestInformationWithMethodAndUrlTemplateAndPathParameters(kiota.POST, "{+baseurl}/$batch", map[string]string{})
		r.Headers.TryAdd("Accept", "application/json")
		r.SetStreamContentAndContentType(raw, "application/json")
		got, err := b.c.raw(ctx, r)
		if err != nil {
			return err
		}
		if json.Unmarshal(got, &reply) != nil || reply.Responses == nil {
			return bad("badReply")
		}
		return nil
	}); err != nil {
		return nil, err
	}
	out := make(map[int]answer, len(which))
	for _, i := range which { // what the reply leaves out is unknown, not empty
		f := bad("noAnswer")
		f.Op = op
		out[i] = answer{fault: f}
	}
	for _, r := range reply.Responses {
		i, err := strconv.Atoi(r.ID)
		if _, asked := out[i]; err != nil || !asked {
			continue
		}
		if r.Status >= 200 && r.Status < 300 {
			out[i] = answer{body: r.Body}
			continue
		}
		ex := &exchange{op: op, status: r.Status}
		ex.readError(r.Body)
		for name, value := range r.Headers {
			ex.header(name, value, b.c.now())
		}
		out[i] = answer{fault: ex.fault(nil)}
	}
	return out, nil
}

// header takes from a part's header what a Fault needs. Their names come in any
// case.
func (ex *exchange) header(name, value string, now time.Time) {
	h := http.Header{}
	h.Set(name, value)
	if d := outbound.RetryAfter(h, now); d > 0 {
		ex.retryAfter = d
	}
}

// raw sends r and returns the body of the reply.
func (c *Client) raw(ctx context.Context, r *kiota.RequestInformation) ([]byte, error) {
	res, err := c.adapter.SendPrimitive(ctx, r, "[]byte", kiota.ErrorMappings{"XXX": odataerrors.CreateODataErrorFromDiscriminatorValue})
	if err != nil {
		return nil, err
	}
	out, ok := res.([]byte)
	if !ok || len(out) == 0 {
		return nil, bad("emptyReply")
	}
	return out, nil
}

// parse reads a body of a part as the SDK reads that of a reply.
func parse[T any](op string, body []byte, factory absser.ParsableFactory) (out T, err error) {
	fail := func() (T, error) {
		f := bad("badReply")
		f.Op = op
		return out, f
	}
	defer func() {
		if recover() != nil { // as in do
			_, err = fail()
		}
	}()
	node, err := kiotajson.NewJsonParseNode(body)
	if err != nil {
		return fail()
	}
	v, err := node.GetObjectValue(factory)
	if err != nil {
		return fail()
	}
	t, ok := v.(T)
	if !ok {
		return fail()
	}
	return t, nil
}
