package delivery

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestConfigIsChecked(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string // part of the error; empty: none
	}{
		"right":              {func(*Config) {}, ""},
		"http on loopback":   {func(c *Config) { c.Channels[0].Endpoint = "http://127.0.0.1:1" }, ""},
		"no organisation":    {func(c *Config) { c.Organisation.Name = "" }, "organisation name"},
		"two-line name":      {func(c *Config) { c.Organisation.Name = "Larch\r\nBcc: x" }, "organisation name"},
		"two-line help":      {func(c *Config) { c.Organisation.Help = "a\nb" }, "organisation help"},
		"http sign-in page":  {func(c *Config) { c.Organisation.SignInURL = "http://example.com" }, "sign-in URL"},
		"script for a page":  {func(c *Config) { c.Organisation.SignInURL = "javascript:alert(1)" }, "sign-in URL"},
		"no channels":        {func(c *Config) { c.Channels = nil }, "channels: none"},
		"no channel name":    {func(c *Config) { c.Channels[0].Name = "" }, "no name"},
		"two of a name":      {func(c *Config) { c.Channels = append(c.Channels, c.Channels[0]) }, "two of this name"},
		"unknown kind":       {func(c *Config) { c.Channels[0].Kind = "fax" }, "kind"},
		"http elsewhere":     {func(c *Config) { c.Channels[0].Endpoint = "http://example.com" }, "endpoint"},
		"path in endpoint":   {func(c *Config) { c.Channels[0].Endpoint = "https://api.sendgrid.com/v3" }, "endpoint"},
		"no key file":        {func(c *Config) { c.Channels[0].APIKeyFile = "" }, "API key file"},
		"key file missing":   {func(c *Config) { c.Channels[0].APIKeyFile += "x" }, "no such file"},
		"empty key":          {func(c *Config) { c.Channels[0].APIKeyFile = file(t, "k", "\n") }, "empty"},
		"key of two lines":   {func(c *Config) { c.Channels[0].APIKeyFile = file(t, "k", "SG.key-canary\nx\n") }, "more than one line"},
		"no from":            {func(c *Config) { c.Channels[0].From = "" }, "from"},
		"from with a name":   {func(c *Config) { c.Channels[0].From = "Larch <welcome@example.com>" }, "from"},
		"two-line from name": {func(c *Config) { c.Channels[0].FromName = "Larch\nBcc: x" }, "from name"},
		"bad reply to":       {func(c *Config) { c.Channels[0].ReplyTo = "desk" }, "reply to"},
		"CA file missing":    {func(c *Config) { c.Channels[0].CAFile = "/nowhere" }, "CA file"},
		"no CA in it":        {func(c *Config) { c.Channels[0].CAFile = file(t, "ca", "x") }, "CA file"},
	} {
		cfg := config(t, "")
		tt.change(&cfg)
		s, err := New(cfg)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v does not speak of %q", name, err, tt.want)
		}
		if all := fmt.Sprintf("%+v %#v %+v", s, s, err); strings.Contains(all, "canary") {
			t.Errorf("%s: the key shows in %s", name, all)
		}
	}
}

func TestNewLeavesItsConfigAlone(t *testing.T) {
	cfg := config(t, "")
	newSender(t, cfg)
	if cfg.Channels[0].Endpoint != "" || cfg.Organisation.SignInURL != "" {
		t.Errorf("%+v", cfg)
	}
}

func TestCAFile(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202) }))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // a handshake is broken off on purpose
	srv.StartTLS()
	t.Cleanup(srv.Close)
	cfg := config(t, srv.URL)
	_, err := newSender(t, cfg).Send(t.Context(), notice(), code())
	if f := faultOf(err); f == nil || f.Code != "certificate" || !f.Retryable() {
		t.Errorf("a certificate nobody vouches for: %v", err)
	}
	cfg.Channels[0].CAFile = file(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})))
	if _, err := newSender(t, cfg).Send(t.Context(), notice(), code()); err != nil {
		t.Error(err)
	}
}
