package workflows

import (
	"context"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Workflow types of the intake. They move no pass; they bring what HR systems
// say to the joiners.
const (
	TypeFeed  = "Feed"
	TypeFetch = "Fetch"
)

// FeedID returns the workflow ID of a read of a source, and that of the
// schedule that starts it.
func FeedID(source string) string { return "feed/" + source }

// FetchID returns the workflow ID under which one employee of source is fetched.
// key follows from what is fetched, so that notices of one employee meet.
func FetchID(source, key string) string { return "fetch/" + source + "/" + key }

// SignalNotice brings a Notice to a fetch; sent by signal-with-start.
const SignalNotice = "notice"

// IntakeActivities is the I/O of the intake's workflows. No passcode comes near
// it.
type IntakeActivities interface {
	// ReadFeed reads a source once and delivers what is new.
	ReadFeed(context.Context, FeedInput) (FeedResult, error)
	// FetchEmployee asks an HR system for what a webhook left out, and delivers
	// it.
	FetchEmployee(context.Context, FetchInput) (FetchResult, error)
}

// FeedInput names the source to read.
type FeedInput struct {
	Source string `json:"source"`
	Full   bool   `json:"full,omitempty"` // everything, whatever the cursor says
}

// FeedResult counts what a read came to.
type FeedResult struct {
	Read        int `json:"read"`                  // items
	Unchanged   int `json:"unchanged"`             // known already
	Changed     int `json:"changed"`               // say something new
	Delivered   int `json:"delivered"`             // changes that a joiner was told
	Outdated    int `json:"outdated,omitempty"`    // older than what is known
	Held        int `json:"held,omitempty"`        // changes of contact that wait for approval
	Vanished    int `json:"vanished,omitempty"`    // known employees that a full read lacks
	Quarantined int `json:"quarantined,omitempty"` // items that could not be read
	PassedOver  int `json:"passed_over,omitempty"` // by the source's when
	// Refused says what of the source was not applied at all, and why: a file
	// with a broken row, by its line.
	Refused []string `json:"refused,omitempty"`
	// Braked says that the change was too large to be applied unseen: nothing
	// was.
	Braked  string `json:"braked,omitempty"`
	Drastic int    `json:"drastic,omitempty"` // changes that the brake counts
	// Paused says that somebody has paused the source: nothing was applied.
	Paused bool `json:"paused,omitempty"`
}

// Notice is a webhook's item that only says whom to ask for. It is personal
// data and travels inside encrypted payloads.
type Notice struct {
	Header map[string]string `json:"header,omitempty"` // by lower-case name
	Body   []byte            `json:"body"`
	// ContentType tells how Body is written, and Item which of its items this
	// is, counted from 0.
	ContentType string    `json:"content_type"`
	Item        int       `json:"item"`
	ReceivedAt  time.Time `json:"received_at"`
}

// FetchInput starts a fetch. The notice follows as the first SignalNotice; it
// is set when a long row of notices continues as new.
type FetchInput struct {
	Source string  `json:"source"`
	Notice *Notice `json:"notice,omitempty"`
}

// FetchResult says what became of the last notice, in a word.
type FetchResult struct {
	Outcome string `json:"outcome"`
}

// Feed reads one source once. A schedule starts it.
func Feed(ctx workflow.Context, in FeedInput) (FeedResult, error) {
	return call(feed(ctx), "ReadFeed", IntakeActivities.ReadFeed, in)
}

// Fetch asks for one employee and goes on asking while notices come: a notice
// that arrives during a fetch may tell of something the reply does not hold
// yet. Only the newest counts, as each reply is the whole state.
func Fetch(ctx workflow.Context, in FetchInput) (FetchResult, error) {
	notices := workflow.GetSignalChannel(ctx, SignalNotice)
	n := in.Notice
	if n == nil {
		n = new(Notice)
		notices.Receive(ctx, n)
	}
	for {
		n = newest(notices, n)
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			return FetchResult{}, workflow.NewContinueAsNewError(ctx, TypeFetch, FetchInput{Source: in.Source, Notice: n})
		}
		result, err := call(fetch(ctx), "FetchEmployee", IntakeActivities.FetchEmployee, FetchInput{Source: in.Source, Notice: n})
		if err != nil {
			return FetchResult{}, err
		}
		next := newest(notices, n)
		if next == n {
			return result, nil
		}
		n = next
	}
}

// newest takes all waiting notices and returns the last, or n if none waits.
func newest(notices workflow.ReceiveChannel, n *Notice) *Notice {
	for {
		var next Notice
		if !notices.ReceiveAsync(&next) {
			return n
		}
		n = &next
	}
}

// feed is for a read of a whole source. The next one comes by schedule, so it
// is given up after some tries; the ledger keeps what was done.
func feed(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 2 * time.Hour,
		HeartbeatTimeout:    time.Minute,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 10 * time.Second, BackoffCoefficient: 3, MaximumInterval: 5 * time.Minute, MaximumAttempts: 4},
		Summary:             "Read the source and deliver what is new",
	})
}

// fetch is for one call to an HR system. HR got its 200 for the notice, so it is
// tried until it works.
func fetch(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 5 * time.Minute,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 2 * time.Second, BackoffCoefficient: 2, MaximumInterval: 10 * time.Minute},
		Summary:             "Ask the HR system for the employee",
	})
}
