package spread

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/maphash"
)

// A difference is a list of pieces that make the new text in order: each is a
// length of bytes that follow literally, and then a run of the old text, as
// offset and length. All numbers are unsigned varints.

// Bounds of the pieces that two texts are compared by. Whether a piece ends
// depends on its last cutWindow bytes alone, so that the same text is soon cut
// alike wherever it lies.
const (
	cutWindow = 16  // bytes: two bits of the sum for each
	cutUsual  = 256 // how long pieces are on average
	cutMost   = 4096
)

// Diff says how to make the new text from the old. It is quick rather than
// minimal: linear in both.
func Diff(old, new []byte) []byte {
	seed := maphash.MakeSeed()
	at := make(map[uint64]int, len(old)/cutUsual)
	for from := 0; from < len(old); {
		to := from + cut(old[from:])
		if key := maphash.Bytes(seed, old[from:to]); to-from >= cutWindow {
			if _, known := at[key]; !known {
				at[key] = from
			}
		}
		from = to
	}
	var out []byte
	literal := 0 // where what is not yet written begins
	for from := 0; from < len(new); {
		to := from + cut(new[from:])
		found, known := at[maphash.Bytes(seed, new[from:to])]
		if !known || !bytes.Equal(old[found:min(len(old), found+to-from)], new[from:to]) {
			from = to
			continue
		}
		// What is around a piece that is the same mostly is the same too.
		for from > literal && found > 0 && new[from-1] == old[found-1] {
			from, found = from-1, found-1
		}
		length := to - from
		length += same(old[found+length:], new[to:])
		out = binary.AppendUvarint(out, uint64(from-literal))
		out = append(out, new[literal:from]...)
		out = binary.AppendUvarint(out, uint64(found))
		out = binary.AppendUvarint(out, uint64(length))
		from += length
		literal = from
	}
	if literal < len(new) {
		out = binary.AppendUvarint(out, uint64(len(new)-literal))
		out = append(out, new[literal:]...)
	}
	return out
}

// cut returns the length of the first piece of text, which is not empty.
func cut(text []byte) int {
	var sum uint32
	for i := range min(len(text), cutMost) {
		sum = sum<<2 + (uint32(text[i])+1)*2654435761
		if i >= cutWindow && sum>>24 == 0 { // one in cutUsual
			return i + 1
		}
	}
	return min(len(text), cutMost)
}

// same returns how many bytes two texts share at their beginning.
func same(a, b []byte) int {
	n := min(len(a), len(b))
	const step = 4096
	i := 0
	for i+step <= n && bytes.Equal(a[i:i+step], b[i:i+step]) {
		i += step
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

var errDiff = errors.New("the difference does not fit what it is a difference to")

// Patch makes the new text of the old and a difference, if it is one of that
// length. It believes nothing: whatever the difference says, it reads within
// the old text and writes no more than that.
func Patch(old, diff []byte, length int) ([]byte, error) {
	out := make([]byte, 0, min(length, len(old)+len(diff)))
	number := func() (uint64, bool) {
		n, read := binary.Uvarint(diff)
		if read <= 0 {
			return 0, false
		}
		diff = diff[read:]
		return n, true
	}
	for len(diff) > 0 {
		literal, ok := number()
		if !ok || literal > uint64(len(diff)) || literal > uint64(length-len(out)) {
			return nil, errDiff
		}
		out = append(out, diff[:literal]...)
		if diff = diff[literal:]; len(diff) == 0 {
			break
		}
		from, ok1 := number()
		size, ok2 := number()
		if !ok1 || !ok2 || from > uint64(len(old)) || size > uint64(len(old))-from || size > uint64(length-len(out)) {
			return nil, errDiff
		}
		out = append(out, old[from:from+size]...)
	}
	if len(out) != length {
		return nil, errDiff
	}
	return out, nil
}
