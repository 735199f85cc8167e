package regions

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
)

// Recovery says whose signatures, together, may decide where the store cannot:
// begin a new incarnation after the quorum was lost for good, and break glass.
// It is part of the fleet, so every node remembers it without the store, and a
// change of it is an entry of the record like any other.
type Recovery struct {
	Threshold  int           `json:"threshold"`   // people who must sign a recovery
	BreakGlass int           `json:"break_glass"` // people who must sign a break-glass bundle
	Keys       []RecoveryKey `json:"keys"`
}

// RecoveryKey is the public half of one person's key.
type RecoveryKey struct {
	Person string            `json:"person"`
	Key    ed25519.PublicKey `json:"key"`
}

// Key returns a person's key.
func (r *Recovery) Key(person string) (ed25519.PublicKey, bool) {
	if r == nil {
		return nil, false
	}
	i := slices.IndexFunc(r.Keys, func(k RecoveryKey) bool { return k.Person == person })
	if i < 0 {
		return nil, false
	}
	return r.Keys[i].Key, true
}

// People returns whose keys they are.
func (r *Recovery) People() []string {
	if r == nil {
		return nil
	}
	people := make([]string, len(r.Keys))
	for i, k := range r.Keys {
		people[i] = k.Person
	}
	return people
}

// String reads like "2 of alice, bob and carol recover, 1 of them breaks glass".
func (r *Recovery) String() string {
	if r == nil {
		return "nobody has a recovery key"
	}
	return fmt.Sprintf("%d of %s recover, %d of them may break glass", r.Threshold, strings.Join(r.People(), ", "), r.BreakGlass)
}

// Change says in words how after differs from r, or nothing if it does not.
func (r *Recovery) Change(after *Recovery) string {
	if r.String() == after.String() && slices.EqualFunc(r.keys(), after.keys(), func(a, b RecoveryKey) bool { return a.Key.Equal(b.Key) }) {
		return ""
	}
	var renewed []string
	for _, k := range after.keys() {
		if old, known := r.Key(k.Person); known && !old.Equal(k.Key) {
			renewed = append(renewed, k.Person)
		}
	}
	text := fmt.Sprintf("recovery keys change: before, %s; now, %s", r, after)
	if len(renewed) > 0 {
		text += "; another key for " + strings.Join(renewed, ", ")
	}
	return text
}

func (r *Recovery) keys() []RecoveryKey {
	if r == nil {
		return nil
	}
	return r.Keys
}

// recovery checks who may recover. Two people at least: what one person alone
// can do, whoever steals one key can do.
func (v *validator) recovery() {
	r := v.fleet.Recovery
	if r == nil {
		return
	}
	const subject = "recovery"
	if r.Threshold < 2 || r.Threshold > len(r.Keys) {
		v.add("recovery.threshold", subject, "%d of %d keys must sign", r.Threshold, len(r.Keys)).
			Do("let at least 2 people sign, and at most as many as have keys")
	}
	if r.BreakGlass < 1 || r.BreakGlass > len(r.Keys) {
		v.add("recovery.break_glass", subject, "%d of %d keys must sign a break-glass bundle", r.BreakGlass, len(r.Keys)).
			Do("let at least 1 person sign, and at most as many as have keys")
	}
	seen := map[string]string{}
	whose := map[string]string{}
	for i, k := range r.Keys {
		path := fmt.Sprintf("recovery.keys[%d]", i)
		v.id(path, "person", k.Person, seen)
		if len(k.Key) != ed25519.PublicKeySize {
			v.add(path, "recovery key of "+k.Person, "is not the public half of an ed25519 key").Do("write what fairlead recovery keygen printed")
			continue
		}
		if other, twice := whose[string(k.Key)]; twice {
			v.add(path, "recovery key of "+k.Person, "is also that of %s, who would count twice", other).Do("let each make a key of their own: fairlead recovery keygen")
			continue
		}
		whose[string(k.Key)] = k.Person
	}
}
