package channel

import (
	"context"
	"fmt"
	"time"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
)

// patience is how long a post waits for others of its channel.
const patience = 5 * time.Second

// bulkhead lets so many posts of a channel be under way and no more: a channel
// that hangs fills its own slots and holds up nobody who uses another one.
type bulkhead struct {
	Channel
	system string
	slots  chan struct{}
}

// AtMost returns ch with at most n posts under way. A post that finds no slot
// within 5 s gets an unavailable Fault of system with code busy. n is 1 or more.
func AtMost(n int, system string, ch Channel) Channel {
	return &bulkhead{Channel: ch, system: system, slots: make(chan struct{}, max(n, 1))}
}

// Format prints no field: among them are the keys of the channel.
func (b *bulkhead) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("[channel " + b.system + "]")) }

func (b *bulkhead) Post(ctx context.Context, op string, m Message, dry bool) (jml.Receipt, error) {
	waiting, stop := context.WithTimeout(ctx, patience)
	defer stop()
	select {
	case b.slots <- struct{}{}:
		defer func() { <-b.slots }()
		return b.Channel.Post(ctx, op, m, dry)
	case <-waiting.Done():
		return jml.Receipt{}, outbound.Told(ctx, &jml.Fault{
			System: b.system, Op: op, Kind: jml.FaultUnavailable, Code: "busy", Reason: jml.ReasonChannelUnavailable,
		})
	}
}
