package sim

import (
	"fmt"
	"time"

	"fairlead/regions"
	"fairlead/runbooks"
)

// trouble is something that goes wrong, and comes to an end.
type trouble struct {
	weight int
	draw   func(s *simulation) (what string, begin, end func())
}

// faults are all kinds of them, and how often each is drawn.
var faults = []trouble{
	{12, cutLink}, {10, isolate}, {6, slowLink}, {8, lossyLink}, {6, mixUp},
	{10, crashNode}, {6, freezeNode}, {8, liar}, {6, silence}, {4, stallDisk},
	{8, killEndpoint}, {8, darken}, {5, depose}, {4, deafen},
}

// databaseFaults befall a pair.
var databaseFaults = []trouble{{14, faultyPair}, {20, freezeAgent}, {6, powerCut}, {20, crashEngine}, {10, depose}, {10, cutWriter}, {30, cutOrder}}

// drawFaults lays out what goes wrong, what people do meanwhile, and when the
// last fault ends.
func (s *simulation) drawFaults() {
	s.calm = s.between(6*time.Second, 14*time.Second)
	kinds := faults
	if s.pair != nil {
		kinds = append(append([]trouble(nil), faults...), databaseFaults...)
	}
	for range 1 + s.below(6) {
		s.befall(pick(s, kinds))
	}
	at := func(do func()) { s.after(s.between(2*time.Second, s.calm), do) }
	for range s.below(4) {
		at(s.people.override)
	}
	if s.chance(20) {
		at(s.people.freeze)
	}
	for range s.below(6) / 3 * (1 + s.below(3)) {
		at(s.people.reconfigure)
	}
	if s.chance(40) {
		region := oneOf(s, places)
		at(func() {
			if s.people.reach() {
				s.store.restore(region, "bert")
			}
		})
	}
	if s.pair != nil {
		for range 1 + s.below(3) {
			at(s.people.move)
		}
	}
}

func pick(s *simulation, kinds []trouble) trouble {
	total := 0
	for _, k := range kinds {
		total += k.weight
	}
	for n := s.below(total); ; kinds = kinds[1:] {
		if n -= kinds[0].weight; n < 0 {
			return kinds[0]
		}
	}
}

func (s *simulation) befall(f trouble) {
	what, begin, end := f.draw(s)
	from := s.between(time.Second, s.calm-2*time.Second)
	to := s.between(from+500*time.Millisecond, s.calm)
	s.figures.Faults++
	s.after(from, func() {
		s.tell("fault", "%s, for %v", what, (to - from).Round(time.Millisecond))
		begin()
	})
	s.after(to, func() {
		s.tell("fault", "over: %s", what)
		end()
	})
}

// pairOf returns two different regions.
func pairOf(s *simulation) (a, b regions.ID) {
	k := s.below(len(places))
	return places[k], places[(k+1+s.below(len(places)-1))%len(places)]
}

func cutLink(s *simulation) (string, func(), func()) {
	a, b := pairOf(s)
	both := s.chance(60)
	set := func(by int) func() {
		return func() {
			s.net.cut(a, b, by)
			if both {
				s.net.cut(b, a, by)
			}
		}
	}
	arrow := "→"
	if both {
		arrow = "↔"
	}
	return fmt.Sprintf("link %s %s %s is cut", a, arrow, b), set(1), set(-1)
}

func isolate(s *simulation) (string, func(), func()) {
	a := oneOf(s, places)
	set := func(by int) func() {
		return func() {
			for _, b := range places {
				if b != a {
					s.net.cut(a, b, by)
					s.net.cut(b, a, by)
				}
			}
		}
	}
	return fmt.Sprintf("%s is cut off from all others", a), set(1), set(-1)
}

// cutWriter cuts what leads to a database's machine: what was said to it may
// arrive when the link is back.
func cutWriter(s *simulation) (string, func(), func()) {
	to := oneOf(s, s.pair.order).region
	set := func(by int) func() {
		return func() {
			for _, from := range places {
				if from != to {
					s.net.cut(from, to, by)
				}
			}
		}
	}
	return fmt.Sprintf("nothing reaches %s", to), set(1), set(-1)
}

func slowLink(s *simulation) (string, func(), func()) {
	a, b := pairOf(s)
	l, by := s.net.link(a, b), s.between(50*time.Millisecond, 700*time.Millisecond)
	return fmt.Sprintf("link %s → %s takes %v more", a, b, by.Round(time.Millisecond)), func() { l.slow += by }, func() { l.slow -= by }
}

func lossyLink(s *simulation) (string, func(), func()) {
	a, b := pairOf(s)
	l, by := s.net.link(a, b), 5+s.below(55)
	return fmt.Sprintf("link %s → %s loses %d %%", a, b, by), func() { l.loss += by }, func() { l.loss -= by }
}

func mixUp(s *simulation) (string, func(), func()) {
	return "messages overtake each other and come twice", func() { s.net.mixed++ }, func() { s.net.mixed-- }
}

func crashNode(s *simulation) (string, func(), func()) {
	n := oneOf(s, s.nodes)
	return fmt.Sprintf("%s crashes", n.id), n.down, n.again
}

func freezeNode(s *simulation) (string, func(), func()) {
	n := oneOf(s, s.nodes)
	return fmt.Sprintf("%s is frozen", n.id), func() { n.frozen++; s.figures.Freezes++ }, n.thaw
}

func liar(s *simulation) (string, func(), func()) {
	n := oneOf(s, s.nodes)
	return fmt.Sprintf("%s reports the opposite of what it sees", n.id), func() { n.lies++; s.watch.liars[n.id] = true; s.figures.Lies++ }, func() { n.lies-- }
}

func silence(s *simulation) (string, func(), func()) {
	n := oneOf(s, s.nodes)
	return fmt.Sprintf("%s tells nobody anything", n.id), func() { n.mute++ }, func() { n.mute-- }
}

func stallDisk(s *simulation) (string, func(), func()) {
	n := oneOf(s, s.nodes)
	return fmt.Sprintf("the disk of %s stalls", n.id), func() { n.disk.stalled++ }, func() { n.disk.stalled-- }
}

func killEndpoint(s *simulation) (string, func(), func()) {
	e := oneOf(s, oneOf(s, s.fleet.Services).Endpoints).ID
	return fmt.Sprintf("%s is dead", e), func() { s.truth.dead[e]++ }, func() { s.truth.dead[e]-- }
}

// darken takes the power of a region: of its endpoints, nodes and servers.
func darken(s *simulation) (string, func(), func()) {
	r := oneOf(s, places)
	return fmt.Sprintf("%s has no power", r), func() {
			s.truth.dark[r]++
			for _, n := range s.nodes {
				if n.region == r {
					n.down()
				}
			}
			s.loseMember(r)
		}, func() {
			s.truth.dark[r]--
			for _, n := range s.nodes {
				if n.region == r {
					n.again()
				}
			}
			s.powerMember(r)
		}
}

// depose ends the leadership in the store. Who led learns of it late.
func depose(s *simulation) (string, func(), func()) {
	return "the leader is deposed", func() { s.store.expires = s.now }, func() {}
}

// crashEngine has the leader crash within a moment of writing into a journal:
// before it acts, while it does, or before it can say what came of it.
func crashEngine(s *simulation) (string, func(), func()) {
	var crashed *node
	armed := false
	delay := s.between(0, 700*time.Millisecond)
	s.store.traps = append(s.store.traps, func(n *node, _ runbooks.Event) {
		if !armed {
			return
		}
		armed = false
		s.after(delay, func() {
			if s.now < s.calm-time.Second && crashed == nil {
				s.tell("fault", "%s crashes", n.id)
				n.down()
				crashed = n
			}
		})
	})
	return "whoever writes into a journal next crashes", func() { armed = true }, func() {
		armed = false
		s.after(s.calm-s.now, func() {
			if crashed != nil {
				crashed.again()
			}
		})
	}
}

// cutOrder cuts the way to the writer as soon as a fence, or what takes it
// back, is intended, or freezes its agent: the order may be carried out when
// nobody wants it any more.
func cutOrder(s *simulation) (string, func(), func()) {
	armed, freeze := false, s.chance(40)
	end := func() {}
	s.store.traps = append(s.store.traps, func(n *node, ev runbooks.Event) {
		to := s.pair.members[s.store.decided.Writers[orders].Epoch.Writer]
		switch {
		case !armed || ev.Kind != runbooks.Intended || ev.Step != "fence":
			return
		case freeze:
			s.tell("fault", "the agent in %s freezes", to.region)
			to.frozen++
			end = to.thaw
		case n.region == to.region:
			return
		default:
			s.tell("fault", "nothing from %s reaches %s", n.region, to.region)
			s.net.cut(n.region, to.region, 1)
			end = func() { s.net.cut(n.region, to.region, -1) }
		}
		armed = false
	})
	return "the next order to fence is held up", func() { armed = true }, func() {
		armed = false
		end()
	}
}

func deafen(s *simulation) (string, func(), func()) {
	return "half of the store's answers are lost", func() { s.store.deaf++ }, func() { s.store.deaf-- }
}

func faultyPair(s *simulation) (string, func(), func()) {
	return "agents and servers answer with errors, having acted or not", func() { s.pair.faulty++ }, func() { s.pair.faulty-- }
}

func freezeAgent(s *simulation) (string, func(), func()) {
	m := oneOf(s, s.pair.order)
	return fmt.Sprintf("the agent in %s is frozen", m.region), func() { m.frozen++ }, m.thaw
}

// powerCut restarts a database's machine alone.
func powerCut(s *simulation) (string, func(), func()) {
	r := oneOf(s, s.pair.order).region
	return fmt.Sprintf("the database's machine in %s has no power", r), func() { s.loseMember(r) }, func() { s.powerMember(r) }
}

// cut opens or closes a direction.
func (n *network) cut(from, to regions.ID, by int) { n.link(from, to).cut += by }

// down and again are how several faults agree on whether a node runs.
func (n *node) down() {
	n.downs++
	n.crash()
}

func (n *node) again() {
	if n.downs--; n.downs == 0 {
		n.start()
	}
}

func (s *simulation) loseMember(r regions.ID) {
	if s.pair == nil || s.pair.members[r] == nil {
		return
	}
	m := s.pair.members[r]
	if m.downs++; m.downs == 1 {
		m.lose()
	}
}

func (s *simulation) powerMember(r regions.ID) {
	if s.pair == nil || s.pair.members[r] == nil {
		return
	}
	m := s.pair.members[r]
	if m.downs--; m.downs == 0 {
		m.powered()
	}
}
