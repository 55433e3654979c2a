package pickup

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

const (
	// maxAddresses bounds how many addresses are remembered. Whoever has more
	// of his own than that is not held up by a limit on addresses.
	maxAddresses = 1 << 16
	// atOnce is how many tries of one address are under way at a time; others
	// wait. A whole office may come from one address, and nobody who enters the
	// right code counts.
	atOnce = 4
)

// limits bounds wrong entries by address.
type limits struct {
	perMinute int
	gates     *lru.Cache[string, *gate]
}

// gate is one address's.
type gate struct {
	wrong *rate.Limiter
	busy  chan struct{}
}

func newLimits(perMinute int) (*limits, error) {
	gates, err := lru.New[string, *gate](maxAddresses)
	if err != nil {
		return nil, fmt.Errorf("pickup: limits: %w", err)
	}
	return &limits{perMinute: perMinute, gates: gates}, nil
}

func (l *limits) of(address string) *gate {
	fresh := &gate{
		wrong: rate.NewLimiter(rate.Every(time.Minute/time.Duration(l.perMinute)), l.perMinute),
		busy:  make(chan struct{}, atOnce),
	}
	if known, ok, _ := l.gates.PeekOrAdd(address, fresh); ok {
		l.gates.Get(address) // it is in use: not the one to be forgotten
		return known
	}
	return fresh
}

// enter waits for its turn, and reports whether there may be another try. Only
// then leave has to be called.
func (g *gate) enter(ctx context.Context) bool {
	select {
	case g.busy <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	if g.wrong.Tokens() < 1 {
		<-g.busy
		return false
	}
	return true
}

// leave counts a wrong try. Those that were under way together may put the
// address into debt.
func (g *gate) leave(wrong bool) {
	if wrong {
		g.wrong.Reserve()
	}
	<-g.busy
}

// clientAddress returns what to count a visitor by: the address, or of an IPv6
// address its /64, which is what one customer has.
func clientAddress(r *http.Request, header string) string {
	text := r.RemoteAddr
	if header != "" {
		if all := r.Header.Values(header); len(all) > 0 {
			// Our proxy appends; what stands before, the visitor may have made up.
			entries := strings.Split(all[len(all)-1], ",")
			if _, ok := parseAddress(entries[len(entries)-1]); ok {
				text = entries[len(entries)-1]
			}
		}
	}
	a, ok := parseAddress(text)
	if !ok {
		return "unknown"
	}
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

func parseAddress(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return a.Unmap().WithZone(""), err == nil
}
