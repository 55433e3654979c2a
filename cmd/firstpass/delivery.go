package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"firstpass.internal/config"
	"firstpass.internal/internal/codec"
	"firstpass.internal/internal/delivery"
	"firstpass.internal/internal/delivery/channel"
	"firstpass.internal/internal/delivery/letter"
	"firstpass.internal/internal/invitation"
	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
	"firstpass.internal/internal/secret"
	"firstpass.internal/internal/telemetry"
	"firstpass.internal/internal/tracking"
	"firstpass.internal/workflows"
)

// newSender returns what words messages and sends them by the configured
// channels.
func newSender(cfg *config.Config, graph channel.GraphMailer) (*delivery.Sender, error) {
	channels := map[string]channel.Channel{}
	var (
		wrong  []error
		direct []string
	)
	for _, c := range cfg.Channels {
		if c.Kind == config.ChannelLetter {
			direct = append(direct, c.Name) // whoever prints it
		}
		ch, err := newChannel(cfg, c, graph)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		channels[c.Name] = ch
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	o := cfg.Organisation
	return delivery.New(delivery.Config{
		Organisation: delivery.Organisation{Name: o.Name, SignInURL: o.SignInURL, Help: o.Help},
		Locale:       cfg.Messages.Locale,
		Overlay:      overlay(cfg),
		PickupURL:    cfg.Pickup.URL,
		Channels:     channels,
		Direct:       direct,
		Now:          time.Now,
	})
}

func newChannel(cfg *config.Config, c config.Channel, graph channel.GraphMailer) (channel.Channel, error) {
	if c.Kind == config.ChannelLetter {
		l := letter.Config{Folder: c.Folder, Organisation: cfg.Organisation.Name, ReturnAddress: c.Return, Help: cfg.Organisation.Help, Now: time.Now}
		for _, f := range c.Format {
			l.HTML, l.PDF = l.HTML || f == config.LetterHTML, l.PDF || f == config.LetterPDF
		}
		ch, err := letter.New(l)
		if err != nil {
			return nil, fmt.Errorf("channel %q: %w", c.Name, err)
		}
		return channel.AtMost(c.AtOnce, string(c.Kind), ch), nil
	}
	return channel.New(channel.Config{
		Name: c.Name, Kind: channel.Kind(c.Kind), Endpoint: c.Endpoint, CAFile: c.CAFile, AtOnce: c.AtOnce,
		From: c.From, FromName: c.FromName, ReplyTo: c.ReplyTo,
		APIKeyFile: c.APIKeyFile, Sandbox: c.Sandbox, Templates: c.Templates,
		Server: c.Server, ImplicitTLS: c.ImplicitTLS, Username: c.Username, PasswordFile: c.PasswordFile,
		AccountSID: c.AccountSID, AuthTokenFile: c.AuthTokenFile, MessagingService: c.MessagingService, Segments: c.Segments,
		StatusCallback: statusURL(cfg, c.Name),
		URL:            c.URL, KeyFile: c.KeyFile, URLFile: c.URLFile,
	}, channel.Deps{Graph: graph, Now: time.Now})
}

// overlay is the folder with templates of the operator's own.
func overlay(cfg *config.Config) fs.FS {
	if cfg.Messages.Folder == "" {
		return nil
	}
	return os.DirFS(cfg.Messages.Folder)
}

// statusURL is where a provider reports what became of a channel's messages;
// empty if nobody outside can reach us.
func statusURL(cfg *config.Config, name string) string {
	if cfg.Intake.URL == "" {
		return ""
	}
	return cfg.Intake.URL + "/v1/delivery/" + name
}

func desks(cfg *config.Config) map[string]jml.Addressee {
	out := map[string]jml.Addressee{}
	for _, d := range cfg.Desks {
		out[d.Name] = jml.Addressee{Mail: d.Mail, Phone: d.Phone, Locale: d.Locale, Zone: d.Zone}
	}
	return out
}

// newBook returns what makes links and codes. Without store it makes no links.
func newBook(cfg *config.Config, store invitation.Store) (*invitation.Book, error) {
	ring, err := codec.LoadKeyring(cfg.Temporal.KeyringFile)
	if err != nil {
		return nil, err
	}
	c := invitation.Config{Sealer: ring, Store: store}
	if cfg.Pickup.URL == "" {
		return invitation.New(c)
	}
	text, err := outbound.Secret(cfg.Pickup.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("pickup.key_file: %w", err)
	}
	if c.Key, err = invitation.ParseKey(text); err != nil {
		return nil, usageError{fmt.Errorf("pickup.key_file: %w", err)}
	}
	if store != nil {
		c.URL = cfg.Pickup.URL
	}
	return invitation.New(c)
}

// newTracking takes in what providers report of messages, and tells the passes
// that sent them.
func newTracking(cfg *config.Config, temporal client.Client, book *invitation.Book, tel *telemetry.Telemetry, log *slog.Logger) (http.Handler, error) {
	t := tracking.Config{Handles: book, Now: time.Now, Logger: log}
	t.Observe = func(channel string, status jml.DeliveryStatus) { tel.Delivery(channel, string(status)) }
	for _, c := range cfg.Channels {
		switch {
		case c.Kind == config.ChannelSendGrid && c.EventKeyFile != "":
			key, err := os.ReadFile(c.EventKeyFile)
			if err != nil {
				return nil, fmt.Errorf("channel %q: event_key_file: %w", c.Name, err)
			}
			t.Channels = append(t.Channels, tracking.Channel{Name: c.Name, Kind: tracking.SendGrid, EventKey: string(key)})
		case c.Kind == config.ChannelTwilio && cfg.Intake.URL != "":
			token, err := outbound.Secret(c.AuthTokenFile)
			if err != nil {
				return nil, fmt.Errorf("channel %q: auth_token_file: %w", c.Name, err)
			}
			t.Channels = append(t.Channels, tracking.Channel{
				Name: c.Name, Kind: tracking.Twilio, AuthToken: secret.NewPasscode(token), URL: statusURL(cfg, c.Name),
			})
		}
	}
	t.Tell = func(ctx context.Context, h invitation.Handle, n tracking.News) error {
		if n.Status == jml.DeliveryAccepted {
			return nil // we knew when it answered; a signal costs an action
		}
		err := temporal.SignalWorkflow(ctx, h.WorkflowID, "", workflows.SignalDelivery, workflows.DeliveryNews{
			Invitation: h.Invitation, N: h.N, Status: n.Status, At: n.At, Detail: n.Detail,
		})
		var gone *serviceerror.NotFound
		if errors.As(err, &gone) {
			return nil // the pass has ended
		}
		return err
	}
	return tracking.NewHandler(t)
}
