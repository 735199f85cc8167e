package recovery

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// Where a new incarnation begins from.
const (
	FromStore   = "store"   // the survivor's own member: nothing that it holds is lost
	FromReplica = "replica" // its copy of the decided state: trail, runs and tokens are lost
)

const orderKind = "fairlead recovery order"

// Order begins a new incarnation on one survivor, alone.
type Order struct {
	Kind         string    `json:"kind"`
	Cluster      string    `json:"cluster"`
	Incarnation  uint64    `json:"incarnation"`      // now
	Next         uint64    `json:"next_incarnation"` // to begin
	Generation   uint64    `json:"generation"`       // what the survivor knows
	Node         string    `json:"node"`             // the survivor that begins it
	From         string    `json:"from"`
	Survives     []string  `json:"survives"` // control nodes, Node among them
	Lost         []string  `json:"declared_lost"`
	Consequences []string  `json:"consequences"`
	Author       string    `json:"author"`
	Reason       string    `json:"reason"`
	Made         time.Time `json:"made"` // by the author's clock, for people
	Nonce        string    `json:"nonce"`

	Signatures []Signature `json:"signatures"`
}

func (o Order) subject() string         { return "recovery order" }
func (o Order) kind() string            { return orderKind }
func (o Order) signatures() []Signature { return o.Signatures }
func (o Order) signed(s []Signature) any {
	o.Signatures = s
	return o
}

// Member is a control node, as the survivor's configuration names it.
type Member struct {
	Node   string
	Region regions.ID
}

// Propose makes an order for the survivor node, which knows d and the control
// nodes, of which some are declared lost.
func Propose(d *regions.Decided, node string, controls []Member, lost []string, from, author, reason string, now time.Time) (Order, error) {
	o := Order{Kind: orderKind, Node: node, From: from, Author: author, Reason: reason, Made: now.UTC().Truncate(time.Second), Lost: lost, Nonce: rand.Text()}
	subject := o.subject()
	switch {
	case d == nil || d.Fleet == nil:
		return o, fault.NotFoundf(subject, "node %s remembers nothing that was decided, so nothing can be recovered from it", node).Do("propose on another survivor")
	case d.Fleet.Recovery == nil:
		return o, fault.Deniedf(subject, "the fleet that node %s remembers names no recovery keys", node).
			Do("bring a majority of the control nodes back, or begin the store anew by hand as the manual says")
	case author == "" || reason == "":
		return o, fault.Invalidf(subject, "needs an author and a reason").Do("say who proposes it and why, for those who sign")
	case from != FromStore && from != FromReplica:
		return o, fault.Invalidf(subject, "cannot begin from %q", from).Do("begin from store, or from replica where the store is damaged")
	}
	for _, l := range lost {
		if !slices.ContainsFunc(controls, func(m Member) bool { return m.Node == l }) {
			return o, fault.NotFoundf(subject, "%s is no control node that node %s knows", l, node).Do("declare control nodes lost, by the names in the configuration")
		}
	}
	for _, m := range controls {
		if !slices.Contains(lost, m.Node) {
			o.Survives = append(o.Survives, m.Node)
		}
	}
	switch {
	case !slices.Contains(o.Survives, node):
		return o, fault.Invalidf(subject, "node %s, which is to go on, is itself declared lost", node).Do("propose on a node that survives")
	case len(o.Survives) > len(controls)/2:
		return o, fault.Conflictf(subject, "%d of %d control nodes survive (%s), which is a majority: the quorum is not lost", len(o.Survives), len(controls), strings.Join(o.Survives, ", ")).
			Do("start them; declare only those lost that are never to come back as they are")
	}
	o.Cluster, o.Incarnation, o.Next, o.Generation = d.Cluster, d.Incarnation, d.Incarnation+1, d.Generation
	o.Consequences = consequences(d, controls, &o)
	return o, nil
}

// consequences says in words what people agree to by signing.
func consequences(d *regions.Decided, controls []Member, o *Order) []string {
	all := []string{
		fmt.Sprintf("node %s begins incarnation %d alone, from generation %d; what a majority of the others decided after that is lost", o.Node, o.Next, o.Generation),
		fmt.Sprintf("%s: should any of them come back as they are, every node and agent that has seen incarnation %d refuses what they decide", strings.Join(o.Lost, ", "), o.Next),
	}
	if o.From == FromReplica {
		all = append(all, "the audit trail, runs, and tokens of the store end here: only writers, overrides and the freeze are taken over, and the fleet is that of the node's own files")
	}
	if rest := slices.DeleteFunc(slices.Clone(o.Survives), func(s string) bool { return s == o.Node }); len(rest) > 0 {
		all = append(all, fmt.Sprintf("%s must join anew as members, with their store directories emptied", strings.Join(rest, ", ")))
	}
	for _, db := range d.Fleet.Databases {
		w := d.Writers[db.ID].Epoch
		text := fmt.Sprintf("database %s: its writer stays in %s, now under epoch %d.%d; no writer moves by this order", db.ID, w.Writer, o.Next, w.Number+1)
		if slices.ContainsFunc(controls, func(m Member) bool { return m.Region == w.Writer && slices.Contains(o.Lost, m.Node) }) {
			text += fmt.Sprintf("; %s is where a node is declared lost: if its server lives it may still take writes, and those who lost the quorum may have moved the writer without this node knowing: look before you fail over", w.Writer)
		}
		all = append(all, text)
	}
	return all
}

// ParseOrder reads an order. Who signed it is not looked at here.
func ParseOrder(text []byte) (Order, error) {
	var o Order
	if err := read("recovery order", text, &o); err != nil {
		return o, err
	}
	if o.Kind != orderKind {
		return o, fault.Invalidf("recovery order", "the file is a %q", o.Kind).Do("name the file that fairlead recovery propose wrote")
	}
	return o, nil
}

// Format writes an order as a file.
func (o Order) Format() []byte { return format(o) }

// Sign returns the order with one more signature.
func (o Order) Sign(k *Key) (Order, error) {
	all, err := sign(o, k)
	if err != nil {
		return o, err
	}
	o.Signatures = all
	return o, nil
}

// Verify returns who has signed, if the order may be carried out by a node of
// that name that knows d.
func (o Order) Verify(d *regions.Decided, node string) ([]string, error) {
	subject := o.subject()
	switch {
	case d == nil || d.Fleet == nil:
		return nil, fault.NotFoundf(subject, "this node remembers nothing that was decided, so it knows nobody's signature").Do("apply it on the node that it was proposed on")
	case d.Cluster != o.Cluster:
		return nil, fault.Deniedf(subject, "is for another cluster (%s; this one is %s)", o.Cluster, d.Cluster).Do("apply it where it was made, or make one here")
	case o.Incarnation != d.Incarnation || o.Next != d.Incarnation+1:
		return nil, fault.Conflictf(subject, "is for a cluster in incarnation %d, and this node has seen incarnation %d: it was carried out already, or is of the past", o.Incarnation, d.Incarnation).
			Do("look at fairlead status; make a new order if the quorum was lost again")
	case o.Node != node:
		return nil, fault.Deniedf(subject, "is for node %s to carry out, and this is %s", o.Node, node).Do("two who begin alone would be two clusters: apply it on %s, or have another order signed", o.Node)
	case d.Fleet.Recovery == nil:
		return verify(o, nil, 0)
	}
	return verify(o, d.Fleet.Recovery, d.Fleet.Recovery.Threshold)
}

// Sentence is what the record says of an order that was carried out.
func (o Order) Sentence(people []string) string {
	return fmt.Sprintf("by the signatures of %s, node %s begins incarnation %d after %d, from its %s at generation %d; declared lost: %s",
		strings.Join(people, " and "), o.Node, o.Next, o.Incarnation, o.From, o.Generation, strings.Join(o.Lost, ", "))
}
