package dnstest_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	mdns "github.com/miekg/dns"
)

// generator makes small zones in which everything meets everything: few
// labels, so that wildcards, delegations, aliases and empty non-terminals lie
// above, below and beside each other.
type generator struct {
	*rand.Rand
	origin string
	text   strings.Builder
	types  map[string][]string // by name, what it holds
}

var labels = []string{"a", "b", "c", "*", "ns", "www", "_x"}

// generate writes the zone of a seed.
func generate(seed uint64) zoneText {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 5)), origin: fmt.Sprintf("g%d.test.", seed), types: map[string][]string{}}
	fmt.Fprintf(&g.text, "$TTL %d\n", 60*(1+g.IntN(90)))
	fmt.Fprintf(&g.text, "%s SOA %s hostmaster.%s %d 7200 900 1209600 %d\n", g.origin, g.target(), g.origin, seed, 30*(1+g.IntN(60)))
	server := "ns0." + g.origin // with an address, or BIND refuses the zone
	if g.IntN(3) == 0 {
		server = "www.ns." + server
	}
	g.record(g.origin, "NS", server)
	g.record(server, "A", "192.0.2.53")
	if g.IntN(2) == 0 {
		g.record(g.origin, "NS", "ns.example.net.")
	}
	if g.IntN(4) == 0 {
		g.add(g.origin)
	}
	for range 3 + g.IntN(14) {
		g.add(g.name())
	}
	return zoneText{g.origin, g.text.String()}
}

// name is somewhere in the zone.
func (g *generator) name() string {
	name := g.origin
	if len(g.types) > 0 && g.IntN(3) == 0 {
		name = g.known()
	}
	for range 1 + g.IntN(3) {
		name = labels[g.IntN(len(labels))] + "." + name
	}
	return name
}

func (g *generator) known() string {
	names := make([]string, 0, len(g.types))
	for n := range g.types {
		names = append(names, n)
	}
	slices.Sort(names)
	return names[g.IntN(len(names))]
}

func (g *generator) target() string {
	switch g.IntN(8) {
	case 0:
		return "host.example.net."
	case 1:
		return fmt.Sprintf("a.g%d.test.", g.IntN(40))
	case 2, 3, 4:
		if len(g.types) > 0 {
			return g.known()
		}
	}
	return g.name()
}

// has reports whether a name holds one of the types.
func (g *generator) has(name string, types ...string) bool {
	return slices.ContainsFunc(g.types[name], func(t string) bool { return slices.Contains(types, t) })
}

func (g *generator) record(name, rtype, data string) {
	if !g.has(name, rtype) {
		g.types[name] = append(g.types[name], rtype)
	}
	fmt.Fprintf(&g.text, "%s %s %s\n", name, rtype, data)
}

// add puts something at a name that may stand there.
func (g *generator) add(name string) {
	if g.has(name, "CNAME") {
		return
	}
	for above := name; above != g.origin; {
		_, above, _ = strings.Cut(above, ".")
		if g.has(above, "DNAME") {
			return // what lies below a DNAME is no sound zone
		}
	}
	apex, wild := name == g.origin, strings.HasPrefix(name, "*.")
	switch k := g.IntN(24); {
	case k < 5:
		g.record(name, "A", fmt.Sprintf("192.0.2.%d", g.IntN(256)))
	case k < 7:
		g.record(name, "AAAA", fmt.Sprintf("2001:db8::%x", g.IntN(1<<16)))
	case k < 9:
		g.record(name, "TXT", fmt.Sprintf("%q %q", g.word(), g.word()))
	case k < 11:
		g.record(name, "MX", fmt.Sprintf("%d %s", g.IntN(20), g.target()))
	case k < 12:
		g.record(name, "SRV", fmt.Sprintf("%d 0 443 %s", g.IntN(20), g.target()))
	case k < 13:
		g.record(name, "TYPE65280", `\# 3 00ff41`)
	case k < 17:
		if !apex && len(g.types[name]) == 0 {
			g.record(name, "CNAME", g.target())
		}
	case k < 19:
		below := slices.ContainsFunc(keys(g.types), func(n string) bool { return strings.HasSuffix(n, "."+name) })
		if !g.has(name, "NS", "DNAME") && !below && !apex && !wild {
			g.record(name, "DNAME", g.target())
		}
	case k < 23:
		if apex || wild || g.has(name, "DNAME") {
			return
		}
		for range 1 + g.IntN(2) {
			server := g.target()
			if g.IntN(2) == 0 {
				server = "ns." + name
				if !g.has(server, "CNAME") {
					g.record(server, "A", fmt.Sprintf("198.51.100.%d", g.IntN(256)))
				}
			}
			g.record(name, "NS", server)
		}
		if g.IntN(3) == 0 {
			g.record(name, "DS", fmt.Sprintf("%d 13 2 %064x", g.IntN(65536), g.Uint64()))
		}
	default:
		g.record(name, "PTR", g.target())
	}
}

func (g *generator) word() string { return strings.Repeat("w", g.IntN(12)) }

func keys(m map[string][]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}

var common = []uint16{mdns.TypeA, mdns.TypeAAAA, mdns.TypeNS, mdns.TypeCNAME, mdns.TypeMX, mdns.TypeTXT, mdns.TypeSOA, mdns.TypeDS,
	mdns.TypeSRV, mdns.TypeDNAME, mdns.TypePTR, mdns.TypeANY, mdns.TypeNSEC, mdns.TypeRRSIG, mdns.TypeDNSKEY, 65280, mdns.TypeHTTPS, mdns.TypeNAPTR}

// questions asks a zone for every name in it, beside, above and below.
func questions(r *rand.Rand, index int, z zoneText, most int) []question {
	names := map[string]bool{}
	add := func(n string) {
		if _, ok := mdns.IsDomainName(n); ok && len(n) < 250 {
			names[n] = true
		}
	}
	zp := mdns.NewZoneParser(strings.NewReader(z.text), z.origin, "")
	zp.SetDefaultTTL(300)
	for rr, ok := zp.Next(); ok; rr, ok = zp.Next() {
		owner := rr.Header().Name
		var targets []string
		switch rr := rr.(type) {
		case *mdns.CNAME:
			targets = []string{rr.Target, "x." + rr.Target}
		case *mdns.DNAME:
			targets = []string{rr.Target, "x." + rr.Target}
		case *mdns.NS:
			targets = []string{rr.Ns}
		}
		for _, n := range append(targets, owner) {
			if !strings.HasSuffix(strings.ToLower(n), strings.ToLower(z.origin)) {
				continue
			}
			for {
				add(n)
				add("x." + n)
				if len(strings.TrimSuffix(n, z.origin)) == 0 || n == "." {
					break
				}
				i, end := mdns.NextLabel(n, 0)
				if n = n[i:]; end {
					n = "."
					break
				}
			}
		}
		add("x.y." + owner)
		add("*." + owner)
		add("a." + owner)
		add("x.*." + owner)
		add(strings.ToUpper(owner))
	}
	all := make([]string, 0, len(names))
	for n := range names {
		all = append(all, n)
	}
	slices.Sort(all)
	flavours := []flavour{modern, modern, modern, plain, plain, signed, signed, small, large, tiny, stream, streamp}
	var out []question
	for _, n := range all {
		for _, t := range common {
			out = append(out, question{zone: index, name: n, qtype: t, flavour: flavours[r.IntN(len(flavours))]})
		}
	}
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out[:min(len(out), most)]
}
