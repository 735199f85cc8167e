package history

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"fairlead/regions"
	"fairlead/regions/steer"
)

// Position is a record's place in this node's history, from 1.
type Position uint64

// Kind says what a record is about.
type Kind uint8

const (
	Started  Kind = iota + 1 // this process began: what it knew before, it knows no more
	Verdict                  // what is believed of a target changed
	Region                   // what is believed of a region as a whole changed
	Latched                  // this node took regions out, or let them back
	Decided                  // a decided generation was seen
	Gap                      // a peer's feed fell silent, or came back
	Override                 // an override came, lapsed or ended
	Carried                  // what the plan carries over from the one before changed, latches aside
	Glass                    // what is ordered past the store changed
)

var kindNames = map[Kind]string{
	Started: "started", Verdict: "verdict", Region: "region", Latched: "latched", Decided: "decided", Gap: "gap", Override: "override",
	Carried: "carried", Glass: "break-glass",
}

// String returns the kind's name, such as "verdict".
func (k Kind) String() string { return kindNames[k] }

// Record is one thing that this node learned. Exactly what its Kind says is
// filled in.
type Record struct {
	Position Position  `json:"-"`
	At       time.Time `json:"-"` // by this node's clock
	Kind     Kind      `json:"-"`
	// Restated marks a repetition at the beginning of a segment. Readers of
	// events skip it.
	Restated bool `json:"-"`

	Subject  string `json:"subject"` // "endpoint www@us-east"
	From     string `json:"from,omitempty"`
	To       string `json:"to,omitempty"`
	Sentence string `json:"sentence"`
	// Began is when a restated silence or process began.
	Began time.Time `json:"began,omitzero"`

	Verdict  *regions.Verdict           `json:"verdict,omitempty"`
	Region   regions.ID                 `json:"region,omitempty"`
	Measured *steer.RegionVerdict       `json:"measured,omitempty"` // of Region
	Latched  map[regions.ID]steer.Latch `json:"latched,omitempty"`  // all that are, with what was known when they were
	Decided  *Generation                `json:"decided,omitempty"`
	Gap      *FeedGap                   `json:"gap,omitempty"`
	Override *regions.Override          `json:"override,omitempty"`
	Glass    *regions.BreakGlass        `json:"glass,omitempty"` // nil: nothing is ordered past the store any more
	// Waiting and Writers are what [steer.Plan] has under these names: all of
	// it. A writer's epoch may come by the feed before it is decided here.
	Waiting map[regions.TargetID]bool            `json:"waiting,omitempty"`
	Writers map[regions.DatabaseID]regions.Epoch `json:"writers,omitempty"`
}

// Generation names a decided state. The state itself is stored once in each
// segment that refers to it.
type Generation struct {
	Incarnation uint64 `json:"incarnation"`
	Generation  uint64 `json:"generation"`
	Hash        string `json:"hash"` // SHA-256 of the state's JSON

	State *regions.Decided `json:"-"`
	Blob  []byte           `json:"blob,omitempty"` // the state's JSON, gzip'd, where it is stored
}

// FeedGap is the silence of a peer.
type FeedGap struct {
	Peer   regions.NodeID `json:"peer"`
	Silent bool           `json:"silent"`
}

const restatedFlag = 1 << 7 // beside the kind

// encode makes a frame's payload: kind and flag, position, time, and the rest
// as JSON, so that a new field works when it is absent.
func (r Record) encode() ([]byte, error) {
	kind := byte(r.Kind)
	if r.Restated {
		kind |= restatedFlag
	}
	b := []byte{kind}
	b = binary.AppendUvarint(b, uint64(r.Position))
	b = binary.AppendVarint(b, r.At.UnixNano())
	body, err := json.Marshal(r)
	return append(b, body...), err
}

// header reads all of a payload but its body.
func header(b []byte) (r Record, body []byte, err error) {
	if len(b) == 0 {
		return r, nil, errors.New("an empty record")
	}
	r.Kind, r.Restated = Kind(b[0]&^restatedFlag), b[0]&restatedFlag != 0
	b = b[1:]
	position, n := binary.Uvarint(b)
	if n <= 0 {
		return r, nil, errors.New("a record without a position")
	}
	b = b[n:]
	at, n := binary.Varint(b)
	if n <= 0 {
		return r, nil, errors.New("a record without a time")
	}
	r.Position, r.At = Position(position), time.Unix(0, at).UTC()
	return r, b[n:], nil
}

func decode(b []byte) (Record, error) {
	r, body, err := header(b)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return r, fmt.Errorf("record %d: %w", r.Position, err)
	}
	return r, nil
}

func (g *Generation) pack() error {
	text, err := json.Marshal(g.State)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err = z.Write(text)
	err = errors.Join(err, z.Close())
	g.Blob = b.Bytes()
	return err
}

func (g *Generation) unpack() (*regions.Decided, error) {
	z, err := gzip.NewReader(bytes.NewReader(g.Blob))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	d := new(regions.Decided)
	return d, json.Unmarshal(text, d)
}
