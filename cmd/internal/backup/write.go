package backup

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"time"

	"fairlead/cmd/internal/store"
)

// Format is the version of the files. A program refuses higher ones.
const Format = 1

const magic = "fairlead-backup"

// Kinds of frames, in their order.
const (
	headerFrame  = 'H' // one, JSON
	pairsFrame   = 'P' // any number, JSON
	trailerFrame = 'T' // one, JSON, and nothing after it
)

// A frame is its kind, the length of its content, the content, and a CRC-32C
// of its place in the file and of all that.
const (
	frameHead = 5
	frameTail = 4
	maxFrame  = 256 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Header says what a backup is of.
type Header struct {
	store.Summary
	Format  int       `json:"format"`
	Node    string    `json:"node"` // that took it
	Taken   time.Time `json:"taken"`
	Version string    `json:"version"` // of the program
}

// trailer proves that nothing is missing.
type trailer struct {
	Frames int    `json:"frames"` // before it
	Keys   int    `json:"keys"`
	SHA256 string `json:"sha256"` // of everything before it
}

// pair is one key of the store. Revisions are kept: they tell what was decided
// together, and in which order.
type pair struct {
	Key      string `json:"k"`
	Value    []byte `json:"v"`
	Created  int64  `json:"c"`
	Modified int64  `json:"m"`
}

// Writer writes one backup: first the header, then the pairs, then the end.
type Writer struct {
	out    io.Writer
	sum    hash.Hash
	offset int64
	frames int
	keys   int
}

// NewWriter writes the beginning.
func NewWriter(out io.Writer, h Header) (*Writer, error) {
	w := &Writer{out: out, sum: sha256.New()}
	h.Format = Format
	if err := w.write([]byte(fmt.Sprintf("%s %d\n", magic, Format))); err != nil {
		return nil, err
	}
	return w, w.json(headerFrame, h)
}

// Pairs writes a portion.
func (w *Writer) Pairs(pairs []store.Pair) error {
	out := make([]pair, len(pairs))
	for i, p := range pairs {
		out[i] = pair{p.Key, p.Value, p.Created, p.Modified}
	}
	w.keys += len(pairs)
	return w.json(pairsFrame, out)
}

// Close writes the trailer. Without it a backup is none.
func (w *Writer) Close() error {
	return w.json(trailerFrame, trailer{w.frames, w.keys, hex.EncodeToString(w.sum.Sum(nil))})
}

func (w *Writer) json(kind byte, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	frame := make([]byte, 0, frameHead+len(text)+frameTail)
	frame = append(frame, kind)
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(text)))
	frame = append(frame, text...)
	frame = binary.BigEndian.AppendUint32(frame, checksum(w.offset, frame))
	w.frames++
	return w.write(frame)
}

// checksum is of a frame at its place: one that is repeated, or stands
// elsewhere, does not fit.
func checksum(offset int64, frame []byte) uint32 {
	place := binary.BigEndian.AppendUint64(nil, uint64(offset))
	return crc32.Update(crc32.Checksum(place, castagnoli), castagnoli, frame)
}

func (w *Writer) write(b []byte) error {
	w.sum.Write(b)
	w.offset += int64(len(b))
	if _, err := w.out.Write(b); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	return nil
}
