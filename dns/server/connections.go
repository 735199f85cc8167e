package server

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// connection is an open stream.
type connection struct {
	net.Conn
	client netip.Addr
	heard  atomic.Int64 // when a whole query came last, in Unix nanoseconds; at first, when it was opened
}

// connections keeps the open streams within their bounds. A new one is never
// turned away: it takes the place of the one that has been silent for longest,
// among the client's own if the client has too many. So connections that are
// held open for nothing cost nobody an answer.
type connections struct {
	limit, perClient int
	open             atomic.Int32

	mu       sync.Mutex
	all      map[*connection]struct{}
	byClient map[netip.Addr]int
	closed   bool
}

// add keeps a connection and returns how many were closed for it.
func (c *connections) add(conn *connection) (displaced uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		conn.Close()
		return 0
	}
	if c.all == nil {
		c.all, c.byClient = make(map[*connection]struct{}), make(map[netip.Addr]int)
	}
	var last *connection
	switch {
	case c.byClient[conn.client] >= c.perClient:
		last = c.silent(func(o *connection) bool { return o.client == conn.client })
	case len(c.all) >= c.limit:
		last = c.silent(func(*connection) bool { return true })
	}
	if last != nil {
		last.Close() // its own goroutine ends by that
		c.forget(last)
		displaced = 1
	}
	c.all[conn] = struct{}{}
	c.byClient[conn.client]++
	c.open.Store(int32(len(c.all)))
	return displaced
}

// silent finds the connection that was not heard for longest.
func (c *connections) silent(among func(*connection) bool) (last *connection) {
	for conn := range c.all {
		if among(conn) && (last == nil || conn.heard.Load() < last.heard.Load()) {
			last = conn
		}
	}
	return last
}

func (c *connections) remove(conn *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(conn)
}

// forget is called with mu held.
func (c *connections) forget(conn *connection) {
	if _, ok := c.all[conn]; !ok {
		return
	}
	delete(c.all, conn)
	if c.byClient[conn.client]--; c.byClient[conn.client] <= 0 {
		delete(c.byClient, conn.client)
	}
	c.open.Store(int32(len(c.all)))
}

func (c *connections) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for conn := range c.all {
		conn.Close()
	}
}
