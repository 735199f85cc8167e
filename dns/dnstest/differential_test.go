package dnstest_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	mdns "github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/txtar"

	"fairlead/dns/dnstest"
	"fairlead/dns/server"
)

// The corpus is fixed: seeds make the zones and choose among the questions.
// FAIRLEAD_DIFFERENTIAL_ZONES=1000 compares more generated zones than CI does,
// FAIRLEAD_DIFFERENTIAL_FROM=5000 others.
const (
	generatedZones  = 60
	perGenerated    = 150
	perWrittenZone  = 700
	shownOfEachPart = 5
)

// rule explains a disagreement that stays.
type rule struct {
	name    string
	because string
	holds   func(q question, part string, ours heard, theirs []heard) bool
}

// kept is every disagreement with most of the references that we stand by.
var kept = []rule{
	{"glue that does not fit", "RFC 9471, section 3.1: a referral that leaves out glue of the delegated domain is truncated; NSD 4.6 and BIND 9.18 leave it out silently",
		func(_ question, part string, ours heard, theirs []heard) bool {
			return part == "status" && ours.truncated && len(theirs) > 0 && !theirs[0].raw.Authoritative && len(theirs[0].raw.Ns) > 0 && len(theirs[0].raw.Answer) == 0
		}},
	{"ANY", "RFC 8482: each server picks what it likes, and what goes along with that differs too",
		func(q question, part string, _ heard, _ []heard) bool {
			return q.qtype == mdns.TypeANY && part == "additional"
		}},
	{"an answer that fits here", "ours shares more of its names than the others do, and so has room where they truncate",
		func(_ question, part string, ours heard, theirs []heard) bool {
			return part == "status" && !ours.truncated && slices.ContainsFunc(theirs, func(h heard) bool {
				return h.truncated && strings.Replace(h.status, " tc", "", 1) == ours.status
			})
		}},
	{"an alias into a delegated zone that is served too", "RFC 1034, section 4.3.2, step 3b: the zone that is asked refers to its delegation; NSD goes on in the other zone, BIND stops at the alias",
		func(_ question, _ string, ours heard, _ []heard) bool {
			return ours.raw != nil && len(ours.raw.Answer) > 0 && len(ours.raw.Ns) > 0 && ours.raw.Ns[0].Header().Rrtype == mdns.TypeNS
		}},
}

// world is zones that are served together, and who serves each.
type world struct {
	zones      []zoneText
	ours       responder
	references []responder
	loaded     [][]bool // by reference, then zone
	sound      []bool   // by zone: ours serves it
}

// serve starts all servers with the zones.
func serve(t *testing.T, zones []zoneText) *world {
	t.Helper()
	found := installed(t)
	w := &world{zones: zones}
	for _, r := range found {
		w.references = append(w.references, r.start(t, zones))
	}
	dir := t.TempDir()
	o := server.Options{Listen: []string{"127.0.0.1:0"}, NSID: "ours", Log: slog.New(slog.DiscardHandler)}
	for i, z := range zones {
		if err := os.WriteFile(zoneFile(dir, i), []byte(z.text), 0o600); err != nil {
			t.Fatal(err)
		}
		o.Zones = append(o.Zones, z.origin+"="+zoneFile(dir, i))
	}
	s, err := server.Standalone(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	ctx := t.Context()
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() { <-ended }) // the test's context ends before its clean-ups
	w.ours = responder{"fairlead", s.Addrs()[0].(*net.UDPAddr).AddrPort()}

	var soa []question
	for i, z := range zones {
		soa = append(soa, question{zone: i, name: z.origin, qtype: mdns.TypeSOA, flavour: modern})
	}
	serves := func(r responder) []bool {
		answers := r.askAll(t, soa)
		out := make([]bool, len(answers))
		for i := range answers {
			h := hear(answers[i], zones[i].origin)
			out[i] = h.raw != nil && h.rcode == mdns.RcodeSuccess && len(h.raw.Answer) == 1
		}
		return out
	}
	w.sound = serves(w.ours)
	for _, r := range w.references {
		w.loaded = append(w.loaded, serves(r))
	}
	return w
}

func (r responder) askAll(t *testing.T, questions []question) [][]byte {
	t.Helper()
	queries := make([][]byte, len(questions))
	for i, q := range questions {
		queries[i] = q.pack(t)
	}
	answers, err := r.ask(questions, queries)
	if err != nil {
		t.Fatal(err)
	}
	return answers
}

// tally counts how often ours agrees.
type tally struct{ agree, kept, differ, split int }

func (n tally) String() string {
	rate := 100 * float64(n.agree) / float64(max(1, n.agree+n.kept+n.differ))
	return fmt.Sprintf("%7.3f %% agree: %d of %d, %d kept, %d unexplained, %d without a majority",
		rate, n.agree, n.agree+n.kept+n.differ, n.kept, n.differ, n.split)
}

// compare asks everybody everything and fails for each unexplained
// disagreement with two or more references. It returns the tallies by part, and
// by reference and part.
func (w *world) compare(t *testing.T, questions []question) {
	t.Helper()
	ours := w.ours.askAll(t, questions)
	theirs := make([][][]byte, len(w.references))
	for k, r := range w.references {
		theirs[k] = r.askAll(t, questions)
	}
	total, single, shown := map[string]*tally{}, map[string]*tally{}, map[string]int{}
	count := func(m map[string]*tally, key string) *tally {
		if m[key] == nil {
			m[key] = new(tally)
		}
		return m[key]
	}
	for i, q := range questions {
		if !w.sound[q.zone] {
			continue
		}
		apex := w.zones[q.zone].origin
		if err := sound(q.pack(t), ours[i], q.stream); err != nil {
			t.Errorf("%s: the answer is unsound: %v\n%x", q, err, ours[i])
		}
		mine := hear(ours[i], apex)
		var heards []heard
		var names []string
		whole := !mine.truncated
		for k, r := range w.references {
			if w.loaded[k][q.zone] {
				h := hear(theirs[k][i], apex)
				heards, names = append(heards, h), append(names, r.name)
				whole = whole && !h.truncated
			}
		}
		for _, part := range parts {
			if part != "status" && !whole {
				continue // whoever reads one of them comes again over TCP
			}
			for k, h := range heards {
				if n := count(single, names[k]+" "+part); h.part(part) == mine.part(part) {
					n.agree++
				} else {
					n.differ++
				}
			}
			n := count(total, part)
			want, ok := majority(heards, part)
			switch {
			case !ok:
				n.split++
			case want == mine.part(part):
				n.agree++
			case explained(q, part, mine, heards):
				n.kept++
			default:
				n.differ++
				if shown[part]++; shown[part] <= shownOfEachPart {
					t.Errorf("%s\nmost references have another %s\n%s", q, part, sideBySide(mine, heards, names))
				}
			}
		}
	}
	for _, part := range parts {
		t.Logf("%-10s %v", part, *count(total, part))
	}
	for _, r := range w.references {
		for _, part := range parts {
			n := count(single, r.name+" "+part)
			t.Logf("%-5s alone: %-10s %.3f %% of %d", r.name, part, 100*float64(n.agree)/float64(max(1, n.agree+n.differ)), n.agree+n.differ)
		}
	}
}

// sound is [dnstest.Sound] for an answer with whatever id it was sent.
func sound(query, answer []byte, stream bool) error {
	if len(answer) < 12 {
		return fmt.Errorf("there is none")
	}
	copy(query[:2], answer)
	return dnstest.Sound(query, answer, stream)
}

func explained(q question, part string, ours heard, theirs []heard) bool {
	for _, r := range kept {
		if r.holds(q, part, ours, theirs) {
			return true
		}
	}
	return false
}

func sideBySide(ours heard, theirs []heard, names []string) string {
	var b strings.Builder
	show := func(name string, h heard) {
		fmt.Fprintf(&b, "--- %s\n%s\n", name, h.status)
		for _, part := range parts[1:] {
			if text := h.part(part); text != "" {
				fmt.Fprintf(&b, "%s:\n\t%s\n", part, strings.ReplaceAll(text, "\n", "\n\t"))
			}
		}
	}
	show("fairlead", ours)
	for i, h := range theirs {
		show(names[i], h)
	}
	return b.String()
}

// readWorld reads the zones of an archive.
func readWorld(t *testing.T, file string) (zones []zoneText) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		zones = append(zones, zoneText{f.Name, "$ORIGIN " + f.Name + "\n" + string(f.Data)})
	}
	return zones
}

func fixed() *rand.Rand { return rand.New(rand.NewPCG(20261123, 53)) }

// mustAgreeToLoad fails where ours and most of the references differ over
// whether a zone can be served.
func (w *world) mustAgreeToLoad(t *testing.T, except map[string]string) {
	t.Helper()
	for i, z := range w.zones {
		var load []string
		for k, r := range w.references {
			if w.loaded[k][i] {
				load = append(load, r.name)
			}
		}
		most := 2*len(load) > len(w.references)
		if most != w.sound[i] && except[z.origin] == "" {
			t.Errorf("ours serves zone %s: %v, others: %v\n%s", z.origin, w.sound[i], load, z.text)
		}
	}
}

func TestAnswersAreThoseOfOtherServers(t *testing.T) {
	zones := readWorld(t, "testdata/differential.txtar")
	r := fixed()
	var asked []question
	for i, z := range zones {
		asked = append(asked, questions(r, i, z, perWrittenZone)...)
	}
	from, more := number("FAIRLEAD_DIFFERENTIAL_FROM", 0), number("FAIRLEAD_DIFFERENTIAL_ZONES", generatedZones)
	for i := range more {
		z := generate(uint64(from + i))
		asked = append(asked, questions(r, len(zones), z, perGenerated)...)
		zones = append(zones, z)
	}
	w := serve(t, zones)
	w.mustAgreeToLoad(t, nil)
	w.compare(t, asked)
}

func TestAnswersOfTheRootZoneAreThoseOfOtherServers(t *testing.T) {
	zones := readWorld(t, "testdata/differential-root.txtar")
	r := fixed()
	var asked []question
	for i, z := range zones {
		asked = append(asked, questions(r, i, z, 2*perWrittenZone)...)
	}
	w := serve(t, zones)
	w.mustAgreeToLoad(t, nil)
	w.compare(t, asked)
}

func number(env string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(env)); err == nil {
		return n
	}
	return otherwise
}
