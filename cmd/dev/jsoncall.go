package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// refusal is a JSON error answer.
type refusal struct {
	status        int
	code, message string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d: %s", r.status, r.message) }

// callJSON sends in, if any, and reads the answer into out, if any.
func callJSON(ctx context.Context, method, url string, in, out any) error {
	var body io.Reader = http.NoBody
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		r := &refusal{status: res.StatusCode, message: http.StatusText(res.StatusCode)}
		var said struct {
			Error struct{ Code, Message string } `json:"error"`
		}
		if json.Unmarshal(raw, &said) == nil && said.Error.Message != "" {
			r.code, r.message = said.Error.Code, said.Error.Message
		}
		return r
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(raw, out)
}
