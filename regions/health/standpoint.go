package health

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"fairlead/regions"
)

// Ear is a node and whom it hears.
type Ear struct {
	Node regions.NodeID
	// Heard is when this node, whose view is taken, last heard of it; zero if
	// never. Of this node itself it does not count.
	Heard time.Time
	// Silent says that what it told no longer counts.
	Silent bool
	// Hears says whom it hears, as it says itself. A node that is not in it is
	// one of which it says nothing.
	Hears map[regions.NodeID]bool
}

// Stand is where a node stands among its cluster.
type Stand uint8

const (
	// Single means that there is no other node to disagree with.
	Single Stand = iota
	// Listening means that the node has just started.
	Listening
	// Together means that every node hears every other: what is down is the
	// world.
	Together
	// Link means that all nodes are heard, and some do not hear each other.
	Link
	// CutOff means that others are: the larger part hears each other, and this
	// node is in it.
	CutOff
	// Split means that nobody can say who is cut off: neither part is larger.
	Split
	// Us means that this node is in the smaller part: believe the others.
	Us
)

// String returns the word for it that the API uses.
func (s Stand) String() string {
	return [...]string{"single", "listening", "together", "link", "cut_off", "split", "us"}[s]
}

// Standpoint is the answer to "is it us?" from one node's point of view.
type Standpoint struct {
	Stand    Stand
	Sentence string
	Missing  []regions.NodeID // heard by nobody on this side
	Since    time.Time        // of what is wrong, as far as this node knows; zero if nothing is
	// HeardBy and NotHeardBy say of each node who on this side does and does
	// not hear it.
	HeardBy, NotHeardBy map[regions.NodeID][]regions.NodeID
}

// Stands tells where a node stands. Nodes holds every node that speaks, self
// among them; down are the regions that are measured down. It is a pure
// function: equal ears, equal answers.
func Stands(self regions.NodeID, nodes []Ear, down []regions.ID, began, now time.Time) Standpoint {
	p := Standpoint{HeardBy: map[regions.NodeID][]regions.NodeID{}, NotHeardBy: map[regions.NodeID][]regions.NodeID{}}
	// This side: whoever this node hears, and it. What the others on it say
	// counts, what was heard of the far side before does not.
	var side []Ear
	for _, e := range nodes {
		if e.Node == self || !e.Silent {
			side = append(side, e)
		}
	}
	for _, e := range nodes {
		for _, by := range side {
			hears, told := by.Hears[e.Node]
			switch {
			case by.Node == e.Node || !told:
			case hears:
				p.HeardBy[e.Node] = append(p.HeardBy[e.Node], by.Node)
			default:
				p.NotHeardBy[e.Node] = append(p.NotHeardBy[e.Node], by.Node)
			}
		}
	}
	near := 0
	for _, e := range nodes {
		if e.Node == self || !e.Silent || len(p.HeardBy[e.Node]) > 0 {
			near++
			continue
		}
		p.Missing = append(p.Missing, e.Node)
		p.Since = later(p.Since, later(e.Heard, began))
	}
	slices.Sort(p.Missing)
	others := len(nodes) - 1
	far := len(p.Missing)
	switch {
	case others == 0:
		p.Stand, p.Sentence = Single, "there is no other node: nobody can say whether it is this node or the world"
	case far > 0 && now.Sub(began) < 2*MinSilence:
		p.Stand, p.Sentence, p.Since = Listening, "this node has just started and listens for the others", time.Time{}
	case far == others && others == 1:
		p.Stand = Split
		p.Sentence = fmt.Sprintf("%s and this node do not hear each other, and there is no third to say which of them is cut off: what is shown here is its own view", p.Missing[0])
	case far == others:
		p.Stand = Us
		p.Sentence = fmt.Sprintf("us: this node hears none of the other %d; what is shown here is its own view: believe the others", others)
	case far > near:
		p.Stand = Us
		p.Sentence = fmt.Sprintf("us: this node is cut off with the smaller part, %d of %d nodes, and does not hear %s: believe the others", near, len(nodes), list(p.Missing))
	case far == near:
		p.Stand = Split
		p.Sentence = fmt.Sprintf("the cluster is split in halves: this side does not hear %s, and neither is the larger", list(p.Missing))
	case far > 0:
		p.Stand = CutOff
		p.Sentence = p.cutOff(nodes)
	default:
		p.whole(self, nodes, down)
	}
	return p
}

// cutOff says who is, and who agrees on it.
func (p *Standpoint) cutOff(nodes []Ear) string {
	var agree []regions.NodeID
	for _, e := range nodes {
		if !slices.Contains(p.Missing, e.Node) {
			agree = append(agree, e.Node)
		}
	}
	slices.Sort(agree)
	verb := "is"
	if len(p.Missing) > 1 {
		verb = "are"
	}
	return fmt.Sprintf("%s %s cut off from %s, or not running (they hear each other): believe %s", list(p.Missing), verb, list(agree), list(agree))
}

// whole says what is left to say when everybody is heard by somebody.
func (p *Standpoint) whole(self regions.NodeID, nodes []Ear, down []regions.ID) {
	hears := map[regions.NodeID]map[regions.NodeID]bool{}
	at := map[regions.NodeID]time.Time{}
	for _, e := range nodes {
		at[e.Node] = e.Heard
		if e.Node == self || !e.Silent {
			hears[e.Node] = e.Hears
		}
	}
	for _, a := range slices.Sorted(maps.Keys(at)) {
		for _, b := range p.NotHeardBy[a] { // b does not hear a
			p.Stand = Link
			if b == self {
				p.Since = later(p.Since, at[a])
			}
			back, told := hears[a][b]
			if told && back {
				p.Sentence = fmt.Sprintf("one way: %s does not hear %s, which hears it; both are heard by others or by this node, so it is the link and not a node", b, a)
			} else {
				p.Sentence = fmt.Sprintf("%s does not hear %s, and others do: it is the link between them and not a node", b, a)
			}
			return
		}
	}
	p.Stand = Together
	switch n := len(nodes); {
	case len(down) > 0:
		p.Sentence = fmt.Sprintf("all %d nodes hear each other: what is down (%s) is the world, not us", n, list(down))
	default:
		p.Sentence = fmt.Sprintf("all %d nodes hear each other", n)
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
