package intake

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"
)

// standardWebhooks checks the Standard Webhooks scheme, version v1.
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
//
// The scheme's own Go library is not used: the only version published takes an
// empty secret for a key, and its clock and tolerance are fixed. Tests hold this
// one against it.
type standardWebhooks struct {
	tolerance time.Duration
	keys      [][]byte
}

// The headers of the scheme.
const (
	webhookID        = "webhook-id"
	webhookTimestamp = "webhook-timestamp"
	webhookSignature = "webhook-signature"
)

// maxSignatures bounds how many signatures of one request are looked at. More
// than one is for rotation on the sender's side.
const maxSignatures = 16

// parseWebhookKey reads whsec_ and base64 of 24 to 64 bytes, the sizes the
// scheme allows.
func parseWebhookKey(text string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(text, "whsec_")
	if !ok {
		return nil, errors.New("want whsec_ followed by base64")
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("what follows whsec_ is not base64")
	}
	if len(key) < 24 || len(key) > 64 {
		return nil, errors.New("the key must have 24 to 64 bytes; make one with: openssl rand -base64 32")
	}
	return key, nil
}

func (v *standardWebhooks) verify(h http.Header, body []byte, now time.Time) (time.Time, error) {
	id, err := single(h, webhookID)
	if err != nil {
		return time.Time{}, err
	}
	stamp, err := single(h, webhookTimestamp)
	if err != nil {
		return time.Time{}, err
	}
	list, err := single(h, webhookSignature)
	if err != nil {
		return time.Time{}, err
	}
	if strings.Trim(stamp, "0123456789") != "" {
		return time.Time{}, errTimestamp // the scheme knows unix seconds only
	}
	msg := append([]byte(id+"."+stamp+"."), body...)
	found := false
	for i, s := range strings.Fields(list) {
		text, isV1 := strings.CutPrefix(s, "v1,")
		if !isV1 || i >= maxSignatures {
			continue
		}
		if given, err := base64.StdEncoding.DecodeString(text); err == nil {
			found = anyKey(v.keys, sha256.New, msg, given) || found
		}
	}
	if !found {
		return time.Time{}, errSignature
	}
	return fresh(stamp, now, v.tolerance)
}
