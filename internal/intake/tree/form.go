package tree

import (
	"bytes"
	"errors"
	"net/url"
	"unicode/utf8"
)

// decodeForm reads application/x-www-form-urlencoded: each key gives its text,
// a key that stands there several times the list of its texts in order.
// Brackets in keys, as PHP and Rails use them, are part of the key, and a value
// that is JSON stays a text.
func decodeForm(body []byte, l Limits) (any, error) {
	if bytes.Count(body, []byte("&")) >= l.Nodes {
		return nil, l.tooMany()
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errors.New("not a form: an escape or a separator is wrong, or there are too many keys") // the cause quotes it
	}
	out := make(map[string]any, len(values))
	for key, list := range values {
		if !utf8.ValidString(key) {
			return nil, errUTF8
		}
		texts := make([]any, len(list))
		for i, text := range list {
			if !utf8.ValidString(text) {
				return nil, errUTF8
			}
			texts[i] = text
		}
		if len(texts) == 1 {
			out[key] = texts[0]
			continue
		}
		out[key] = texts
	}
	return out, nil
}
