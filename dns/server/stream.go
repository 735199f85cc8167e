package server

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	messageTimeout = 5 * time.Second // for the rest of a query once its length came, and for a reply to leave
	hurriedIdle    = time.Second     // idle limit when three quarters of the connections are taken
)

// streams accepts connections.
func (s *Server) streams(ctx context.Context, l net.Listener, n *counts) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	for failures := 0; ; {
		conn, err := l.Accept()
		if err != nil {
			if failures++; s.lost(ctx, err, failures, n) {
				return fmt.Errorf("accept on %v: %w", l.Addr(), err)
			}
			continue
		}
		failures = 0
		client := addrOf(conn.RemoteAddr())
		if !s.conns.add(conn, client) {
			n.refused.Add(1)
			conn.Close()
			continue
		}
		n.accepted.Add(1)
		wg.Go(func() {
			defer s.conns.remove(conn, client)
			defer conn.Close()
			if err := s.stream(conn, client, n); err != nil {
				n.errors.Add(1)
			}
		})
	}
}

// stream serves one connection until the client leaves, is idle for too long,
// or does not speak DNS. Only what looks like a broken network is an error.
func (s *Server) stream(conn net.Conn, client netip.Addr, n *counts) error {
	in, out := bufio.NewReaderSize(conn, 4096), bufio.NewWriterSize(conn, 4096)
	var query, reply []byte
	for {
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
		conn.SetReadDeadline(time.Now().Add(s.idle()))
		var size [2]byte
		if _, err := io.ReadFull(in, size[:]); err != nil {
			return unlessQuiet(err)
		}
		conn.SetReadDeadline(time.Now().Add(messageTimeout))
		length := int(binary.BigEndian.Uint16(size[:]))
		if cap(query) < length {
			query = make([]byte, length)
		}
		query = query[:length]
		if _, err := io.ReadFull(in, query); err != nil {
			return unlessQuiet(err)
		}
		reply = s.answer(append(reply[:0], 0, 0), query, client, true, n)
		if len(reply) == 2 {
			return nil // not DNS: nothing more is expected from this client
		}
		binary.BigEndian.PutUint16(reply, uint16(len(reply)-2))
		conn.SetWriteDeadline(time.Now().Add(messageTimeout))
		if _, err := out.Write(reply); err != nil {
			return err
		}
	}
}

// idle is how long a client may say nothing.
func (s *Server) idle() time.Duration {
	if s.conns.open()*4 >= s.cfg.MaxConnections*3 {
		return min(hurriedIdle, s.cfg.IdleTimeout)
	}
	return s.cfg.IdleTimeout
}

// unlessQuiet drops the errors with which connections ordinarily end.
func unlessQuiet(err error) error {
	var timeout net.Error
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, &timeout) && timeout.Timeout() {
		return nil
	}
	return err
}

// connections keeps the open ones, to count and to close them.
type connections struct {
	limit, perClient int

	mu       sync.Mutex
	all      map[net.Conn]bool
	byClient map[netip.Addr]int
	closed   bool
}

// add reports whether the connection may stay.
func (c *connections) add(conn net.Conn, client netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.all) >= c.limit || c.byClient[client] >= c.perClient {
		return false
	}
	if c.all == nil {
		c.all, c.byClient = make(map[net.Conn]bool), make(map[netip.Addr]int)
	}
	c.all[conn] = true
	c.byClient[client]++
	return true
}

func (c *connections) remove(conn net.Conn, client netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.all, conn)
	if c.byClient[client]--; c.byClient[client] <= 0 {
		delete(c.byClient, client)
	}
}

func (c *connections) open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.all)
}

func (c *connections) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for conn := range c.all {
		conn.Close()
	}
}
