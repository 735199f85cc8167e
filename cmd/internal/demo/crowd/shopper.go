package crowd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"fairlead/cmd/internal/demo/ledger"
	"fairlead/cmd/internal/demo/lookup"
	"fairlead/cmd/internal/demo/shop"
)

// shopper is one client.
type shopper struct {
	name     string
	habit    ledger.Habit
	origin   Origin
	resolver lookup.Resolver
	stretch  time.Duration
	port     uint16
	book     *ledger.Book
}

// visit reads the page once. A visit that the end of the demo cut short is
// not entered: it says nothing about the shop.
func (s *shopper) visit(ctx context.Context, r *route) {
	v := ledger.Visit{Client: s.name, Habit: s.habit, Origin: s.origin.Region, Sent: time.Now()}
	resp, err := s.request(ctx, r, http.MethodGet, "/", nil)
	v.Settled = time.Now()
	if err == nil {
		v.Region, v.OK = resp.region, resp.status == http.StatusOK
		if !v.OK {
			v.Problem = fmt.Sprintf("status %d", resp.status)
		}
	} else {
		v.Problem = err.Error()
	}
	if ctx.Err() == nil {
		s.book.AddVisit(v)
	}
}

// order places one order and enters what became of it, also at the end of the
// demo: an order that was sent is never forgotten.
func (s *shopper) order(ctx context.Context, r *route) {
	o := ledger.Order{ID: shop.NewID(), Client: s.name, Habit: s.habit, Sent: time.Now()}
	body, err := json.Marshal(shop.Order{ID: o.ID, Shopper: s.name})
	if err != nil {
		panic(err) // two strings always have a JSON
	}
	resp, err := s.request(ctx, r, http.MethodPost, "/orders", body)
	o.Settled = time.Now()
	o.Fate, o.Problem = settle(resp, err)
	o.Region = resp.region
	if ctx.Err() == nil || o.Fate != ledger.Refused {
		s.book.AddOrder(o)
	}
}

// settle says what an answer, or its absence, proves about an order.
func settle(resp response, err error) (ledger.Fate, string) {
	switch {
	case errors.Is(err, errNotSent):
		return ledger.Refused, err.Error()
	case err != nil:
		return ledger.Indeterminate, err.Error()
	case resp.status == http.StatusCreated:
		return ledger.Acknowledged, ""
	}
	var refusal shop.Refusal
	if json.Unmarshal(resp.body, &refusal) == nil && refusal.Written == shop.No {
		return ledger.Refused, refusal.Problem
	}
	return ledger.Indeterminate, fmt.Sprintf("status %d: %s", resp.status, refusal.Problem)
}

// response is what a shopper keeps of an answer.
type response struct {
	status int
	region string
	body   []byte
}

// errNotSent marks failures from before the request could reach a shop.
var errNotSent = errors.New("not sent")

// request sends one request along the route.
func (s *shopper) request(ctx context.Context, r *route, method, path string, body []byte) (response, error) {
	addr, err := r.address(ctx)
	if err != nil {
		return response{}, fmt.Errorf("%w: %w", errNotSent, err)
	}
	url := "http://" + netip.AddrPortFrom(addr, s.port).String() + path
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return response{}, fmt.Errorf("%w: %w", errNotSent, err)
	}
	req.Host = r.name
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	r.holds = false
	resp, err := r.client.Do(req)
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
			return response{}, fmt.Errorf("%w: %w", errNotSent, err)
		}
		return response{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return response{}, fmt.Errorf("read the answer: %w", err)
	}
	r.holds = !resp.Close
	return response{status: resp.StatusCode, region: resp.Header.Get("X-Region"), body: text}, nil
}
