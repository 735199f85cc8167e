package dnstest_test

import (
	"fmt"
	"strings"
	"testing"

	mdns "github.com/miekg/dns"
)

// oddity is a zone that somebody might well have. Where most other servers
// load it, ours must, or its owner could not move here.
type oddity struct {
	text string // behind a sound head
	kept string // why ours and most others differ over it, if they do
}

const oddHead = "$TTL 300\n@ SOA ns1 hostmaster 1 7200 900 1209600 60\n@ NS ns1\nns1 A 192.0.2.53\n"

const hash64 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

var oddities = []oddity{
	// Names that lead somewhere odd.
	{text: "sub NS al\nal CNAME ns1"},
	{text: "old DNAME new\na.b.old A 192.0.2.1"},
	{text: "old DNAME new\nold NS ns1"},
	{text: "* NS ns1"},
	{text: "* NS ns.sub\nns.sub A 192.0.2.1\nx.y TXT z"},
	{text: "* DNAME foo.example."},
	{text: "*.a DNAME foo.example.\nb.a A 192.0.2.1"},
	{text: "*.a DNAME foo.example.\nb.*.a TXT x"},
	{text: "* CNAME *.a"},
	{text: "* CNAME @"},
	{text: "a.*.b TXT x\n*.* TXT y\n*a TXT x\n**.b TXT y"},
	{text: "www CNAME www\na CNAME b\nb CNAME a"},
	{text: "a DNAME b\nb DNAME a\nc DNAME c\nd DNAME x.d"},
	{text: "@ DNAME foo.example."},
	{text: "@ NS x.example.org.\n@ NS *.a"},
	{text: "@ NS ns1\n@ NS NS1"},
	{text: "sub NS .\n"},
	{text: "www PTR .\nw2 CNAME .\nw3 DNAME ."},
	{text: "www SRV 0 0 0 .\nwww MX 0 ."},
	{text: "_a._tcp SRV 1 2 3 al\nal CNAME x\nm MX 1 al"},
	{text: "sub NS ns.sub"},
	{text: "sub NS ns.sub\nns.sub A 192.0.2.1\nsub A 192.0.2.7\nx.sub MX 5 y"},
	{text: "sub NS ns.sub\ndeep.sub NS ns.sub\nx.sub DNAME foo\ny.sub CNAME foo"},
	// What may stand beside what.
	{text: "www CNAME ns1\nwww A 192.0.2.1"},
	{text: "www A 192.0.2.1\nwww CNAME ns1"},
	{text: "www CNAME ns1\nwww CNAME ns2"},
	{text: "www CNAME ns1\nwww CNAME NS1"},
	{text: "www DNAME ns1\nwww DNAME ns2"},
	{text: "www CNAME ns1\nwww DNAME ns2"},
	{text: "@ CNAME foo.example."},
	{text: "sub SOA ns1 hostmaster 1 1 1 1 1"},
	{text: "@ SOA ns1 hostmaster 2 7200 900 1209600 60"},
	{text: "www.example.org. A 192.0.2.1\nwww A 192.0.2.2"},
	{text: "www CH A 192.0.2.1"},
	{text: "www A 192.0.2.1\nwww A 192.0.2.1"},
	{text: "WWW A 192.0.2.1\nwww A 192.0.2.2"},
	// TTLs.
	{text: "www 2147483648 A 192.0.2.1"},
	{text: "www 4294967295 A 192.0.2.1"},
	{text: "www 2147483647 A 192.0.2.1"},
	{text: "www 300 A 192.0.2.1\nwww 600 A 192.0.2.2"},
	{text: "www 600 A 192.0.2.1\nwww 300 A 192.0.2.2"},
	{text: "www 1w2d A 192.0.2.1\n$TTL 1h30m\nw2 A 192.0.2.1"},
	// Signing, by somebody else.
	{text: "@ DS 12345 13 2 " + hash64 + "\nwww DS 12345 13 2 " + hash64},
	{text: "www RRSIG A 13 3 300 20300101000000 20200101000000 1 example. AAAA"},
	{text: "www CNAME x\nwww RRSIG CNAME 13 3 300 20300101000000 20200101000000 1 example. AAAA\nwww NSEC x CNAME"},
	{text: "www CNAME x\nwww KEY 256 3 13 AAAA"},
	{text: "@ DNSKEY 257 3 13 AAAA\nwww DNSKEY 256 3 13 AAAA\nwww NSEC www A"},
	{text: "@ NSEC3PARAM 1 0 0 -\n0p9mhaveqvm6t7vbl5lop2u3t2rp3tom NSEC3 1 0 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr A"},
	{text: "www CDS 0 0 0 00\nwww CDNSKEY 0 3 0 AA=="},
	// Types.
	{text: "www TYPE1 \\# 4 01020304\nw2 A \\# 4 01020304"},
	{text: "www TYPE1 \\# 3 010203"},
	{text: "www TYPE65280 \\# 0\n@ TYPE65534 \\# 5 0000000000"},
	{text: "www TYPE255 \\# 0", kept: "such a type exists in questions only, so the line is a mistake; BIND says so too"},
	{text: "www TYPE251 \\# 1 00", kept: "such a type exists in questions only, so the line is a mistake; BIND says so too"},
	{text: "www TYPE41 \\# 0", kept: "such a type exists in messages only, so the line is a mistake; BIND says so too"},
	{text: "www TYPE200 \\# 1 00", kept: "such a type exists in questions only, so the line is a mistake; BIND says so too"},
	{text: "www HTTPS 1 . alpn=h2\nw2 HTTPS 1 . alpn=\"h2,h3\" ipv4hint=192.0.2.1\nw3 SVCB 0 x"},
	{text: "www SPF \"v=spf1\"\nwww HINFO a b\nwww RP a b\nwww AFSDB 1 x\nwww RT 1 x\nwww LOC 1 2 3 N 4 5 6 E 7m\nwww NAPTR 1 2 \"u\" \"a\" \"!.*!x!\" .\nwww KX 1 x\nwww CERT 1 2 3 AAAA"},
	{text: "www APL 1:192.0.2.0/24 !2:2001:db8::/32\nwww SSHFP 1 1 00\nwww TLSA 0 0 1 00\nwww SMIMEA 0 0 1 00\nwww OPENPGPKEY AAAA\nwww CSYNC 1 1 A\nwww EUI48 00-00-5e-00-53-2a\nwww EUI64 00-00-5e-ef-10-00-00-2a"},
	{text: "www URI 10 1 \"http://x/\"\nwww CAA 0 issue \"x\"\nw2 CAA 0 issue letsencrypt.org\nw3 CAA 0 issue \";\"\nwww L32 10 10.1.2.0\nwww NID 10 0014:4fff:ff20:ee64\nwww L64 10 2001:0DB8:1140:1000\nwww LP 10 x"},
	{text: "www NAPTR 1 2 u a \"!.*!x!\" .", kept: "the parser wants the texts of a NAPTR record in quotation marks"},
	{text: "www X25 \"311061700956\"", kept: "the parser wants no quotation marks around the number of an X25 record"},
	{text: "www WKS 192.0.2.1 6 25", kept: "the parser does not know the type WKS by name; TYPE11 with \\# data is served"},
	{text: "www MINFO a b"},
	{text: "www DHCID AAAA\nwww ZONEMD 1 1 1 " + strings.Repeat("0", 96)},
	{text: "www AAAA ::ffff:192.0.2.1\nw2 AAAA ::"},
	{text: "www A 192.0.2.01"},
	{text: "www MX 0 192.0.2.1"},
	// Spelling.
	{text: "www TXT " + strings.Repeat("x", 255)},
	{text: "www TXT " + strings.Repeat("x", 256), kept: "a text that is too long for one string is taken as several, as Knot does"},
	{text: "www TXT \"\"\nw2 TXT a b c \"d e\" f\\;g\nw3 TXT \\\"x \\065 \\255"},
	{text: "www TXT"},
	{text: "www TXT \"a\nb\""},
	{text: "a..b A 192.0.2.1"},
	{text: "www IN 300 A 192.0.2.1\nw2 300 IN A 192.0.2.1"},
	{text: "under_score A 192.0.2.1\nbad!name A 192.0.2.1\nsp\\032ace A 192.0.2.1\na\\.b A 192.0.2.1\n\\000\\255 A 192.0.2.1\n\\@ A 192.0.2.1"},
	{text: "www DNAME \\000.x"},
	{text: "www\tA\t192.0.2.1 ; x\n\n\n   AAAA ::1\n\n; no line break behind this"},
	{text: "$ORIGIN sub\nwww A 192.0.2.1\n$ORIGIN deeper\nx A 192.0.2.2", kept: "RFC 1035, section 5.1: a relative $ORIGIN is relative to the one before it, as BIND reads it"},
	{text: "$GENERATE 1-3 h$ A 192.0.2.$\n$GENERATE 1-3 x${0,3,d} CNAME h$", kept: "$GENERATE is BIND's own"},
	{text: "www ( A\n 192.0.2.1 )"},
	{text: strings.Join(strings.Split("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", ""), ".") + " A 192.0.2.1"},
	{text: strings.Repeat("x", 63) + " A 192.0.2.1"},
	{text: strings.Repeat("x", 64) + " A 192.0.2.1"},
	{text: "$INCLUDE other"},
}

func TestZonesThatOtherServersLoadAreLoaded(t *testing.T) {
	var zones []zoneText
	var asked []question
	except := map[string]string{}
	r := fixed()
	for i, o := range oddities {
		z := zoneText{origin: fmt.Sprintf("odd%d.test.", i)}
		z.text = "$ORIGIN " + z.origin + "\n" + oddHead + o.text + "\n"
		if o.kept != "" {
			except[z.origin] = o.kept
		}
		asked = append(asked, questions(r, i, z, 60)...)
		zones = append(zones, z)
	}
	w := serve(t, zones)
	w.mustAgreeToLoad(t, except)
	w.compare(t, asked)
	belowDNAME := question{name: "www." + zones[1].origin, qtype: mdns.TypeA, flavour: modern}
	if h := hear(w.ours.askAll(t, []question{belowDNAME})[0], ""); h.status != "SERVFAIL qr edns0" {
		t.Errorf("a zone that cannot be served is answered with %s, want SERVFAIL", h.status)
	}
}
