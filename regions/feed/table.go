package feed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"fairlead/regions"
	"fairlead/regions/health"
)

// Table is what one node says at one tick.
type Table struct {
	Node     regions.NodeID
	Region   regions.ID
	Boot     uint64 // drawn when the node started: another one is another run
	Sequence uint64 // rises with each table of a run
	// Incarnation and Generation are those of the decided state that the
	// node's answers follow.
	Incarnation uint64
	Generation  uint64
	Interval    time.Duration // between two tables
	Reports     map[uint64]health.Report
	// Hears says of each other node that this one listens to, by [NodeHash],
	// whether it hears it now. Nil in tables of a version that did not tell.
	Hears map[uint64]bool
	// Epochs are as many of the newest epochs as fit; the others come with
	// the tables that follow.
	Epochs []regions.SignedEpoch
}

// The wire format, big-endian. A frame is a header, rows, epochs and a CRC-32C
// of all before it. Each part says how wide it is, so that a later version can
// widen it.
//
//	header  magic(4) version(2) header width(2) row width(2) epoch width(2) rows(4) epochs(4)
//	        boot(8) sequence(8) incarnation(8) generation(8) interval µs(4) node(64) region(64)
//	row     target hash(8) state(1) kind(1) reserved(2) latency µs(4) since ms(8) age ms(4) reason(48)
//	epoch   incarnation(8) number(8) database(64) writer(64) signature length(2) signature(128)
//	        certificates(2) their lengths(4×2) certificates(4096)
//
// Texts are padded with zeros. An age of 2³²−1 ms means "never". A row of kind
// 1 is about a node that the sender listens to: up if it hears it, down if not;
// versions that know no kinds read it as a target that they do not have.
const (
	magic       = "FLf1"
	version     = 1
	fixedBytes  = 20 // of the header, before anything whose width may grow
	headerBytes = fixedBytes + 4*8 + 4 + 2*textBytes
	textBytes   = 64
	reasonBytes = 48
	rowBytes    = 8 + 4 + 4 + 8 + 4 + reasonBytes
	epochBytes  = 8 + 8 + 2*textBytes + 2 + maxSignature + 2 + 2*maxChain + maxCertificates

	maxSignature    = 128
	maxChain        = 4
	maxCertificates = 4096

	// MaxRows and MaxEpochs bound a table; one beyond them is refused.
	MaxRows   = 200_000
	MaxEpochs = 64

	maxWidth = 16 << 10 // of any part, in any version
	never    = math.MaxUint32

	kindReport, kindHears = 0, 1
)

// NodeHash is what a node is called in the rows that say who hears it.
func NodeHash(n regions.NodeID) uint64 { return regions.TargetID("node/" + n).Hash() }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Append appends the encoded table to b. Ages are as of now. It fails for a
// table that no reader would take.
func (t *Table) Append(b []byte, now time.Time) ([]byte, error) {
	rows := len(t.Reports) + len(t.Hears)
	if rows > MaxRows || len(t.Epochs) > MaxEpochs {
		return b, fmt.Errorf("feed table of %s: %d rows and %d epochs are more than %d and %d", t.Node, rows, len(t.Epochs), MaxRows, MaxEpochs)
	}
	if len(t.Node) > textBytes || len(t.Region) > textBytes {
		return b, fmt.Errorf("feed table of %s: node or region is longer than %d bytes", t.Node, textBytes)
	}
	from := len(b)
	b = slices.Grow(b, headerBytes+rowBytes*rows+epochBytes*len(t.Epochs)+4)
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint16(b, version)
	b = binary.BigEndian.AppendUint16(b, headerBytes)
	b = binary.BigEndian.AppendUint16(b, rowBytes)
	b = binary.BigEndian.AppendUint16(b, epochBytes)
	b = binary.BigEndian.AppendUint32(b, uint32(rows))
	b = binary.BigEndian.AppendUint32(b, uint32(len(t.Epochs)))
	for _, n := range [...]uint64{t.Boot, t.Sequence, t.Incarnation, t.Generation} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(min(max(t.Interval.Microseconds(), 0), math.MaxUint32)))
	b = appendText(b, string(t.Node), textBytes)
	b = appendText(b, string(t.Region), textBytes)
	for hash, r := range t.Reports {
		b = appendRow(b, hash, kindReport, r, now)
	}
	for hash, heard := range t.Hears {
		r := health.Report{State: regions.Down, Since: now}
		if heard {
			r.State = regions.Up
		}
		b = appendRow(b, hash, kindHears, r, now)
	}
	for _, e := range t.Epochs {
		var err error
		if b, err = appendEpoch(b, e); err != nil {
			return b[:from], err
		}
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[from:], castagnoli)), nil
}

func appendRow(b []byte, hash uint64, kind byte, r health.Report, now time.Time) []byte {
	b = binary.BigEndian.AppendUint64(b, hash)
	b = append(b, byte(r.State), kind, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(min(max(r.Latency.Microseconds(), 0), math.MaxUint32)))
	b = binary.BigEndian.AppendUint64(b, uint64(max(now.Sub(r.Since).Milliseconds(), 0)))
	age := uint32(never)
	if !r.Last.IsZero() {
		age = uint32(min(max(now.Sub(r.Last).Milliseconds(), 0), never-1))
	}
	b = binary.BigEndian.AppendUint32(b, age)
	return appendText(b, r.Reason, reasonBytes)
}

// appendText pads a text; one that is too long loses its end.
func appendText(b []byte, s string, width int) []byte {
	if len(s) > width {
		end := width
		for end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end]
	}
	b = append(b, s...)
	return append(b, make([]byte, width-len(s))...)
}

// Errors of a table that cannot be read. After any of them a connection is of
// no more use.
var (
	errMagic = errors.New("not a feed table")
	errWidth = errors.New("a part is narrower or wider than any version's")
	errLarge = errors.New("more rows or epochs than a table may have")
	errShort = errors.New("the table breaks off")
	errSum   = errors.New("the checksum does not match")
)

// frame is how the parts of an encoded table lie.
type frame struct{ header, row, epoch, rows, epochs int }

func (f frame) size() int { return f.header + f.row*f.rows + f.epoch*f.epochs + 4 }

func readFrame(b []byte) (frame, error) {
	if len(b) < fixedBytes {
		return frame{}, errShort
	}
	u16 := func(at int) int { return int(binary.BigEndian.Uint16(b[at:])) }
	if string(b[:4]) != magic {
		return frame{}, errMagic
	}
	f := frame{header: u16(6), row: u16(8), epoch: u16(10)}
	rows, epochs := binary.BigEndian.Uint32(b[12:]), binary.BigEndian.Uint32(b[16:])
	switch {
	case f.header < headerBytes || f.header > maxWidth || f.row < rowBytes || f.row > maxWidth || f.epoch < epochBytes || f.epoch > maxWidth:
		return frame{}, errWidth
	case rows > MaxRows || epochs > MaxEpochs:
		return frame{}, errLarge
	}
	f.rows, f.epochs = int(rows), int(epochs)
	return f, nil
}

// Decode reads one encoded table and returns what follows it. The table's
// times are dated from now, when it was heard. It takes nothing on trust: any
// input gives a table or an error.
func Decode(b []byte, now time.Time) (t Table, rest []byte, err error) {
	f, err := readFrame(b)
	switch {
	case err != nil:
		return Table{}, b, err
	case len(b) < f.size():
		return Table{}, b, errShort
	}
	whole, rest := b[:f.size()], b[f.size():]
	sum := len(whole) - 4
	if binary.BigEndian.Uint32(whole[sum:]) != crc32.Checksum(whole[:sum], castagnoli) {
		return Table{}, b, errSum
	}
	t = decodeHeader(whole[:f.header])
	t.Reports = make(map[uint64]health.Report, f.rows)
	at := f.header
	said := reasons{}
	for range f.rows {
		row := whole[at : at+f.row]
		at += f.row
		switch row[9] {
		case kindReport:
			hash, r := decodeRow(row, said, now)
			t.Reports[hash] = r
		case kindHears:
			if t.Hears == nil {
				t.Hears = map[uint64]bool{}
			}
			t.Hears[binary.BigEndian.Uint64(row)] = regions.State(row[8]) == regions.Up
		}
	}
	for range f.epochs {
		e, err := decodeEpoch(whole[at : at+f.epoch])
		if err != nil {
			return Table{}, b, err
		}
		t.Epochs = append(t.Epochs, e)
		at += f.epoch
	}
	return t, rest, nil
}

// decodeHeader reads all of a table but its rows and epochs.
func decodeHeader(b []byte) Table {
	h := b[fixedBytes:]
	return Table{
		Boot: binary.BigEndian.Uint64(h), Sequence: binary.BigEndian.Uint64(h[8:]),
		Incarnation: binary.BigEndian.Uint64(h[16:]), Generation: binary.BigEndian.Uint64(h[24:]),
		Interval: time.Duration(binary.BigEndian.Uint32(h[32:])) * time.Microsecond,
		Node:     regions.NodeID(text(h[36:], textBytes)), Region: regions.ID(text(h[36+textBytes:], textBytes)),
	}
}

func decodeRow(b []byte, said reasons, now time.Time) (uint64, health.Report) {
	r := health.Report{
		State:   regions.State(b[8]),
		Latency: time.Duration(binary.BigEndian.Uint32(b[12:])) * time.Microsecond,
		Reason:  said.text(b[28:]),
	}
	if r.State > regions.Down {
		r.State = regions.Unknown // a state of a later version says nothing to this one
	}
	const longest = uint64(100 * 365 * 24 * time.Hour / time.Millisecond)
	r.Since = now.Add(-time.Duration(min(binary.BigEndian.Uint64(b[16:]), longest)) * time.Millisecond)
	if age := binary.BigEndian.Uint32(b[24:]); age != never {
		r.Last = now.Add(-time.Duration(age) * time.Millisecond)
	}
	return binary.BigEndian.Uint64(b), r
}

// reasons holds the texts of one table. When a thousand targets fail they fail
// for few reasons: each is read once, and every row costs the same whether it
// has one or not.
type reasons map[[reasonBytes]byte]string

func (r reasons) text(b []byte) string {
	key := [reasonBytes]byte(b[:reasonBytes])
	s, known := r[key]
	if !known {
		s = text(b, reasonBytes)
		r[key] = s
	}
	return s
}

// text reads a padded text. What a terminal or a log could stumble over is
// replaced.
func text(b []byte, width int) string {
	s, _, _ := strings.Cut(string(b[:width]), "\x00")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// read reads one table from a connection and returns it with its frame, which
// is good until the buffer is used again.
func read(r io.Reader, buf []byte, now func() time.Time) (Table, []byte, error) {
	buf, err := readWhole(r, buf)
	if err != nil {
		return Table{}, buf, err
	}
	t, _, err := Decode(buf, now())
	return t, buf, err
}

// readWhole reads one frame, growing with what really arrives and not with
// what is announced.
func readWhole(r io.Reader, buf []byte) ([]byte, error) {
	buf = slices.Grow(buf[:0], fixedBytes)[:fixedBytes]
	if _, err := io.ReadFull(r, buf); err != nil {
		return buf, err
	}
	f, err := readFrame(buf)
	if err != nil {
		return buf, err
	}
	const step = 1 << 20
	for len(buf) < f.size() {
		n := min(step, f.size()-len(buf))
		buf = slices.Grow(buf, n)
		part := buf[len(buf) : len(buf)+n]
		if _, err := io.ReadFull(r, part); err != nil {
			return buf, err
		}
		buf = buf[:len(buf)+n]
	}
	return buf, nil
}
