package audit

import "time"

// Receipt is what the ledger can say of one pass: that it was made, and that it
// is gone. It is evidence, so whatever is missing or odd makes it "not proven".
type Receipt struct {
	MethodID    string    `json:"method_id"`
	UserID      string    `json:"user_id,omitempty"`     // Entra object id
	Ref         string    `json:"ref,omitempty"`         // of the journey
	IssuedAt    time.Time `json:"issued_at,omitzero"`    // when Entra's reply came
	UsableFrom  time.Time `json:"usable_from,omitzero"`  // when it began to work
	UsableUntil time.Time `json:"usable_until,omitzero"` // when it ends by itself
	Used        string    `json:"used"`                  // "used", "none" or "unknown"
	RevokedAt   time.Time `json:"revoked_at,omitzero"`   // when its deletion was first decided
	GoneAt      time.Time `json:"gone_at,omitzero"`      // when a look first showed it gone
	Requests    Requests  `json:"request_ids"`           // Graph's
	Verdict     Verdict   `json:"verdict"`
	Why         []string  `json:"why,omitempty"` // what is missing or odd
	Rows        []uint64  `json:"rows"`          // seq of the rows that say so
}

// Requests are Graph's request ids, by which Microsoft finds what it answered.
type Requests struct {
	Issue  string `json:"issue,omitempty"`  // making the pass
	Delete string `json:"delete,omitempty"` // deleting it
	Look   string `json:"look,omitempty"`   // the look that showed it gone
}

// Verdict says what a receipt is worth.
type Verdict string

// The verdicts.
const (
	Proven    Verdict = "proven"
	NotProven Verdict = "not proven"
)

// trace is a pass on the way through the rows.
type trace struct {
	Receipt
	issued, revoked, gone bool
	still                 time.Time // it was listed after its deletion was taken
	odd                   []string
}

// Receipts makes a receipt for each pass that rows, oldest first, say something
// of, in the order in which they first do. It needs all rows about a pass, and
// nothing else.
func Receipts(rows []Row) []Receipt {
	byID := map[string]*trace{}
	var order []*trace
	for _, r := range rows {
		if !ofPass(r.Event) || r.MethodID == "" {
			continue
		}
		t := byID[r.MethodID]
		if t == nil {
			t = &trace{Receipt: Receipt{MethodID: r.MethodID}}
			byID[r.MethodID] = t
			order = append(order, t)
		}
		t.add(r)
	}
	out := make([]Receipt, len(order))
	for i, t := range order {
		out[i] = t.judge()
	}
	return out
}

func ofPass(e Event) bool {
	switch e {
	case EventPassIssued, EventPassHandover, EventPassHandedOver, EventPassRevoke, EventPassGone, EventPassListed:
		return true
	}
	return false
}

func (t *trace) add(r Row) {
	t.Rows = append(t.Rows, r.Seq)
	switch {
	case t.UserID == "":
		t.UserID = r.UserID
	case r.UserID != "" && r.UserID != t.UserID:
		t.strange("its rows name different users")
	}
	if t.Ref == "" {
		t.Ref = r.Ref
	}
	switch r.Event {
	case EventPassIssued:
		if t.issued {
			t.strange("it was made twice")
		}
		t.issued = true
		t.IssuedAt, t.UsableFrom, t.UsableUntil, t.Requests.Issue = r.Time, r.UsableFrom, r.UsableUntil, r.RequestID
		if t.gone {
			t.strange("it was made after it was gone")
		}
	case EventPassHandover, EventPassHandedOver:
		if t.gone {
			t.strange("it was handed over after it was gone")
		}
	case EventPassRevoke:
		if !t.revoked {
			t.RevokedAt = r.Time
		}
		t.revoked = true
		if r.Used != "" && t.Used != "used" { // once used, always used
			t.Used = r.Used
		}
		if r.Outcome == Listed {
			t.listed(r)
		}
	case EventPassListed:
		t.listed(r)
		t.still = r.Time
	case EventPassGone:
		if !t.gone {
			t.GoneAt = r.Time
		}
		t.gone = true
		t.Requests.Delete, t.Requests.Look = r.DeleteRequestID, r.RequestID
		if !t.revoked {
			t.strange("no row asks for its deletion")
		}
	}
}

func (t *trace) listed(r Row) {
	if t.gone {
		t.strange("a later look, at " + r.Time.UTC().Format(time.RFC3339) + ", listed it again")
	}
}

func (t *trace) strange(what string) { t.odd = append(t.odd, what) }

func (t *trace) judge() Receipt {
	r := t.Receipt
	if r.Used == "" {
		r.Used = "unknown"
	}
	r.Why = t.odd
	if !t.revoked && !t.gone {
		r.Why = append(r.Why, "nobody has asked for its deletion yet")
	}
	if t.revoked && !t.gone {
		r.Why = append(r.Why, "no look has shown that it is gone")
		if !t.still.IsZero() {
			r.Why = append(r.Why, "the tenant took the deletion and still listed it at "+t.still.UTC().Format(time.RFC3339))
		}
	}
	if t.gone {
		if r.Requests.Delete == "" {
			r.Why = append(r.Why, "Graph's request id of the deletion is missing")
		}
		if r.Requests.Look == "" {
			r.Why = append(r.Why, "Graph's request id of the look is missing")
		}
	}
	r.Verdict = Proven
	if len(r.Why) > 0 {
		r.Verdict = NotProven
	}
	return r
}
