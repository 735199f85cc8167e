package zone

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"strings"

	mdns "github.com/miekg/dns"

	"fairlead/regions/fault"
)

// Zone is the sound content of one zone file. Treat it as immutable.
type Zone struct {
	Origin  string   // lower case, with the final dot
	Apex    string   // Origin as lower-case wire bytes
	File    string   // where it was read, for people
	Records []Record // in the file's order, duplicates included
	Hash    string   // of origin and text, hexadecimal

	// Warnings is what is served, though hardly as meant; at most 21.
	Warnings Problems
}

// Record is a record and where it stands.
type Record struct {
	RR    mdns.RR
	Owner string // lower-case wire form; names compare as these bytes
	Line  int    // counts from 1
}

// SOA returns the zone's only SOA record.
func (z *Zone) SOA() *mdns.SOA {
	for _, r := range z.Records {
		if soa, ok := r.RR.(*mdns.SOA); ok {
			return soa
		}
	}
	return nil // cannot happen to a Zone that Parse made
}

// Has reports where the zone holds a record of one of the types at a name in
// wire form; the line is 0 if it does not.
func (z *Zone) Has(owner string, types ...uint16) (line int, found uint16) {
	for _, r := range z.Records {
		if r.Owner != owner {
			continue
		}
		for _, t := range types {
			if r.RR.Header().Rrtype == t {
				return r.Line, t
			}
		}
	}
	return 0, 0
}

// Load reads and parses a zone file.
func Load(origin, path string) (*Zone, error) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.NotFoundf("zone file "+path, "there is no such file").Do("check the path").Because(err)
	case err != nil:
		return nil, fault.New(fault.Unavailable, "zone file "+path, "it cannot be read").Because(err)
	}
	return Parse(origin, path, text)
}

// ParseFlag takes apart ORIGIN=FILE, as in --zone example.com=example.zone.
func ParseFlag(s string) (origin, path string, err error) {
	origin, path, ok := strings.Cut(s, "=")
	if !ok || path == "" || origin == "" {
		return "", "", fault.Invalidf("zone "+s, "it is not ORIGIN=FILE").Do("write it like example.com=/etc/zones/example.com")
	}
	return origin, path, nil
}

// Wire returns the lower-case wire form of a name in presentation form.
func Wire(name string) (string, error) {
	var buf [256]byte
	n, err := mdns.PackDomainName(mdns.Fqdn(name), buf[:], 0, nil, false)
	if err != nil {
		return "", fault.Invalidf("name "+name, "it is not a domain name").Because(err).
			Do("use labels of 1 to 63 bytes, 255 bytes in all")
	}
	// Length bytes are below 64, so lowering the whole form touches only letters.
	return string(lower(buf[:n])), nil
}

// lower maps A to Z only, as RFC 4343 wants.
func lower(b []byte) []byte {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return b
}

func hash(origin string, text []byte) string {
	h := sha256.New()
	h.Write([]byte(origin))
	h.Write([]byte{0})
	h.Write(bytes.TrimSpace(text))
	return hex.EncodeToString(h.Sum(nil))
}
