package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"strconv"
	"strings"
)

// maxDepth of a claim. OpenID Connect's deepest, address and verified_claims,
// have three to eight.
const maxDepth = 32

// decodeClaims reads a JSON object into nil, bool, string, int64, float64, []any
// and map[string]any. Errors quote nothing of it.
func decodeClaims(raw []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var out map[string]any
	if err := d.Decode(&out); err != nil || out == nil {
		return nil, errors.New("claims are not a JSON object")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the claims")
	}
	for name, value := range out {
		v, err := plain(value, maxDepth)
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	return out, nil
}

// plain replaces json.Number. Identifiers come as numbers too: one that is too
// large to be exact stays the text it was.
func plain(value any, depth int) (any, error) {
	if depth == 0 {
		return nil, errors.New("claims are nested too deep")
	}
	var err error
	switch v := value.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") && math.Abs(f) < 1<<53 {
			return f, nil
		}
		return v.String(), nil
	case []any:
		for i := range v {
			if v[i], err = plain(v[i], depth-1); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = plain(v[k], depth-1); err != nil {
				return nil, err
			}
		}
	}
	return value, nil
}

// merge adds what userinfo says to the ID token's claims, which win: they are
// signed. What is about the sign-in itself is never taken from userinfo.
func merge(idToken, userInfo map[string]any) map[string]any {
	out := maps.Clone(userInfo)
	for _, name := range []string{"iss", "aud", "exp", "iat", "nbf", "nonce", "acr", "amr", "azp", "auth_time", "at_hash"} {
		delete(out, name)
	}
	maps.Copy(out, idToken)
	return out
}

// seconds reads a NumericDate (RFC 7519, 2) that a person's clock could show.
func seconds(value any) (int64, bool) {
	switch v := value.(type) {
	case int64:
		return v, v > 0 && v < 1<<40
	case float64:
		return int64(v), v > 0 && v < 1<<40
	case string:
		// Some providers write it in quotes.
		n, err := strconv.ParseInt(v, 10, 64)
		return n, err == nil && n > 0 && n < 1<<40
	}
	return 0, false
}
