package config

import (
	"crypto/ed25519"
	"fmt"

	"github.com/goccy/go-yaml/ast"

	"fairlead/cmd/internal/recovery"
	"fairlead/regions"
)

// recovery reads whose signatures may recover the cluster and break glass. One
// person may break glass unless told otherwise: at three at night there may be
// no other, and it moves traffic only.
func (l *loader) recovery(t *tree, n ast.Node, path string) {
	r := &regions.Recovery{Threshold: 2, BreakGlass: 1}
	t.fields(n, path, map[string]func(ast.Node, string){
		"threshold":   func(n ast.Node, p string) { r.Threshold = int(t.integer(n, p, 1, 100)) },
		"break_glass": func(n ast.Node, p string) { r.BreakGlass = int(t.integer(n, p, 1, 100)) },
		"keys": func(n ast.Node, p string) {
			for _, e := range t.entries(n, p) {
				t.places[index(p, len(r.Keys))] = t.placeOf(e.at)
				key, err := recovery.ParsePublic(t.str(e.value, join(p, e.key)))
				if err != nil {
					l.fault(t, e.value, err)
					key = make(ed25519.PublicKey, ed25519.PublicKeySize) // reported; not once more
					key[0] = byte(len(r.Keys) + 1)
				}
				r.Keys = append(r.Keys, regions.RecoveryKey{Person: e.key, Key: key})
			}
		},
	})
	l.fleet.Recovery = r
}

// warn notes what is allowed, and will hurt on a bad day.
func (l *loader) warn(path string) {
	if w := l.config.Node.Witness(); w != "" {
		at := l.at("node.peers", path)
		l.warnings = append(l.warnings, Problem{File: at.file, Line: at.line, Column: at.column, What: w})
	}
}

// Witness says which single place takes the majority of the control nodes with
// it when it is lost; nothing if none does, or if this node stands alone.
func (n Node) Witness() string {
	places, total := map[regions.ID]int{}, 0
	count := func(region regions.ID, control bool) {
		if control {
			places[region]++
			total++
		}
	}
	count(n.Region, n.Has(Control))
	for _, p := range n.Peers {
		count(p.Region, p.Has(Control))
	}
	if total < 2 {
		return ""
	}
	var worst regions.ID
	for region, k := range places {
		if k > places[worst] || k == places[worst] && region < worst {
			worst = region
		}
	}
	k := places[worst]
	if (total-k)*2 > total {
		return ""
	}
	text := fmt.Sprintf("losing %s, with %d of %d control nodes, loses the majority, and nothing can be decided then", worst, k, total)
	if len(places) == 2 {
		return fmt.Sprintf("control nodes in two places cannot lose either one for sure and still decide: %s; add a witness, a node with roles: [control] in a third place", text)
	}
	return text + "; spread the control nodes over three places, a witness (roles: [control]) in the third"
}
