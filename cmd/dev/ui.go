package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/server_options"

	"firstpass.internal/cmd/dev/local"
	"firstpass.internal/internal/codec"
)

// webUIConfig says how to start the Temporal Web UI; all fields are required.
type webUIConfig struct {
	Port      int
	Temporal  string // address of the frontend
	Namespace string
	CodecPort int
	Keys      *codec.Keyring
}

// webUI is the Temporal Web UI and the endpoint at which it has payloads
// decrypted. Both are for this machine's user alone: neither asks who you are.
type webUI struct {
	url   string
	ui    *uiserver.Server
	codec *http.Server
}

func startWebUI(ctx context.Context, cfg webUIConfig) (*webUI, error) {
	w := &webUI{url: "http://" + loopback(cfg.Port)}
	payloads, err := codec.New(codec.Config{Keyring: cfg.Keys, Namespace: cfg.Namespace})
	if err != nil {
		return nil, err
	}
	handler, err := codec.Handler(codec.HandlerConfig{Codec: payloads, AllowOrigin: w.url})
	if err != nil {
		return nil, err
	}
	listener, err := local.Listen(loopback(cfg.CodecPort))
	if err != nil {
		return nil, fmt.Errorf("codec endpoint: %w", err)
	}
	w.codec = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = w.codec.Serve(listener) }() // ends with ErrServerClosed
	w.ui = uiserver.NewServer(server_options.WithConfigProvider(&uiconfig.Config{
		TemporalGRPCAddress: cfg.Temporal,
		Host:                "127.0.0.1",
		Port:                cfg.Port,
		EnableUI:            true,
		DefaultNamespace:    cfg.Namespace,
		DisableNewsFetch:    true,
		HideLogs:            true,
		CORS:                uiconfig.CORS{CookieInsecure: true}, // plain http on loopback
		Codec:               uiconfig.Codec{Endpoint: "http://" + listener.Addr().String()},
	}))
	go func() { _ = w.ui.Start() }()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := poll(ctx, 50*time.Millisecond, func() error { return answersHTTP(ctx, w.url+"/healthz") }); err != nil {
		w.Stop()
		return nil, fmt.Errorf("the Temporal Web UI does not answer: %w", err)
	}
	return w, nil
}

func (w *webUI) Stop() {
	w.ui.Stop()
	_ = w.codec.Close() // it only reads
}

// answersHTTP returns nil if a GET of url is answered with 200.
func answersHTTP(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, res.Status)
	}
	return nil
}
