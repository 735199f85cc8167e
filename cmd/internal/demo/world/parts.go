package world

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"fairlead/cmd/internal/demo/process"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// startLimit is how long any part may take until it works. It is generous:
// a demo on a busy machine shall be slow, not broken.
const startLimit = 60 * time.Second

// await asks works until it says so, the child ends, or time is up.
func (w *World) await(ctx context.Context, c *process.Child, what string, works func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		try, stop := context.WithTimeout(ctx, 2*time.Second)
		err := works(try)
		stop()
		if err == nil {
			return nil
		}
		select {
		case <-c.Done():
			return fault.Unavailablef(what, "ended while it was starting").Because(fmt.Errorf("%v; the end of its log:\n%s", c.Err(), short(c.Tail(12), w.Dir))).
				Do("see %s", c.Log)
		case <-ctx.Done():
			return fault.Unavailablef(what, "did not work after %v", startLimit).Because(fmt.Errorf("%w; the end of its log:\n%s", err, short(c.Tail(12), w.Dir))).
				Do("see %s", c.Log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (w *World) startAgents(ctx context.Context) error {
	w.opts.Progress("starting an agent beside each of them")
	for _, p := range Places() {
		if !p.HasDatabase {
			continue
		}
		path := w.path(p.ID, "agent.yaml")
		c, err := w.nursery.Start(process.Spec{Name: "agent-" + string(p.ID), Path: w.opts.Program, Args: []string{"agent", "--config", path},
			PIDFile: w.path(p.ID, "agent.pid"), Dir: w.Dir})
		if err != nil {
			return err
		}
		w.agents[p.ID] = c
	}
	for id, c := range w.agents {
		listen, err := listenOf(w.path(id, "agent.yaml"))
		if err != nil {
			return err
		}
		if err := w.await(ctx, c, "agent in "+string(id), func(ctx context.Context) error { return dial(ctx, listen) }); err != nil {
			return err
		}
	}
	return nil
}

func dial(ctx context.Context, addr string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

func (w *World) startShops(ctx context.Context) error {
	w.opts.Progress("opening a shop in each of three regions")
	for _, p := range Places() {
		if err := w.StartShop(ctx, p.ID); err != nil {
			return err
		}
	}
	return nil
}

// StartShop opens a region's shop and returns once it serves. A shop that is
// open already is left alone.
func (w *World) StartShop(ctx context.Context, region regions.ID) error {
	p, ok := PlaceOf(region)
	if !ok {
		return fault.NotFoundf("region "+string(region), "is not in this world").Do("use us-east, eu-central or ap-south")
	}
	if w.ShopAlive(region) {
		return nil
	}
	c, err := w.nursery.Start(process.Spec{Name: "shop-" + string(region), Path: w.opts.Program, Args: []string{"demo-shop", "--config", w.path(region, "shop.json")},
		PIDFile: w.path(region, "shop.pid"), Dir: w.Dir})
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.shops[region] = c
	w.mu.Unlock()
	return w.await(ctx, c, "shop in "+string(region), func(ctx context.Context) error {
		return healthy(ctx, url(p.Host, w.ShopPort)+"/healthz")
	})
}

// KillShop ends a region's shop as a power cut does, and returns the moment
// just before.
func (w *World) KillShop(region regions.ID) (at time.Time, err error) {
	if !w.ShopAlive(region) {
		return time.Time{}, fault.Conflictf("shop in "+string(region), "does not run")
	}
	w.mu.Lock()
	c := w.shops[region]
	w.mu.Unlock()
	at = time.Now()
	return at, c.Kill()
}

// ShopAlive reports whether a region's shop runs.
func (w *World) ShopAlive(region regions.ID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.shops[region]
	return c != nil && c.Alive()
}

// ShopURL is where a person finds a region's shop.
func (w *World) ShopURL(region regions.ID) string {
	p, _ := PlaceOf(region)
	return url(p.Host, w.ShopPort)
}

// PIDFile names the file with the process id of a region's shop.
func (w *World) PIDFile(region regions.ID) string { return w.path(region, "shop.pid") }

// healthy asks url and wants a 200.
func healthy(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(url + " says " + resp.Status)
	}
	return nil
}
