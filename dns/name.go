package dns

const (
	headerLen = 12
	maxName   = 255 // bytes, RFC 1035 section 2.3.4
	pointer   = 0xC000
)

// name is a domain name in lower-case wire form, with the places of its
// labels. It lives on the stack.
type name struct {
	n      int        // bytes, the root label included
	labels int        // the root not counted
	at     [129]uint8 // where each label begins; at[labels] is the root's
	b      [256]byte
}

// suffix returns the name without its first i labels.
func (x *name) suffix(i int) []byte { return x.b[x.at[i]:x.n] }

// unpack reads the name at off and returns where the message goes on.
// Pointers, where they are allowed, must lead backwards, so it always ends.
func (x *name) unpack(msg []byte, off int, pointers bool) (next int, ok bool) {
	x.n, x.labels = 0, 0
	barrier := off // a pointer must lead before it
	for {
		if off >= len(msg) {
			return 0, false
		}
		c := int(msg[off])
		switch {
		case c == 0:
			x.at[x.labels] = uint8(x.n)
			x.b[x.n] = 0
			x.n++
			if next == 0 {
				next = off + 1
			}
			return next, true
		case c < 64:
			if off+1+c > len(msg) || x.n+c+2 > maxName {
				return 0, false
			}
			x.at[x.labels] = uint8(x.n)
			x.labels++
			x.b[x.n] = byte(c)
			for i, b := range msg[off+1 : off+1+c] {
				if 'A' <= b && b <= 'Z' {
					b += 'a' - 'A'
				}
				x.b[x.n+1+i] = b
			}
			x.n += 1 + c
			off += 1 + c
		case c >= 0xC0 && pointers:
			if off+2 > len(msg) {
				return 0, false
			}
			to := (c&0x3F)<<8 | int(msg[off+1])
			if to >= barrier || to < headerLen {
				return 0, false
			}
			if next == 0 {
				next = off + 2
			}
			off, barrier = to, to
		default:
			return 0, false
		}
	}
}

// set takes over a valid lower-case wire name.
func (x *name) set(wire []byte) {
	x.n = copy(x.b[:], wire)
	x.labels = 0
	for i := 0; ; i += 1 + int(x.b[i]) {
		x.at[x.labels] = uint8(i)
		if x.b[i] == 0 {
			return
		}
		x.labels++
	}
}

// skipName returns where the message goes on behind the name at off.
func skipName(msg []byte, off int) (next int, ok bool) {
	for start := off; off < len(msg); {
		c := int(msg[off])
		switch {
		case c == 0:
			return off + 1, off+1-start <= maxName
		case c < 64:
			off += 1 + c
		case c >= 0xC0 && off+2 <= len(msg):
			to := (c&0x3F)<<8 | int(msg[off+1])
			return off + 2, to < start && to >= headerLen
		default:
			return 0, false
		}
	}
	return 0, false
}

// labelCount counts the labels of a valid wire name, the root not counted.
func labelCount(wire string) int {
	n := 0
	for i := 0; wire[i] != 0; i += 1 + int(wire[i]) {
		n++
	}
	return n
}

// parent returns a wire name without its first label.
func parent(wire string) string { return wire[1+int(wire[0]):] }
