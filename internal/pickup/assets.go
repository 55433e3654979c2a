package pickup

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"
)

//go:embed assets/p.css assets/p.js
var assetFiles embed.FS

// asset is a file that pages refer to.
type asset struct {
	kind string
	body []byte
	mark string // of its contents, for its address
}

// assets are files by name.
type assets map[string]asset

// defaultColour is that of header and buttons.
const defaultColour = "#1f4e79"

func loadAssets(org Organisation) (assets, error) {
	out := assets{}
	add := func(name, kind string, body []byte) {
		sum := sha256.Sum256(body)
		out[name] = asset{kind: kind, body: body, mark: hex.EncodeToString(sum[:6])}
	}
	for name, kind := range map[string]string{"p.css": "text/css; charset=utf-8", "p.js": "text/javascript; charset=utf-8"} {
		body, err := assetFiles.ReadFile("assets/" + name)
		if err != nil {
			return nil, fmt.Errorf("pickup: assets: %w", err)
		}
		add(name, kind, body)
	}
	brand := org.Colour
	if brand == "" {
		brand = defaultColour
	}
	c, err := parseColour(brand)
	if err != nil {
		return nil, fmt.Errorf("pickup: organisation colour: %w", err)
	}
	add("brand.css", "text/css; charset=utf-8", brandCSS(c))
	add("icon.svg", "image/svg+xml", fmt.Appendf(nil,
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="6" fill="%s"/>`+
			`<path d="M12 10a6 6 0 1 0 5.7 8H21v3h3v-3h3v-4h-9.3A6 6 0 0 0 12 10zm0 4a2 2 0 1 1 0 4 2 2 0 0 1 0-4z" fill="%s"/></svg>`, c, c.ink()))
	if len(org.Logo) > 0 {
		if org.LogoType != "image/svg+xml" && org.LogoType != "image/png" {
			return nil, errors.New("pickup: organisation logo: want image/svg+xml or image/png")
		}
		add("logo", org.LogoType, org.Logo)
	}
	return out, nil
}

// url returns the address of a file; it changes with its contents.
func (a assets) url(name string) string { return "/assets/" + name + "?v=" + a[name].mark }

func (a assets) routes(mux *http.ServeMux) {
	serve := func(file asset) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			head := w.Header()
			head.Set("Content-Type", file.kind)
			head.Set("Cache-Control", "public, max-age=86400")
			// Opened by itself, a logo that holds a script runs none.
			head.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'")
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.body))
		}
	}
	for name, file := range a {
		mux.HandleFunc("GET /assets/"+name, serve(file))
	}
	mux.HandleFunc("GET /favicon.ico", serve(a["icon.svg"]))
}
