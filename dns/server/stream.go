package server

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
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
		c := &connection{Conn: conn, client: addrOf(conn.RemoteAddr())}
		c.heard.Store(time.Now().UnixNano())
		n.displaced.Add(s.conns.add(c))
		n.accepted.Add(1)
		wg.Go(func() {
			defer s.conns.remove(c)
			defer c.Close()
			if err := s.stream(c, n); err != nil {
				n.errors.Add(1)
			}
		})
	}
}

// stream serves one connection until the client leaves, is idle for too long,
// or does not speak DNS. Only what looks like a broken network is an error.
func (s *Server) stream(conn *connection, n *counts) error {
	in, out := bufio.NewReaderSize(conn, 4096), bufio.NewWriterSize(conn, 4096)
	// Whatever the connection ends by, what was asked before is answered.
	defer func() {
		conn.SetWriteDeadline(time.Now().Add(messageTimeout))
		out.Flush()
	}()
	var query, reply []byte
	for {
		now := time.Now()
		if out.Buffered() > 0 && !wholeMessage(in) {
			conn.SetWriteDeadline(now.Add(messageTimeout))
			if err := out.Flush(); err != nil {
				return unlessQuiet(err)
			}
		}
		conn.SetReadDeadline(now.Add(s.idle()))
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
		conn.heard.Store(now.UnixNano())
		reply = s.answer(append(reply[:0], 0, 0), query, conn.client, true, n)
		if len(reply) == 2 {
			return nil // not DNS: nothing more is expected from this client
		}
		binary.BigEndian.PutUint16(reply, uint16(len(reply)-2))
		conn.SetWriteDeadline(time.Now().Add(messageTimeout))
		if _, err := out.Write(reply); err != nil {
			return unlessQuiet(err)
		}
	}
}

// wholeMessage reports whether the next query is here already, so that its
// answer can leave together with those before it.
func wholeMessage(in *bufio.Reader) bool {
	if in.Buffered() < 2 {
		return false
	}
	size, err := in.Peek(2)
	return err == nil && in.Buffered() >= 2+int(binary.BigEndian.Uint16(size))
}

// idle is how long a client may say nothing.
func (s *Server) idle() time.Duration {
	if int(s.conns.open.Load())*4 >= s.cfg.MaxConnections*3 {
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
