package history

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Format is the version of the segments. A program refuses higher ones.
const Format = 1

const (
	magic      = "FLHIST"
	headerSize = len(magic) + 2 + 8 // magic, format, first position
	frameSize  = 8                  // length and checksum before each payload
	suffix     = ".history"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// segment is one file.
type segment struct {
	path  string
	first Position  // of its first record, restated or not
	began time.Time // of its first record
	last  Position
	size  int64 // up to its last whole frame
}

func segmentName(first Position) string { return fmt.Sprintf("%020d%s", first, suffix) }

func parseName(path string) (first Position, ok bool) {
	base, ok := strings.CutSuffix(filepath.Base(path), suffix)
	if !ok || len(base) != 20 {
		return 0, false
	}
	_, err := fmt.Sscanf(base, "%d", &first)
	return first, err == nil
}

func segmentHeader(first Position) []byte {
	b := []byte(magic)
	b = binary.BigEndian.AppendUint16(b, Format)
	return binary.BigEndian.AppendUint64(b, uint64(first))
}

// newerFormat is a segment that a later program wrote.
type newerFormat struct{ format uint16 }

func (n newerFormat) Error() string {
	return fmt.Sprintf("format %d, this program knows up to %d", n.format, Format)
}

func frame(payload []byte) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, frameSize+len(payload)), uint32(len(payload)))
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(payload, castagnoli))
	return append(b, payload...)
}

// errDamaged ends a segment before its end.
var errDamaged = errors.New("damaged")

// read calls f with each whole payload up to limit bytes (0: all), until f
// returns false. It returns how many bytes are whole, and errDamaged, wrapped,
// if something follows them that is not.
func read(path string, limit int64, f func(payload []byte) bool) (whole int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	if limit == 0 || limit > info.Size() {
		limit = info.Size()
	}
	r := bufio.NewReaderSize(io.LimitReader(file, limit), 64<<10)
	head := make([]byte, headerSize)
	if _, err := io.ReadFull(r, head); err != nil || string(head[:len(magic)]) != magic {
		return 0, fmt.Errorf("%w: it does not begin like a segment", errDamaged)
	}
	if v := binary.BigEndian.Uint16(head[len(magic):]); v > Format {
		return 0, newerFormat{v}
	}
	whole = int64(headerSize)
	for {
		var before [frameSize]byte
		switch _, err := io.ReadFull(r, before[:]); {
		case errors.Is(err, io.EOF):
			return whole, nil
		case err != nil:
			return whole, fmt.Errorf("%w: the last record is torn", errDamaged)
		}
		size := binary.BigEndian.Uint32(before[:])
		if size == 0 {
			return whole, fmt.Errorf("%w: a record of no bytes", errDamaged)
		}
		if int64(size) > limit-whole-frameSize { // before so much memory is asked for
			return whole, fmt.Errorf("%w: the last record is torn", errDamaged)
		}
		payload := make([]byte, size)
		if _, err := io.ReadFull(r, payload); err != nil {
			return whole, fmt.Errorf("%w: the last record is torn", errDamaged)
		}
		if crc32.Checksum(payload, castagnoli) != binary.BigEndian.Uint32(before[4:]) {
			return whole, fmt.Errorf("%w: a checksum does not fit", errDamaged)
		}
		if !f(payload) {
			return whole, nil
		}
		whole += frameSize + int64(size)
	}
}

// survey reads a segment's frames, and what its first and last records are.
func survey(path string, first Position) (segment, error) {
	s := segment{path: path, first: first, last: first - 1}
	whole, err := read(path, 0, func(payload []byte) bool {
		r, _, err := header(payload)
		if err != nil {
			return false
		}
		if s.began.IsZero() {
			s.began = r.At
		}
		s.last = r.Position
		return true
	})
	s.size = whole
	return s, err
}
