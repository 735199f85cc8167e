package regions

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"fairlead/regions/fault"
)

// Epoch says which one region may write a database. Epochs grow: first by
// incarnation, which rises when a cluster is recovered after it lost its
// quorum, then by number, which rises with each move of the writer.
type Epoch struct {
	Incarnation uint64 `json:"incarnation"`
	Number      uint64 `json:"number"`
	Writer      ID     `json:"writer"`
}

// Compare orders epochs: negative if e is older than other. The writer takes
// no part: two epochs of one number are the same decision.
func (e Epoch) Compare(other Epoch) int {
	switch {
	case e.Incarnation != other.Incarnation:
		return order(e.Incarnation, other.Incarnation)
	default:
		return order(e.Number, other.Number)
	}
}

func order(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Next returns the epoch that follows e and names writer.
func (e Epoch) Next(writer ID) Epoch {
	return Epoch{Incarnation: e.Incarnation, Number: e.Number + 1, Writer: writer}
}

// String reads like "1.7 us-east".
func (e Epoch) String() string {
	return fmt.Sprintf("%d.%d %s", e.Incarnation, e.Number, e.Writer)
}

// ClusterItself stands where a database's name does in the epoch of the
// cluster itself, which says what incarnation it is in and names no writer of
// anything. No database can be called that.
const ClusterItself DatabaseID = ""

// A SignedEpoch is an epoch that any node can trust wherever it came from:
// the store, a neighbour's feed or its own disk.
type SignedEpoch struct {
	Database  DatabaseID `json:"database"`
	Epoch     Epoch      `json:"epoch"`
	Signature []byte     `json:"signature"` // over Payload, by the first key of Chain
	Chain     [][]byte   `json:"chain"`     // DER certificates of the signing node, leaf first
}

// Payload returns the bytes that are signed. The database is part of them, so
// that an epoch of one database cannot be passed off as another's.
func (s SignedEpoch) Payload() []byte {
	b := []byte("fairlead epoch v1\x00")
	b = append(b, s.Database...)
	b = append(b, 0)
	b = binary.BigEndian.AppendUint64(b, s.Epoch.Incarnation)
	b = binary.BigEndian.AppendUint64(b, s.Epoch.Number)
	return append(b, s.Epoch.Writer...)
}

// ParseEpoch is the inverse of [Epoch.String].
func ParseEpoch(text string) (Epoch, error) {
	var e Epoch
	numbers, writer, _ := strings.Cut(text, " ")
	incarnation, number, ok := strings.Cut(numbers, ".")
	var err1, err2 error
	e.Incarnation, err1 = strconv.ParseUint(incarnation, 10, 64)
	e.Number, err2 = strconv.ParseUint(number, 10, 64)
	e.Writer = ID(writer)
	if !ok || err1 != nil || err2 != nil || writer == "" {
		return Epoch{}, fault.Invalidf("epoch "+text, "is not an epoch").Do(`write it like "1.7 us-east"`)
	}
	return e, nil
}
