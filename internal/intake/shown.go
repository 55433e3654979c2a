package intake

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.temporal.io/api/operatorservice/v1"
	"google.golang.org/grpc"

	"firstpass.internal/workflows"
)

// Lister lists the search attributes of a namespace; client.Client's
// OperatorService is one.
type Lister interface {
	ListSearchAttributes(context.Context, *operatorservice.ListSearchAttributesRequest, ...grpc.CallOption) (*operatorservice.ListSearchAttributesResponse, error)
}

// ShownConfig is what a Shown needs. All of it is required.
type ShownConfig struct {
	Lister    Lister
	Namespace string
	Now       func() time.Time
	Logger    *slog.Logger
}

// Shown finds out which search attributes journeys may set. A journey that sets
// one which nobody registered would get no further, so it is asked first; once
// all are there they stay, and nobody is asked any more.
type Shown struct {
	cfg   ShownConfig
	mu    sync.Mutex
	last  workflows.Shows
	asked time.Time
}

// NewShown returns a Shown.
func NewShown(cfg ShownConfig) *Shown { return &Shown{cfg: cfg} }

// Until all are there, the namespace is asked once in lookAgain, for as long as
// lookFor.
const (
	lookAgain = time.Minute
	lookFor   = time.Second
)

// Shows returns what journeys that begin now may set. A namespace that does not
// answer counts as it was found last; before that, as one from before there were
// more than four.
func (s *Shown) Shows(ctx context.Context) workflows.Shows {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	if s.last >= workflows.ShowsAll || !s.asked.IsZero() && now.Sub(s.asked) < lookAgain {
		return s.last
	}
	limited, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	there, err := s.cfg.Lister.ListSearchAttributes(limited, &operatorservice.ListSearchAttributesRequest{Namespace: s.cfg.Namespace})
	if err != nil {
		if ctx.Err() == nil {
			s.asked = now // else it was who asked that had no time
		}
		s.cfg.Logger.Warn("Temporal does not tell its search attributes; journeys that begin now show less", "error", err)
		return s.last
	}
	s.asked, s.last = now, workflows.ShowsOf(there.GetCustomAttributes())
	if s.last < workflows.ShowsAll {
		s.cfg.Logger.Warn("search attributes are missing, so journeys that begin now show less; run firstpass setup", "namespace", s.cfg.Namespace)
	}
	return s.last
}
