package dns_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	mdns "github.com/miekg/dns"

	"fairlead/dns"
	"fairlead/dns/dnstest"
	"fairlead/dns/zone"
	"fairlead/regions/steer"
)

var resolver = netip.MustParseAddr("203.0.113.53")

const testZone = `$TTL 300
@ SOA ns1 hostmaster 1 7200 900 1209600 60
@ NS ns1
ns1 A 192.0.2.53
alias CNAME www
alias2 CNAME alias
chain CNAME x.old
old DNAME deep
*.deep A 192.0.2.77
* TXT wild
child NS ns.child
ns.child A 192.0.2.60
mail MX 10 ns1
`

const testPlan = `
name www.example.com 20s service=www
set eu 198.51.100.1 2001:db8:e::1
set us 198.51.100.2
cell europe 192.0.2.0/24 2001:db8:1::/48 = eu
cell everyone = 5000:eu 10000:us
`

func parseZone(t testing.TB, origin, text string) *zone.Zone {
	t.Helper()
	z, err := zone.Parse(origin, origin+".zone", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func parsePlan(t testing.TB, text string) steer.Plan {
	t.Helper()
	p, err := dnstest.ParsePlan(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func compile(t testing.TB, zoneText, planText string) *dns.Snapshot {
	t.Helper()
	s, err := dns.Compile([]*zone.Zone{parseZone(t, "example.com", zoneText)}, parsePlan(t, planText), dns.NSID("test"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func pack(t testing.TB, text string) []byte {
	t.Helper()
	q, err := dnstest.ParseQuestion(text)
	if err != nil {
		t.Fatal(err)
	}
	b, err := q.Msg.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// rawOPT is an OPT record with the given options.
func rawOPT(options ...byte) []byte {
	b := []byte{0, 0, 41, 4, 208, 0, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(len(options)))
	return append(b, options...)
}

// withExtra appends records to a query's additional section.
func withExtra(query []byte, records ...[]byte) []byte {
	out := bytes.Clone(query)
	binary.BigEndian.PutUint16(out[10:], binary.BigEndian.Uint16(out[10:])+uint16(len(records)))
	for _, r := range records {
		out = append(out, r...)
	}
	return out
}

func TestMalformedPackets(t *testing.T) {
	plain := pack(t, "www.example.com A +noedns")
	set := func(b []byte, at int, v ...byte) []byte {
		b = bytes.Clone(b)
		copy(b[at:], v)
		return b
	}
	insert := func(count int, record []byte) []byte { // into the section with that count
		b := set(plain, count, 0, 1)
		return append(b, record...)
	}
	long := bytes.Clone(plain[:12])
	for range 5 {
		long = append(append(long, 60), bytes.Repeat([]byte("x"), 60)...)
	}
	long = append(long, 0, 0, 1, 0, 1)
	tsig := func(rdata ...byte) []byte {
		r := []byte{3, 'k', 'e', 'y', 0, 0, 250, 0, 255, 0, 0, 0, 0}
		return append(binary.BigEndian.AppendUint16(r, uint16(len(rdata))), rdata...)
	}
	goodTSIG := tsig(append([]byte{1, 'a', 0, 0, 0, 0, 0, 0, 1, 1, 44, 0, 2, 0xAA, 0xBB}, 0x12, 0x67, 0, 0, 0, 0)...)
	tests := []struct {
		name   string
		packet []byte
		want   string // status, or "nothing"
		opt    bool   // the answer has an OPT record
	}{
		{"nothing at all", nil, "nothing", false},
		{"less than a header", plain[:11], "nothing", false},
		{"an answer", set(plain, 2, 0x80), "nothing", false},
		{"a header alone", set(plain[:12], 4, 0, 0), "FORMERR", false},
		{"a header that promises a question", plain[:12], "FORMERR", false},
		{"two questions", append(set(plain, 4, 0, 2), plain[12:]...), "FORMERR", false},
		{"a question cut in the name", plain[:16], "FORMERR", false},
		{"a question cut behind the name", plain[:len(plain)-4], "FORMERR", false},
		{"a question cut behind the type", plain[:len(plain)-2], "FORMERR", false},
		{"bytes behind the end", append(bytes.Clone(plain), 0), "NOERROR", false},
		{"more records than the packet has", set(plain, 10, 0, 1), "FORMERR", false},
		{"very many records that are not there", set(plain, 6, 255, 255, 255, 255, 255, 255), "FORMERR", false},
		{"a pointer in the question", append(append(bytes.Clone(plain[:12]), 0xC0, 12), 0, 1, 0, 1), "FORMERR", false},
		{"a reserved label type", append(append(bytes.Clone(plain[:12]), 0x41, 0, 0), 0, 1, 0, 1), "FORMERR", false},
		{"a name of more than 255 bytes", long, "FORMERR", false},
		{"an answer record in a query", insert(6, []byte{0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0}), "NOERROR", false},
		{"a record with a pointer forwards", insert(10, []byte{0xC0, 200, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0}), "FORMERR", false},
		{"a record whose data is cut", insert(10, []byte{0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1, 2}), "FORMERR", false},
		{"a record that is none of our business", insert(10, []byte{0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0}), "NOERROR", false},

		{"an OPT record", withExtra(plain, rawOPT()), "NOERROR", true},
		{"two OPT records", withExtra(plain, rawOPT(), rawOPT()), "FORMERR", true},
		{"an OPT record that is not the root's", withExtra(plain, append([]byte{1, 'x'}, rawOPT()...)), "FORMERR", false},
		{"an OPT record in the authority section", insert(8, rawOPT()), "FORMERR", false},
		{"an OPT record in the answer section", insert(6, rawOPT()), "FORMERR", false},
		{"a reserved flag is not repeated", withExtra(plain, set(rawOPT(), 7, 0x7F, 0xFF)), "NOERROR", true},
		{"an option cut short", withExtra(plain, rawOPT(0, 8, 0)), "FORMERR", true},
		{"an option longer than the record", withExtra(plain, rawOPT(0, 3, 0, 9)), "FORMERR", true},
		{"an option nobody knows", withExtra(plain, rawOPT(255, 1, 0, 2, 1, 2)), "NOERROR", true},
		{"a thousand options", withExtra(plain, rawOPT(bytes.Repeat([]byte{255, 1, 0, 0}, 1000)...)), "NOERROR", true},
		{"version 1 before its options are read", withExtra(plain, set(rawOPT(0, 8, 0), 6, 1)), "BADVERS", true},
		{"version 255", withExtra(plain, set(rawOPT(), 6, 255)), "BADVERS", true},

		{"a client subnet", withExtra(plain, rawOPT(0, 8, 0, 7, 0, 1, 24, 0, 192, 0, 2)), "NOERROR", true},
		{"a client subnet of no bits", withExtra(plain, rawOPT(0, 8, 0, 4, 0, 1, 0, 0)), "NOERROR", true},
		{"a client subnet of no family", withExtra(plain, rawOPT(0, 8, 0, 4, 0, 0, 0, 0)), "NOERROR", true},
		{"a client subnet that is too short", withExtra(plain, rawOPT(0, 8, 0, 3, 0, 1, 0)), "FORMERR", true},
		{"an unknown family", withExtra(plain, rawOPT(0, 8, 0, 5, 0, 9, 8, 0, 1)), "FORMERR", true},
		{"a scope in a query", withExtra(plain, rawOPT(0, 8, 0, 7, 0, 1, 24, 24, 192, 0, 2)), "FORMERR", true},
		{"33 bits of IPv4", withExtra(plain, rawOPT(0, 8, 0, 9, 0, 1, 33, 0, 192, 0, 2, 1, 0)), "FORMERR", true},
		{"129 bits of IPv6", withExtra(plain, rawOPT(append([]byte{0, 8, 0, 21, 0, 2, 129, 0}, make([]byte, 17)...)...)), "FORMERR", true},
		{"fewer address bytes than bits", withExtra(plain, rawOPT(0, 8, 0, 6, 0, 1, 24, 0, 192, 0)), "FORMERR", true},
		{"more address bytes than bits", withExtra(plain, rawOPT(0, 8, 0, 8, 0, 1, 24, 0, 192, 0, 2, 1)), "FORMERR", true},
		{"address bits beyond the prefix", withExtra(plain, rawOPT(0, 8, 0, 7, 0, 1, 23, 0, 192, 0, 3)), "FORMERR", true},
		{"two client subnets", withExtra(plain, rawOPT(0, 8, 0, 4, 0, 1, 0, 0, 0, 8, 0, 4, 0, 1, 0, 0)), "NOERROR", true},

		{"a client cookie", withExtra(plain, rawOPT(append([]byte{0, 10, 0, 8}, make([]byte, 8)...)...)), "NOERROR", true},
		{"a whole cookie", withExtra(plain, rawOPT(append([]byte{0, 10, 0, 24}, make([]byte, 24)...)...)), "NOERROR", true},
		{"a cookie of 7 bytes", withExtra(plain, rawOPT(append([]byte{0, 10, 0, 7}, make([]byte, 7)...)...)), "FORMERR", true},
		{"a cookie of 15 bytes", withExtra(plain, rawOPT(append([]byte{0, 10, 0, 15}, make([]byte, 15)...)...)), "FORMERR", true},
		{"a cookie of 41 bytes", withExtra(plain, rawOPT(append([]byte{0, 10, 0, 41}, make([]byte, 41)...)...)), "FORMERR", true},

		{"a signature with a key we do not know", withExtra(plain, goodTSIG), "NOTAUTH", false},
		{"signed, with EDNS", withExtra(plain, rawOPT(), goodTSIG), "NOTAUTH", true},
		{"a signature before another record", withExtra(plain, goodTSIG, rawOPT()), "FORMERR", true},
		{"two signatures", withExtra(plain, goodTSIG, goodTSIG), "FORMERR", false},
		{"a signature cut short", withExtra(plain, tsig(1, 'a', 0, 0, 0)), "FORMERR", false},
		{"a signature that lies about its length", withExtra(plain, tsig(append([]byte{1, 'a', 0}, make([]byte, 20)...)...)), "FORMERR", false},

		{"an unknown operation", set(plain, 2, 15<<3), "opcode 15", false},
		{"an unknown operation, header alone", set(set(plain[:12], 2, 15<<3), 4, 0, 0), "opcode 15", false},
	}
	s := compile(t, testZone, testPlan)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, stream := range []bool{false, true} {
				answer := s.Answer
				if stream {
					answer = s.AnswerStream
				}
				got := answer([]byte("prefix"), tt.packet, resolver)
				if string(got[:6]) != "prefix" {
					t.Fatalf("Answer wrote over what was in dst: %x", got)
				}
				got = got[6:]
				if tt.want == "nothing" {
					if len(got) != 0 {
						t.Errorf("Answer(%x) = %x, want nothing", tt.packet, got)
					}
					continue
				}
				var m mdns.Msg
				if err := m.Unpack(got); err != nil {
					t.Fatalf("Answer(%x) = %x: %v", tt.packet, got, err)
				}
				if err := dnstest.Sound(tt.packet, got, stream); err != nil {
					t.Errorf("Answer(%x) = %x is unsound: %v", tt.packet, got, err)
				}
				status := mdns.RcodeToString[m.Rcode]
				opt := m.IsEdns0()
				if opt != nil && opt.ExtendedRcode() == mdns.RcodeBadVers {
					status = "BADVERS"
				}
				if m.Opcode == 15 && m.Rcode == mdns.RcodeNotImplemented {
					status = "opcode 15"
				}
				if status != tt.want || (opt != nil) != tt.opt {
					t.Errorf("Answer(%x) = %s, OPT %v; want %s, OPT %v", tt.packet, status, opt != nil, tt.want, tt.opt)
				}
				if opt != nil && (opt.Version() != 0 || opt.UDPSize() != 1232 || opt.Hdr.Ttl&0x7FFF != 0) {
					t.Errorf("Answer(%x): OPT is %v", tt.packet, opt)
				}
				if m.Rcode != mdns.RcodeSuccess && m.Authoritative {
					t.Errorf("Answer(%x) claims authority for its %s", tt.packet, status)
				}
			}
		})
	}
}

func TestSignedQueryGetsBadKey(t *testing.T) {
	query := new(mdns.Msg).SetQuestion("www.example.com.", mdns.TypeA)
	query.SetTsig("Key.Example.", mdns.HmacSHA256, 300, 1_700_000_000)
	packet, _, err := mdns.TsigGenerate(query, "c2VjcmV0", "", false)
	if err != nil {
		t.Fatal(err)
	}
	var m mdns.Msg
	if err := m.Unpack(compile(t, testZone, testPlan).Answer(nil, packet, resolver)); err != nil {
		t.Fatal(err)
	}
	tsig := m.IsTsig()
	if m.Rcode != mdns.RcodeNotAuth || tsig == nil || tsig.Error != mdns.RcodeBadKey || tsig.Hdr.Name != "key.example." ||
		tsig.OrigId != query.Id || tsig.TimeSigned != 1_700_000_000 || tsig.MACSize != 0 {
		t.Errorf("a query signed with an unknown key got\n%v", &m)
	}
}

func TestNoSnapshotSaysNotReady(t *testing.T) {
	var s *dns.Snapshot
	var m mdns.Msg
	if err := m.Unpack(s.Answer(nil, pack(t, "www.example.com A +nsid"), resolver)); err != nil {
		t.Fatal(err)
	}
	if m.Rcode != mdns.RcodeServerFailure || !strings.Contains(m.String(), "EDE: 14") {
		t.Errorf("without a snapshot a query got\n%v\nwant SERVFAIL, not ready", &m)
	}
}

// Whatever is asked, the answer is sound; and truncated exactly where it would
// not have fit.
func TestEveryAnswerIsSound(t *testing.T) {
	s := compile(t, testZone, testPlan)
	names := []string{"example.com", "www.example.com", "alias2.example.com", "chain.example.com", "x.child.example.com", "y.old.example.com",
		"nothing.example.com", "a.b.nothing.example.com", "deep.example.com", "*.example.com", "mail.example.com", "example.org", "."}
	for _, name := range names {
		for qtype := uint16(0); qtype < 300; qtype++ {
			for _, opts := range []string{"+noedns", "+bufsize=512", "+dnssec +nsid +subnet=192.0.2.0/24", "+subnet=2001:db8:1::/48 +norec"} {
				q, err := dnstest.ParseQuestion(name + " " + opts)
				if err != nil {
					t.Fatal(err)
				}
				q.Msg.Question[0].Qtype = qtype
				query, err := q.Msg.Pack()
				if err != nil {
					t.Fatal(err)
				}
				for _, stream := range []bool{false, true} {
					answer := s.Answer(nil, query, resolver)
					if stream {
						answer = s.AnswerStream(nil, query, resolver)
					}
					if err := dnstest.Sound(query, answer, stream); err != nil {
						t.Fatalf("%s %s %s: %v\n%x", name, mdns.Type(qtype), opts, err, answer)
					}
				}
			}
		}
	}
}

func FuzzAnswer(f *testing.F) {
	for _, q := range []string{"www.example.com A", "chain.example.com A +subnet=192.0.2.0/24 +nsid +dnssec", "x.child.example.com MX +noedns",
		"example.com ANY +tcp", "id.server TXT +class=CH", "example.com SOA +opcode=NOTIFY"} {
		f.Add(pack(f, q), q == "example.com ANY +tcp")
	}
	s := compile(f, testZone, testPlan)
	f.Fuzz(func(t *testing.T, packet []byte, stream bool) {
		kept := bytes.Clone(packet)
		answer := s.Answer
		if stream {
			answer = s.AnswerStream
		}
		got := answer(nil, packet, resolver)
		if !bytes.Equal(kept, packet) {
			t.Fatalf("Answer changed the query %x", kept)
		}
		if len(got) == 0 {
			if len(packet) >= 12 && packet[2]&0x80 == 0 {
				t.Fatalf("Answer(%x) is silent, want at least FORMERR", packet)
			}
			return
		}
		if err := dnstest.Sound(packet, got, stream); err != nil {
			t.Fatalf("Answer(%x) = %x: %v", packet, got, err)
		}
		if again := answer(nil, packet, resolver); !bytes.Equal(got, again) {
			t.Fatalf("Answer(%x) differs the second time", packet)
		}
	})
}

func TestAnswerAllocatesNothing(t *testing.T) {
	s, err := compile(t, testZone, testPlan).Failing("failing.example")
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, 0, 4096)
	for _, q := range []string{"ns1.example.com A", "www.example.com A +subnet=198.51.100.0/24", "www.example.com AAAA", "alias2.example.com A",
		"chain.example.com A", "x.child.example.com A", "nothing.example.com A", "a.b.c.example.com TXT", "mail.example.com MX +nsid", "example.org A", "a.b.old.example.com ANY", "example.com ANY", "x.failing.example A"} {
		query := pack(t, q)
		if n := testing.AllocsPerRun(100, func() { s.Answer(dst, query, resolver) }); n != 0 {
			t.Errorf("Answer to %s allocates %v times, want 0", q, n)
		}
	}
}

func BenchmarkAnswer(b *testing.B) {
	s := compile(b, testZone, testPlan)
	for _, q := range []string{"ns1.example.com A", "www.example.com A", "www.example.com A +subnet=198.51.100.0/24", "alias2.example.com A",
		"x.child.example.com A", "nothing.example.com A", "a.b.c.example.com TXT"} {
		query := pack(b, q)
		b.Run(strings.ReplaceAll(q, " ", "_"), func(b *testing.B) {
			b.ReportAllocs()
			dst := make([]byte, 0, 4096)
			for b.Loop() {
				s.Answer(dst, query, resolver)
			}
		})
	}
}
