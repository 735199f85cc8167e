package feed

import (
	"bufio"
	"encoding/binary"
	"io"
	"math"
	"time"

	"fairlead/regions"
)

// How a relay speaks. A subscriber that wants more than the publisher's own
// table says so with these four bytes; it is sent parcels from then on, the
// publisher's own tables among them. A parcel is
//
//	magic(4) held ms(4) frame
//
// where the frame is, to the bit, what the relay heard, and held is how long
// it has been there. What a relay passes on it has heard from the node itself:
// nothing that came in a parcel ever leaves in one, so there are no loops.
const (
	askMagic    = "FLq1"
	parcelMagic = "FLr1"
	parcelBytes = 8

	// stale is for how long a newcomer is still sent what was heard of a node
	// that has stopped.
	stale = time.Minute
)

// parcel is a frame and when it was heard here.
type parcel struct {
	frame []byte
	at    time.Time
}

// relayed is what a subscriber that asked for it still has to be sent: of each
// node the newest, so that a slow one gets less and never older.
type relayed struct {
	asked   bool
	waiting map[regions.NodeID]parcel
	wake    chan struct{}
	out     *bufio.Writer
}

func (s *relayed) put(n regions.NodeID, p parcel) {
	s.waiting[n] = p
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Forward hands over the frame of a table that was just heard from its own
// node, for those who listen through this one.
func (p *Publisher) Forward(n regions.NodeID, frame []byte) {
	if !p.Relay {
		return
	}
	p.init()
	kept := parcel{append([]byte(nil), frame...), time.Now()}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard[n] = kept
	for s := range p.subscribers {
		if s.asked {
			s.put(n, kept)
		}
	}
}

// hear waits for what a subscriber may ask, until its connection ends.
func (p *Publisher) hear(s *subscriber) {
	var ask [len(askMagic)]byte
	if _, err := io.ReadFull(s.conn, ask[:]); err != nil {
		return
	}
	if string(ask[:]) != askMagic || !p.Relay {
		p.Log.Warn("feed subscriber refused: it asks for what this node does not do", "subscriber", s.conn.RemoteAddr())
		s.conn.Close()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.asked, s.waiting, s.out = true, map[regions.NodeID]parcel{}, bufio.NewWriterSize(s.conn, 16<<10)
	for n, kept := range p.heard {
		if time.Since(kept.at) > stale {
			delete(p.heard, n)
			continue
		}
		s.put(n, kept)
	}
}

// pass sends what waits.
func (p *Publisher) pass(s *subscriber) error {
	p.mu.Lock()
	waiting := s.waiting
	s.waiting = make(map[regions.NodeID]parcel, len(waiting))
	p.mu.Unlock()
	for _, kept := range waiting {
		s.conn.SetWriteDeadline(time.Now().Add(slowest))
		var head [parcelBytes]byte
		copy(head[:], parcelMagic)
		held := time.Since(kept.at).Milliseconds()
		binary.BigEndian.PutUint32(head[4:], uint32(min(max(held, 0), math.MaxUint32)))
		s.out.Write(head[:]) // an error stays with the writer
		if _, err := s.out.Write(kept.frame); err != nil {
			return err
		}
	}
	return s.out.Flush()
}

// readParcel reads what a relay sends. A frame without a parcel around it is
// the relay's own table, from before it was asked.
func readParcel(r *bufio.Reader, buf []byte) (frame []byte, held time.Duration, packed bool, err error) {
	head, err := r.Peek(len(parcelMagic))
	if err != nil {
		return buf, 0, false, err
	}
	if string(head) == parcelMagic {
		var head [parcelBytes]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return buf, 0, false, err
		}
		held, packed = time.Duration(binary.BigEndian.Uint32(head[4:]))*time.Millisecond, true
	}
	frame, err = readWhole(r, buf)
	return frame, held, packed, err
}
