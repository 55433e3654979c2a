package feed

import (
	"context"

	"firstpass.internal/internal/intake/mapping"
)

// URL returns the address that Call would call, for who wants to know whether
// two calls would ask the same.
func (c *Caller) URL(ctx context.Context, v mapping.Vars) (string, error) {
	u, _, err := c.target(ctx, v)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}
