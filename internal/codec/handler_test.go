package codec

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
)

const ui = "http://127.0.0.1:8233"

func TestHandler(t *testing.T) {
	c := codecOf(t, fixed(t), "default")
	enc, err := c.Encode([]*commonpb.Payload{{Data: []byte(canary)}})
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{"payloads": enc})
	if err != nil {
		t.Fatal(err)
	}
	h, err := Handler(HandlerConfig{Codec: c, AllowOrigin: ui})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, method, host, origin, body string
		want                             int
	}{
		{"decode", "POST", "127.0.0.1:8234", ui, string(body), 200},
		{"localhost", "POST", "localhost:8234", ui, string(body), 200},
		{"IPv6", "POST", "[::1]", ui, string(body), 200},
		{"command line", "POST", "127.0.0.1:8234", "", string(body), 200},
		{"preflight", "OPTIONS", "127.0.0.1:8234", ui, "", 204},
		{"another origin", "POST", "127.0.0.1:8234", "http://evil.example", string(body), 403},
		{"another port", "POST", "127.0.0.1:8234", "http://127.0.0.1:9000", string(body), 403},
		{"null origin", "POST", "127.0.0.1:8234", "null", string(body), 403},
		{"foreign preflight", "OPTIONS", "127.0.0.1:8234", "http://evil.example", "", 403},
		{"rebound name", "POST", "evil.example:8234", ui, string(body), 421},
		{"GET", "GET", "127.0.0.1:8234", ui, "", 405},
		{"not JSON", "POST", "127.0.0.1:8234", ui, "{", 400},
		{"too large", "POST", "127.0.0.1:8234", ui, strings.Repeat(" ", maxCodecBody+1), 400},
		{"in clear", "POST", "127.0.0.1:8234", ui, `{"payloads":[{"metadata":{"encoding":"anNvbi9wbGFpbg=="},"data":"e30="}]}`, 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequest(tc.method, "/decode", strings.NewReader(tc.body))
			r.Host = tc.host
			if tc.origin != "" {
				r.Header.Set("Origin", tc.origin)
			}
			r.Header.Set("Access-Control-Request-Headers", "content-type,x-namespace")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tc.want {
				t.Fatalf("status %d, want %d: %s", w.Code, tc.want, w.Body)
			}
			allowed := w.Header().Get("Access-Control-Allow-Origin")
			if ok := tc.want != 403 && tc.want != 421 && tc.origin != ""; ok != (allowed == ui) {
				t.Errorf("allows origin %q", allowed)
			}
			if tc.want == 200 {
				var got struct{ Payloads []*commonpb.Payload }
				if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || string(got.Payloads[0].Data) != canary {
					t.Errorf("body = %s, %v", w.Body, err)
				}
			}
			if tc.method == http.MethodOptions && tc.want == 204 && w.Header().Get("Access-Control-Allow-Headers") == "" {
				t.Error("the preflight allows no headers")
			}
		})
	}
}

func TestHandlerConfig(t *testing.T) {
	c := codecOf(t, fixed(t), "default")
	for _, cfg := range []HandlerConfig{
		{c, ""}, {c, "*"}, {c, "null"}, {c, "http://127.0.0.1:8233/"}, {c, "127.0.0.1:8233"}, {nil, ui},
	} {
		if _, err := Handler(cfg); err == nil {
			t.Errorf("Handler(%q) succeeds", cfg.AllowOrigin)
		}
	}
}
