package client

import (
	"context"
	"io"
	"net/http"
)

// Backup returns a copy of the store as it arrives. Whoever reads it finds out
// whether it is whole (package backup); the caller closes it.
func (c *Client) Backup(ctx context.Context) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/api/v1/backup", nil)
	if err != nil {
		return nil, err
	}
	_ = c.sign(ctx, req) // it never fails
	resp, err := c.stream.Do(req)
	if err != nil {
		return nil, connection(err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if err != nil {
			return nil, connection(err)
		}
		return nil, problem(resp, body)
	}
	return resp.Body, nil
}
