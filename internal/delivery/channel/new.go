package channel

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// GraphMailer sends mail from a mailbox of the tenant, and keeps no copy of it
// there. Its errors are *jml.Fault. Headers have names that begin with x-.
type GraphMailer interface {
	SendMail(ctx context.Context, from, to, replyTo, subject, text, html string, headers map[string]string) error
}

// Deps are what channels need of others.
type Deps struct {
	Graph GraphMailer      // for graph alone
	Now   func() time.Time // nil: time.Now
}

// New reads the channel's key files and returns it, bounded by AtMost. It makes
// no network call. It reports all that is wrong with cfg at once.
func New(cfg Config, deps Deps) (Channel, error) {
	cfg = cfg.withDefaults()
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	ch, err := open(cfg, deps)
	if err != nil {
		return nil, fmt.Errorf("channel %q: %w", cfg.Name, err)
	}
	return AtMost(cfg.AtOnce, string(cfg.Kind), ch), nil
}

func open(cfg Config, deps Deps) (Channel, error) {
	switch cfg.Kind {
	case KindSendGrid:
		return newSendGrid(cfg, deps.Now)
	case KindSMTP:
		return newSMTP(cfg, deps.Now)
	case KindGraph:
		if deps.Graph == nil {
			return nil, errors.New("no connection to Graph")
		}
		return &graph{mailer: deps.Graph, from: cfg.From, replyTo: cfg.ReplyTo}, nil
	case KindTwilio:
		return newTwilio(cfg, deps.Now)
	case KindWebhook:
		return newWebhook(cfg, deps.Now)
	case KindTeams:
		return newChat(cfg, deps.Now, teams{})
	case KindSlack:
		return newChat(cfg, deps.Now, slack{})
	}
	return nil, errors.New("there is no such kind")
}
