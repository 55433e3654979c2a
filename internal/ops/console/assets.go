package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed assets/console.css assets/console.js assets/htmx.min.js assets/icon.svg
var assetFiles embed.FS

// assets are the files that pages need. They are packed once, when the console
// begins.
//
// Pages themselves are never compressed: a page with names in it that also says
// back what an address asks for would tell, by its length, who can make a browser
// ask what the names are (BREACH, CVE-2013-3587). They are small instead, and
// sent again only when something has changed.
type assets struct {
	prefix string // names the files by what is in them, so that browsers may keep them for good
	files  map[string]asset
}

type asset struct {
	kind        string // media type
	raw, packed []byte
}

func loadAssets() (assets, error) {
	out, sum := assets{files: map[string]asset{}}, sha256.New()
	list, err := fs.Glob(assetFiles, "assets/*")
	if err != nil {
		return out, fmt.Errorf("console: assets: %w", err)
	}
	for _, file := range list {
		raw, err := assetFiles.ReadFile(file)
		if err != nil {
			return out, fmt.Errorf("console: assets: %w", err)
		}
		sum.Write(raw)
		a := asset{raw: raw, kind: mime.TypeByExtension(path.Ext(file))}
		if a.packed, err = pack(raw); err != nil {
			return out, fmt.Errorf("console: assets: %w", err)
		}
		out.files[path.Base(file)] = a
	}
	out.prefix = "/assets/" + hex.EncodeToString(sum.Sum(nil)[:6]) + "/"
	return out, nil
}

func pack(raw []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(raw); err != nil {
		return nil, err
	}
	err = w.Close()
	return out.Bytes(), err
}

func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := a.files[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	head := w.Header()
	head.Set("Cache-Control", "public, max-age=31536000, immutable")
	head.Set("Content-Type", f.kind)
	head.Set("Vary", "Accept-Encoding")
	if !unpacks(r.Header.Get("Accept-Encoding")) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.raw))
		return
	}
	head.Set("Content-Encoding", "gzip")
	head.Set("Content-Length", strconv.Itoa(len(f.packed)))
	_, _ = w.Write(f.packed) // a browser that went away has nobody to tell
}

// unpacks reports whether a browser that accepts these encodings takes gzip.
func unpacks(accept string) bool {
	for one := range strings.SplitSeq(accept, ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(one), ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		_, weight, said := strings.Cut(q, "=")
		n, err := strconv.ParseFloat(strings.TrimSpace(weight), 64)
		return !said || err == nil && n > 0
	}
	return false
}
