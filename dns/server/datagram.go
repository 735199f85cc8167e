package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

const (
	maxPacket  = 65535
	maxControl = 128                  // of ancillary data, far more than one packet info takes
	retryAfter = 5 * time.Millisecond // behind a socket error, so that a broken one burns no processor
	giveUp     = 1000                 // errors in a row after which a socket is lost
	receiveBuf = 4 << 20              // asked for; the kernel may give less
)

// datagrams serves one socket.
func (s *Server) datagrams(ctx context.Context, conn net.PacketConn, n *counts) error {
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		return s.packets(ctx, conn, n)
	}
	udp.SetReadBuffer(receiveBuf) // best effort: a small buffer only loses bursts
	control, err := wantPacketInfo(udp)
	if err != nil {
		return fmt.Errorf("listen on %v: ask for the addresses that packets are sent to: %w", conn.LocalAddr(), err)
	}
	in, out, oob := make([]byte, maxPacket), make([]byte, 0, maxPacket), make([]byte, maxControl)
	if !control {
		oob = nil
	}
	for failures := 0; ; {
		size, oobSize, _, from, err := udp.ReadMsgUDPAddrPort(in, oob)
		if err != nil {
			if failures++; s.lost(ctx, err, failures, n) {
				return fmt.Errorf("read from %v: %w", conn.LocalAddr(), err)
			}
			continue
		}
		failures = 0
		if from.Port() == 0 {
			n.dropped.Add(1) // nobody can be there; the packet is forged
			continue
		}
		out = s.answer(out[:0], in[:size], from.Addr(), false, n)
		if len(out) == 0 {
			continue
		}
		if _, _, err := udp.WriteMsgUDPAddrPort(out, replyFrom(oob[:oobSize]), from); err != nil {
			n.errors.Add(1)
		}
	}
}

// packets serves a connection that is no UDP socket, as tests have.
func (s *Server) packets(ctx context.Context, conn net.PacketConn, n *counts) error {
	in, out := make([]byte, maxPacket), make([]byte, 0, maxPacket)
	for failures := 0; ; {
		size, from, err := conn.ReadFrom(in)
		if err != nil {
			if failures++; s.lost(ctx, err, failures, n) {
				return fmt.Errorf("read from %v: %w", conn.LocalAddr(), err)
			}
			continue
		}
		failures = 0
		out = s.answer(out[:0], in[:size], addrOf(from), false, n)
		if len(out) == 0 {
			continue
		}
		if _, err := conn.WriteTo(out, from); err != nil {
			n.errors.Add(1)
		}
	}
}

// lost reports whether a socket is beyond use. Errors that the network sends
// back for earlier packets are not: they pass.
func (s *Server) lost(ctx context.Context, err error, failures int, n *counts) bool {
	if ctx.Err() != nil || errors.Is(err, net.ErrClosed) || failures >= giveUp {
		return true
	}
	n.errors.Add(1)
	if failures > 1 {
		select {
		case <-ctx.Done():
		case <-time.After(retryAfter):
		}
	}
	return false
}

// addrOf returns the address of a peer, or none if it has no IP address.
func addrOf(a net.Addr) netip.Addr {
	if a == nil {
		return netip.Addr{}
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
