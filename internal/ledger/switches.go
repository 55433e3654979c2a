package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// Halt is the kill switch: while it is on, no pass is made anywhere.
type Halt struct {
	On            bool
	Actor, Reason string // who switched it last, and why; personal
	Since         time.Time
}

// Pause is whether what a source sends is kept and not acted on.
type Pause struct {
	Source        string
	On            bool
	Actor, Reason string // who switched it last, and why; personal
	Since         time.Time
}

const (
	haltName  = "halt"
	pauseName = "pause/" // and the source's name
)

// switched is what is sealed of a switch.
type switched struct {
	Actor  string `json:"actor,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Halt returns the kill switch. It is off if nobody ever touched it.
func (l *Ledger) Halt(ctx context.Context) (Halt, error) {
	list, err := l.switches(ctx, `name = $1`, haltName)
	if err != nil || len(list) == 0 {
		return Halt{}, err
	}
	p := list[0]
	return Halt{p.On, p.Actor, p.Reason, p.Since}, nil
}

// Halted reports whether the kill switch is on.
func (l *Ledger) Halted(ctx context.Context) (bool, error) {
	h, err := l.Halt(ctx)
	return h.On, err
}

// SetHalt switches the kill switch; it is on disk when the call returns. A zero
// Since is now.
func (l *Ledger) SetHalt(ctx context.Context, h Halt) error {
	return fault("switch the halt", l.setSwitch(ctx, haltName, Pause{"", h.On, h.Actor, h.Reason, h.Since}))
}

// Paused returns whether source is paused. It is not if nobody ever paused it.
func (l *Ledger) Paused(ctx context.Context, source string) (Pause, error) {
	list, err := l.switches(ctx, `name = $1`, pauseName+source)
	if err != nil || len(list) == 0 {
		return Pause{Source: source}, err
	}
	return list[0], nil
}

// Pauses returns the sources that are paused, by name.
func (l *Ledger) Pauses(ctx context.Context) ([]Pause, error) {
	return l.switches(ctx, `is_on AND name <> $1`, haltName)
}

// SetPause pauses a source or lets it go on; it is on disk when the call
// returns. A zero Since is now.
func (l *Ledger) SetPause(ctx context.Context, p Pause) error {
	if p.Source == "" {
		return errors.New("ledger: pause which source?")
	}
	return fault("pause a source", l.setSwitch(ctx, pauseName+p.Source, p))
}

func (l *Ledger) setSwitch(ctx context.Context, name string, p Pause) error {
	if p.Since.IsZero() {
		p.Since = l.now()
	}
	plain, err := json.Marshal(switched{p.Actor, p.Reason})
	if err != nil {
		return err
	}
	_, err = l.durable.exec(ctx, `
		INSERT INTO switches (name, is_on, since, sealed) VALUES ($1, $2, $3, $4)
		ON CONFLICT (name) DO UPDATE SET is_on = excluded.is_on, since = excluded.since, sealed = excluded.sealed`,
		name, p.On, millis(p.Since), l.sealer.Seal(plain, label("switches", name)))
	return err
}

func (l *Ledger) switches(ctx context.Context, where, name string) ([]Pause, error) {
	rows, err := l.read.QueryContext(ctx, `SELECT name, is_on, since, sealed FROM switches WHERE `+where+` ORDER BY name`, name)
	if err != nil {
		return nil, fault("read switches", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	var list []Pause
	for rows.Next() {
		var (
			p      Pause
			name   string
			since  int64
			sealed []byte
			s      switched
		)
		if err := rows.Scan(&name, &p.On, &since, &sealed); err != nil {
			return nil, fault("read switches", err)
		}
		plain, err := l.open(sealed, label("switches", name))
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(plain, &s); err != nil {
			return nil, errors.New("ledger: a switch is no JSON")
		}
		p.Source, _ = strings.CutPrefix(name, pauseName)
		p.Actor, p.Reason, p.Since = s.Actor, s.Reason, moment(since)
		list = append(list, p)
	}
	return list, fault("read switches", rows.Err())
}
