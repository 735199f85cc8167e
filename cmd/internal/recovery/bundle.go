package recovery

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
)

const bundleKind = "fairlead break-glass bundle"

// Bundle is what each node carries out without asking anybody. A bundle
// replaces the one before it whole; one without orders ends it.
type Bundle struct {
	Kind        string               `json:"kind"`
	ID          string               `json:"id"`
	Cluster     string               `json:"cluster"`
	Incarnation uint64               `json:"incarnation"`
	Sequence    uint64               `json:"sequence"`
	Orders      []regions.GlassOrder `json:"orders"`
	Author      string               `json:"author"`
	Reason      string               `json:"reason"`
	Made        time.Time            `json:"made"` // by the author's clock, for people

	Signatures []Signature `json:"signatures"`
}

func (b Bundle) subject() string         { return "break-glass bundle " + b.ID }
func (b Bundle) kind() string            { return bundleKind }
func (b Bundle) signatures() []Signature { return b.Signatures }
func (b Bundle) signed(s []Signature) any {
	b.Signatures = s
	return b
}

// NewBundle makes a bundle for a cluster.
func NewBundle(cluster string, incarnation, sequence uint64, orders []regions.GlassOrder, author, reason string, now time.Time) (Bundle, error) {
	b := Bundle{Kind: bundleKind, ID: "b-" + strings.ToLower(rand.Text()[:10]), Cluster: cluster, Incarnation: incarnation, Sequence: sequence,
		Orders: orders, Author: author, Reason: reason, Made: now.UTC().Truncate(time.Second)}
	if b.Orders == nil {
		b.Orders = []regions.GlassOrder{}
	}
	switch {
	case author == "" || reason == "":
		return b, fault.Invalidf(b.subject(), "needs an author and a reason").Do("say who orders this and why, for those who read it tonight")
	case incarnation == 0 || sequence == 0:
		return b, fault.Invalidf(b.subject(), "needs the cluster's incarnation and a sequence above the last one").Do("ask a node for both: fairlead bundle status")
	}
	return b, (&regions.BreakGlass{ID: b.ID, Orders: b.Orders}).Check(nil)
}

// ParseBundle reads a bundle. Who signed it is not looked at here.
func ParseBundle(text []byte) (Bundle, error) {
	var b Bundle
	if err := read("break-glass bundle", text, &b); err != nil {
		return b, err
	}
	if b.Kind != bundleKind {
		return b, fault.Invalidf("break-glass bundle", "the file is a %q", b.Kind).Do("name the file that fairlead bundle make wrote")
	}
	return b, nil
}

// Format writes a bundle as a file.
func (b Bundle) Format() []byte { return format(b) }

// Sign returns the bundle with one more signature.
func (b Bundle) Sign(k *Key) (Bundle, error) {
	all, err := sign(b, k)
	if err != nil {
		return b, err
	}
	b.Signatures = all
	return b, nil
}

// Seen is the highest bundle that a node has ever taken.
type Seen struct {
	Incarnation uint64 `json:"incarnation"`
	Sequence    uint64 `json:"sequence"`
	ID          string `json:"id"`
}

// Verify returns what b orders, if a node that knows d and has seen bundles up
// to seen may carry it out.
func (b Bundle) Verify(d *regions.Decided, seen Seen) (*regions.BreakGlass, error) {
	subject := b.subject()
	switch {
	case d == nil || d.Fleet == nil:
		return nil, fault.Unavailablef(subject, "this node remembers nothing that was decided, so it knows nobody's signature").Do("hand it to a node that answers names")
	case d.Cluster != b.Cluster:
		return nil, fault.Deniedf(subject, "is for another cluster (%s; this one is %s)", b.Cluster, d.Cluster).Do("make one for this cluster: fairlead bundle make")
	case b.Incarnation != d.Incarnation:
		return nil, fault.Conflictf(subject, "is for incarnation %d, and this node has seen incarnation %d", b.Incarnation, d.Incarnation).
			Do("make and sign one for incarnation %d", d.Incarnation)
	case b.ID == seen.ID:
		return nil, fault.Conflictf(subject, "was taken here already, and is not taken twice").Do("make and sign a new one if it is to rule again")
	case b.Incarnation < seen.Incarnation, b.Incarnation == seen.Incarnation && b.Sequence <= seen.Sequence:
		return nil, fault.Conflictf(subject, "has sequence %d, and this node has taken sequence %d (bundle %s)", b.Sequence, seen.Sequence, seen.ID).
			Do("a bundle is not taken twice, nor one from before; make and sign one with sequence %d or above", seen.Sequence+1)
	}
	need := 1
	if r := d.Fleet.Recovery; r != nil {
		need = r.BreakGlass
	}
	people, err := verify(b, d.Fleet.Recovery, need)
	if err != nil {
		return nil, err
	}
	g := &regions.BreakGlass{ID: b.ID, Incarnation: b.Incarnation, Sequence: b.Sequence, By: people, Why: b.Reason, Orders: b.Orders}
	if end := d.GlassEnd; end != nil && (b.Incarnation < end.Incarnation || b.Incarnation == end.Incarnation && b.Sequence <= end.Sequence) {
		return nil, fault.Conflictf(subject, "was ended in writing by %s: %s", end.By, end.Why).Do("make and sign one with sequence %d or above", end.Sequence+1)
	}
	return g, g.Check(d.Fleet)
}

// Sentence says what a bundle does, for people.
func (b Bundle) Sentence() string {
	if len(b.Orders) == 0 {
		return "end what was ordered before"
	}
	var said []string
	for _, o := range b.Orders {
		said = append(said, o.String())
	}
	return fmt.Sprintf("%s, until a later bundle or a person ends it", strings.Join(said, ", "))
}
