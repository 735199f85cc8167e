package dnstest_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// probe is one packet that is meant to be odd.
type probe struct {
	name   string
	packet []byte
	stream bool
}

// keptProbes is why ours answers otherwise than most of the others.
var keptProbes = map[string]string{
	"ECS with a scope":                   noECS,
	"ECS of an unknown family":           noECS,
	"ECS longer than its family":         noECS,
	"ECS with too few bytes":             noECS,
	"ECS with too many bytes":            noECS,
	"ECS with bits behind its prefix":    noECS,
	"ECS of two bytes":                   noECS,
	"a cookie of 7 bytes":                noCookies,
	"a cookie of 15 bytes":               noCookies,
	"a cookie of 41 bytes":               noCookies,
	"an option that exceeds its record":  answerOPT,
	"half an option":                     answerOPT,
	"two OPT records":                    answerOPT,
	"a TSIG record before an OPT record": answerOPT,
	"type NXNAME":                        "RFC 9824, section 3.4: FORMERR; NSD and Knot were written before it",
}

const (
	noECS     = "RFC 7871, section 7.1.2: FORMERR; NSD, and Knot without its module, do not read the option"
	noCookies = "RFC 7873, section 5.2.2: FORMERR; NSD and Knot have cookies off as they are configured here"
	answerOPT = "RFC 6891, section 7: an answer to a query that has an OPT record has one too"
)

// packet is a query in the making, byte by byte: no library would write most
// of what is needed here.
type packet struct{ b []byte }

func header(flags uint16, counts ...uint16) *packet {
	p := &packet{binary.BigEndian.AppendUint16([]byte{0x47, 0x11}, flags)}
	for i := range 4 {
		n := uint16(0)
		if i < len(counts) {
			n = counts[i]
		}
		p.b = binary.BigEndian.AppendUint16(p.b, n)
	}
	return p
}

func (p *packet) name(s string) *packet {
	for _, label := range strings.Split(strings.TrimSuffix(s, "."), ".") {
		if label != "" {
			p.b = append(append(p.b, byte(len(label))), label...)
		}
	}
	p.b = append(p.b, 0)
	return p
}

func (p *packet) words(v ...uint16) *packet {
	for _, w := range v {
		p.b = binary.BigEndian.AppendUint16(p.b, w)
	}
	return p
}

func (p *packet) bytes(v ...byte) *packet {
	p.b = append(p.b, v...)
	return p
}

// opt adds an OPT record; ttl is extended rcode, version and flags.
func (p *packet) opt(payload uint16, ttl uint32, options ...byte) *packet {
	p.bytes(0).words(41, payload, uint16(ttl>>16), uint16(ttl), uint16(len(options)))
	return p.bytes(options...)
}

func option(code uint16, data ...byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, code)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return append(b, data...)
}

const (
	probeZone = "types.test."
	doBit     = 1 << 15
)

func soa(flags uint16, additional uint16) *packet {
	return header(flags, 1, 0, 0, additional).name(probeZone).words(6, 1)
}

func asked(name string, qtype, class uint16) []byte {
	return header(0, 1).name(name).words(qtype, class).b
}

// probes are the questions of an EDNS compliance tester, packets that are not
// well formed, and the corners of the header.
func probes() []probe {
	edns := func(ttl uint32, options ...byte) []byte { return soa(0, 1).opt(1232, ttl, options...).b }
	ecs := func(family uint16, source, scope byte, address ...byte) []byte {
		return edns(0, option(8, append([]byte{byte(family >> 8), byte(family), source, scope}, address...)...)...)
	}
	cookie := func(n int) []byte { return edns(0, option(10, make([]byte, n)...)...) }
	record := []byte{0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1}
	tsig := func(p *packet) *packet {
		return p.name("key.").words(250, 255, 0, 0, 45).name("hmac-sha256.").
			words(0, 0x6700, 0, 300, 16).bytes(make([]byte, 16)...).words(0x4711, 0, 0)
	}
	return []probe{
		{name: "no EDNS", packet: soa(0, 0).b},
		{name: "EDNS 0", packet: edns(0)},
		{name: "EDNS 0, DO", packet: edns(doBit)},
		{name: "EDNS 1", packet: edns(1 << 16)},
		{name: "EDNS 1, an unknown option", packet: edns(1<<16, option(100)...)},
		{name: "EDNS 1, an unknown flag", packet: edns(1<<16 | 0x40)},
		{name: "EDNS 1, DO", packet: edns(1<<16 | doBit)},
		{name: "EDNS 255", packet: edns(255 << 16)},
		{name: "EDNS 0, an unknown option", packet: edns(0, option(100, 1, 2)...)},
		{name: "EDNS 0, a hundred unknown options", packet: edns(0, []byte(strings.Repeat(string(option(100, 1, 2)), 100))...)},
		{name: "EDNS 0, an unknown flag", packet: edns(0x40)},
		{name: "EDNS 0, all flags", packet: edns(0xFFFF)},
		{name: "EDNS 0, an extended rcode in the query", packet: edns(5 << 24)},
		{name: "payload 0", packet: soa(0, 1).opt(0, 0).b},
		{name: "payload 511", packet: soa(0, 1).opt(511, 0).b},
		{name: "payload 65535", packet: soa(0, 1).opt(65535, 0).b},
		{name: "ECS 192.0.2.0/24", packet: ecs(1, 24, 0, 192, 0, 2)},
		{name: "ECS /0", packet: ecs(1, 0, 0)},
		{name: "ECS 2001:db8::/32", packet: ecs(2, 32, 0, 0x20, 1, 0x0d, 0xb8)},
		{name: "ECS with a scope", packet: ecs(1, 24, 24, 192, 0, 2)},
		{name: "ECS of an unknown family", packet: ecs(3, 8, 0, 192)},
		{name: "ECS longer than its family", packet: ecs(1, 33, 0, 192, 0, 2, 1, 0)},
		{name: "ECS with too few bytes", packet: ecs(1, 24, 0, 192, 0)},
		{name: "ECS with too many bytes", packet: ecs(1, 24, 0, 192, 0, 2, 0)},
		{name: "ECS with bits behind its prefix", packet: ecs(1, 23, 0, 192, 0, 3)},
		{name: "ECS of two bytes", packet: edns(0, option(8, 0, 1)...)},
		{name: "ECS twice", packet: edns(0, append(option(8, 0, 1, 0, 0), option(8, 0, 1, 0, 0)...)...)},
		{name: "a client cookie", packet: cookie(8)},
		{name: "a cookie of 7 bytes", packet: cookie(7)},
		{name: "a cookie of 15 bytes", packet: cookie(15)},
		{name: "a server cookie of 8 bytes", packet: cookie(16)},
		{name: "a server cookie of 16 bytes", packet: cookie(24)},
		{name: "a server cookie of 32 bytes", packet: cookie(40)},
		{name: "a cookie of 41 bytes", packet: cookie(41)},
		{name: "NSID", packet: edns(0, option(3)...)},
		{name: "keepalive over UDP", packet: edns(0, option(11)...)},
		{name: "keepalive over TCP", packet: edns(0, option(11)...), stream: true},
		{name: "keepalive with a time, over TCP", packet: edns(0, option(11, 0, 1)...), stream: true},
		{name: "padding", packet: edns(0, option(12, 0, 0, 0, 0)...)},
		{name: "expire", packet: edns(0, option(9)...)},
		{name: "chain", packet: edns(0, option(13, 0)...)},
		{name: "an option that exceeds its record", packet: edns(0, 0, 100, 0, 9, 1)},
		{name: "half an option", packet: edns(0, 0, 100, 0)},
		{name: "two OPT records", packet: soa(0, 2).opt(1232, 0).opt(1232, 0).b},
		{name: "an OPT record of another owner", packet: soa(0, 1).name("a.").words(41, 1232, 0, 0, 0).b},
		{name: "an OPT record among the answers", packet: header(0, 1, 1).name(probeZone).words(6, 1).opt(1232, 0).b},
		{name: "an OPT record in the authority section", packet: header(0, 1, 0, 1).name(probeZone).words(6, 1).opt(1232, 0).b},
		{name: "an OPT record cut short", packet: soa(0, 1).bytes(0, 0, 41, 4).b},
		{name: "an OPT record whose data is not there", packet: soa(0, 1).bytes(0).words(41, 1232, 0, 0, 8).b},
		{name: "an OPT record behind another record", packet: soa(0, 2).bytes(record...).opt(1232, 0).b},

		{name: "RD", packet: soa(1<<8, 0).b},
		{name: "CD", packet: soa(1<<4, 0).b},
		{name: "AD", packet: soa(1<<5, 0).b},
		{name: "Z", packet: soa(1<<6, 0).b},
		{name: "RA", packet: soa(1<<7, 0).b},
		{name: "TC", packet: soa(1<<9, 0).b},
		{name: "AA", packet: soa(1<<10, 0).b},
		{name: "an rcode in the query", packet: soa(3, 0).b},
		{name: "an answer", packet: soa(1<<15, 0).b},
		{name: "opcode IQUERY", packet: soa(1<<11, 0).b},
		{name: "opcode STATUS", packet: soa(2<<11, 0).b},
		{name: "opcode 3", packet: soa(3<<11, 0).b},
		{name: "opcode NOTIFY", packet: soa(4<<11, 0).b},
		{name: "opcode UPDATE", packet: soa(5<<11, 0).b},
		{name: "opcode DSO", packet: soa(6<<11, 0).b},
		{name: "opcode DSO, empty", packet: header(6 << 11).b},
		{name: "opcode 15", packet: soa(15<<11, 0).b},
		{name: "opcode 15, EDNS 0", packet: soa(15<<11, 1).opt(1232, 0).b},
		{name: "opcode 15, EDNS 1", packet: soa(15<<11, 1).opt(1232, 1<<16).b},

		{name: "class CH, version.bind", packet: asked("version.bind.", 16, 3)},
		{name: "class CH, id.server", packet: asked("id.server.", 16, 3)},
		{name: "class CH, a zone of ours", packet: asked(probeZone, 6, 3)},
		{name: "class CH, something else", packet: asked("x.bind.", 16, 3)},
		{name: "class HS", packet: asked(probeZone, 6, 4)},
		{name: "class NONE", packet: asked(probeZone, 6, 254)},
		{name: "class ANY", packet: asked(probeZone, 6, 255)},
		{name: "class ANY, a name that is not there", packet: asked("nowhere."+probeZone, 1, 255)},
		{name: "class 0", packet: asked(probeZone, 6, 0)},
		{name: "class 257", packet: asked(probeZone, 6, 257)},

		{name: "type 0", packet: asked(probeZone, 0, 1)},
		{name: "type OPT", packet: asked(probeZone, 41, 1)},
		{name: "type NXNAME", packet: asked(probeZone, 128, 1)},
		{name: "type TKEY", packet: asked(probeZone, 249, 1)},
		{name: "type TSIG", packet: asked(probeZone, 250, 1)},
		{name: "type IXFR without a SOA", packet: asked(probeZone, 251, 1)},
		{name: "type AXFR over UDP", packet: asked(probeZone, 252, 1)},
		{name: "type AXFR", packet: asked(probeZone, 252, 1), stream: true},
		{name: "type MAILB", packet: asked(probeZone, 253, 1)},
		{name: "type MAILA", packet: asked(probeZone, 254, 1)},
		{name: "type 200", packet: asked(probeZone, 200, 1)},
		{name: "type 65535", packet: asked(probeZone, 65535, 1)},
		{name: "a zone of somebody else", packet: asked("example.net.", 1, 1)},
		{name: "the root", packet: asked(".", 2, 1)},

		{name: "a byte", packet: []byte{0x47}},
		{name: "eleven bytes", packet: header(0, 1).b[:11]},
		{name: "a header alone", packet: header(0, 1).b},
		{name: "a header that asks nothing", packet: header(0).b},
		{name: "a header that asks nothing, with EDNS", packet: header(0, 0, 0, 0, 1).opt(1232, 0).b},
		{name: "a name cut short", packet: header(0, 1).bytes(5, 't', 'y').b},
		{name: "a question without a type", packet: header(0, 1).name(probeZone).b},
		{name: "a question without a class", packet: header(0, 1).name(probeZone).words(6).b},
		{name: "two questions", packet: header(0, 2).name(probeZone).words(6, 1).name(probeZone).words(6, 1).b},
		{name: "one of two questions", packet: header(0, 2).name(probeZone).words(6, 1).b},
		{name: "a pointer to itself in the question", packet: header(0, 1).words(0xC00C, 6, 1).b},
		{name: "a pointer into the header", packet: header(0, 1).words(0xC000, 6, 1).b},
		{name: "a label of an unknown kind", packet: header(0, 1).bytes(0x41, 'a', 0).words(6, 1).b},
		{name: "a label of the other unknown kind", packet: header(0, 1).bytes(0x81, 'a', 0).words(6, 1).b},
		{name: "a name of 256 bytes", packet: header(0, 1).bytes([]byte(strings.Repeat("\x0fabcdefghijklmno", 15))...).bytes([]byte("\x0eabcdefghijklmn\x00")...).words(1, 1).b},
		{name: "a name of 255 bytes", packet: header(0, 1).bytes([]byte(strings.Repeat("\x0fabcdefghijklmno", 15))...).bytes([]byte("\x0dabcdefghijklm\x00")...).words(1, 1).b},
		{name: "bytes behind the end", packet: soa(0, 0).bytes(0, 0, 0).b},
		{name: "an OPT record that no count knows", packet: soa(0, 0).opt(1232, 0).b},
		{name: "a count without a record", packet: soa(0, 1).b},
		{name: "an answer section", packet: header(0, 1, 1).name(probeZone).words(6, 1).bytes(record...).b},
		{name: "an authority section", packet: header(0, 1, 0, 1).name(probeZone).words(6, 1).bytes(record...).b},
		{name: "an additional record", packet: soa(0, 1).bytes(record...).b},
		{name: "counts of 65535", packet: header(0, 1, 65535, 65535, 65535).name(probeZone).words(6, 1).b},
		{name: "a TSIG record of an unknown key", packet: tsig(soa(0, 1)).b},
		{name: "a TSIG record before an OPT record", packet: tsig(soa(0, 2)).opt(1232, 0).b},
		{name: "a TSIG record cut short", packet: tsig(soa(0, 1)).b[:60]},
	}
}

// silence is how long a server may take over an odd packet before it counts as
// not answering.
const silence = time.Second

// put sends a probe and returns the answer, or nil.
func (r responder) put(p probe) []byte {
	network, wire := "udp", p.packet
	if p.stream {
		network, wire = "tcp", append(binary.BigEndian.AppendUint16(nil, uint16(len(p.packet))), p.packet...)
	}
	c, err := net.Dial(network, r.addr.String())
	if err != nil {
		return nil
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(silence))
	if _, err := c.Write(wire); err != nil {
		return nil
	}
	answer := make([]byte, 65535)
	if !p.stream {
		n, err := c.Read(answer)
		if err != nil {
			return nil
		}
		return answer[:n]
	}
	if _, err := io.ReadFull(c, answer[:2]); err != nil {
		return nil
	}
	n, _ := io.ReadFull(c, answer[:binary.BigEndian.Uint16(answer)])
	return answer[:n]
}

func TestOddPacketsAreAnsweredAsByOtherServers(t *testing.T) {
	w := serve(t, readWorld(t, "testdata/differential.txtar"))
	everybody := append([]responder{w.ours}, w.references...)
	list := probes()
	said := make([][]heard, len(list))
	var wg sync.WaitGroup
	for i, p := range list {
		said[i] = make([]heard, len(everybody))
		for k, r := range everybody {
			wg.Go(func() {
				var answer []byte
				for try := 0; try < 3 && answer == nil; try++ { // a busy machine loses packets
					answer = r.put(p)
				}
				said[i][k] = hear(answer, probeZone)
			})
		}
	}
	wg.Wait()
	agree := 0
	for i, p := range list {
		mine, theirs := said[i][0].status, said[i][1:]
		want, ok := majority(theirs, "status")
		switch {
		case !ok || want == mine:
			agree++
			if keptProbes[p.name] != "" && len(theirs) == len(references) {
				t.Logf("%s: the disagreement that is kept is none with these versions", p.name)
			}
		case keptProbes[p.name] == "":
			var all strings.Builder
			for k, r := range everybody {
				fmt.Fprintf(&all, "%-8s %s\n", r.name, said[i][k].status)
			}
			t.Errorf("%s: most references answer otherwise\n%s", p.name, all.String())
		}
	}
	t.Logf("%d of %d probes are answered as by most others, %d are kept", agree, len(list), len(list)-agree)
}
