package codec

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"

	"go.temporal.io/sdk/converter"
)

// maxCodecBody bounds a request. The Web UI sends a page of history at a time.
const maxCodecBody = 16 << 20

// HandlerConfig is what the remote codec endpoint needs.
type HandlerConfig struct {
	Codec converter.PayloadCodec
	// AllowOrigin is the one origin whose pages may use the endpoint: that of
	// the Temporal Web UI, such as http://127.0.0.1:8233.
	AllowOrigin string
}

// Handler returns the remote codec endpoint (/encode and /decode) for the
// Temporal Web UI. Whoever reaches it reads everything, and it asks nobody who
// they are: it is for a loopback listener of a development world.
//
// It answers loopback Host names only, so that a name that was made to point
// here can't be used (DNS rebinding), and no Origin but the one. A request
// without an Origin is let through; browsers send one with every POST, command
// line tools send none.
func Handler(cfg HandlerConfig) (http.Handler, error) {
	u, err := url.Parse(cfg.AllowOrigin)
	if err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != cfg.AllowOrigin {
		return nil, errors.New("codec: want an origin such as http://127.0.0.1:8233")
	}
	if cfg.Codec == nil {
		return nil, errors.New("codec: want a codec")
	}
	next := converter.NewPayloadCodecHTTPHandler(cfg.Codec)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		w.Header().Set("Vary", "Origin")
		switch {
		case !loopbackHost(r.Host):
			http.Error(w, "this endpoint answers on loopback only", http.StatusMisdirectedRequest)
			return
		case len(r.Header.Values("Origin")) > 1, origin != "" && origin != cfg.AllowOrigin:
			http.Error(w, "this origin may not use the codec", http.StatusForbidden)
			return
		}
		if origin != "" {
			w.Header().Set("Access-Control-Allow-Origin", cfg.AllowOrigin)
		}
		switch r.Method {
		case http.MethodOptions:
			// The UI's headers differ by version; the origin is what counts.
			if h := r.Header.Get("Access-Control-Request-Headers"); h != "" && origin != "" {
				w.Header().Set("Access-Control-Allow-Headers", h)
				w.Header().Set("Access-Control-Allow-Methods", http.MethodPost)
			}
			w.WriteHeader(http.StatusNoContent)
		case http.MethodPost:
			w.Header().Set("Cache-Control", "no-store")
			r.Body = http.MaxBytesReader(w, r.Body, maxCodecBody)
			next.ServeHTTP(w, r)
		default:
			w.Header().Set("Allow", "POST, OPTIONS")
			http.Error(w, "POST only", http.StatusMethodNotAllowed)
		}
	}), nil
}

func loopbackHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		a, err = netip.ParseAddr(trimBrackets(host))
	}
	return err == nil && a.IsLoopback()
}

func trimBrackets(host string) string {
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		return host[1 : n-1]
	}
	return host
}
