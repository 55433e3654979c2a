// Package tracking takes in what providers report about messages they accepted:
// that they were delivered, opened, or came back.
//
// A report counts only if the provider signed it and the message it is about
// carries a handle of ours. What reports hold beside that (addresses, the words
// of mail servers) is personal or foreign: it is read, and neither kept nor
// logged.
package tracking

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/time/rate"

	"firstpass.internal/internal/invitation"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/secret"
)

// Kind names a provider's way of reporting.
type Kind string

// The kinds.
const (
	SendGrid Kind = "sendgrid" // signed Event Webhook
	Twilio   Kind = "twilio"   // status callbacks of messages
)

// Channel is a configured channel whose provider reports.
type Channel struct {
	Name string // last part of the path
	Kind Kind
	// EventKey, of SendGrid, is the verification key of the Event Webhook as
	// its settings page shows it: base64 of a DER public key.
	EventKey string
	// AuthToken, of Twilio, is the account's primary token: it signs with that.
	AuthToken secret.Passcode
	// URL, of Twilio, is the public URL that messages name as their status
	// callback, without its query. The signature covers it.
	URL string
}

// News is what became of a message.
type News struct {
	Status jml.DeliveryStatus
	At     time.Time
	// Detail is the provider's reason in codes: "5.1.1 invalidAddress", "30005".
	// Nothing in it is personal. Often empty.
	Detail string
}

// Handles knows handles of ours; invitation.Book is one.
type Handles interface {
	OpenHandle(string) (invitation.Handle, error)
}

// Config is what a handler needs. All of it but Observe is required.
type Config struct {
	Channels []Channel
	Handles  Handles
	// Tell passes news on. It may be told the same twice, late, and in any
	// order. It answers nil for a message that nobody waits for any more; an
	// error makes the provider report again.
	Tell func(context.Context, invitation.Handle, News) error
	// Observe, if set, is told of each message that was passed on. It must be
	// quick.
	Observe func(channel string, status jml.DeliveryStatus)
	Now     func() time.Time
	Logger  *slog.Logger
}

// patience bounds the work on one report, which may be about hundreds of
// messages.
const patience = 20 * time.Second

// report is what a request says of one message.
type report struct {
	handle string
	news   News
}

// reader makes sure that a request comes from a provider, and reads it.
type reader interface {
	// limit is how many bytes a body may have.
	limit() int64
	// read returns errUnsigned if the request is not the provider's.
	read(r *http.Request, body []byte, now time.Time) ([]report, error)
}

// The ways in which a request is not what it should be. They are logged, so
// they quote nothing.
var (
	errUnsigned = errors.New("signature missing or wrong; if this lasts, compare the channel's key with the provider's")
	errStale    = fmt.Errorf("signed too long ago, or ahead of our clock: %w", errUnsigned)
	errForm     = errors.New("signed, but not of the form the provider documents")
)

type handler struct {
	cfg     Config
	readers map[string]reader
	refused rate.Sometimes // anybody can knock; the log says so once a second
}

// NewHandler returns the handler for
//
//	POST /v1/delivery/{channel}
//
// The server around it has to bound the time for headers and body. Answers
// beyond 200 are of type application/problem+json. NewHandler reports
// everything that is wrong with cfg at once.
func NewHandler(cfg Config) (http.Handler, error) {
	if cfg.Handles == nil || cfg.Tell == nil || cfg.Now == nil || cfg.Logger == nil {
		return nil, errors.New("tracking: handles, tell, now and logger are required")
	}
	h := &handler{cfg: cfg, readers: map[string]reader{}, refused: rate.Sometimes{Interval: time.Second}}
	var errs []error
	for _, ch := range cfg.Channels {
		r, err := ch.reader()
		if err == nil && h.readers[ch.Name] != nil {
			err = errors.New("there are two of this name")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("tracking: channel %q: %w", ch.Name, err))
			continue
		}
		h.readers[ch.Name] = r
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/delivery/{channel}", h.serve)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { problem(w, http.StatusNotFound) })
	return mux, nil
}

func (c Channel) reader() (reader, error) {
	if c.Name == "" || url.PathEscape(c.Name) != c.Name {
		return nil, errors.New("the name can't stand in a path")
	}
	switch c.Kind {
	case SendGrid:
		return newSendGrid(c.EventKey)
	case Twilio:
		return newTwilio(c.AuthToken, c.URL)
	}
	return nil, errors.New("this kind does not report")
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("channel")
	from := h.readers[name]
	if from == nil {
		problem(w, http.StatusNotFound)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		problem(w, http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, from.limit()))
	if err != nil {
		status := http.StatusBadRequest
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		problem(w, status)
		return
	}
	reports, err := from.read(r, body, h.cfg.Now())
	if err != nil {
		h.refused.Do(func() { h.cfg.Logger.Warn("delivery report refused", "channel", name, "error", err.Error()) })
		status := http.StatusBadRequest
		if errors.Is(err, errUnsigned) {
			// The answer does not say what is wrong with the signature.
			w.Header().Set("WWW-Authenticate", "Signature")
			status = http.StatusUnauthorized
		}
		problem(w, status)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	if failed := h.tell(ctx, name, reports); failed > 0 {
		h.cfg.Logger.Error("delivery report not passed on", "channel", name, "failed", failed, "reports", len(reports))
		w.Header().Set("Retry-After", "30")
		problem(w, http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// tell passes reports on in their order and returns how many could not be. One
// that fails does not hold up those behind it: they are about other people.
// What a message has heard already in this request is left out, so that a
// provider's repetitions don't fill a journey's history.
func (h *handler) tell(ctx context.Context, channel string, reports []report) int {
	failed := 0
	told := map[string]jml.DeliveryStatus{}
	for i, r := range reports {
		if ctx.Err() != nil {
			return failed + len(reports) - i
		}
		if !r.news.Status.Follows(told[r.handle]) {
			continue
		}
		handle, err := h.cfg.Handles.OpenHandle(r.handle)
		if err != nil {
			continue // the account sends other mail too
		}
		if err := h.cfg.Tell(ctx, handle, r.news); err != nil {
			failed++
			continue
		}
		told[r.handle] = r.news.Status
		if h.cfg.Observe != nil {
			h.cfg.Observe(channel, r.news.Status)
		}
	}
	return failed
}

// problem answers by RFC 9457.
func problem(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// A provider that hung up is none of our concern.
	_ = json.NewEncoder(w).Encode(map[string]any{"type": "about:blank", "title": http.StatusText(status), "status": status})
}
