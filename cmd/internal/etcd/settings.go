package etcd

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"fairlead/regions/fault"
)

// Settings say which etcd is used. Exactly one of Endpoints and Dir is given.
type Settings struct {
	// Endpoints are the URLs of an external cluster, reached with TLS if their
	// scheme is https.
	Endpoints []string
	TLS       *tls.Config

	// Dir is where an embedded member keeps its data.
	Dir string
	// Name is the embedded member's, and must be that of its certificate.
	Name string
	// Peers are all members of the embedded cluster, this one too; none means
	// that this one is alone.
	Peers []Peer
	// ListenPeer and ListenClient are IP:PORT. Without ListenClient only this
	// process and whoever may read Dir are clients.
	ListenPeer, ListenClient string
	// Certificates are needed as soon as there are peers.
	Certificates Certificates
	// Clients names the certificates, beside those of the members, that
	// ListenClient lets in.
	Clients []string

	// Begin is how the member starts: usually [AsBefore].
	Begin Begin

	// Tick is the heartbeat and Election the time without one after which
	// members elect another leader: about the worst round trip between
	// members, and ten times that. By default 20 ms and 200 ms alone, 100 ms
	// and 1 s in a cluster.
	Tick, Election time.Duration
	// LeaseTTL is how long after its death a leader's place stays taken; by
	// default 5 s.
	LeaseTTL time.Duration
	// Progress is how often a watch proves that it is current; by default 3 s.
	Progress time.Duration

	// Log gets etcd's errors as warnings, all else it says at debug level.
	Log *slog.Logger
}

// Begin is how an embedded member starts.
type Begin uint8

const (
	// AsBefore is as a member of the cluster that it belongs to, or of a new
	// one of all peers if it belongs to none.
	AsBefore Begin = iota
	// Forced makes a cluster of this one member of what lies in Dir: all that
	// this member knew to be committed is kept, the others are removed.
	Forced
	// Anew makes a new cluster of this one member. What lay in Dir is moved
	// away, not deleted.
	Anew
)

// Peer is a member of the embedded cluster.
type Peer struct {
	Name    string
	Address string // host:port at which the others reach it
}

// Certificates are PEM files, read again at each new connection.
type Certificates struct{ CA, Cert, Key string }

const (
	keyspace  = "fairlead/" // an external etcd may serve others as well
	quota     = 2 << 30
	opTimeout = 5 * time.Second
)

// check fills in defaults and says what is wrong.
func (s *Settings) check() error {
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{
		{&s.Tick, pick(len(s.Peers) > 0, 100*time.Millisecond, 20*time.Millisecond)},
		{&s.Election, 10 * max(s.Tick, pick(len(s.Peers) > 0, 100*time.Millisecond, 20*time.Millisecond))},
		{&s.LeaseTTL, 5 * time.Second},
		{&s.Progress, 3 * time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.usual
		}
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case len(s.Endpoints) > 0 && s.Dir != "":
		return fault.Invalidf("store", "both an external etcd and a directory for an embedded one are given").Do("give one of them")
	case len(s.Endpoints) > 0:
		return s.checkEndpoints()
	case s.Dir == "":
		return fault.Invalidf("store", "has neither a directory nor the URLs of an external etcd").Do("set data_dir, or etcd")
	case s.Name == "":
		return fault.Invalidf("store", "the member has no name").Do("set node")
	case len(s.Peers) > 0:
		return s.checkPeers()
	}
	return nil
}

func pick[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}

func (s *Settings) checkEndpoints() error {
	for _, e := range s.Endpoints {
		subject := "etcd URL " + e
		u, err := url.Parse(e)
		switch {
		case err != nil:
			return fault.Invalidf("etcd URL", "cannot be read").Because(err).Do("write it like https://10.0.0.1:2379")
		case u.Scheme != "http" && u.Scheme != "https":
			return fault.Invalidf(subject, "has no scheme that etcd speaks").Do("write it like https://10.0.0.1:2379")
		case u.Hostname() == "" || u.Port() == "" || strings.Trim(u.Path, "/") != "":
			return fault.Invalidf(subject, "is not a scheme, a host and a port").Do("write it like https://10.0.0.1:2379")
		case u.User != nil:
			return fault.Invalidf("etcd URL of "+u.Host, "holds a user or password").Do("use a client certificate")
		}
	}
	return nil
}

func (s *Settings) checkPeers() error {
	i := slices.IndexFunc(s.Peers, func(p Peer) bool { return p.Name == s.Name })
	if i < 0 {
		return fault.Invalidf("store member "+s.Name, "is not among the peers").Do("list every control node as a peer, this one too")
	}
	if s.Certificates.CA == "" || s.Certificates.Cert == "" || s.Certificates.Key == "" {
		return fault.Invalidf("store member "+s.Name, "has peers but no certificate").Do("issue one with the cluster's authority")
	}
	seen := map[string]bool{}
	for _, p := range s.Peers {
		if _, _, err := net.SplitHostPort(p.Address); err != nil || p.Name == "" {
			return fault.Invalidf("store peer "+p.Name, "%q is not a name and host:port", p.Address).Do("write it like 10.0.0.1:8473")
		}
		if seen[p.Name] || seen[p.Address] {
			return fault.Invalidf("store peer "+p.Name, "is listed twice, or shares an address").Do("list every control node once")
		}
		seen[p.Name], seen[p.Address] = true, true
	}
	for what, address := range map[string]string{"peers": s.ListenPeer, "clients": s.ListenClient} {
		if address == "" && what == "clients" {
			continue
		}
		if _, err := netip.ParseAddrPort(address); err != nil {
			return fault.Invalidf("store member "+s.Name, "cannot listen for %s on %q", what, address).Do("give an IP address and a port, like 0.0.0.0:8473")
		}
	}
	return nil
}
