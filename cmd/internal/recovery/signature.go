package recovery

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// Signature is one person's.
type Signature struct {
	Person    string `json:"person"`
	Signature []byte `json:"signature"`
}

// document is what both kinds of files are to who signs and verifies.
type document interface {
	subject() string
	kind() string
	signatures() []Signature
	signed([]Signature) any // the document with these signatures instead
}

// payload is what is signed. Documents hold only what JSON writes in one way.
func payload(d document) ([]byte, error) {
	body, err := json.Marshal(d.signed(nil))
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", d.subject(), err)
	}
	return append([]byte(d.kind()+" v1\x00"), body...), nil
}

// sign returns the signatures of d with that of k among them.
func sign(d document, k *Key) ([]Signature, error) {
	all := slices.Clone(d.signatures())
	if slices.ContainsFunc(all, func(s Signature) bool { return s.Person == k.Person }) {
		return nil, fault.Conflictf(d.subject(), "%s has signed it already", k.Person).Do("let another person sign")
	}
	text, err := payload(d)
	if err != nil {
		return nil, err
	}
	return append(all, Signature{k.Person, ed25519.Sign(k.private, text)}), nil
}

// verify returns who has signed d, if at least need different people did whose
// keys are known. One signature that is not good spoils it: whoever sees it
// should ask why.
func verify(d document, keys *regions.Recovery, need int) ([]string, error) {
	if keys == nil {
		return nil, fault.Deniedf(d.subject(), "nobody's signature is known here: the fleet names no recovery keys").
			Do("name them while decisions can be made: recovery: in the configuration")
	}
	text, err := payload(d)
	if err != nil {
		return nil, err
	}
	var people []string
	for _, s := range d.signatures() {
		key, known := keys.Key(s.Person)
		switch {
		case !known:
			return nil, fault.Deniedf(d.subject(), "%s, who signed it, has no recovery key in this fleet", s.Person).
				Do("let somebody else sign: %s", strings.Join(keys.People(), ", "))
		case slices.Contains(people, s.Person):
			return nil, fault.Deniedf(d.subject(), "%s has signed it twice, and counts once", s.Person).Do("let another person sign")
		case !ed25519.Verify(key, text, s.Signature):
			return nil, fault.Deniedf(d.subject(), "the signature of %s does not fit: the file was changed after it was signed, or another key signed it", s.Person).
				Do("make and sign it anew; find out who changed it")
		}
		people = append(people, s.Person)
	}
	if len(people) < need {
		who := "nobody has"
		if len(people) > 0 {
			who = "only " + strings.Join(people, " and ") + " has"
		}
		return nil, fault.Deniedf(d.subject(), "%d people must sign it, and %s", need, who).Do("let more of %s sign", strings.Join(keys.People(), ", "))
	}
	return people, nil
}

// read reads a document strictly.
func read(what string, text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fault.Invalidf(what, "cannot be read: it is cut off, or is something else").Because(err).Do("take the file again from who made it")
	}
	if d.More() {
		return fault.Invalidf(what, "holds more than one document").Do("take the file again from who made it")
	}
	return nil
}

// format writes a document for people and programs.
func format(d any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		panic(fmt.Sprintf("encode %T: %v", d, err)) // of our own types, which can be
	}
	return b.Bytes()
}
