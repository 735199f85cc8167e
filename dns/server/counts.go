package server

import (
	"encoding/binary"
	"sync/atomic"

	mdns "github.com/miekg/dns"
)

// Counters is what happened since the server was made.
type Counters struct {
	Datagrams uint64            `json:"datagrams"` // packets that came over UDP
	Streamed  uint64            `json:"streamed"`  // queries that came over TCP
	Answers   map[string]uint64 `json:"answers"`   // by status, such as NXDOMAIN
	Truncated uint64            `json:"truncated"`
	Dropped   uint64            `json:"dropped"` // packets that deserve no answer
	Panics    uint64            `json:"panics"`
	Errors    uint64            `json:"errors"` // of reading or writing a socket

	Connections          int    `json:"connections"` // open now
	ConnectionsTotal     uint64 `json:"connections_total"`
	ConnectionsDisplaced uint64 `json:"connections_displaced"` // closed for a newer one, at a limit
}

const maxRcode = 24

// counts belongs to one socket, so that no two processors fight for it.
type counts struct {
	datagrams, streamed        atomic.Uint64
	rcodes                     [maxRcode]atomic.Uint64
	truncated, dropped, panics atomic.Uint64
	errors, accepted           atomic.Uint64
	displaced                  atomic.Uint64
	_                          [64]byte
}

// count looks at an answer's header only; statuses beyond four bits, which
// only BADVERS is here, are told apart by their OPT record.
func (n *counts) count(answer []byte) {
	if len(answer) < 12 {
		n.dropped.Add(1)
		return
	}
	flags := binary.BigEndian.Uint16(answer[2:])
	rcode := int(flags & 0xF)
	if rcode == 0 && badVersion(answer) {
		rcode = mdns.RcodeBadVers
	}
	n.rcodes[rcode].Add(1)
	if flags&(1<<9) != 0 {
		n.truncated.Add(1)
	}
}

// badVersion looks for an answer that is a question and an OPT record with an
// extended status.
func badVersion(answer []byte) bool {
	if binary.BigEndian.Uint32(answer[6:]) != 0 || binary.BigEndian.Uint16(answer[10:]) != 1 {
		return false
	}
	off := 12
	if answer[5] == 1 {
		for off < len(answer) && answer[off] != 0 {
			off += 1 + int(answer[off])
		}
		off += 5
	}
	return off+6 < len(answer) && answer[off+2] == byte(mdns.TypeOPT) && answer[off+5] == 1
}

// Counters adds up what all sockets counted.
func (s *Server) Counters() Counters {
	c := Counters{Answers: make(map[string]uint64), Connections: int(s.conns.open.Load())}
	for _, n := range s.counts {
		c.Datagrams += n.datagrams.Load()
		c.Streamed += n.streamed.Load()
		c.Truncated += n.truncated.Load()
		c.Dropped += n.dropped.Load()
		c.Panics += n.panics.Load()
		c.Errors += n.errors.Load()
		c.ConnectionsTotal += n.accepted.Load()
		c.ConnectionsDisplaced += n.displaced.Load()
		for i := range n.rcodes {
			if v := n.rcodes[i].Load(); v > 0 {
				name := mdns.RcodeToString[i]
				if i == mdns.RcodeBadVers {
					name = "BADVERS"
				}
				c.Answers[name] += v
			}
		}
	}
	return c
}
