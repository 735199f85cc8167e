package spread

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"time"

	"fairlead/cmd/internal/replica"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// Protocol is what a connection says in its handshake that it speaks.
const Protocol = "fairlead-spread/1"

// kind is the first byte of a frame; four bytes of length follow, big-endian.
type kind byte

const (
	hello   kind = 1 + iota // client: what it has and serves
	newest                  // server: what it has
	fetch                   // client: asks for what it lacks
	changes                 // server: a header, and what to do with the old text
	refused                 // either: a sentence, and the end
)

// Limits of what is believed to be a message, and of a state.
const (
	maxNote  = 256 << 10
	maxState = 256 << 20
	maxFrame = maxState + maxNote
)

// Mark names one state: which it is, and what it must look like.
type Mark struct {
	Incarnation uint64 `json:"incarnation"`
	Generation  uint64 `json:"generation"`
	Bytes       int    `json:"bytes"`
	SHA256      string `json:"sha256"`
}

// Version returns where the state stands among others.
func (m Mark) Version() replica.Version {
	return replica.Version{Incarnation: m.Incarnation, Generation: m.Generation}
}

// state is a decided state with the text that is its canonical form. It is
// immutable.
type state struct {
	mark Mark
	text []byte
}

// stateOf makes the canonical form: JSON as package json writes it, which
// orders what has no order of its own.
func stateOf(d *regions.Decided) (state, error) {
	text, err := json.Marshal(d)
	if err != nil {
		return state{}, fmt.Errorf("encode generation %d: %w", d.Generation, err)
	}
	return state{Mark{d.Incarnation, d.Generation, len(text), digest(text)}, text}, nil
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Report is what a node says of itself.
type Report struct {
	Incarnation uint64 `json:"incarnation"` // of what it serves
	Generation  uint64 `json:"generation"`
	Hash        string `json:"hash,omitempty"` // of its answers
	// Refused says why the newest state that it was given is not served.
	Refused string `json:"refused,omitempty"`
	// Problems are the parts that are not answered as decided, the first of
	// them where there are many.
	Problems []Problem `json:"problems,omitempty"`
	Left     int       `json:"left,omitempty"` // how many more there are
}

// Problem is a part that is held back, with the reason.
type Problem struct {
	Subject string `json:"subject"`
	Reason  string `json:"reason"`
}

// MaxProblems is how many are reported by name.
const MaxProblems = 50

// note is what a hello says.
type note struct {
	Has    Mark   `json:"has"`
	Report Report `json:"report"`
}

// Standing is what a control node says with each beat beside its mark.
type Standing struct {
	API       string `json:"api,omitempty"`    // where people reach it
	Leader    string `json:"leader,omitempty"` // who leads, as far as it knows
	Reachable bool   `json:"reachable"`        // whether its store can decide
	Problem   string `json:"problem,omitempty"`
}

// news is what a server says with each beat.
type news struct {
	Has      Mark     `json:"has"`
	Standing Standing `json:"standing"`
}

// header is what stands before a difference. To make To, patch From; an empty
// From is nothing, so that what follows is the whole.
type header struct {
	From Mark `json:"from"`
	To   Mark `json:"to"`
	Diff int  `json:"diff"` // its length before compression
	// Plain is a difference that is too short to be worth compressing.
	Plain bool `json:"plain,omitempty"`
}

// worthwhile is from which length on a difference is compressed.
const worthwhile = 4 << 10

// write sends a frame. A receiver that takes nothing for idle is given up.
func write(c net.Conn, k kind, idle time.Duration, payload ...[]byte) error {
	size := 0
	for _, p := range payload {
		size += len(p)
	}
	if size > maxFrame {
		return fmt.Errorf("a message of %d bytes is too long to send, at most %d", size, maxFrame)
	}
	first := binary.BigEndian.AppendUint32([]byte{byte(k)}, uint32(size))
	if len(payload) > 0 && len(payload[0]) < maxNote { // one packet where that is enough
		first, payload = append(first, payload[0]...), payload[1:]
	}
	for _, p := range append([][]byte{first}, payload...) {
		for len(p) > 0 {
			c.SetWriteDeadline(time.Now().Add(idle))
			n, err := c.Write(p[:min(len(p), 64<<10)])
			if err != nil {
				return err
			}
			p = p[n:]
		}
	}
	return nil
}

func writeJSON(c net.Conn, k kind, idle time.Duration, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return write(c, k, idle, text)
}

// read receives a frame of one of the kinds that the sender may send. The
// first byte may take wait, then no pause may be longer than idle, and all of
// it no longer than whole.
func read(c net.Conn, wait, idle, whole time.Duration, may map[kind]int) (kind, []byte, error) {
	var head [5]byte
	c.SetReadDeadline(time.Now().Add(wait))
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return 0, nil, err
	}
	k, size := kind(head[0]), int(binary.BigEndian.Uint32(head[1:]))
	most, ok := may[k]
	if !ok || size > most {
		return 0, nil, fault.Invalidf("what "+c.RemoteAddr().String()+" sends", "is no message of this protocol").
			Do("see which program that is; nothing of it was taken")
	}
	end := time.Now().Add(whole)
	// What is not there yet gets no memory: a length is easily claimed.
	var body bytes.Buffer
	for body.Len() < size {
		deadline := time.Now().Add(idle)
		if end.Before(deadline) {
			deadline = end
		}
		c.SetReadDeadline(deadline)
		if _, err := io.CopyN(&body, c, int64(min(size-body.Len(), 64<<10))); err != nil {
			return 0, nil, fmt.Errorf("a message of %d bytes broke off after %d: %w", size, body.Len(), err)
		}
	}
	if k == refused {
		return 0, nil, fault.Deniedf("", "%s", sentence(body.Bytes()))
	}
	return k, body.Bytes(), nil
}

// sentence makes what somebody else wrote fit for a log.
func sentence(text []byte) string {
	return fmt.Sprintf("it was refused there: %.300q", text)
}

// pack makes the payload of a changes frame.
func pack(from, to state) ([]byte, error) {
	diff := Diff(from.text, to.text)
	h := header{From: from.mark, To: to.mark, Diff: len(diff), Plain: len(diff) < worthwhile}
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Write(binary.BigEndian.AppendUint32(nil, uint32(len(text))))
	b.Write(text)
	if h.Plain {
		b.Write(diff)
		return b.Bytes(), nil
	}
	z, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(diff); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// unpack is the inverse of [pack], and believes nothing before the hash of the
// whole fits.
func unpack(payload []byte, old state) (state, *regions.Decided, error) {
	damaged := func(why string, args ...any) error {
		return fault.New(fault.Unavailable, "what was sent", "is damaged or of another program: "+why, args...).Do("it is asked for again, of another control node")
	}
	if len(payload) < 4 {
		return state{}, nil, damaged("it is too short")
	}
	size := binary.BigEndian.Uint32(payload)
	if payload = payload[4:]; uint64(size) > uint64(len(payload)) || size > maxNote {
		return state{}, nil, damaged("its header is longer than itself")
	}
	var h header
	if err := json.Unmarshal(payload[:size], &h); err != nil {
		return state{}, nil, damaged("its header cannot be read")
	}
	if h.To.Bytes < 0 || h.To.Bytes > maxState || h.Diff < 0 || h.Diff > maxState {
		return state{}, nil, damaged("it says that it has %d bytes, and at most %d are taken", h.To.Bytes, maxState)
	}
	base := old.text
	switch h.From {
	case Mark{}:
		base = nil
	case old.mark:
	default:
		return state{}, nil, damaged("it is the difference to %s with the hash %.12s, and this node has %s with %.12s", h.From.Version(), h.From.SHA256, old.mark.Version(), old.mark.SHA256)
	}
	diff, err := payload[size:], error(nil)
	if !h.Plain {
		diff, err = io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(diff)), int64(h.Diff)+1))
	}
	if err != nil || len(diff) != h.Diff {
		return state{}, nil, damaged("%d bytes of difference were promised, and %d can be read", h.Diff, len(diff))
	}
	text, err := Patch(base, diff, h.To.Bytes)
	if err != nil {
		return state{}, nil, damaged("%v", err)
	}
	if got := digest(text); got != h.To.SHA256 {
		return state{}, nil, damaged("the hash of the whole is %.12s, not %.12s", got, h.To.SHA256)
	}
	d := new(regions.Decided)
	if err := json.Unmarshal(text, d); err != nil {
		return state{}, nil, damaged("what it makes cannot be read: %v", err)
	}
	if v := (replica.Version{Incarnation: d.Incarnation, Generation: d.Generation}); v != h.To.Version() {
		return state{}, nil, damaged("it says that it is %s, and is %s", h.To.Version(), v)
	}
	return state{h.To, text}, d, nil
}
