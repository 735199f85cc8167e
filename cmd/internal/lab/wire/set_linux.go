package wire

// Change changes the path from one place to another, in that direction only.
func (n *Network) Change(from, to *Place, change func(*Path)) {
	n.relay.mu.Lock()
	defer n.relay.mu.Unlock()
	change(&n.relay.paths[from.number][to.number])
}

// Both changes the paths between two places.
func (n *Network) Both(a, b *Place, change func(*Path)) {
	n.Change(a, b, change)
	n.Change(b, a, change)
}

// Isolate cuts a place off from all others but those that are kept, or joins
// it again.
func (n *Network) Isolate(p *Place, cut bool, keep ...*Place) {
others:
	for _, other := range n.Places {
		if other == p {
			continue
		}
		for _, k := range keep {
			if k == other {
				continue others
			}
		}
		n.Both(p, other, func(path *Path) { path.Cut = cut })
	}
}

// Counts returns what became of packets so far.
func (n *Network) Counts() Counts {
	n.relay.mu.Lock()
	defer n.relay.mu.Unlock()
	return n.relay.counts
}
